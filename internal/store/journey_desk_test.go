package store_test

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/login"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// desk is a bank with its journeys: the real engine, database and sandbox bank.
// Only the protocol is a stand-in.
type desk struct {
	t     testing.TB
	svc   *linkage.Service
	bank  *sandbox.Bank
	in    *store.Institution
	clock *clock
	paper *paper
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// paper stands in for the protocol: a request is spent by one commit, as the
// real one's is.
type paper struct {
	mu       sync.Mutex
	approved []linkage.Approval
	denies   string // what it says to every approval; empty: it issues codes
	now      func() time.Time
}

func (p *paper) Approve(_ context.Context, handle string, a linkage.Approval) (linkage.Redirect, audit.Change, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.denies != "" {
		return linkage.Redirect{URL: "https://a.example/callback?error=login_required", Denied: p.denies}, p.spend(handle), nil
	}
	p.approved = append(p.approved, a)
	return linkage.Redirect{URL: "https://a.example/callback?code=" + string(a.Consent) + "&state=s"}, p.spend(handle), nil
}

func (p *paper) Deny(_ context.Context, handle string, why linkage.Reason) (linkage.Redirect, audit.Change, error) {
	return linkage.Redirect{URL: "https://a.example/callback?error=access_denied&error_description=" + string(why)}, p.spend(handle), nil
}

// spend borrows the one-time secrets' table for the one-time use of a request.
func (p *paper) spend(handle string) audit.Change {
	return linkage.CertificateTaken{
		Secret: secret.DigestOf("request", "test", secret.Of(handle)), Until: p.now().Add(time.Hour),
		Done: audit.Act{Name: "test.request_spent", At: p.now(), Actor: audit.Actor{Kind: audit.System}, Outcome: audit.Done, Object: handle},
	}
}

var testPartners = []partner.Partner{
	{ID: "chooser", Service: "会計みほん", Corporation: "みほん会計株式会社", RegistrationNumber: "関東財務局長（電代）第9001号",
		Functions: corebank.Functions, ChoosesFunctions: true, Status: partner.Active, ContractFrom: time.Unix(0, 0)},
	{ID: "fixed", Service: "家計みほん", Corporation: "みほん家計株式会社", RegistrationNumber: "関東財務局長（電代）第9002号",
		Functions: corebank.Functions[:2], Required: corebank.Functions[:1], Status: partner.Active, ContractFrom: time.Unix(0, 0)},
}

func testRules() linkage.Rules {
	return linkage.Rules{
		IdleFor: 15 * time.Minute, TotalFor: 60 * time.Minute, BankFor: 20 * time.Second,
		ConsentFor: 90 * 24 * time.Hour, HistoryDays: 90, PINsKeptFor: 90 * 24 * time.Hour, PINsOfColleague: true,
		SteppedUp: true, CertificateHosts: 9, MaxAnswer: 20, MaxPINTries: 3, Terms: "1",
		Login: login.Rules{
			Password:    login.StopRule{Tries: 5, First: 30 * time.Minute, Longest: 24 * time.Hour},
			AnswerTries: 3,
			Risk:        login.Weights{NewDevice: 15, NewNetwork: 15, FirstPartner: 10, UnusualHour: 10, Hasty: 5, PerFailure: 5, Flagged: 100, AsksFrom: 70},
		},
	}
}

func newDesk(t testing.TB, db *store.DB) *desk {
	t.Helper()
	return newDeskIn(t, db.Institution("demo"), filepath.Join(t.TempDir(), "bank.db"))
}

func newDeskIn(t testing.TB, in *store.Institution, bankFile string) *desk {
	t.Helper()
	d := &desk{t: t, in: in, clock: &clock{at: time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)}}
	bank, err := sandbox.Open(t.Context(), sandbox.Config{File: bankFile, Now: d.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bank.Close() })
	box, err := secret.NewBox(map[uint32][]byte{1: make([]byte, secret.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := store.NewIDs(1, d.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range testPartners {
		err := in.Commit(t.Context(), partner.Registered{Partner: p, By: audit.Actor{Kind: audit.System}, At: d.clock.Now()})
		if err != nil {
			t.Fatal(err)
		}
	}
	d.bank, d.paper = bank, &paper{now: d.clock.Now}
	d.svc = &linkage.Service{
		Institution: "demo", Key: make([]byte, 32), Store: in, Bank: bank, Partners: in, Protocol: d.paper, Box: box,
		Rules: testRules(), NextID: ids.Next, Now: d.clock.Now,
		Alias: func(p partner.ID, a corebank.AccountID) string { return string(p) + " " + string(a) },
	}
	d.seed()
	return d
}

// seed brings the PINs into force that the demo bank's customers have.
func (d *desk) seed() {
	d.t.Helper()
	states := map[sandbox.Seed]linkage.PINState{
		sandbox.SeedRegistered: linkage.Registered, sandbox.SeedPending: linkage.Pending, sandbox.SeedRejected: linkage.Rejected,
	}
	var seeds []linkage.SeedPIN
	for _, c := range d.bank.Companies {
		for _, a := range c.Accounts {
			if state, ok := states[a.Seed]; ok {
				seeds = append(seeds, linkage.SeedPIN{
					Account: a.ID, User: c.Members[0].User, PIN: corebank.InquiryPIN{Value: secret.Of(a.PIN)}, State: state,
				})
			}
		}
	}
	if err := d.svc.SeedPINs(d.t.Context(), seeds); err != nil {
		d.t.Fatal(err)
	}
}

// acts counts acts in the audit log by name and a text in them.
func (d *desk) acts(name audit.Name, with string) int {
	d.t.Helper()
	var n int
	err := d.in.Row(d.t.Context(), `SELECT COUNT(*) FROM audit WHERE institution = $1 AND name = $2 AND entry LIKE $3`,
		[]any{d.in.ID(), string(name), "%" + with + "%"}, &n)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// browser is one browser at one journey.
type browser struct {
	*desk
	id     linkage.JourneyID
	cookie secret.Value
	device secret.Value
	signed secret.Value // the session's cookie
	at     linkage.Journey
}

// open opens a journey to a partner and its first page.
func (d *desk) open(p partner.ID, more ...func(*linkage.Asked)) *browser {
	d.t.Helper()
	return (&browser{desk: d}).open(p, more...)
}

// open opens another journey in the same browser.
func (b *browser) open(p partner.ID, more ...func(*linkage.Asked)) *browser {
	d := b.desk
	d.t.Helper()
	a := linkage.Asked{Handle: "handle-" + time.Now().Format("150405.000000000"), Client: "client-" + string(p), Partner: p}
	for _, m := range more {
		m(&a)
	}
	o, err := d.svc.Start(d.t.Context(), a, b.visit())
	if err != nil {
		d.t.Fatal(err)
	}
	return b.lead(o)
}

// lead goes on in another journey.
func (b *browser) lead(o linkage.Opening) *browser {
	b.t.Helper()
	n := &browser{desk: b.desk, id: o.Journey, cookie: o.Cookie, device: b.device, signed: b.signed}
	if !o.Device.IsEmpty() {
		n.device = o.Device
	}
	if n.load(); n.at.Step != o.Step && n.at.Step != linkage.EndedStep {
		b.t.Errorf("the journey opens at %s and stands at %s", o.Step, n.at.Step)
	}
	return n
}

func (b *browser) visit() linkage.Visit {
	return linkage.Visit{
		Journey: b.id, Cookie: b.cookie, Session: b.signed, Press: b.at.Press, Address: netip.MustParseAddr("192.0.2.7"),
		Device: linkage.Device{Token: b.device, UserAgent: "test"},
	}
}

func (b *browser) load() linkage.Journey {
	b.t.Helper()
	j, err := b.svc.Load(b.t.Context(), b.visit())
	if err != nil {
		b.t.Fatal(err)
	}
	b.at = j
	return j
}

type pressing func(context.Context, linkage.Visit) (linkage.Result, error)

// press presses a button and keeps what came back, as a browser does.
func (b *browser) press(p pressing) linkage.Result {
	b.t.Helper()
	r, err := p(b.t.Context(), b.visit())
	if err != nil {
		b.t.Fatal(err)
	}
	b.take(r)
	return r
}

func (b *browser) take(r linkage.Result) {
	if !r.Cookie.IsEmpty() {
		b.cookie = r.Cookie
	}
	if !r.Device.IsEmpty() {
		b.device = r.Device
	}
	if !r.Session.IsEmpty() {
		b.signed = r.Session
	}
	b.at = r.Journey
}

func (b *browser) stands(step linkage.Step) {
	b.t.Helper()
	if b.at.Step != step {
		b.t.Fatalf("stands at %s (errors %v, ended %+v), not at %s", b.at.Step, b.at.Errors, b.at.Ended, step)
	}
	if j := b.load(); j.Step != step {
		b.t.Fatalf("a reload leads to %s, not to %s", j.Step, step)
	}
}

func (d *desk) logIn(user string) pressing {
	for _, c := range d.bank.Companies {
		for _, m := range c.Members {
			if string(m.LoginID) == user {
				return d.logInWith(user, m.Password)
			}
		}
	}
	d.t.Fatalf("nobody is called %s", user)
	return nil
}

func (d *desk) logInWith(user, password string) pressing {
	return func(ctx context.Context, v linkage.Visit) (linkage.Result, error) {
		return d.svc.LogIn(ctx, v, linkage.LoginPress{LoginID: user, Password: secret.Of(password)})
	}
}

func (d *desk) answer(text string) pressing {
	return func(ctx context.Context, v linkage.Visit) (linkage.Result, error) {
		return d.svc.Answer(ctx, v, linkage.AnswerPress{Answer: secret.Of(text)})
	}
}

// rightAnswer answers the question that stands on the page.
func (b *browser) rightAnswer() pressing {
	for _, c := range b.bank.Companies {
		for _, m := range c.Members {
			for _, q := range m.Questions {
				if q.Text == b.at.Question.Question {
					return b.answer(q.Answer)
				}
			}
		}
	}
	b.t.Fatal("nobody has this question")
	return nil
}

func (d *desk) choose(f ...corebank.BusinessFunction) pressing {
	return func(ctx context.Context, v linkage.Visit) (linkage.Result, error) {
		return d.svc.ChooseFunctions(ctx, v, linkage.FunctionsPress{Functions: f})
	}
}

// pins registers what is chosen on the page; wrong ones for the accounts named.
func (b *browser) pins(wrong ...corebank.AccountID) pressing {
	var p linkage.PINPress
	if b.at.PIN != nil {
		for _, r := range b.at.PIN.Rows {
			p.Rows = append(p.Rows, linkage.PINPressRow{Account: r.Account.ID, Chosen: r.Chosen, PIN: secret.Of(b.pinOf(r.Account.ID))})
			for _, w := range wrong {
				if w == r.Account.ID {
					p.Rows[len(p.Rows)-1].PIN = secret.Of("9876")
				}
			}
		}
	}
	return b.register(p)
}

func (d *desk) register(p linkage.PINPress) pressing {
	return func(ctx context.Context, v linkage.Visit) (linkage.Result, error) {
		return d.svc.RegisterPINs(ctx, v, p)
	}
}

func (d *desk) pinOf(a corebank.AccountID) string {
	for _, c := range d.bank.Companies {
		for _, acc := range c.Accounts {
			if acc.ID == a {
				return acc.PIN
			}
		}
	}
	return "0000"
}

// allow consents to everything that stands ticked.
func (b *browser) allow() pressing {
	p := linkage.ConsentPress{Intent: linkage.Proceed}
	if b.at.Consent != nil {
		p.Renews = b.at.Consent.Renews
		for _, a := range b.at.Consent.Accounts {
			p.Accounts = append(p.Accounts, a.Account.ID)
		}
	}
	return b.consent(p)
}

func (d *desk) consent(p linkage.ConsentPress) pressing {
	return func(ctx context.Context, v linkage.Visit) (linkage.Result, error) { return d.svc.Allow(ctx, v, p) }
}

// halted returns the code of the page for a browser that is not the journey's.
func halted(err error) linkage.Code {
	if h, ok := errors.AsType[linkage.Halted](err); ok {
		return h.Cause.Code
	}
	return 0
}

func (b *browser) fault(field linkage.Field, fault linkage.Fault) linkage.FieldError {
	b.t.Helper()
	for _, e := range b.at.Errors {
		if e.Field == field && e.Fault == fault {
			return e
		}
	}
	b.t.Fatalf("no fault %s at %s, but %+v (at %s, %+v)", fault, field, b.at.Errors, b.at.Step, b.at.Ended)
	return linkage.FieldError{}
}

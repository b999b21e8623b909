package store_test

import (
	"context"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/login"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// lasting is a desk whose logins serve further linkings for an hour.
func lasting(t *testing.T, db *store.DB) *desk {
	t.Helper()
	d := newDesk(t, db)
	d.svc.Rules.SessionFor = time.Hour
	return d
}

// otherwise is a bank that says something else of a user.
type otherwise struct {
	corebank.Connector
	says func(*corebank.User)
}

func (b otherwise) User(ctx context.Context, id corebank.UserID) (corebank.User, error) {
	u, err := b.Connector.User(ctx, id)
	b.says(&u)
	return u, err
}

// journey.md rule 7: step 1 is skipped while the session lasts, step 6 never;
// protocol.md §4.6: what the protocol is told is the login that happened.
func TestALoginServesFurtherLinkingsOfItsBrowserWhileItsSessionLasts(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		at := d.clock.Now()
		d.clock.Advance(30 * time.Minute)
		next := b.open("chooser")
		next.stands(linkage.BusinessStep)
		if s := next.at.Steps; len(s) != 2 || s[0].Step != linkage.BusinessStep || s[0].Done {
			t.Errorf("the indicator counts %+v", s)
		}
		if !next.at.CanSwitch || next.at.User == "" || next.at.Company == "" {
			t.Errorf("the page does not say who is signed in, or offers no other: %+v", next.at)
		}
		next.press(d.choose(corebank.BalanceInquiry))
		next.stands(linkage.ConsentStep)
		next.press(next.allow())
		next.stands(linkage.HandoverStep)
		if a := d.paper.approved[0]; !a.AuthTime.Equal(at) || a.ACR != "password" || len(a.AMR) != 1 || a.Subject != "usr_ok.pw" {
			t.Errorf("the protocol is told %+v", a)
		}
		if d.acts(linkage.SessionUsed, string(next.at.Number)) != 1 || d.acts(linkage.LoginDone, string(next.at.Number)) != 0 {
			t.Error("the log does not say that there was no login")
		}
		if d.open("fixed").stands(linkage.LoginStep); d.svc.SignedIn(t.Context(), d.open("fixed").visit()) {
			t.Error("another browser is signed in")
		}
		if !d.svc.SignedIn(t.Context(), next.visit()) {
			t.Error("the browser is not signed in")
		}
		d.clock.Advance(30 * time.Minute)
		next.open("fixed").stands(linkage.LoginStep) // the hour counts from the login, not from its last use
		d.svc.Rules.SessionFor = 0
		b.open("fixed").stands(linkage.LoginStep)
	})
}

func TestASessionIsNotUsedForWhomeverElseOrHoweverElse(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		for name, more := range map[string]func(*linkage.Asked){
			"a login of its own is asked for": func(a *linkage.Asked) { a.Relogin = true },
			"another user is meant":           func(a *linkage.Asked) { a.LoginHint = "pin.none" },
			"a certificate is demanded":       func(a *linkage.Asked) { a.ACRs = []string{"certificate_password"} },
		} {
			if got := b.open("fixed", more).at.Step; got != linkage.LoginStep {
				t.Errorf("%s, and the journey stands at %s", name, got)
			}
		}
		for name, more := range map[string]func(*linkage.Asked){
			"the user is meant":      func(a *linkage.Asked) { a.LoginHint = "ＯＫ.pw" },
			"a password is demanded": func(a *linkage.Asked) { a.ACRs = []string{"password_question", "password"} },
		} {
			if got := b.open("fixed", more).at.Step; got != linkage.ConsentStep {
				t.Errorf("%s, and the journey stands at %s", name, got)
			}
		}
		forged := b.open("fixed")
		forged.signed = secret.Of("ses_" + b.signed.Reveal()[5:] + "A")
		forged.open("fixed").stands(linkage.LoginStep)
		other := &browser{desk: d, signed: b.cookie}
		other.open("fixed").stands(linkage.LoginStep) // a value of another kind
	})
}

func TestASessionEndsWithItsUser(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		bank := d.svc.Bank
		for why, says := range map[string]func(*corebank.User){
			"user_locked":    func(u *corebank.User) { u.Standing = corebank.Stopped },
			"contract_ended": func(u *corebank.User) { u.Standing = corebank.ContractEnded },
			"not_permitted":  func(u *corebank.User) { u.Role, u.MayLink = corebank.GeneralUser, false },
			"method_changed": func(u *corebank.User) { u.Method = corebank.CertificateLogin },
		} {
			d.svc.Bank = bank
			b := d.open("fixed")
			b.press(d.logIn("ok.pw"))
			d.clock.Advance(time.Minute)
			b.open("fixed").stands(linkage.ConsentStep)
			d.svc.Bank = otherwise{bank, says}
			b.open("fixed").stands(linkage.LoginStep)
			if d.acts(linkage.SessionEndedName, why) != 1 {
				t.Errorf("%s: the log does not say why the session ended", why)
			}
			d.svc.Bank = bank
			b.open("fixed").stands(linkage.LoginStep) // and it does not come back
		}
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		for i := range 5 {
			d.open("fixed").press(d.logInWith("ok.pw", "wrong"+string(rune('a'+i))))
		}
		b.open("fixed").stands(linkage.LoginStep)
		if d.acts(linkage.SessionEndedName, "stopped") != 1 {
			t.Error("the session outlives the stop of its login")
		}
	})
}

func TestASessionEndsWhenItsPasswordIsChanged(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		other := d.open("fixed")
		other.press(d.logIn("pin.none"))
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		d.clock.Advance(time.Minute)
		if err := d.bank.ChangePassword(t.Context(), "usr_ok.pw", secret.Of("another-one-1357")); err != nil {
			t.Fatal(err)
		}
		b.stands(linkage.ConsentStep) // what is under way goes on
		n := b.open("fixed")
		n.stands(linkage.LoginStep)
		if d.acts(linkage.SessionEndedName, "password_changed") != 1 || d.svc.SignedIn(t.Context(), b.visit()) {
			t.Error("the session goes on, or the log does not say why it ended")
		}
		if other.open("fixed").at.Step != linkage.PINStep {
			t.Error("a session of another user ended too")
		}
		n.press(d.logIn("ok.pw"))
		n.fault(linkage.PasswordField, linkage.WrongLogin)
		n.press(d.logInWith("ok.pw", "another-one-1357"))
		n.stands(linkage.ConsentStep)
		d.clock.Advance(time.Minute)
		n.open("fixed").stands(linkage.ConsentStep) // the change was before this login
	})
}

// readings counts look-ups.
type readings struct {
	linkage.Store
	counters, sightings, sessions, pins, known int
}

func (r *readings) Counters(ctx context.Context, keys ...login.Key) ([]login.Counter, error) {
	r.counters++
	return r.Store.Counters(ctx, keys...)
}

func (r *readings) Sightings(ctx context.Context, u corebank.UserID) ([]login.Sighting, error) {
	r.sightings++
	return r.Store.Sightings(ctx, u)
}

func (r *readings) Known(ctx context.Context, u corebank.UserID, keys []login.Key, ids []corebank.AccountID) (linkage.Known, error) {
	r.known++
	return r.Store.Known(ctx, u, keys, ids)
}

func (r *readings) Session(ctx context.Context, d secret.Digest) (linkage.Session, error) {
	r.sessions++
	return r.Store.Session(ctx, d)
}

func (r *readings) PINs(ctx context.Context, ids []corebank.AccountID) ([]linkage.StoredPIN, error) {
	r.pins++
	return r.Store.PINs(ctx, ids)
}

// docs/decisions/0053: what opening with a session costs.
func TestOpeningWithASessionReadsNothingTwice(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		counted := &readings{Store: d.svc.Store}
		d.svc.Store = counted
		a := linkage.Asked{Handle: "counted", Client: "client-fixed", Partner: "fixed"}
		if o, err := d.svc.Start(t.Context(), a, b.visit()); err != nil || o.Step != linkage.ConsentStep {
			t.Fatalf("it opens at %s, %v", o.Step, err)
		}
		if counted.counters+counted.sightings+counted.pins > 0 || counted.sessions != 1 || counted.known != 1 {
			t.Errorf("read were counters %d, sightings %d, PINs %d, sessions %d, and what is known of the user %d times",
				counted.counters, counted.sightings, counted.pins, counted.sessions, counted.known)
		}
	})
}

func TestABankThatDoesNotAnswerLeavesTheSessionAndShowsTheLogin(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		d.bank.CloseUntil(d.clock.Now().Add(10*time.Minute), "")
		if e := b.open("fixed").at.Ended; e == nil || e.Code != linkage.BankClosed {
			t.Errorf("while closed it shows %+v", e)
		}
		d.bank.CloseUntil(time.Time{}, "")
		b.open("fixed").stands(linkage.ConsentStep)
	})
}

func TestEveryLoginBeginsAnotherSession(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.open("fixed")
		again := b.press(d.logIn("ok.pw"))
		old := b.signed
		if old.IsEmpty() {
			t.Fatal("no session began")
		}
		n := b.open("fixed", func(a *linkage.Asked) { a.Relogin = true })
		n.press(d.logIn("pin.none"))
		if n.signed.Equal(old) {
			t.Error("the session is the same")
		}
		if d.svc.SignedIn(t.Context(), linkage.Visit{Session: old}) {
			t.Error("the session before is still good")
		}
		n.open("fixed").stands(linkage.PINStep)
		_ = again
		var kept int
		if err := d.in.Row(t.Context(), `SELECT COUNT(*) FROM sign_in_sessions WHERE institution = $1`, []any{d.in.ID()}, &kept); err != nil || kept != 1 {
			t.Errorf("%d sessions are kept, %v", kept, err)
		}
		d.clock.Advance(26 * time.Hour)
		for more := true; more; {
			var err error
			if more, err = d.svc.Sweep(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.in.Row(t.Context(), `SELECT COUNT(*) FROM sign_in_sessions WHERE institution = $1`, []any{d.in.ID()}, &kept); err != nil || kept != 0 {
			t.Errorf("%d sessions outlive their day, %v", kept, err)
		}
	})
}

// The risk rules are asked for every journey, and a session begins only when the
// question was answered.
func TestTheQuestionIsAskedWithASessionToo(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.open("fixed")
		b.press(d.logIn("risk.question"))
		b.stands(linkage.QuestionStep)
		if !b.signed.IsEmpty() {
			t.Error("a session began before the answer")
		}
		b.press(b.rightAnswer())
		b.stands(linkage.ConsentStep)
		d.clock.Advance(time.Minute)
		n := b.open("fixed")
		n.stands(linkage.QuestionStep)
		if s := n.at.Steps; len(s) != 2 || s[0].Step != linkage.QuestionStep {
			t.Errorf("the indicator counts %+v", s)
		}
		n.press(n.rightAnswer())
		n.press(n.allow())
		if a := d.paper.approved[0]; a.ACR != "password_question" || !a.AuthTime.Equal(d.clock.Now().Add(-time.Minute)) {
			t.Errorf("the protocol is told %+v", a)
		}
		d.svc.Rules.SteppedUp = false // the login included the question, whatever is asked now
		n = n.open("fixed")
		n.stands(linkage.ConsentStep)
		n.press(n.allow())
		if a := d.paper.approved[1]; a.ACR != "password_question" || len(a.AMR) != 2 {
			t.Errorf("the protocol is told %+v", a)
		}
	})
}

func TestACertificateLoginServesFurtherLinkingsToo(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.withCertificate("fixed", "usr_ok.cert")
		b.press(b.logInCertificate("demo-ok-cert-2468"))
		n := (&browser{desk: d.on(d.node()), signed: b.signed}).open("fixed") // on another node, and without the device's cookie
		if n.stands(linkage.PINStep); n.device.IsEmpty() {
			t.Error("the browser is not known again")
		}
		n.press(n.pins())
		n.press(n.svc.ConfirmPINs)
		n.press(n.allow())
		if a := d.paper.approved[0]; a.ACR != "certificate_password" {
			t.Errorf("the protocol is told %+v", a)
		}
	})
}

// Two windows of one browser: in one the session is ended while the other's
// journey opens and the bank takes its time.
func TestASessionThatEndsWhileTheBankIsAskedLetsNobodyIn(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.open("fixed")
		b.press(d.logIn("pin.none"))
		n := b.open("fixed")
		n.stands(linkage.PINStep)
		bank := d.svc.Bank
		d.svc.Bank = otherwise{bank, func(*corebank.User) {
			d.svc.Bank = bank
			n.press(d.svc.SwitchUser)
		}}
		b.open("fixed").stands(linkage.LoginStep)
		if used := d.acts(linkage.SessionUsed, string(n.at.Number)); used != 1 {
			t.Errorf("the log has %d uses of the session", used)
		}
	})
}

func TestASessionEndsWithTheCertificateOfItsLogin(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		d.svc.Rules.SessionFor = 12 * time.Hour
		b := d.open("fixed")
		shown := d.certificateOf("usr_ok.cert")
		shown.Certificate.NotAfter = d.clock.Now().Add(30 * time.Minute)
		r, err := b.present(shown)
		if err != nil {
			t.Fatal(err)
		}
		b.take(r)
		b.press(b.logInCertificate("demo-ok-cert-2468"))
		d.clock.Advance(29 * time.Minute)
		b.open("fixed").stands(linkage.PINStep)
		d.clock.Advance(time.Minute)
		b.open("fixed").stands(linkage.LoginStep)
	})
}

// What a thief of the cookie comes with must not become the user's own: the next
// login from there would be asked less.
func TestWhatASessionIsUsedWithDoesNotBecomeUsual(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		d.svc.Rules.SteppedUp, d.svc.Rules.Login.Risk.AsksFrom = true, 1000
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		own, err := d.in.Sightings(t.Context(), "usr_ok.pw")
		if err != nil || len(own) != 4 {
			t.Fatalf("a login is remembered as %+v, %v", own, err)
		}
		d.clock.Advance(25 * time.Minute)
		thief := (&browser{desk: d, signed: b.signed}).open("chooser")
		thief.stands(linkage.BusinessStep)
		after, err := d.in.Sightings(t.Context(), "usr_ok.pw")
		if err != nil || len(after) != len(own) {
			t.Errorf("after it %+v, %v", after, err)
		}
	})
}

// on is the same bank and database at another server.
func (d *desk) on(s *linkage.Service) *desk {
	other := *d
	other.svc = s
	return &other
}

func TestAnotherUserCanLogInInThePlaceOfTheSessions(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.open("fixed")
		b.press(d.logIn("pin.none"))
		if b.at.CanSwitch {
			t.Error("who has just logged in is asked to log in as another")
		}
		if r := b.press(d.svc.SwitchUser); len(r.Journey.Errors) != 1 || r.Again != nil || d.acts(linkage.PressRefused, "not_offered") != 1 {
			t.Errorf("without a session it leads to %+v", r)
		}
		n := b.open("fixed")
		n.press(n.pins())
		n.stands(linkage.PINResultStep)
		visit := n.visit()
		began := d.clock.Now()
		d.clock.Advance(5 * time.Minute)
		first := n.press(d.svc.SwitchUser)
		second, err := d.svc.SwitchUser(t.Context(), visit)
		if err != nil || first.Again == nil || second.Again == nil {
			t.Fatalf("it leads to %+v and, twice, to %+v, %v", first, second, err)
		}
		if d.acts(linkage.SessionEndedName, "another_user") != 1 || d.svc.SignedIn(t.Context(), visit) {
			t.Error("the session goes on")
		}
		if _, staged, _, err := d.in.Journey(t.Context(), n.id); err != nil || len(staged) != 0 {
			t.Errorf("%d PINs of the other user are still staged, %v", len(staged), err)
		}
		if j := n.load(); j.Ended == nil || j.Ended.Code != linkage.RequestUnknown || j.CanSwitch || j.CanLeave || j.Company+j.User != "" {
			t.Errorf("the journey before shows %+v", j)
		}
		m := n.lead(*second.Again)
		m.stands(linkage.LoginStep)
		if want := began.Add(time.Hour).Sub(d.clock.Now()); m.at.RemainingFor > want {
			t.Errorf("%v remain, and %v of the whole time", m.at.RemainingFor, want)
		}
		m.press(d.logIn("ok.pw"))
		m.stands(linkage.ConsentStep)
		m.press(m.allow())
		if a := d.paper.approved[0]; a.Subject != "usr_ok.pw" {
			t.Errorf("the protocol is told %+v", a)
		}
	})
}

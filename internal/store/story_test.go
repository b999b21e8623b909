package store_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// story is one customer's and one partner's way through everything that writes:
// PAR, login, question, inquiry PINs, consent, code, refresh, revocation. The
// browser and the partner's software are outside: they outlive the server, keep
// what they were answered, and send again what was not.
type story struct {
	*protocolWorld // the partner, and the engine of the server that runs
	*browser       // the customer, and the journeys of the server that runs

	t     testing.TB
	name  string       // of the institution
	whole *store.DB    // reaches the database, whatever happens
	via   *store.DB    // by which the story's servers reach it
	setup oauth.Config // of every engine of this story
	line  *line
	asked *fastBank
	since int64 // the last act before the story

	db      *store.DB         // as the server that runs sees it
	careful bool              // the customer makes no mistakes
	heir    bool              // an earlier process left something in the institution
	revoked bool              // the partner was told so
	broken  []string          // what was not answered as it should, for messages
	told    func(what string) // of everything that was answered; nil: nobody
}

// storyOf prepares a story in an institution of its own, over a database and a
// bank that many stories share one after the other. line is the way of its servers
// to the database.
func storyOf(t testing.TB, db *store.DB, bank *fastBank, name string, line *line) *story {
	t.Helper()
	s := &story{t: t, name: name, whole: db, via: db, line: line, asked: bank}
	bank.begin()
	in := db.Institution(name)
	if err := in.Row(t.Context(), `SELECT COALESCE(MAX(seq), 0) FROM audit`, nil, &s.since); err != nil {
		t.Fatal(err)
	}
	ids, err := store.NewIDs(1, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	world := oauthtest.New(t, in, func(c *oauth.Config) { c.NextID = ids.Next; s.setup = *c })
	s.protocolWorld = &protocolWorld{World: world, t: t, in: in}
	s.client = world.Register(t, oauth.ClientID("cl_"+secret.Random(8).Reveal()), nil)
	s.browser = &browser{desk: &desk{t: t, bank: bank.Bank, in: in}}
	s.start()
	return s
}

// start starts a server: it has nothing in memory.
func (s *story) start() {
	s.db = s.via.Watched(s.line.at)
	in := s.db.Institution(s.name)
	s.setup.Store = in
	engine, err := oauth.New(s.setup)
	if err != nil {
		s.t.Fatal(err)
	}
	rules := testRules()
	rules.Login.Risk.AsksFrom = 1 // the question is asked of everybody
	s.svc = &linkage.Service{
		Institution: s.name, Key: make([]byte, 32), Store: in, Bank: s.asked, Partners: s.Partners, Protocol: joined{engine},
		Box: box(s.t), Rules: rules, NextID: s.setup.NextID, Now: s.Now,
		Alias: func(p partner.ID, a corebank.AccountID) string { return string(p) + " " + string(a) },
	}
	s.Engine, s.protocolWorld.in, s.desk.in = engine, in, in
}

// joined is the protocol as the journey knows it.
type joined struct{ engine *oauth.Engine }

func (p joined) Approve(ctx context.Context, handle string, a linkage.Approval) (linkage.Redirect, audit.Change, error) {
	way, change, err := p.engine.Approve(ctx, oauth.Handle(handle), oauth.Approval{
		Subject: a.Subject, Company: a.Company, AuthTime: a.AuthTime, ACR: "urn:demo:password", AMR: a.AMR,
		Consent: string(a.Consent), Extent: oauth.Extent(a.Extent), Replaces: string(a.Replaces), Address: a.Address,
	})
	return linkage.Redirect(way), change, err
}

func (p joined) Deny(ctx context.Context, handle string, why linkage.Reason) (linkage.Redirect, audit.Change, error) {
	way, change, err := p.engine.Deny(ctx, oauth.Handle(handle), oauth.Reason(why))
	return linkage.Redirect(way), change, err
}

// tries bounds how often the customer and the partner try one thing again.
const tries = 3

// try does one thing until it is answered, and after each failure lets the
// server start again if it died, and looks at what it left. It returns the last
// answer: nil, or a refusal.
func (s *story) try(what string, do func() error) error {
	s.t.Helper()
	for range tries {
		err := s.once(do)
		if err == nil && s.told != nil {
			s.told(what)
		}
		if err == nil {
			return nil
		}
		if fault.Of(err) != fault.Unavailable {
			return err
		}
		s.Wait(31 * time.Second) // what a press has claimed is free again
		s.failed(what + ": " + err.Error())
	}
	s.t.Fatalf("%s does not recover after %q", what, s.broken)
	return nil
}

// once does one thing. A server that died over it has answered nothing, whatever
// it came to, and another is started.
func (s *story) once(do func() error) error {
	err := do()
	if s.line.revive() {
		s.start()
		return fault.New(fault.Unavailable, "the server died")
	}
	return err
}

func (s *story) must(what string, do func() error) {
	s.t.Helper()
	if err := s.try(what, do); err != nil {
		s.t.Fatalf("%s after %q: %v", what, s.broken, err)
	}
}

// sends presses a button until its answer comes: the same form each time. On a
// page that says to try again later it is pressed anew.
func (s *story) sends(what string, button func() pressing, leads ...linkage.Step) {
	s.t.Helper()
	for again := true; again; {
		form, p := s.visit(), button()
		var answer linkage.Result
		s.must(what, func() (err error) {
			answer, err = p(s.t.Context(), form)
			return err
		})
		s.take(answer)
		if again = s.at.Ended != nil && s.at.Ended.CanRetry; again {
			s.failed(what + ": the page says to try again")
			s.must("reload", func() (err error) {
				s.at, err = s.svc.Load(s.t.Context(), s.visit())
				return err
			})
		}
	}
	if !slices.Contains(leads, s.at.Step) {
		s.t.Fatalf("%s after %q leads to %s (%+v, %+v), not %v", what, s.broken, s.at.Step, s.at.Errors, s.at.Ended, leads)
	}
}

// failed notes that something was not answered as it should, and looks at what
// that left.
func (s *story) failed(what string) {
	s.t.Helper()
	if s.broken = append(s.broken, what); len(s.broken) > 10*tries {
		s.t.Fatalf("it does not recover: %q", s.broken)
	}
	s.consistent()
}

const storyUser = "pin.none"

// use tells the story until the partner uses its tokens. A code whose redemption
// happened without an answer ends what it gave when it comes again: then the
// customer links once more.
func (s *story) use() (tokens, more oauth.Tokens) {
	s.t.Helper()
	for {
		var refused bool
		if tokens, refused = s.link(); !refused {
			break
		}
		if len(s.broken) == 0 {
			s.t.Fatal("a code was refused and nothing had failed")
		}
	}
	s.opens("the first token", tokens.Access.Reveal())
	s.must("refresh", func() (err error) {
		more, err = s.refresh(s.client, tokens.Refresh.Reveal())
		return err
	})
	s.opens("the refreshed token", more.Access.Reveal())
	return tokens, more
}

// tell tells the story to its end.
func (s *story) tell() {
	s.t.Helper()
	tokens, more := s.use()
	s.must("revoke", func() error {
		return s.Engine.Revoke(s.t.Context(), s.call(s.client, oauth.RevokeEndpoint, url.Values{"token": {tokens.Refresh.Reveal()}}))
	})
	s.revoked = true
	sealer := s.db
	if s.via != s.whole {
		sealer = s.whole // it reads more at once than such a line carries
	}
	s.must("seal", func() error { return sealer.Seal(s.t.Context()) })
	for _, token := range []oauth.Tokens{tokens, more} {
		err := s.try("open after the end", func() error { _, err := s.protocolWorld.open(s.client, token.Access.Reveal()); return err })
		wantFailure(s.t, err, oauth.InvalidToken)
	}
	err := s.try("refresh after the end", func() error { _, err := s.refresh(s.client, tokens.Refresh.Reveal()); return err })
	wantFailure(s.t, err, oauth.InvalidGrant)
	s.consistent()
}

func (s *story) opens(what, token string) {
	s.t.Helper()
	s.must("open by "+what, func() error { _, err := s.protocolWorld.open(s.client, token); return err })
}

// link takes the customer from the partner's request to its tokens.
func (s *story) link() (tokens oauth.Tokens, refused bool) {
	s.t.Helper()
	s.client = s.client.Again()
	var uri string
	s.must("push", func() error {
		p, err := s.Engine.Push(s.t.Context(), s.call(s.client, oauth.PAREndpoint, asking(s.client)))
		uri = p.RequestURI.Reveal()
		return err
	})
	s.must("open the request", func() error {
		i, err := s.begin(s.client, uri)
		if err != nil {
			return err
		}
		o, err := s.svc.Start(s.t.Context(), linkage.Asked{
			Handle: string(i.Handle), Client: string(i.Client), Partner: i.Partner, Functions: i.Asked.Functions, HistoryDays: i.Asked.HistoryDays,
		}, linkage.Visit{})
		if err != nil {
			return err
		}
		s.id, s.cookie = o.Journey, o.Cookie
		s.at, err = s.svc.Load(s.t.Context(), s.visit())
		return err
	})
	as := func(p pressing) func() pressing { return func() pressing { return p } }
	if !s.careful {
		s.sends("a wrong password", as(s.logInWith(storyUser, "wrong")), linkage.LoginStep)
	}
	s.sends("the password", as(s.logIn(storyUser)), linkage.QuestionStep)
	if s.careful {
		s.sends("the answer", s.rightAnswer, linkage.PINStep, linkage.ConsentStep)
	} else {
		s.sends("the answer", s.rightAnswer, linkage.PINStep)
		s.sends("wrong PINs", func() pressing { return s.pins("001-1-1000501", "001-1-1000502", "002-2-1000503") }, linkage.PINStep, linkage.PINResultStep)
	}
	if s.at.Step == linkage.PINResultStep { // 申請中: it could not be found out whether the core may be asked
		s.failed("wrong PINs: they are taken to be checked later")
		s.sends("go on", as(s.goOn), linkage.ConsentStep)
	}
	if s.at.Step == linkage.PINStep { // an earlier journey may have registered them
		s.sends("the PINs", func() pressing { return s.pins() }, linkage.PINResultStep)
		s.sends("go on", as(s.goOn), linkage.ConsentStep)
	}
	s.sends("allow", s.allow, linkage.HandoverStep)
	if s.at.Handover == nil || s.at.Handover.Way == nil {
		s.t.Fatalf("after %q there is no way back: %+v", s.broken, s.at.Handover)
	}
	code := parameter(s.t, oauth.Redirect{URL: s.at.Handover.Way.URL}, "code")
	err := s.try("redeem", func() (err error) {
		tokens, err = s.redeem(s.client, code)
		return err
	})
	if f, is := errors.AsType[*oauth.Failure](err); is && f.Code == oauth.InvalidGrant {
		return tokens, true
	}
	if err != nil {
		s.t.Fatalf("redeem after %q: %v", s.broken, err)
	}
	return tokens, false
}

func (s *story) goOn(ctx context.Context, v linkage.Visit) (linkage.Result, error) {
	return s.svc.ConfirmPINs(ctx, v)
}

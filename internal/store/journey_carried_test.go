package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// rows counts the journeys that the database has.
func (b *browser) rows() (n int) {
	b.t.Helper()
	err := b.in.Row(b.t.Context(), `SELECT COUNT(*) FROM journeys WHERE institution = $1 AND id = $2`, []any{b.in.ID(), int64(b.id)}, &n)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// signedIn is a browser whose login lasts.
func (d *desk) signedIn(user string) *browser {
	d.t.Helper()
	b := d.open("fixed")
	b.press(d.logIn(user))
	return b
}

// docs/decisions/0053: what a session opens is in the cookie until the first press.
func TestAJourneyThatASessionOpensIsWrittenByItsFirstPress(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		n := d.signedIn("ok.pw").open("fixed")
		n.stands(linkage.ConsentStep)
		if n.rows() != 0 || d.acts(linkage.SessionUsed, "") != 0 || len(n.cookie.Reveal()) > 2000 {
			t.Errorf("opening it wrote %d rows and %d acts; its cookie has %d bytes", n.rows(), d.acts(linkage.SessionUsed, ""), len(n.cookie.Reveal()))
		}
		opened := d.clock.Now().Format(time.RFC3339)
		d.clock.Advance(3 * time.Minute)
		before, visit := n.cookie, n.visit()
		elsewhere := &browser{desk: d.on(d.node()), id: n.id, cookie: n.cookie, signed: n.signed, device: n.device}
		elsewhere.load()
		if elsewhere.stands(linkage.ConsentStep); elsewhere.at.Press != n.at.Press {
			t.Error("another node makes another page of it")
		}
		elsewhere.press(elsewhere.allow())
		elsewhere.stands(linkage.HandoverStep)
		if n.rows() != 1 || d.acts(linkage.SessionUsed, opened) != 1 || d.acts(linkage.ConsentGivenName, string(n.at.Number)) != 1 {
			t.Error("the press wrote no journey, or the log does not say how it was opened")
		}
		if j := n.load(); j.Step != linkage.RepeatStep {
			t.Errorf("who lost the answer is shown %s", j.Step)
		}
		r, err := d.svc.Allow(t.Context(), visit, linkage.ConsentPress{})
		if err != nil || !r.Cookie.Equal(elsewhere.cookie) || r.Journey.Step != linkage.HandoverStep || d.acts(linkage.ConsentGivenName, string(n.at.Number)) != 1 {
			t.Errorf("the same press again leads to %+v, %v", r.Journey.Step, err)
		}
		if r, err := d.svc.Refuse(t.Context(), visit); err != nil || !r.Stale {
			t.Errorf("another press of the old page is not stale: %+v, %v", r, err)
		}
		for name, cookie := range map[string]secret.Value{
			"cut":     secret.Of(before.Reveal()[:len(before.Reveal())-1]),
			"changed": secret.Of(strings.Replace(before.Reveal(), before.Reveal()[100:104], "AAAA", 1)),
			"bare":    secret.Of("jny2_"),
		} {
			v := visit
			if v.Cookie = cookie; halted(func() error { _, err := d.svc.Load(t.Context(), v); return err }()) != linkage.RequestUnknown {
				t.Errorf("a cookie that was %s opens the journey", name)
			}
		}
		other := elsewhere.open("fixed")
		v := other.visit()
		if v.Cookie = before; halted(func() error { _, err := d.svc.Load(t.Context(), v); return err }()) != linkage.RequestUnknown {
			t.Error("the cookie of one journey opens another")
		}
	})
}

func TestOfTheFirstPressesAtOnceOneWins(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		n := d.signedIn("ok.pw").open("fixed")
		nodes := []*desk{d, d.on(d.node()), d.on(d.node())}
		var all sync.WaitGroup
		var mu sync.Mutex
		cookies := map[string]int{}
		for i := range 24 {
			at := &browser{desk: nodes[i%3], id: n.id, cookie: n.cookie, signed: n.signed, at: n.at}
			press := []pressing{at.allow(), at.svc.Refuse, at.svc.Leave}[i/3%3]
			all.Go(func() {
				r, err := press(t.Context(), at.visit())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if !r.Stale {
					cookies[r.Cookie.Reveal()]++
				}
			})
		}
		all.Wait()
		number := string(n.at.Number)
		won := d.acts(linkage.ConsentGivenName, number) + d.acts(linkage.ConsentRefused, number) + d.acts(linkage.JourneyLeft, number)
		if won != 1 || len(cookies) != 1 || n.rows() != 1 || d.acts(linkage.SessionUsed, number) != 1 {
			t.Errorf("%d presses won, with %d cookies, %d rows and %d uses of the session", won, len(cookies), n.rows(), d.acts(linkage.SessionUsed, number))
		}
	})
}

// Two windows: in one the session ends, in the other something is pressed then.
func TestAPressWhoseSessionHasEndedBeginsAnewWithTheLogin(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.signedIn("ok.pw")
		n, other := b.open("fixed"), b.open("chooser")
		d.clock.Advance(time.Minute)
		other.press(d.svc.SwitchUser)
		allow := n.allow()
		if n.load(); n.at.Ended == nil || !n.at.Ended.SignedOut || n.at.User+n.at.Company != "" || n.at.Consent != nil || !n.at.CanLeave {
			t.Errorf("who is no longer signed in is shown %+v", n.at)
		}
		m := d.signedIn("pin.mixed") // the next user of the browser
		for what, press := range map[string]pressing{"許可": allow, "別の利用者": d.svc.SwitchUser} {
			for _, signed := range []secret.Value{n.signed, m.signed, {}} {
				v := n.visit()
				v.Session = signed
				r, err := press(t.Context(), v)
				if err != nil || r.Again == nil || r.SignedOut != signed.Equal(n.signed) {
					t.Fatalf("%s leads to %+v, %v", what, r, err)
				}
				if m := n.lead(*r.Again); m.at.Step != linkage.LoginStep || !m.at.EndsAt.After(d.clock.Now()) {
					t.Errorf("%s goes on at %s", what, m.at.Step)
				}
			}
		}
		if n.rows() != 0 || d.acts(linkage.ConsentGivenName, "") != 0 || d.acts(linkage.PressRefused, "session_ended") != 6 {
			t.Errorf("it wrote %d rows, or no refusal", n.rows())
		}
		m.open("chooser").stands(linkage.BusinessStep) // whose session is their own
	})
}

func TestWhoDeclinesNeedsNoSession(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		for name, act := range map[string]audit.Name{"許可しない": linkage.ConsentRefused, "中止": linkage.JourneyLeft} {
			b := d.signedIn("ok.pw")
			n, other := b.open("fixed"), b.open("chooser")
			d.clock.Advance(time.Minute)
			other.press(d.svc.SwitchUser)
			press := pressing(d.svc.Refuse)
			if act == linkage.JourneyLeft {
				press = d.svc.Leave
			}
			first := n.visit()
			if n.press(press); n.at.Step != linkage.HandoverStep || n.at.Handover.Way == nil {
				t.Errorf("%s leads to %s", name, n.at.Step)
			}
			if r, err := press(t.Context(), first); err != nil || !r.Cookie.Equal(n.cookie) {
				t.Errorf("%s twice leads to %+v, %v", name, r, err)
			}
			number := string(n.at.Number)
			if d.acts(act, number) != 1 || d.acts(linkage.SessionUsed, number) != 1 || d.acts(linkage.SessionUsed, "session_ended") == 0 {
				t.Errorf("%s: the log does not say what was pressed, and with what session", name)
			}
		}
		b := d.signedIn("ok.pw")
		same := func(a *linkage.Asked) { a.Handle = "one link" }
		n, m, other := b.open("fixed", same), b.open("fixed", same), b.open("chooser")
		n.press(n.allow())
		other.press(d.svc.SwitchUser)
		if m.press(d.svc.Leave); m.at.Ended == nil || m.at.Ended.Code != linkage.RequestUnknown {
			t.Errorf("of a request that was completed it leads to %s", m.at.Step)
		}
	})
}

func TestANewLoginOfTheSameUserTakesThePlaceOfTheSession(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.signedIn("ok.pw")
		n, unseen := b.open("fixed"), b.open("chooser")
		d.clock.Advance(time.Minute)
		m := b.open("chooser", func(a *linkage.Asked) { a.Relogin = true })
		m.press(d.logIn("ok.pw"))
		n.signed, unseen.signed = m.signed, m.signed
		n.stands(linkage.ConsentStep)
		n.press(n.allow())
		n.stands(linkage.HandoverStep)
		unseen.press(unseen.choose(corebank.BalanceInquiry))
		unseen.stands(linkage.ConsentStep)
	})
}

// Two nodes by mistake under one number make the same ids.
func TestTheCookieOfAJourneyOpensNoOtherOfTheSameID(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		one, two := d.signedIn("ok.pw"), d.signedIn("pin.pending")
		d.clock.Advance(time.Minute)
		open := func(b *browser) *browser {
			ids, err := store.NewIDs(1, d.clock.Now)
			if err != nil {
				t.Fatal(err)
			}
			s := d.node()
			s.NextID = ids.Next
			return (&browser{desk: d.on(s), signed: b.signed, device: b.device}).open("chooser")
		}
		a, b := open(one), open(two)
		if a.id != b.id || a.at.User == b.at.User {
			t.Fatalf("they are %v and %v, of %q and %q", a.id, b.id, a.at.User, b.at.User)
		}
		a.press(a.choose(corebank.BalanceInquiry))
		for name, f := range map[string]func() error{
			"a page":  func() error { _, err := b.svc.Load(t.Context(), b.visit()); return err },
			"a press": func() error { _, err := b.choose(corebank.BalanceInquiry)(t.Context(), b.visit()); return err },
		} {
			if halted(f()) != linkage.RequestUnknown {
				t.Errorf("%s of another's journey", name)
			}
		}
	})
}

func TestASessionThatRunsOutLeavesWhatItOpened(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.signedIn("ok.pw")
		d.clock.Advance(55 * time.Minute)
		n := b.open("fixed")
		d.clock.Advance(10 * time.Minute)
		if b.open("fixed").at.Step != linkage.LoginStep {
			t.Error("the session goes on")
		}
		n.press(n.allow())
		n.stands(linkage.HandoverStep)
	})
}

func TestTheTimeOfACarriedJourneyIsItsOwn(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.signedIn("ok.pw")
		n, left := b.open("fixed"), b.open("fixed")
		d.clock.Advance(14 * time.Minute)
		press := n.at.Press
		n.press(d.svc.Extend)
		if n.at.Press != press || n.at.RemainingFor != 15*time.Minute || n.rows() != 0 {
			t.Errorf("extended, it has %v, and the page is the same: %v", n.at.RemainingFor, n.at.Press == press)
		}
		d.clock.Advance(2 * time.Minute)
		left.press(left.allow())
		if left.at.Ended == nil || left.at.Ended.Code != linkage.TimeOver || d.acts(linkage.PressRefused, "expired") != 1 || left.rows() != 0 {
			t.Errorf("a press after the time leads to %+v", left.at.Ended)
		}
		left.press(d.svc.Leave)
		if left.stands(linkage.HandoverStep); left.at.Handover.Reason != linkage.TimedOut {
			t.Errorf("it goes back for %s", left.at.Handover.Reason)
		}
		n.press(n.allow())
		n.stands(linkage.HandoverStep)
	})
}

// One link in two windows of a browser that is signed in.
func TestACarriedJourneyWhoseRequestWasCompletedElsewhereIsOver(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		b := d.signedIn("ok.pw")
		same := func(a *linkage.Asked) { a.Handle = "one link" }
		n, m := b.open("fixed", same), b.open("fixed", same)
		n.press(n.allow())
		n.stands(linkage.HandoverStep)
		m.press(m.allow())
		if m.at.Ended == nil || m.at.Ended.Code != linkage.RequestUnknown || d.acts(linkage.ConsentGivenName, "") != 1 || m.rows() != 1 {
			t.Errorf("the second leads to %s, %+v", m.at.Step, m.at.Ended)
		}
	})
}

func TestWhatIsTooLongForACookieHasARow(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := lasting(t, db)
		n := d.signedIn("ok.pw").open("fixed", func(a *linkage.Asked) {
			for i := range 200 {
				a.Accounts = append(a.Accounts, fmt.Sprintf("account-%d", i))
			}
		})
		n.stands(linkage.ConsentStep)
		if n.rows() != 1 || len(n.cookie.Reveal()) > 200 || d.acts(linkage.SessionUsed, string(n.at.Number)) != 1 {
			t.Errorf("%d rows, and a cookie of %d bytes", n.rows(), len(n.cookie.Reveal()))
		}
		n.press(n.allow())
	})
}

package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// journey.md rule 9: the same page, words and number of tries for an id that
// exists, one that does not, and a certificate user's.
func TestFiveWrongPasswordsStopALoginWhetherTheIDExistsOrNot(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		var seen []string
		for _, id := range []string{"ok.pw", "nobody.here", "ok.cert"} {
			b := d.open("fixed")
			said := ""
			for try := range 7 {
				password := fmt.Sprint("wrong ", try)
				if try == 6 {
					password = "demo-" + id + "-2468" // while stopped no password is checked, the right one neither
				}
				b.press(d.logInWith(id, password))
				said += fmt.Sprint(b.at.Step, b.at.Errors)
				if b.at.Ended != nil {
					said += fmt.Sprint(b.at.Ended.Code, b.at.Ended.Until.Sub(d.clock.Now()), b.at.Ended.Unlock)
				}
				b.load()
			}
			seen = append(seen, said)
		}
		for i, said := range seen {
			if said != seen[0] {
				t.Errorf("case %d is told\n%s\nthe first\n%s", i, said, seen[0])
			}
		}
		if n := d.bank.Calls()["CheckPassword"]; n != 15 {
			t.Errorf("the bank was asked %d times, not 15", n)
		}
		d.clock.Advance(30 * time.Minute)
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		b.stands(linkage.ConsentStep)
		// The certificate way has a counter of its own.
		c := d.withCertificate("fixed", "usr_ok.cert")
		c.press(d.logInCertificate("demo-ok-cert-2468"))
		c.stands(linkage.PINStep)
	})
}

func TestAnyNumberOfGuessesAtOnceIsCheckedAtMostFiveTimes(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		var wg sync.WaitGroup
		for n := range 60 {
			b := d.open("fixed")
			id := []string{"ok.pw", "OK.PW", "ｏｋ.pw", " ok.pw "}[n%4]
			wg.Add(1)
			go func() {
				defer wg.Done()
				if _, err := d.logInWith(id, fmt.Sprint("guess ", n))(t.Context(), b.visit()); err != nil {
					t.Errorf("guess %d: %v", n, err)
				}
			}()
		}
		wg.Wait()
		if n := d.bank.Calls()["CheckPassword"]; n != 5 {
			t.Errorf("the bank was asked %d times", n)
		}
	})
}

func TestManyRightLoginsOfOneUserAtOnceDoNotStopEachOther(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		var wg sync.WaitGroup
		for n := range 16 {
			b := d.open("fixed")
			wg.Add(1)
			go func() {
				defer wg.Done()
				r, err := d.logIn("ok.pw")(t.Context(), b.visit())
				if err != nil || r.Journey.Step != linkage.ConsentStep {
					t.Errorf("login %d leads to %s (%+v), %v", n, r.Journey.Step, r.Journey.Ended, err)
				}
			}()
		}
		wg.Wait()
	})
}

func TestWrongAnswersStopTheQuestionUntilSomebodyUnlocksIt(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		b.press(d.logIn("risk.question"))
		for _, left := range []int{2, 1} {
			b.press(d.answer("そば"))
			if e := b.fault(linkage.AnswerField, linkage.WrongAnswer); e.Left != left {
				t.Errorf("%d tries are left, not %d", e.Left, left)
			}
		}
		b.press(d.answer("そば"))
		b.stands(linkage.EndedStep)
		if e := b.at.Ended; e.Code != linkage.UseStopped || e.Stopped != linkage.AnswerStopped || e.Unlock != linkage.Branch {
			t.Errorf("it ends with %+v", e)
		}
		d.clock.Advance(48 * time.Hour)
		b = d.open("fixed")
		b.press(d.logIn("risk.question"))
		b.stands(linkage.EndedStep)
		clerk := audit.Actor{Kind: audit.Operator, ID: "clerk"}
		if err := d.svc.UnlockAnswers(t.Context(), "usr_risk.question", clerk, "窓口で本人確認"); err != nil {
			t.Fatal(err)
		}
		b = d.open("fixed")
		b.press(d.logIn("risk.question"))
		b.press(b.rightAnswer())
		b.stands(linkage.ConsentStep)
		if d.acts(linkage.TriesUnlocked, "窓口で本人確認") != 1 {
			t.Error("unlocking is not in the log")
		}
	})
}

func TestAPINIsTriedThreeTimesOverAllJourneys(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		const account = "001-1-1000501"
		one := linkage.PINPress{Rows: []linkage.PINPressRow{{Account: account, Chosen: true, PIN: secret.Of("9999")}}}
		for _, left := range []int{2, 1} {
			b := d.open("fixed")
			b.press(d.logIn("pin.none"))
			b.press(d.register(one))
			if e := b.fault(linkage.PINField, linkage.WrongPIN); e.Left != left || e.Account != account {
				t.Errorf("told %+v", e)
			}
		}
		b := d.open("fixed")
		b.press(d.logIn("pin.none"))
		b.press(d.register(one))
		b.fault(linkage.PINField, linkage.PINStopped)
		if !b.load().PIN.Rows[0].Stopped || b.at.PIN.Rows[0].Chosen {
			t.Errorf("the row stands as %+v", b.at.PIN.Rows[0])
		}
		calls := d.bank.Calls()["CheckPIN"]
		b.press(d.register(one))
		b.fault(linkage.PINField, linkage.PINStopped)
		if d.bank.Calls()["CheckPIN"] != calls {
			t.Error("the core was asked without a try left")
		}
		if err := d.svc.UnlockPIN(t.Context(), account, audit.Actor{Kind: audit.Operator, ID: "clerk"}, "来店"); err != nil {
			t.Fatal(err)
		}
		b.load()
		b.press(b.pins())
		b.stands(linkage.PINResultStep)
	})
}

func TestTheSameNumberIsTriedOnOneAccountFirst(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		same := func(pin string) linkage.PINPress {
			return linkage.PINPress{Same: true, Rows: []linkage.PINPressRow{
				{Account: "001-1-1000501", Chosen: true, PIN: secret.Of(pin)},
				{Account: "001-1-1000502", Chosen: true}, {Account: "002-2-1000503", Chosen: true},
			}}
		}
		b := d.open("fixed")
		b.press(d.logIn("pin.none"))
		b.press(d.register(same("9999")))
		b.stands(linkage.PINStep)
		if n := d.bank.Calls()["CheckPIN"]; n != 1 {
			t.Errorf("the core was asked %d times", n)
		}
		b.fault(linkage.PINField, linkage.NotTried)
		b.press(d.register(same("１５０１")))
		b.stands(linkage.PINResultStep)
		states := []linkage.PINState{linkage.Staged, linkage.Staged, linkage.Unregistered}
		for i, r := range b.at.PINResult.Rows {
			if r.State != states[i] {
				t.Errorf("row %d is %s", i, r.State)
			}
		}
		if r := b.at.PINResult.Rows[2]; r.Fault != linkage.WrongPIN || r.Left != 2 {
			t.Errorf("the third row says %s, %d left; its try of before was given back", r.Fault, r.Left)
		}
	})
}

func TestAPINThatTheCoreCannotCheckIsAcceptedAndCheckedLater(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		b.press(d.logIn("pin.pending"))
		b.press(b.pins())
		b.stands(linkage.PINResultStep)
		if r := b.at.PINResult.Rows[0]; r.State != linkage.Pending || !r.ThisTime {
			t.Errorf("the row is %+v", r)
		}
		b.press(d.svc.ConfirmPINs)
		if !b.at.Consent.Accounts[0].Waiting {
			t.Error("確認待ち is not said")
		}
		b.press(b.allow())
		b.stands(linkage.HandoverStep)
		err := d.svc.UsePIN(t.Context(), "usr_pin.pending", "001-1-1000801", func(context.Context, corebank.InquiryPIN) error {
			t.Error("a PIN that was never checked is used")
			return nil
		})
		if got, ok := asUnusable(err); !ok || got.State != linkage.Pending {
			t.Errorf("using it: %v", err)
		}
		if n, err := d.svc.CheckPendingPINs(t.Context(), 10); err != nil || n > 1 {
			t.Errorf("while the core is closed %d were answered, %v", n, err)
		}
		d.svc.Bank = openCore{d.svc.Bank, d}
		if _, err := d.svc.CheckPendingPINs(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		err = d.svc.UsePIN(t.Context(), "usr_pin.pending", "001-1-1000801", func(context.Context, corebank.InquiryPIN) error { return nil })
		if err != nil {
			t.Errorf("once it is checked: %v", err)
		}
	})
}

// openCore is a core that checks PINs at any hour.
type openCore struct {
	corebank.Connector
	d *desk
}

func (o openCore) CheckPIN(_ context.Context, a corebank.AccountID, pin corebank.InquiryPIN) error {
	if pin.Reveal() != o.d.pinOf(a) {
		return corebank.WrongSecret{Remaining: 4}
	}
	return nil
}

func TestOnlyThirtyLoginsAMinuteComeFromOneAddress(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.svc.Rules.Login.PerMinute = 3
		for range 3 {
			d.open("fixed").press(d.logIn("ok.pw"))
		}
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		b.fault(linkage.WholePage, linkage.TooMany)
		if n := d.bank.Calls()["CheckPassword"]; n != 3 {
			t.Errorf("the bank was asked %d times", n)
		}
		d.clock.Advance(time.Minute)
		b.load()
		b.press(d.logIn("ok.pw"))
		b.stands(linkage.ConsentStep)
	})
}

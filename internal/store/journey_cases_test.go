package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

func asUnusable(err error) (linkage.PINUnusable, bool) {
	return errors.AsType[linkage.PINUnusable](err)
}

func TestWhoMayNotLinkIsToldWhyAndThePartnerToo(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		cases := []struct {
			user   string
			code   linkage.Code
			reason linkage.Reason
			unlock linkage.Unlocker
		}{
			{"ng.locked", linkage.UseStopped, linkage.UserLocked, linkage.MasterOnly},
			{"ng.setup", linkage.SetUpMissing, linkage.NotSetUp, linkage.Customer},
			{"ng.noanswers", linkage.SetUpMissing, linkage.NotSetUp, linkage.Customer},
			{"ng.general", linkage.NoPermission, linkage.NotPermitted, linkage.Administrator},
			{"ng.noaccount", linkage.NoAccount, linkage.NothingToLink, linkage.Administrator},
			{"ng.ended", linkage.ContractOver, linkage.ContractEnded, linkage.NoOne},
		}
		for _, c := range cases {
			b := d.open("fixed")
			b.press(d.logIn(c.user))
			b.stands(linkage.EndedStep)
			if e := b.at.Ended; e.Code != c.code || e.Reason != c.reason || e.Unlock != c.unlock || !b.at.CanLeave {
				t.Errorf("%s: %+v", c.user, e)
			}
			b.press(d.svc.Leave)
			b.stands(linkage.HandoverStep)
			if h := b.at.Handover; h.Allowed || h.Reason != c.reason || h.Way == nil {
				t.Errorf("%s: the partner is told %+v", c.user, h)
			}
		}
	})
}

func TestABankThatIsClosedOrSilentCostsNoTry(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		opens := d.clock.Now().Add(8 * time.Hour)
		for range 6 {
			d.bank.CloseUntil(opens, "定期メンテナンス")
			b.press(d.logIn("ok.pw"))
			if e := b.at.Ended; e == nil || e.Code != linkage.BankClosed || !e.Until.Equal(opens) || e.Planned != "定期メンテナンス" {
				t.Fatalf("while closed: %+v", e)
			}
			d.bank.CloseUntil(time.Time{}, "")
			d.bank.SetDown(true)
			b.press(d.logIn("ok.pw"))
			if e := b.at.Ended; e == nil || e.Code != linkage.TryLater || !e.CanRetry {
				t.Fatalf("while silent: %+v", e)
			}
			d.bank.SetDown(false)
			b.load()
		}
		b.press(d.logIn("ok.pw"))
		b.stands(linkage.ConsentStep)
		c := d.open("fixed")
		c.press(d.logIn("core.down"))
		if e := c.at.Ended; e == nil || e.Code != linkage.TryLater {
			t.Errorf("a core that does not answer after the login: %+v", e)
		}
	})
}

func TestAPageThatIsOpenedWhileTheBankIsClosedSaysSo(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.bank.CloseUntil(d.clock.Now().Add(time.Hour), "")
		b := d.open("fixed")
		if b.at.Ended == nil || b.at.Ended.Code != linkage.BankClosed || !b.at.CanLeave {
			t.Fatalf("it shows %+v", b.at.Ended)
		}
		b.press(d.svc.Leave)
		if b.at.Handover.Reason != linkage.OutOfHours {
			t.Errorf("the partner is told %s", b.at.Handover.Reason)
		}
	})
}

func TestTimeIsGivenAgainUpToTheTotal(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		d.clock.Advance(14 * time.Minute)
		b.press(d.svc.Extend) // before the login the cookie carries it
		d.clock.Advance(14 * time.Minute)
		b.load()
		b.press(d.logIn("pin.none"))
		press := b.at.Press
		for range 2 {
			d.clock.Advance(14 * time.Minute)
			b.load()
			if !b.at.Extendable || b.at.RemainingFor != time.Minute {
				t.Fatalf("remaining: %v, %v", b.at.RemainingFor, b.at.Extendable)
			}
			b.press(d.svc.Extend)
			if b.at.Press != press {
				t.Error("the page is not good any more as it was")
			}
		}
		if b.at.RemainingFor != 4*time.Minute || b.at.Extendable {
			t.Errorf("near the total %v remain, %v", b.at.RemainingFor, b.at.Extendable)
		}
		d.clock.Advance(4 * time.Minute)
		if j := b.load(); j.Ended == nil || j.Ended.Code != linkage.TimeOver {
			t.Errorf("after the total: %s", j.Step)
		}
		b.press(d.svc.Extend)
		if b.at.Ended == nil || b.at.Ended.Code != linkage.TimeOver {
			t.Error("time that is over is given again")
		}
	})
}

func TestARefusalDiscardsWhatWasStaged(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		for _, end := range []pressing{d.svc.Refuse, d.svc.Leave} {
			b := d.open("fixed")
			b.press(d.logIn("pin.none"))
			b.press(b.pins())
			b.press(d.svc.ConfirmPINs)
			b.press(end)
			b.stands(linkage.HandoverStep)
			if b.at.Handover.Reason != linkage.RefusedByCustomer {
				t.Errorf("the partner is told %s", b.at.Handover.Reason)
			}
			if _, staged, _, err := d.in.Journey(t.Context(), b.id); err != nil || len(staged) != 0 {
				t.Errorf("%d PINs are still staged, %v", len(staged), err)
			}
		}
		b := d.open("fixed")
		b.press(d.logIn("pin.none"))
		b.press(b.pins())
		d.clock.Advance(16 * time.Minute)
		if _, err := d.svc.Sweep(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		if _, staged, _, _ := d.in.Journey(t.Context(), b.id); len(staged) != 0 {
			t.Errorf("%d PINs of a journey that timed out are still staged", len(staged))
		}
		if kept, _ := d.in.PINs(t.Context(), []corebank.AccountID{"001-1-1000501"}); len(kept) != 0 {
			t.Error("a PIN came into force without a consent")
		}
	})
}

func TestConsentIsCheckedAtItsFieldsAndLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		one := b.at.Consent.Accounts[1].Account.ID
		b.press(d.consent(linkage.ConsentPress{Accounts: []corebank.AccountID{one}}))
		b.fault(linkage.IntentField, linkage.Missing)
		if b.at.Consent.Accounts[0].Ticked || !b.at.Consent.Accounts[1].Ticked {
			t.Errorf("the boxes stand as %+v", b.at.Consent.Accounts)
		}
		b.press(d.consent(linkage.ConsentPress{Intent: linkage.Stop, Accounts: []corebank.AccountID{one}}))
		b.fault(linkage.IntentField, linkage.StopChosen)
		b.press(d.consent(linkage.ConsentPress{Intent: linkage.Proceed}))
		b.fault(linkage.AccountsField, linkage.Missing)
		// S11, S12: another company's account
		b.press(d.consent(linkage.ConsentPress{Intent: linkage.Proceed, Accounts: []corebank.AccountID{one, "001-1-1000401"}}))
		b.fault(linkage.AccountsField, linkage.NotOffered)
		if d.acts(linkage.PressRefused, "not_offered") != 1 {
			t.Error("an account that was never on the page is not in the log")
		}
		b.press(d.consent(linkage.ConsentPress{Intent: linkage.Proceed, Accounts: []corebank.AccountID{one}}))
		b.stands(linkage.HandoverStep)
		if a := d.paper.approved[0].Extent.Accounts; len(a) != 1 || a[0] != one {
			t.Errorf("the protocol is told %v", a)
		}
	})
}

// activate does what the partner's redemption does.
func (d *desk) activate(id linkage.ConsentID) {
	d.t.Helper()
	err := d.in.Write(d.t.Context(), func(ctx context.Context, t store.Tx) error {
		return t.Must(ctx, `UPDATE consents SET state = 'active' WHERE institution = $1 AND id = $2`, d.in.ID(), string(id))
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func TestAnExistingLinkageIsRenewedOrAnotherAdded(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		link := func(p func(b *browser) pressing, more ...func(*linkage.Asked)) linkage.ConsentID {
			b := d.open("fixed", more...)
			b.press(d.logIn("ok.pw"))
			b.press(p(b))
			b.stands(linkage.HandoverStep)
			id := b.at.Handover.Receipt.Consent
			d.activate(id)
			if b.load().Handover.Way != nil {
				t.Error("the way back is shown after the code was redeemed")
			}
			return id
		}
		first := link(func(b *browser) pressing { return b.allow() })
		d.clock.Advance(70 * 24 * time.Hour) // within the last 30 days
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		c := b.at.Consent
		if !c.AsksRenewal || c.Renews != first || c.LastDay != "2027-05-03" || c.Existing[0].RenewedTo != "2027-05-23" || c.Existing[0].LastDay != "2027-02-22" {
			t.Fatalf("the page says %+v", c)
		}
		second := link(func(b *browser) pressing { return b.allow() })
		if a := d.paper.approved[1]; a.Replaces != first || a.Extent.LastDay() != "2027-05-23" {
			t.Errorf("a renewal tells the protocol %+v", a)
		}
		added := link(func(b *browser) pressing {
			p := linkage.ConsentPress{Intent: linkage.Proceed, Accounts: []corebank.AccountID{"001-1-1000101"}}
			return b.consent(p)
		})
		if a := d.paper.approved[2]; a.Replaces != "" || a.Extent.LastDay() != "2027-05-03" {
			t.Errorf("another linkage tells the protocol %+v", a)
		}
		link(func(b *browser) pressing {
			if b.at.Consent.AsksRenewal || b.at.Consent.Renews != second {
				t.Errorf("though the partner named a grant the page says %+v", b.at.Consent)
			}
			return b.allow()
		}, func(a *linkage.Asked) { a.Grant, a.GrantAction = second, "replace" })
		if a := d.paper.approved[3]; a.Replaces != second {
			t.Errorf("a named grant tells the protocol %+v", a)
		}
		gone := d.open("fixed")
		gone.press(d.logIn("ok.pw"))
		if err := d.svc.EndConsent(t.Context(), added, linkage.EndedByBank, audit.Actor{Kind: audit.Operator, ID: "clerk"}, "誤登録"); err != nil {
			t.Fatal(err)
		}
		gone.press(d.consent(linkage.ConsentPress{Intent: linkage.Proceed, Accounts: []corebank.AccountID{"001-1-1000101"}, Renews: added}))
		gone.fault(linkage.RenewsField, linkage.GoneRenewal)
	})
}

func TestAnUnusedOrRevokedConsentTakesThePINsThatOnlyItNeeds(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		account := []corebank.AccountID{"001-1-1000501"}
		link := func() linkage.ConsentID {
			b := d.open("fixed")
			b.press(d.logIn("pin.none"))
			if b.at.Step == linkage.PINStep {
				b.press(b.pins())
				b.press(d.svc.ConfirmPINs)
			}
			b.press(d.consent(linkage.ConsentPress{Intent: linkage.Proceed, Accounts: account}))
			b.stands(linkage.HandoverStep)
			return b.at.Handover.Receipt.Consent
		}
		count := func() int {
			kept, err := d.in.PINs(t.Context(), account)
			if err != nil {
				t.Fatal(err)
			}
			return len(kept)
		}
		unused := link()
		if count() != 1 {
			t.Fatal("the PIN is not in force")
		}
		d.clock.Advance(3 * time.Minute)
		if _, err := d.svc.Sweep(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		if c, _ := d.in.Consent(t.Context(), unused); c.State != linkage.Ended || c.EndReason != linkage.EndedUnused || count() != 0 {
			t.Errorf("unused: %s %s, %d PINs", c.State, c.EndReason, count())
		}
		before := d.open("fixed")
		before.press(d.logIn("ok.pw"))
		before.press(before.allow())
		d.clock.Advance(3 * time.Minute)
		if _, err := d.svc.Sweep(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		if kept, _ := d.in.PINs(t.Context(), []corebank.AccountID{"001-1-1000101"}); len(kept) != 1 {
			t.Error("a PIN from before an unused consent went with it")
		}
		one, two := link(), link()
		d.activate(one)
		d.activate(two)
		clerk := audit.Actor{Kind: audit.Operator, ID: "clerk"}
		if err := d.svc.SuspendConsent(t.Context(), one, clerk, "確認中"); err != nil {
			t.Fatal(err)
		}
		if err := d.svc.ResumeConsent(t.Context(), one, clerk, "確認済み"); err != nil {
			t.Fatal(err)
		}
		if err := d.svc.EndConsent(t.Context(), one, linkage.EndedByCustomer, clerk, "申し出"); err != nil || count() != 1 {
			t.Errorf("another consent still needs the PIN: %d, %v", count(), err)
		}
		if err := d.svc.EndConsent(t.Context(), two, linkage.EndedByCustomer, clerk, "申し出"); err != nil || count() != 0 {
			t.Errorf("nothing needs the PIN: %d, %v", count(), err)
		}
	})
}

func TestAPartnerThatIsStoppedStopsItsJourneys(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		stop := partner.StatusChanged{Partner: "fixed", From: partner.Active, To: partner.Stopped, Reason: "点検", By: audit.Actor{Kind: audit.Operator, ID: "clerk"}, At: d.clock.Now()}
		if err := d.in.Commit(t.Context(), stop); err != nil {
			t.Fatal(err)
		}
		r, err := b.allow()(t.Context(), b.visit())
		if err != nil || !r.Stale || r.Journey.Ended == nil || r.Journey.Ended.Code != linkage.PartnerHalted || len(d.paper.approved) != 0 {
			t.Errorf("許可 leads to %+v, %v", r.Journey.Ended, err)
		}
		if _, err := d.svc.Start(t.Context(), linkage.Asked{Handle: "h", Partner: "fixed"}, linkage.Visit{}); halted(err) != linkage.PartnerHalted {
			t.Errorf("a new journey: %v", err)
		}
		if _, err := d.svc.Start(t.Context(), linkage.Asked{Handle: "h", Partner: "nobody"}, linkage.Visit{}); halted(err) != linkage.RequestUnknown {
			t.Errorf("of an unknown partner: %v", err)
		}
	})
}

func TestAColleaguesPINServesWhereTheInstitutionLetsIt(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("chooser")
		b.press(d.logIn("team.general"))
		b.stands(linkage.BusinessStep)
		if rows := b.at.Business.Rows; !rows[0].Selectable || rows[1].Selectable || rows[1].Permitted || rows[2].Subscription != corebank.Applied {
			t.Errorf("the functions are %+v", rows)
		}
		b.press(d.choose(corebank.BalanceInquiry, corebank.TransactionInquiry))
		b.fault(linkage.FunctionsField, linkage.NotOffered)
		b.press(d.choose(corebank.BalanceInquiry))
		b.stands(linkage.PINStep)
		if r := b.at.PIN.Rows[1]; r.State != linkage.Registered || r.By != "組田 主" {
			t.Errorf("a colleague's PIN stands as %+v", r)
		}
		b.press(d.svc.PostponePINs)
		b.stands(linkage.ConsentStep)
		if len(b.at.Consent.Accounts) != 1 || len(b.at.Consent.LeftOut) != 1 {
			t.Errorf("the consent page says %+v", b.at.Consent)
		}
		d.svc.Rules.PINsOfColleague = false
		b = d.open("fixed", func(a *linkage.Asked) { a.Functions = corebank.Functions[:1] })
		b.press(d.logIn("team.general"))
		if b.at.PIN.Rows[1].State != linkage.Unregistered || b.at.PIN.CanPostpone {
			t.Errorf("without leave it stands as %+v", b.at.PIN.Rows[1])
		}
		r, err := d.svc.PostponePINs(t.Context(), b.visit())
		if err != nil || r.Journey.Step != linkage.PINStep || len(r.Journey.Errors) != 1 {
			t.Errorf("あとで登録して進む leads to %s, %v", r.Journey.Step, err)
		}
	})
}

func TestAnAccountThatIsClosedIsNotOffered(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		b.press(d.logIn("closing.account"))
		b.stands(linkage.ConsentStep)
		if n := len(b.at.Consent.Accounts); n != 1 {
			t.Errorf("%d accounts are offered", n)
		}
	})
}

func TestWhatPressedTwiceInTwoTabsStaysTwoJourneys(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		one, two := d.open("fixed"), d.open("chooser")
		two.press(d.logIn("ok.pw"))
		one.press(d.logIn("ok.pw"))
		two.press(d.choose(corebank.DepositInquiry))
		one.press(one.allow())
		two.press(two.allow())
		if a := d.paper.approved; a[0].Extent.Functions[0] != corebank.BalanceInquiry || a[1].Extent.Functions[0] != corebank.DepositInquiry {
			t.Errorf("the protocol is told %+v", a)
		}
		v := one.visit()
		v.Journey = two.id
		if _, err := d.svc.Load(t.Context(), v); halted(err) != linkage.RequestUnknown {
			t.Errorf("one journey's cookie opens another: %v", err)
		}
		v = two.visit()
		v.Cookie = secret.Value{}
		if _, err := d.svc.Load(t.Context(), v); halted(err) != linkage.RequestUnknown {
			t.Errorf("no cookie opens a journey: %v", err)
		}
	})
}

package store_test

import (
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/store"
)

func TestAUserWhosePINsAreAllRegisteredGoesFromLoginToConsent(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		b.stands(linkage.LoginStep)
		if n := len(b.cookie.Reveal()); n > 3000 {
			t.Errorf("the cookie has %d bytes; browsers keep 4096 with its name", n)
		}
		b.press(d.logIn("ok.pw"))
		b.stands(linkage.ConsentStep)
		if got := len(b.at.Steps); got != 2 {
			t.Errorf("the indicator has %d steps, not 2: %+v", got, b.at.Steps)
		}
		c := b.at.Consent
		if len(c.Accounts) != 2 || len(c.Functions) != 2 || c.LastDay != "2027-02-22" || c.AsksRenewal {
			t.Errorf("the consent page says %+v", c)
		}
		b.press(b.allow())
		b.stands(linkage.HandoverStep)
		if b.at.Handover.Way == nil || !b.at.Handover.Allowed || len(b.at.Handover.Receipt.Accounts) != 2 {
			t.Fatalf("the hand-over says %+v", b.at.Handover)
		}
		kept, err := d.in.Consent(t.Context(), b.at.Handover.Receipt.Consent)
		if err != nil {
			t.Fatal(err)
		}
		if kept.State != linkage.Issued || !kept.Extent.Covers("001-1-1000101") || kept.Extent.LastDay() != "2027-02-22" {
			t.Errorf("kept is %+v", kept)
		}
		d.clock.Advance(61 * time.Second)
		if b.load().Handover.Way != nil {
			t.Error("the way back is shown when its code is over")
		}
	})
}

func TestEveryStepOfTheManualIsTakenInItsOrder(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("chooser")
		b.press(d.logIn("pin.mixed"))
		b.stands(linkage.BusinessStep)
		if n := len(b.at.Business.Rows); n != 3 {
			t.Fatalf("%d functions are offered", n)
		}
		b.press(d.choose())
		b.fault(linkage.FunctionsField, linkage.Missing)
		b.press(d.choose(corebank.BalanceInquiry))
		b.stands(linkage.PINStep)
		states := []linkage.PINState{linkage.Unregistered, linkage.Registered, linkage.Pending, linkage.Rejected}
		for i, r := range b.at.PIN.Rows {
			if r.State != states[i] || r.Chosen != (r.State == linkage.Unregistered || r.State == linkage.Rejected) {
				t.Errorf("row %d is %+v", i, r)
			}
		}
		if !b.at.PIN.CanPostpone {
			t.Error("あとで登録して進む is missing though an account is usable")
		}
		b.press(b.pins(b.at.PIN.Rows[3].Account.ID))
		b.stands(linkage.PINResultStep)
		rows := b.at.PINResult.Rows
		if rows[0].State != linkage.Staged || !rows[0].ThisTime || rows[3].Fault != linkage.WrongPIN || rows[3].Left != 2 {
			t.Errorf("the result says %+v", rows)
		}
		b.press(d.svc.RegisterMorePINs)
		b.stands(linkage.PINStep)
		if r := b.at.PIN.Rows[0]; r.State != linkage.Staged || r.Chosen {
			t.Errorf("登録済み＊ stands as %+v", r)
		}
		b.press(b.pins())
		b.stands(linkage.PINResultStep)
		b.press(d.svc.ConfirmPINs)
		b.stands(linkage.ConsentStep)
		if len(b.at.Consent.Accounts) != 4 || !b.at.Consent.Accounts[2].Waiting {
			t.Errorf("the consent page says %+v", b.at.Consent.Accounts)
		}
		if kept, _ := d.in.PINs(t.Context(), []corebank.AccountID{rows[0].Account.ID}); len(kept) != 0 {
			t.Error("a staged PIN is in force before the consent")
		}
		b.press(b.allow())
		b.stands(linkage.HandoverStep)
		kept, err := d.in.PINs(t.Context(), []corebank.AccountID{rows[0].Account.ID, rows[3].Account.ID})
		if err != nil || len(kept) != 2 || kept[0].State != linkage.Registered || kept[1].State != linkage.Registered {
			t.Errorf("in force are %+v, %v", kept, err)
		}
		if got := len(b.at.Steps); got != 5 {
			t.Errorf("the indicator has %d steps, not 5: %+v", got, b.at.Steps)
		}
	})
}

func TestAQuestionIsAskedWhereTheRiskSaysSo(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		b.press(d.logIn("risk.question"))
		b.stands(linkage.QuestionStep)
		asked := b.at.Question.Question
		b.press(d.answer(""))
		b.fault(linkage.AnswerField, linkage.Missing)
		b.press(d.answer("そば"))
		if e := b.fault(linkage.AnswerField, linkage.WrongAnswer); e.Left != 2 {
			t.Errorf("%d tries are left", e.Left)
		}
		b.stands(linkage.QuestionStep)
		if b.at.Question.Question != asked {
			t.Error("another question is asked")
		}
		b.press(b.rightAnswer())
		b.stands(linkage.ConsentStep)
		b.press(b.allow())
		if a := d.paper.approved[0]; a.ACR != "password_question" || len(a.AMR) != 2 {
			t.Errorf("the protocol is told %+v", a)
		}
	})
}

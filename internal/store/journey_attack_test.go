package store_test

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// security.md S11: what belongs to others is named in a form, and nobody is asked.
func TestWhatBelongsToOthersIsNotOffered(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		theirs := d.open("fixed")
		theirs.press(d.logIn("ok.pw"))
		theirs.press(theirs.allow())
		linked := theirs.at.Handover.Receipt.Consent
		d.activate(linked)

		b := d.open("fixed")
		b.press(d.logIn("pin.none"))
		b.stands(linkage.PINStep)
		for _, id := range []corebank.AccountID{"001-1-1000101", "999-1-0000000", ""} { // with the right PIN of the first
			b.press(d.register(linkage.PINPress{Rows: []linkage.PINPressRow{{Account: id, Chosen: true, PIN: secret.Of("1101")}}}))
			b.fault(linkage.PINsField, linkage.NotOffered)
		}
		own := b.at.PIN.Rows[0].Account.ID
		twice := linkage.PINPressRow{Account: own, Chosen: true, PIN: secret.Of("1501")}
		b.press(d.register(linkage.PINPress{Rows: []linkage.PINPressRow{twice, twice}}))
		b.fault(linkage.PINsField, linkage.NotOffered)
		if n := d.bank.Calls()["CheckPIN"]; n != 0 {
			t.Errorf("the bank was asked %d times", n)
		}
		b.press(b.pins())
		b.press(d.svc.ConfirmPINs)
		b.press(d.consent(linkage.ConsentPress{Intent: linkage.Proceed, Accounts: []corebank.AccountID{own, "001-1-1000101"}}))
		b.fault(linkage.AccountsField, linkage.NotOffered)
		if n := d.acts(linkage.PressRefused, "not_offered"); n != 5 {
			t.Errorf("%d refusals are in the log", n)
		}
		// A linkage of somebody else cannot be replaced, whether the page asks or not.
		renews := linkage.ConsentPress{Intent: linkage.Proceed, Accounts: []corebank.AccountID{own}, Renews: linked}
		b.press(d.consent(renews))
		b.stands(linkage.HandoverStep)
		d.activate(b.at.Handover.Receipt.Consent)
		again := d.open("fixed")
		again.press(d.logIn("pin.none"))
		again.press(d.consent(renews))
		again.fault(linkage.RenewsField, linkage.GoneRenewal)
		if d.paper.approved[1].Replaces != "" || len(d.paper.approved) != 2 {
			t.Errorf("the protocol is told %+v", d.paper.approved)
		}
		if kept, err := d.in.Consent(t.Context(), linked); err != nil || kept.State != linkage.Active {
			t.Errorf("the other one's linkage is %s, %v", kept.State, err)
		}
	})
}

// security.md S08: how long the answer takes does not tell an id that exists from
// one that does not, nor a certificate user's. The three kinds take turns, so that
// whatever else the machine does meets them alike; the bound is wide enough for a
// busy one and far below what one hash less would be.
func TestTheIDDoorTakesAsLongForEveryID(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	d := newDesk(t, open(t, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "renkei.db")}))
	var here, certificate []string
	for _, c := range d.bank.Companies {
		for _, m := range c.Members {
			switch {
			case c.Habit.Delay > 0 || c.Habit.AllDown || c.Habit.Down || c.Habit.Closed:
			case m.Method == corebank.PasswordLogin:
				here = append(here, string(m.LoginID))
			default:
				certificate = append(certificate, string(m.LoginID))
			}
		}
	}
	const tries = 40
	took := make([][]time.Duration, 3)
	for n := range tries {
		for kind, id := range []string{here[n%len(here)], fmt.Sprint("nobody.", n%len(here)), certificate[n%len(certificate)]} {
			b := d.open("fixed")
			began := time.Now()
			b.press(d.logInWith(id, fmt.Sprint("wrong ", n)))
			took[kind] = append(took[kind], time.Since(began))
			b.fault(linkage.PasswordField, linkage.WrongLogin)
		}
	}
	for kind, name := range map[int]string{1: "nobody's", 2: "a certificate user's"} {
		z := ranked(took[0], took[kind])
		ratio := float64(median(took[kind])) / float64(median(took[0]))
		t.Logf("%s id: median %v against %v, z = %.2f", name, median(took[kind]), median(took[0]), z)
		if math.Abs(z) > 4 && (ratio < 0.75 || ratio > 1.33) {
			t.Errorf("%s id is told by its time: median %v against %v, z = %.2f", name, median(took[kind]), median(took[0]), z)
		}
	}
}

func median(all []time.Duration) time.Duration { return slices.Sorted(slices.Values(all))[len(all)/2] }

// ranked is the Mann–Whitney statistic of two samples as a standard score.
func ranked(a, b []time.Duration) float64 {
	type one struct {
		took time.Duration
		of   int
	}
	var all []one
	for of, sample := range [][]time.Duration{a, b} {
		for _, took := range sample {
			all = append(all, one{took, of})
		}
	}
	slices.SortFunc(all, func(x, y one) int { return cmp.Compare(x.took, y.took) })
	sum, m, n := 0.0, float64(len(a)), float64(len(b))
	for i, x := range all {
		if x.of == 0 {
			sum += float64(i + 1)
		}
	}
	return (sum - m*(m+1)/2 - m*n/2) / math.Sqrt(m*n*(m+n+1)/12)
}

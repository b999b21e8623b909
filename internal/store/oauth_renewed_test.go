package store_test

import (
	"slices"
	"testing"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/store"
)

// PINs outlive the consent that a renewal ends, unless nobody names their account
// any more.
func TestARenewalDropsThePINsOfTheAccountsThatItLeavesOutAndNoOthers(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		in := db.Institution("demo")
		accounts := []corebank.AccountID{"001-1-2000002", "001-1-2000003", "001-1-2000004"}
		seeds := linkage.PINsSeeded{Done: audit.Act{Name: linkage.PINConfirmedName, At: w.Now(), Actor: audit.Actor{Kind: audit.System}, Outcome: audit.Done}}
		for _, a := range accounts {
			seeds.PINs = append(seeds.PINs, linkage.StoredPIN{
				Account: a, User: "usr_hanako", Company: "cmp_mihon", State: linkage.Registered, Sealed: make([]byte, 60), Version: 1, At: w.Now(),
			})
		}
		if err := in.Commit(t.Context(), seeds); err != nil {
			t.Fatal(err)
		}
		// names is what a consent names from now on, and renew one in another's place.
		names := func(consent, accounts string) {
			t.Helper()
			if err := db.Tamper(t.Context(), `UPDATE consents SET accounts = $2 WHERE id = $1`, consent, accounts); err != nil {
				t.Fatal(err)
			}
		}
		renew := func(old, accounts string) string {
			t.Helper()
			s := w.client.Again()
			i, err := w.begin(s, w.push(s, asking(s)))
			if err != nil {
				t.Fatal(err)
			}
			a := w.approval(s)
			a.Replaces = old
			names(a.Consent, accounts)
			back, change, err := w.Engine.Approve(t.Context(), i.Handle, a)
			if err != nil {
				t.Fatal(err)
			}
			if err := in.Commit(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			if _, err := w.redeem(s, parameter(t, back, "code")); err != nil {
				t.Fatal(err)
			}
			return a.Consent
		}
		const two = `["001-1-2000002","001-1-2000003"]`
		first := renew("", two)
		second := renew(first, two)
		third := renew(second, `["001-1-2000003"]`)
		for _, step := range []struct {
			after string
			want  []corebank.AccountID
			do    func()
		}{
			{"a renewal with the same account, and one with fewer", accounts[1:], func() {}},
			{"a renewal with none of them", accounts[2:], func() { renew(third, `["001-1-9"]`) }},
		} {
			step.do()
			pins, err := in.PINs(t.Context(), accounts)
			if err != nil {
				t.Fatal(err)
			}
			var left []corebank.AccountID
			for _, p := range pins {
				left = append(left, p.Account)
			}
			if !slices.Equal(left, step.want) {
				t.Errorf("after %s there are PINs of %v, want %v", step.after, left, step.want)
			}
		}
	})
}

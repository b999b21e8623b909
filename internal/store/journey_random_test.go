package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// wanderer presses whatever button it likes, on whatever page it stands, with
// whatever content; what it needs for 許可 is worked out from the outside alone.
type wanderer struct {
	*browser
	user string
	done map[string]bool
}

// buttons is everything that can be sent, right or wrong, in or out of place.
func (w *wanderer) buttons() map[string]pressing {
	d := w.desk
	all := map[string]pressing{
		"log in": d.logIn(w.user), "log in wrong": d.logInWith(w.user, "wrong"),
		"certificate":  d.logInCertificate("demo-ok-cert-2468"),
		"answer wrong": d.answer("そば"), "choose": d.choose(corebank.BalanceInquiry), "choose nothing": d.choose(),
		"register": w.pins(), "register nothing": d.register(linkage.PINPress{}),
		"postpone": d.svc.PostponePINs, "confirm": d.svc.ConfirmPINs, "more": d.svc.RegisterMorePINs,
		"allow": w.allow(), "allow blindly": d.consent(linkage.ConsentPress{Intent: linkage.Proceed, Accounts: []corebank.AccountID{"001-1-1000501", "001-1-1000301", "001-1-1000401"}}),
		"allow nothing": d.consent(linkage.ConsentPress{Intent: linkage.Proceed}),
		"another user":  d.svc.SwitchUser,
		"refuse":        d.svc.Refuse, "leave": d.svc.Leave, "extend": d.svc.Extend,
	}
	all["answer"] = d.answer("カレーうどん")
	if w.at.Question != nil {
		all["answer"] = w.rightAnswer()
	}
	return all
}

// press presses, and keeps what the page before it proved.
func (w *wanderer) press(t interface{ Fatalf(string, ...any) }, name string) {
	before := w.at
	r, err := w.buttons()[name](w.t.Context(), w.visit())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	w.take(r)
	if r.Again != nil {
		w.signed = secret.Value{}
		w.browser, w.done = w.lead(*r.Again), map[string]bool{}
		return
	}
	led := !r.Stale && len(r.Journey.Errors) == 0 && before.Step != w.at.Step
	switch {
	case led && before.Step == linkage.LoginStep && name == "log in":
		w.done["login"] = true
	case led && before.Step == linkage.QuestionStep && name == "answer":
		w.done["question"] = true
	case led && before.Step == linkage.BusinessStep && name == "choose":
		w.done["business"] = true
	case led && before.Step == linkage.PINStep && (name == "postpone" || name == "register"):
		w.done["pin"] = true
	}
	if h := w.at.Handover; h != nil && h.Allowed && before.Step != linkage.HandoverStep {
		w.allowed(t, name, before)
	}
}

// allowed checks that nobody came to 許可 without every required step.
func (w *wanderer) allowed(t interface{ Fatalf(string, ...any) }, name string, before linkage.Journey) {
	need := []string{"login"}
	switch w.user {
	case "risk.question":
		need = append(need, "question")
	case "pin.none", "pin.mixed":
		need = append(need, "pin")
	}
	if w.at.Partner.ChoosesFunctions {
		need = append(need, "business")
	}
	for _, n := range need {
		if !w.done[n] {
			t.Fatalf("%s after %s was allowed without %s", w.user, name, n)
		}
	}
	if before.Step != linkage.ConsentStep || name != "allow" && name != "allow blindly" {
		t.Fatalf("%s at %s allowed", name, before.Step)
	}
	for _, a := range w.at.Handover.Receipt.Accounts {
		if !slices.ContainsFunc(before.Consent.Accounts, func(c linkage.ConsentAccount) bool { return c.Account.ID == a.ID }) {
			t.Fatalf("%s was allowed, which the page did not show", a.ID)
		}
	}
}

// onward is the button that leads on from the page.
func (w *wanderer) onward() string {
	return map[linkage.Step]string{
		linkage.LoginStep: "log in", linkage.QuestionStep: "answer", linkage.BusinessStep: "choose", linkage.PINStep: "register",
		linkage.PINResultStep: "confirm", linkage.ConsentStep: "allow", linkage.HandoverStep: "extend", linkage.EndedStep: "leave",
	}[w.at.Step]
}

// begin forgets what earlier sequences linked and registered.
func (d *desk) begin() {
	err := d.in.Write(d.t.Context(), func(ctx context.Context, t store.Tx) error {
		if err := t.Do(ctx, `DELETE FROM inquiry_pins`); err != nil {
			return err
		}
		return t.Do(ctx, `UPDATE consents SET state = 'ended'`)
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.seed()
}

var wanderers = []string{"ok.pw", "risk.question", "pin.none", "pin.mixed"}

func newWanderer(d *desk, chooser bool, user string) *wanderer {
	p := testPartners[1].ID
	if chooser {
		p = testPartners[0].ID
	}
	return &wanderer{browser: d.open(p), user: user, done: map[string]bool{}}
}

// signedIn is a wanderer whose browser logged in for an earlier journey.
func (w *wanderer) signedIn() *wanderer {
	w.browser.press(w.logIn(w.user))
	if w.at.Question != nil {
		w.browser.press(w.rightAnswer())
	}
	next := &wanderer{browser: w.open(w.at.Partner.ID), user: w.user, done: map[string]bool{}}
	next.done["login"] = next.at.Step != linkage.LoginStep
	return next
}

// S03: random buttons never reach 許可 without every required step.
func TestNoSequenceOfButtonsIsAllowedWithoutEveryRequiredStep(t *testing.T) {
	d := newDesk(t, open(t, sqliteConfig(t)))
	d.svc.Rules.Login.Password.Tries, d.svc.Rules.Login.AnswerTries, d.svc.Rules.MaxPINTries = 1_000_000, 1_000_000, 1_000_000
	d.svc.Bank, d.svc.Rules.SessionFor = lenient{d}, time.Hour
	reached := map[linkage.Step]int{}
	rapid.Check(t, func(t *rapid.T) {
		d.begin()
		w := newWanderer(d, rapid.Bool().Draw(t, "the partner offers a choice"), rapid.SampledFrom(wanderers).Draw(t, "user"))
		if rapid.Bool().Draw(t, "signed in") {
			if w = w.signedIn(); !w.done["login"] {
				t.Fatalf("the session does not serve %s", w.user)
			}
		}
		names := slices.Sorted(mapsKeys(w.buttons()))
		for range rapid.IntRange(1, 25).Draw(t, "presses") {
			name := rapid.SampledFrom(append(names, "reload", "old form", "wait", "on", "on", "on", "on", "on", "on", "on", "on", "on", "on")).Draw(t, "button")
			if name == "on" {
				name = w.onward()
			}
			switch name {
			case "reload":
				w.load()
			case "old form":
				w.at.Press = "AAAAAAAAAAAAAAAAAAAAAA"
			case "wait":
				d.clock.Advance(time.Minute)
			default:
				w.press(t, name)
			}
			reached[w.at.Step]++
		}
	})
	for _, s := range []linkage.Step{linkage.QuestionStep, linkage.BusinessStep, linkage.PINStep, linkage.PINResultStep, linkage.ConsentStep, linkage.HandoverStep} {
		if reached[s] == 0 {
			t.Errorf("no sequence came to %s", s)
		}
	}
}

// FuzzJourney is the same, steered by the fuzzer: each byte is a button.
func FuzzJourney(f *testing.F) {
	d := newDesk(f, open(f, sqliteConfig(f)))
	d.svc.Rules.Login.Password.Tries, d.svc.Rules.Login.AnswerTries, d.svc.Rules.MaxPINTries = 1_000_000, 1_000_000, 1_000_000
	d.svc.Bank = lenient{d}
	names := slices.Sorted(mapsKeys(newWanderer(d, true, "ok.pw").buttons()))
	way := func(of ...string) []byte {
		b := []byte{0, 0}
		for _, n := range of {
			b = append(b, byte(slices.Index(names, n)))
		}
		return b
	}
	f.Add(way("log in", "choose", "allow"))
	f.Add(append([]byte{1, 1}, way("log in", "answer", "choose", "allow")[2:]...))
	f.Add(append([]byte{1, 2}, way("log in", "choose", "register", "more", "register", "confirm", "allow")[2:]...))
	f.Add(way("allow blindly", "log in wrong", "leave"))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if len(bytes) < 2 {
			return
		}
		here := *d
		here.t = t
		here.begin()
		w := newWanderer(&here, bytes[0]%2 == 1, wanderers[int(bytes[1])%len(wanderers)])
		for _, b := range bytes[2:min(len(bytes), 32)] {
			w.press(t, names[int(b)%len(names)])
		}
	})
}

func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func sqliteConfig(t testing.TB) store.Config {
	return store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "renkei.db")}
}

// lenient is the demo's world without the cost of its digests, and without
// locking anybody out.
type lenient struct{ d *desk }

// No byte of a password, an answer or a PIN stands in the database or in what
// it keeps beside it.
func TestNoSecretStandsInTheDatabase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "renkei.db")
	d := newDesk(t, open(t, store.Config{URL: "sqlite:" + file}))
	b := d.open("fixed")
	const wrongPassword, wrongAnswer, typedID = "sentinel-password-4711", "sentinel-answer", "sentinel-in-the-id-field"
	b.press(d.logInWith(typedID, wrongPassword))
	b.press(d.logIn("risk.question"))
	right := b.rightAnswer()
	b.press(d.answer(wrongAnswer))
	b.press(right)
	b.press(b.allow())
	c := d.open("fixed")
	c.press(d.logIn("pin.none"))
	c.press(d.register(linkage.PINPress{Rows: []linkage.PINPressRow{
		{Account: "001-1-1000501", Chosen: true, PIN: secret.Of("1501")}, {Account: "001-1-1000502", Chosen: true, PIN: secret.Of("9753")},
	}}))
	c.press(d.svc.ConfirmPINs)
	c.press(c.allow())
	sentinels := []string{wrongPassword, wrongAnswer, typedID, "demo-risk-2468", "demo-pin-none-2468", "カレーうどん", "カブトムシ", "みほんちゃん", "9753", "code=" + string(c.at.Handover.Receipt.Consent)}
	err := filepath.WalkDir(filepath.Dir(file), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, s := range sentinels {
			if s == "9753" {
				continue // four digits stand anywhere by chance; see below
			}
			if bytes.Contains(text, []byte(s)) {
				t.Errorf("%q stands in %s", s, filepath.Base(path))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var entries int
	if err := d.in.Row(t.Context(), `SELECT COUNT(*) FROM audit WHERE entry LIKE '%"1501"%' OR entry LIKE '%9753%'`, nil, &entries); err != nil || entries != 0 {
		t.Errorf("%d acts name a PIN, %v", entries, err)
	}
	var sealed []byte
	if err := d.in.Row(t.Context(), `SELECT pin FROM inquiry_pins WHERE account_id = '001-1-1000501'`, nil, &sealed); err != nil || bytes.Contains(sealed, []byte("1501")) {
		t.Errorf("the PIN is not sealed: %v", err)
	}
	if printed := fmt.Sprintf("%v %+v", c.visit(), linkage.LoginPress{Password: secret.Of(wrongPassword)}); strings.Contains(printed, wrongPassword) {
		t.Error("a press prints its password")
	}
}

package linkage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
)

var allSteps = []Step{LoginStep, CertificateStep, QuestionStep, BusinessStep, PINStep, PINResultStep, ConsentStep, HandoverStep, EndedStep}

func TestTheTableIsClosed(t *testing.T) {
	for _, s := range allSteps {
		if !slices.ContainsFunc(places, func(p place) bool { return p.step == s }) {
			t.Errorf("%s has no row", s)
		}
	}
	if len(places) != len(allSteps) {
		t.Errorf("the table has %d rows for %d steps", len(places), len(allSteps))
	}
	reached := map[Step]bool{LoginStep: true, CertificateStep: true} // by Start, and by a certificate
	for _, p := range places {
		seen := map[Button]bool{}
		for _, l := range p.buttons {
			if seen[l.button] {
				t.Errorf("%s has %s twice", p.step, l.button)
			}
			seen[l.button] = true
			if len(l.to) == 0 {
				t.Errorf("%s of %s leads nowhere", l.button, p.step)
			}
			for _, to := range l.to {
				if !slices.Contains(allSteps, to) {
					t.Errorf("%s of %s leads to %s, which is no step", l.button, p.step, to)
				}
				reached[to] = true
			}
		}
		if p.step != HandoverStep && !p.has(Leave) {
			t.Errorf("%s cannot be left", p.step)
		}
	}
	for _, s := range allSteps {
		if !reached[s] {
			t.Errorf("no button leads to %s", s)
		}
	}
}

// Every step of the manual is a file of its own, so that the folder listing is
// the manual.
func TestEveryStepHasItsParts(t *testing.T) {
	files, err := filepath.Glob("step[1-6]_*.go")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"step1_login.go", "step2_question.go", "step3_business.go", "step4_pin.go", "step5_pinresult.go", "step6_consent.go"}
	if !slices.Equal(files, want) {
		t.Errorf("the files are %v", files)
	}
	methods := map[Button]string{
		LogIn: "LogIn(", LogInCertificate: "LogInWithCertificate(", Answer: "Answer(", Next: "ChooseFunctions(", Register: "RegisterPINs(",
		Postpone: "PostponePINs(", Confirm: "ConfirmPINs(", RegisterMore: "RegisterMorePINs(", Allow: "Allow(", Refuse: "Refuse(",
	}
	for _, p := range places {
		for _, l := range p.buttons {
			if l.button == Leave || l.button == SwitchUser {
				continue // of every page: handover.go, session.go
			}
			i := slices.IndexFunc(files, func(f string) bool {
				text, err := os.ReadFile(f)
				return err == nil && strings.Contains(string(text), "func (s *Service) "+methods[l.button])
			})
			if i < 0 || methods[l.button] == "" {
				t.Errorf("%s of %s (%s) has no method in a file of a step", l.button, p.step, p.manual)
			}
		}
	}
}

func TestTheIndicatorCountsOnlyTheStepsOfThisJourney(t *testing.T) {
	words := func(st state, here Step) string {
		var all []string
		for _, m := range marks(st, here) {
			w := string(m.Step)
			if m.Done {
				w += "✓"
			}
			if m.Here {
				w += "!"
			}
			all = append(all, w)
		}
		return strings.Join(all, " ")
	}
	in := state{AuthAt: time.Unix(1, 0)}
	cases := []struct {
		name string
		st   state
		here Step
		want string
	}{
		{"before the login no total is known", state{}, LoginStep, "login!"},
		{"the certificate's password is the login", state{Certificate: &takenCertificate{}}, CertificateStep, "login!"},
		{"nothing but the consent", in, ConsentStep, "login✓ consent!"},
		{"all of them", state{AuthAt: in.AuthAt, Question: &corebank.Question{}, Chooses: true, PINsAsked: true}, BusinessStep, "login✓ question✓ business! pin pin-result consent"},
		{"PINs put off", state{AuthAt: in.AuthAt, PINsAsked: true, PINsSettled: true, Visited: []Step{PINStep}}, ConsentStep, "login✓ pin✓ consent!"},
		{"over", in, HandoverStep, "login✓ consent✓"},
		{"halted after the login", state{AuthAt: in.AuthAt, Visited: []Step{LoginStep}, Cause: &Cause{}}, EndedStep, "login✓ consent"},
	}
	for _, c := range cases {
		if got := words(c.st, c.here); got != c.want {
			t.Errorf("%s: %q, not %q", c.name, got, c.want)
		}
	}
}

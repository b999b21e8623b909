package screens

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/i18n"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/web/look"
)

// form is what a page sent.
type form url.Values

// maxFields is more than any page of ours has.
const maxFields = 2000

func readForm(r *http.Request) (form, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fault.Wrap(fault.Invalid, "read a form", err)
	}
	if len(r.PostForm) > maxFields {
		return nil, fault.New(fault.Invalid, "read a form: %d fields", len(r.PostForm))
	}
	return form(r.PostForm), nil
}

func (f form) one(name string) string          { return url.Values(f).Get(name) }
func (f form) secret(name string) secret.Value { return secret.Of(f.one(name)) }
func (f form) all(name string) []string        { return f[name] }
func (f form) has(name, value string) bool {
	for _, v := range f[name] {
		if v == value {
			return true
		}
	}
	return false
}

func asHalted(err error) (linkage.Halted, bool) { return errors.AsType[linkage.Halted](err) }

// warnBefore is how long before its end a page warns.
const warnBefore = 2 * time.Minute

// page returns the shared part of a journey's page.
func (s *Screens) page(r *http.Request, j linkage.Journey, screen, headingKey string) look.Page {
	p := s.Look.Page(r, screen, headingKey)
	p.Number = string(j.Number)
	p.Partner = s.partnerOf(j)
	p.Company, p.User = j.Company, j.User
	p.Steps = make([]look.Step, 0, len(j.Steps))
	for _, m := range j.Steps {
		p.Steps = append(p.Steps, look.Step{Name: p.T(stepKey(m.Step)), Done: m.Done, Here: m.Here})
	}
	if !j.EndsAt.IsZero() && j.RemainingFor > 0 && j.Step != linkage.EndedStep {
		p.Remaining = &look.Remaining{
			Until: p.Clock(j.EndsAt), Seconds: int(j.RemainingFor / time.Second), WarnAt: int(warnBefore / time.Second),
			Extendable: j.Extendable, Action: address(j.ID, actionOf(linkage.Extend)), Press: j.Press,
		}
	}
	if j.CanLeave && j.Step != linkage.EndedStep {
		p.Leave = &look.Leave{Action: address(j.ID, actionOf(linkage.Leave)), Press: j.Press}
	}
	if j.CanSwitch {
		p.Another = &look.Leave{Action: address(j.ID, actionOf(linkage.SwitchUser)), Press: j.Press}
	}
	p.Problems = problems(p.Words, j)
	return p
}

func (s *Screens) partnerOf(j linkage.Journey) *look.Partner {
	if j.Partner.ID == "" {
		return nil
	}
	return &look.Partner{
		Service: j.Partner.Service, Corporation: j.Partner.Corporation,
		Registration: j.Partner.RegistrationNumber, Logo: s.Look.BrandFile(j.Partner.LogoFile),
	}
}

func stepKey(step linkage.Step) string {
	switch step {
	case linkage.QuestionStep:
		return "step.question"
	case linkage.BusinessStep:
		return "step.business"
	case linkage.PINStep:
		return "step.pin"
	case linkage.PINResultStep:
		return "step.pinresult"
	case linkage.ConsentStep:
		return "step.consent"
	case linkage.HandoverStep, linkage.EndedStep:
		return "step.handover"
	}
	return "step.login"
}

// extend is 時間を延長する: for the script of the page a short answer, so that
// what was typed stays; without it the page again.
func (s *Screens) extend(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Accept") != "application/json" {
		s.post(bare(s.Linkage.Extend))(w, r)
		return
	}
	v, err := s.visit(r)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
		return
	}
	f, err := readForm(r)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	v.Press = f.one("press")
	result, err := s.Linkage.Extend(r.Context(), v)
	if err != nil || result.Stale || result.Journey.EndsAt.IsZero() {
		http.Error(w, http.StatusText(http.StatusConflict), http.StatusConflict)
		return
	}
	s.keep(w, v.Journey, result)
	words := s.Look.Words(r)
	writeJSON(w, extended{
		Seconds:    int(result.Journey.RemainingFor / time.Second),
		Until:      untilWords(words, result.Journey.EndsAt),
		Extendable: result.Journey.Extendable,
	})
}

// extended is the answer to the page's script.
type extended struct {
	Seconds    int    `json:"seconds"`
	Until      string `json:"until"`
	Extendable bool   `json:"extendable"`
}

func untilWords(w i18n.Words, t time.Time) string {
	return "(" + w.T("layout.time_until", "time", w.Clock(t)) + ")"
}

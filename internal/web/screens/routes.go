package screens

import (
	"context"
	"net/http"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/web"
	"renkei.dev/internal/web/look"
)

// base is where all pages of journeys are.
const base = "/link/"

// Handler serves /link/ and the static files, on the issuer's own origin.
// Anything else is the page for an address that is not ours.
func (s *Screens) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+look.AssetPath, s.Look.Assets())
	mux.HandleFunc("GET /link/{journey}", s.get)
	mux.HandleFunc("GET /link/{journey}/{step}", s.get)
	mux.HandleFunc("GET /link/{journey}/trouble", s.trouble)
	for address, press := range s.presses() {
		mux.HandleFunc("POST /link/{journey}/"+address, s.post(press))
	}
	mux.HandleFunc("POST /link/{journey}/extend", s.extend)
	mux.HandleFunc("/", s.NotFound)
	return look.Switching(mux)
}

// press is one button: it reads its form and presses it.
type press func(ctx context.Context, v linkage.Visit, f form) (linkage.Result, error)

// presses are all buttons by the address that they are posted to, below the
// journey's.
func (s *Screens) presses() map[string]press {
	l := s.Linkage
	return map[string]press{
		actionOf(linkage.LogIn):            s.logIn,
		actionOf(linkage.LogInCertificate): s.logInWithCertificate,
		actionOf(linkage.Answer):           s.answer,
		actionOf(linkage.Next):             s.chooseFunctions,
		actionOf(linkage.Register):         s.registerPINs,
		actionOf(linkage.Postpone):         bare(l.PostponePINs),
		actionOf(linkage.Confirm):          bare(l.ConfirmPINs),
		actionOf(linkage.RegisterMore):     bare(l.RegisterMorePINs),
		actionOf(linkage.Allow):            s.allow,
		actionOf(linkage.Refuse):           bare(l.Refuse),
		actionOf(linkage.SwitchUser):       bare(l.SwitchUser),
		actionOf(linkage.Leave):            bare(l.Leave),
	}
}

// bare is a button whose form says nothing but that it was pressed.
func bare(method func(context.Context, linkage.Visit) (linkage.Result, error)) press {
	return func(ctx context.Context, v linkage.Visit, _ form) (linkage.Result, error) { return method(ctx, v) }
}

// actionOf returns where a button is posted to, below the journey's address.
// The first button of a page is posted to the page's own.
func actionOf(b linkage.Button) string {
	switch b {
	case linkage.LogIn:
		return string(linkage.LoginStep)
	case linkage.LogInCertificate:
		return string(linkage.CertificateStep)
	case linkage.Answer:
		return string(linkage.QuestionStep)
	case linkage.Next:
		return string(linkage.BusinessStep)
	case linkage.Register:
		return string(linkage.PINStep)
	case linkage.Postpone:
		return string(linkage.PINStep) + "/postpone"
	case linkage.Confirm:
		return string(linkage.PINResultStep)
	case linkage.RegisterMore:
		return string(linkage.PINResultStep) + "/more"
	case linkage.Allow:
		return string(linkage.ConsentStep)
	case linkage.Refuse:
		return string(linkage.ConsentStep) + "/refuse"
	case linkage.SwitchUser:
		return "switch"
	case linkage.Extend:
		return "extend"
	}
	return "leave"
}

func address(id linkage.JourneyID, below string) string { return base + id.String() + "/" + below }

// deviceLife is how long a browser is known again: the longest that browsers
// keep a cookie.
const deviceLife = 400 * 24 * time.Hour

var deviceCookie = web.Cookie{Name: "device", Life: deviceLife}

// sessionCookie is the browser's until it closes; the server knows how long it
// is good for.
var sessionCookie = web.Cookie{Name: "session"}

// cookieLife is longer than any journey; the journey itself says when it is over.
const cookieLife = 3 * time.Hour

func cookieOf(id linkage.JourneyID) web.Cookie {
	return web.Cookie{Name: id.String(), Life: cookieLife}
}

// visit reads who comes to which journey.
func (s *Screens) visit(r *http.Request) (linkage.Visit, error) {
	id, err := linkage.ParseJourneyID(r.PathValue("journey"))
	if err != nil {
		return linkage.Visit{}, err
	}
	v := s.browser(r)
	v.Journey, v.Cookie = id, cookieOf(id).Of(r)
	return v, nil
}

// browser reads who comes, whatever the journey.
func (s *Screens) browser(r *http.Request) linkage.Visit {
	agent := r.UserAgent()
	return linkage.Visit{
		Session: sessionCookie.Of(r), Address: s.Address(r),
		Device: linkage.Device{Token: deviceCookie.Of(r), UserAgent: agent[:min(len(agent), 400)]},
	}
}

// get shows the page where the journey stands; its own address is the only one
// at which it is shown.
func (s *Screens) get(w http.ResponseWriter, r *http.Request) {
	v, err := s.visit(r)
	if err != nil {
		s.NotFound(w, r)
		return
	}
	step := linkage.Step(r.PathValue("step"))
	if once := r.URL.Query().Get(onceParameter); once != "" && step == linkage.CertificateStep {
		s.takeCertificate(w, r, v, secret.Of(once))
		return
	}
	load := s.Linkage.Load
	if step == linkage.EndedStep {
		load = s.Linkage.LoadCause
	}
	j, err := load(r.Context(), v)
	switch {
	case err != nil:
		s.halted(w, r, err)
	case j.Step != linkage.RepeatStep && j.Step != step:
		web.SeeOther(w, address(j.ID, string(j.Step)))
	default:
		s.showJourney(w, r, j, nil)
	}
}

// post presses a button. A press that leads on answers 303 to the page where
// the journey stands. What a reload would not find again is shown at once: an
// error in what was typed, and a page AL-9xx that the next press may overcome.
func (s *Screens) post(do press) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := s.visit(r)
		if err != nil {
			s.NotFound(w, r)
			return
		}
		f, err := readForm(r)
		if err != nil {
			s.Refused(w, r, linkage.Cause{Code: linkage.RequestUnknown}, nil, false)
			return
		}
		v.Press = f.one("press")
		result, err := do(r.Context(), v, f)
		if err != nil {
			s.halted(w, r, err)
			return
		}
		s.keep(w, v.Journey, result)
		if result.SignedOut {
			sessionCookie.Clear(w)
			web.ClearCache(w)
		}
		if result.Again != nil {
			forgetOldest(w, r)
			s.lead(w, r, *result.Again)
			return
		}
		j := result.Journey
		unsaved := len(j.Errors) > 0 && result.Cookie.IsEmpty() && !result.Stale
		if unsaved || j.Step == linkage.EndedStep && !result.Stale {
			s.showJourney(w, r, j, f)
			return
		}
		web.SeeOther(w, address(j.ID, string(j.Step)))
	}
}

// keep puts what a press gave into the browser.
func (s *Screens) keep(w http.ResponseWriter, id linkage.JourneyID, result linkage.Result) {
	if !result.Cookie.IsEmpty() {
		cookieOf(id).Set(w, result.Cookie)
	}
	if !result.Device.IsEmpty() {
		deviceCookie.Set(w, result.Device)
	}
	if !result.Session.IsEmpty() {
		sessionCookie.Set(w, result.Session)
	}
}

// showJourney shows the page of a journey. typed is what was sent and could not
// be taken; nil: the page as it is kept.
func (s *Screens) showJourney(w http.ResponseWriter, r *http.Request, j linkage.Journey, typed form) {
	status := http.StatusOK
	if typed != nil {
		status = http.StatusUnprocessableEntity
	}
	switch j.Step {
	case linkage.LoginStep:
		s.show(w, r, status, "login", s.loginPage(r, j))
	case linkage.CertificateStep:
		s.show(w, r, status, "certificate", s.certificatePage(r, j))
	case linkage.QuestionStep:
		s.show(w, r, status, "question", s.questionPage(r, j))
	case linkage.BusinessStep:
		s.show(w, r, status, "business", s.businessPage(r, j, typed))
	case linkage.PINStep:
		s.show(w, r, status, "pin", s.pinPage(r, j, typed))
	case linkage.PINResultStep:
		s.show(w, r, status, "pinresult", s.pinResultPage(r, j))
	case linkage.ConsentStep:
		s.show(w, r, status, "consent", s.consentPage(r, j, typed))
	case linkage.HandoverStep:
		page := s.handoverPage(r, j)
		if page.FormOrigin != "" {
			web.AllowFormTo(w, page.FormOrigin)
		}
		s.show(w, r, http.StatusOK, "handover", page)
	case linkage.RepeatStep:
		s.show(w, r, http.StatusOK, "repeat", s.repeatPage(r, j))
	default:
		s.showCause(w, r, s.endedPage(r, j), *j.Ended)
	}
}

// show writes a page.
func (s *Screens) show(w http.ResponseWriter, r *http.Request, status int, name string, view any) {
	if err := s.pages.Show(w, status, name, view); err != nil {
		s.Log.ErrorContext(r.Context(), "a page could not be shown", "page", name, "path", r.URL.Path, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// halted shows why there is no page of a journey to show.
func (s *Screens) halted(w http.ResponseWriter, r *http.Request, err error) {
	if h, ok := asHalted(err); ok {
		s.Refused(w, r, h.Cause, nil, false)
		return
	}
	if r.Context().Err() == nil {
		s.Log.ErrorContext(r.Context(), "a press or page failed", "path", r.URL.Path, "kind", fault.Of(err).Error(), "error", err)
	}
	s.Broken(w, r)
}

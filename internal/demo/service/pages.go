package service

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/i18n"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

const (
	sessionCookie  = "__Host-service"
	languageCookie = "__Host-language"
)

var japan = time.FixedZone("JST", 9*60*60)

func parsePages() (*template.Template, error) {
	t, err := template.ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "read the pages", err)
	}
	return t, nil
}

func (s *Service) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", s.home)
	m.HandleFunc("POST /link", s.startLinking)
	m.HandleFunc("GET "+CallbackPath, s.callback)
	m.HandleFunc("POST /links/{link}/refresh", s.refreshLink)
	m.HandleFunc("GET /links/{link}/unlink", s.confirmUnlink)
	m.HandleFunc("POST /links/{link}/unlink", s.unlink)
	m.HandleFunc("GET /links/{link}/accounts/{account}/{kind}", s.statement)
	m.HandleFunc("GET /wire", s.wire)
	m.HandleFunc("POST /wire/clear", s.clearWire)
	m.HandleFunc("GET /language/{language}", s.chooseLanguage)
	if static, err := fs.Sub(staticFiles, "static"); err == nil { // a constant path: it cannot fail
		m.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	}
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.trouble(w, r, http.StatusNotFound, "not_found", "") })
	guarded := http.NewCrossOriginProtection().Handler(m)
	issuer := originOf(s.config.Issuer)
	return web.Headers{}.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The button of the first page is answered by a redirect to the bank, which
		// form-action counts as a target of the form.
		web.AllowFormTo(w, issuer)
		guarded.ServeHTTP(w, r)
	}))
}

// frame is what every page has.
type frame struct {
	words
	Page    string // name of the page, for words and looks
	Title   string
	Service *Config
	Back    string // path of this page, for the language switch
	Notice  string
}

// Name returns the service's name in the page's language.
func (f frame) Name() string {
	if f.InJapanese() {
		return f.Service.Name
	}
	return f.Service.NameEnglish
}

func (s *Service) frame(r *http.Request, page string) frame {
	language := i18n.Match(r.Header.Get("Accept-Language"))
	if c, err := r.Cookie(languageCookie); err == nil {
		if l, ok := i18n.Parse(c.Value); ok {
			language = l
		}
	}
	back := r.URL.Path
	if r.Method != http.MethodGet || back == CallbackPath {
		back = "/"
	}
	f := frame{words: words{s.formats.In(language)}, Page: page, Service: &s.config, Back: back}
	if known(page + ".title") {
		f.Title = f.T(page + ".title")
	}
	return f
}

func (s *Service) show(w http.ResponseWriter, r *http.Request, status int, page string, view any) {
	var out bytes.Buffer
	if err := s.pages.ExecuteTemplate(&out, page+".html", view); err != nil {
		s.config.Log.ErrorContext(r.Context(), "write a page", "page", page, "why", err.Error())
		http.Error(w, "500", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := out.WriteTo(w); err != nil {
		s.config.Log.InfoContext(r.Context(), "a page was not taken", "why", err.Error())
	}
}

// session returns the browser's session; 0 when it has none.
func (s *Service) session(r *http.Request) (int64, error) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return 0, nil
	}
	id, err := s.keep.session(r.Context(), secret.Of(c.Value))
	if errors.Is(err, fault.NotFound) {
		return 0, nil
	}
	return id, err
}

func setCookie(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(sessionFor / time.Second), Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // the way back from the bank is a navigation from another site
	})
}

// linkView is a link as the first page shows it.
type linkView struct {
	ID           int64
	LinkedAt     time.Time
	FetchedAt    time.Time
	Granted      []string
	Problem      string
	Accounts     []account
	Transactions bool
	Deposits     bool
}

type homeView struct {
	frame
	Links []linkView
	Total string // of all balances, empty when one is missing
}

func (s *Service) home(w http.ResponseWriter, r *http.Request) {
	session, err := s.session(r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	v := homeView{frame: s.frame(r, "home")}
	if done := r.URL.Query().Get("done"); known("notice." + done) {
		v.Notice = v.T("notice." + done)
	}
	if session != 0 {
		links, err := s.keep.links(r.Context(), session)
		if err != nil {
			s.broken(w, r, err)
			return
		}
		for _, l := range links {
			v.Links = append(v.Links, linkView{
				ID: l.id, LinkedAt: l.linkedAt, FetchedAt: l.FetchedAt, Granted: l.Granted, Problem: l.Problem, Accounts: l.Accounts,
				Transactions: slices.Contains(l.Granted, "transactions"), Deposits: slices.Contains(l.Granted, "deposits"),
			})
		}
	}
	v.Total = total(v.Links)
	s.show(w, r, http.StatusOK, "home", v)
}

// total adds all balances up; an account without a figure leaves no total, since
// a sum that lacks one looks like a whole.
func total(links []linkView) string {
	sum, n := int64(0), 0
	for _, l := range links {
		for _, a := range l.Accounts {
			yen, err := strconv.ParseInt(a.Balance, 10, 64)
			if err != nil || a.Problem != "" {
				return ""
			}
			sum += yen
			n++
		}
	}
	if n < 2 {
		return ""
	}
	return strconv.FormatInt(sum, 10)
}

type statementView struct {
	frame
	ID      int64
	Account account
	Kind    string
	Since   string
	Lines   []entry
	Next    string // address of the next page
	Other   string // the other kind, when that was allowed too
}

// statement reads an account's entries when it is looked at; they are not kept.
func (s *Service) statement(w http.ResponseWriter, r *http.Request) {
	const days = 60
	session, l, ok := s.linkOf(w, r)
	if !ok {
		return
	}
	kind := r.PathValue("kind")
	i := slices.IndexFunc(l.Accounts, func(a account) bool { return a.ID == r.PathValue("account") })
	if i < 0 || !slices.Contains([]string{"transactions", "deposits"}, kind) || !slices.Contains(l.Granted, kind) {
		s.trouble(w, r, http.StatusNotFound, "not_found", "")
		return
	}
	since := s.config.Now().In(japan).AddDate(0, 0, -min(days, max(s.config.HistoryDays-1, 0))).Format(time.DateOnly)
	token := l.AccessToken
	lines, next, err := (&bank{s, session}).entries(r.Context(), &l, l.Accounts[i].ID, kind, since, r.URL.Query().Get("cursor"))
	if l.AccessToken != token {
		if err := s.keep.saveLink(withoutEnd(r.Context()), session, l); err != nil {
			s.broken(w, r, err)
			return
		}
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	v := statementView{frame: s.frame(r, "statement"), ID: l.id, Account: l.Accounts[i], Kind: kind, Since: since, Lines: lines}
	v.Title = v.T("statement.title." + kind)
	if next != "" {
		v.Next = "?" + url.Values{"cursor": {next}}.Encode()
	}
	for _, other := range []string{"transactions", "deposits"} {
		if other != kind && slices.Contains(l.Granted, other) {
			v.Other = other
		}
	}
	s.show(w, r, http.StatusOK, "statement", v)
}

type wireView struct {
	frame
	Messages []messageView
}

type messageView struct {
	message
	Number  int
	At      time.Time
	Explain string // key of the words that explain it
	Nonce   bool   // the bank demanded a fresh nonce
	Parts   []partView
}

type partView struct {
	words
	Heading string // key
	part
}

func (s *Service) wire(w http.ResponseWriter, r *http.Request) {
	session, err := s.session(r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	v := wireView{frame: s.frame(r, "wire")}
	if session != 0 {
		all, err := s.keep.messages(r.Context(), session)
		if err != nil {
			s.broken(w, r, err)
			return
		}
		for i, m := range all {
			explain := "step." + m.Step
			if with := explain + "." + string(s.config.Authentication); known(with) {
				explain = with
			}
			nonce := m.Status >= 400 && slices.ContainsFunc(m.Got.Headers, func(f field) bool { return f.Name == "Dpop-Nonce" })
			shown := messageView{message: m, Number: i + 1, At: m.at, Explain: explain, Nonce: nonce}
			for _, p := range []partView{{v.words, "wire.sent", m.Sent}, {v.words, "wire.got", m.Got}} {
				if !p.empty() {
					shown.Parts = append(shown.Parts, p)
				}
			}
			v.Messages = append(v.Messages, shown)
		}
		slices.Reverse(v.Messages)
	}
	s.show(w, r, http.StatusOK, "wire", v)
}

func (s *Service) clearWire(w http.ResponseWriter, r *http.Request) {
	session, err := s.session(r)
	if err == nil && session != 0 {
		err = s.keep.clearMessages(r.Context(), session)
	}
	if err != nil {
		s.broken(w, r, err)
		return
	}
	http.Redirect(w, r, "/wire", http.StatusSeeOther)
}

func (s *Service) chooseLanguage(w http.ResponseWriter, r *http.Request) {
	if l, ok := i18n.Parse(r.PathValue("language")); ok {
		setCookie(w, languageCookie, string(l))
	}
	// Only a path of ours: a browser reads // and /\ as another host.
	back := r.URL.Query().Get("back")
	if u, err := url.Parse(back); err != nil || u.IsAbs() || u.Host != "" || len(back) == 0 || back[0] != '/' ||
		len(back) > 1 && (back[1] == '/' || back[1] == '\\') {
		back = "/"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// linkOf finds the link that a path names, of this session only; when there is
// none it has answered.
func (s *Service) linkOf(w http.ResponseWriter, r *http.Request) (int64, link, bool) {
	session, err := s.session(r)
	if err != nil {
		s.broken(w, r, err)
		return 0, link{}, false
	}
	id, err := strconv.ParseInt(r.PathValue("link"), 10, 64)
	if err == nil && session != 0 {
		l, err := s.keep.link(r.Context(), session, id)
		if err == nil {
			return session, l, true
		}
		if !errors.Is(err, fault.NotFound) {
			s.broken(w, r, err)
			return 0, link{}, false
		}
	}
	s.trouble(w, r, http.StatusNotFound, "not_found", "")
	return 0, link{}, false
}

type troubleView struct {
	frame
	Word string // key of what is told
	Code string // the error code as the bank sent it, for staff
	Link bool   // whether linking (again) is what helps
}

// patience are the troubles that a new linking would not mend.
var patience = []string{
	"not_found", "own_fault", "bank_unreachable", "out_of_service_hours", "core_unavailable", "temporarily_busy",
	"pin_pending", "pin_locked", "account_closed", "user_locked", "contract_ended",
}

// trouble shows a page that says what happened and what to do next.
func (s *Service) trouble(w http.ResponseWriter, r *http.Request, status int, word, code string) {
	if !known("trouble." + word) {
		word, code = "other", word
	}
	v := troubleView{s.frame(r, "trouble"), word, code, !slices.Contains(patience, word)}
	v.Title = v.T("trouble." + word)
	s.show(w, r, status, "trouble", v)
}

// failed answers a call to the bank that brought nothing.
func (s *Service) failed(w http.ResponseWriter, r *http.Request, err error) {
	s.config.Log.InfoContext(r.Context(), "the bank did not do what was asked", "why", err.Error())
	var refused refusal
	switch {
	case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
		s.trouble(w, r, http.StatusOK, refused.code(), refused.Error_)
	case errors.As(err, &refused):
		s.trouble(w, r, http.StatusServiceUnavailable, refused.code(), "")
	case errors.Is(err, fault.Unavailable):
		s.trouble(w, r, http.StatusServiceUnavailable, "bank_unreachable", "")
	default:
		s.broken(w, r, err)
	}
}

// broken answers a failure of our own.
func (s *Service) broken(w http.ResponseWriter, r *http.Request, err error) {
	s.config.Log.ErrorContext(r.Context(), "the service failed", "why", err.Error())
	s.trouble(w, r, http.StatusInternalServerError, "own_fault", "")
}

package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"renkei.dev/internal/secret"
)

// answer is what a site answers to a request.
func answer(s Site, h http.HandlerFunc, r *http.Request) *httptest.ResponseRecorder {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	w := httptest.NewRecorder()
	s.Wrap(h).ServeHTTP(w, r)
	return w
}

func request(method, address string) *http.Request {
	r := httptest.NewRequest(method, address, nil)
	return r
}

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }

func TestEveryAnswerHasTheHeadersOfABanksPage(t *testing.T) {
	s := Site{Hosts: []string{"bank.example"}, Headers: Headers{HSTS: 365 * 24 * time.Hour, Reports: "/reports"}}
	want := map[string]string{
		"Content-Security-Policy":      policy + "; report-to csp",
		"Reporting-Endpoints":          `csp="/reports"`,
		"Strict-Transport-Security":    "max-age=31536000",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           permissions,
		"Cache-Control":                "no-store",
	}
	for name, h := range map[string]http.HandlerFunc{
		"a page":  fine,
		"none":    http.NotFound,
		"a panic": func(http.ResponseWriter, *http.Request) { panic("ours") },
	} {
		w := answer(s, h, request(http.MethodGet, "https://bank.example/"))
		for header, value := range want {
			if got := w.Header().Get(header); got != value {
				t.Errorf("%s: %s is %q, want %q", name, header, got, value)
			}
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Error("the policy lets something unsafe in")
	}
	w := answer(Site{}, func(w http.ResponseWriter, r *http.Request) { AllowFormTo(w, "https://kaikei.example") }, request(http.MethodGet, "https://bank.example/"))
	if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "form-action 'self' https://kaikei.example") {
		t.Errorf("the form cannot be posted: %s", got)
	}
	if got := w.Header().Get("Strict-Transport-Security"); got != "max-age=0" {
		t.Errorf("a demo sends %q", got)
	}
}

func TestAnAnswerToAProgramHasNoHeadersOfPages(t *testing.T) {
	w := answer(Site{Headers: Headers{HSTS: time.Hour, Data: true}}, fine, request(http.MethodGet, "https://api.bank.example/"))
	want := http.Header{
		"Content-Security-Policy":   {"default-src 'none'; frame-ancestors 'none'"},
		"Strict-Transport-Security": {"max-age=3600"},
		"X-Content-Type-Options":    {"nosniff"},
		"Cache-Control":             {"no-store"},
	}
	got := w.Header()
	got.Del("Content-Type")
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("it has %v, want %v", got, want)
	}
}

func TestOnlyOurOwnHostsAreServed(t *testing.T) {
	s := Site{Hosts: []string{"bank.example", "bank.example:9440"}}
	for _, c := range []struct {
		host, server string
		want         int
	}{
		{"bank.example", "bank.example", http.StatusOK},
		{"BANK.example", "bank.example", http.StatusOK},
		{"bank.example:9440", "bank.example", http.StatusOK},
		{"other.example", "other.example", http.StatusMisdirectedRequest},
		{"bank.example", "cert1.bank.example", http.StatusMisdirectedRequest}, // a connection made for another name
		{"bank.example", "", http.StatusOK},                                   // an address has no server name
	} {
		r := request(http.MethodGet, "https://x/")
		r.Host, r.TLS = c.host, &tls.ConnectionState{ServerName: c.server}
		if w := answer(s, fine, r); w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}

func TestAFormOfAnotherSiteIsRefusedUnlessPartnersMaySendIt(t *testing.T) {
	s := Site{ForeignForms: []string{"POST /authorize"}}
	for _, c := range []struct {
		method, path, from string
		want               int
	}{
		{http.MethodPost, "/link/a/consent", "same-origin", http.StatusOK},
		{http.MethodPost, "/link/a/consent", "cross-site", http.StatusForbidden},
		{http.MethodPost, "/link/a/consent", "same-site", http.StatusForbidden},
		{http.MethodPost, "/authorize", "cross-site", http.StatusOK},
		{http.MethodGet, "/authorize", "cross-site", http.StatusOK},
	} {
		r := request(c.method, "https://bank.example"+c.path)
		r.Header.Set("Sec-Fetch-Site", c.from)
		if w := answer(s, fine, r); w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
	// Browsers that send no Sec-Fetch-Site say where a form stood all the same.
	for origin, want := range map[string]int{
		"https://bank.example": http.StatusOK, "https://evil.example": http.StatusForbidden, "null": http.StatusForbidden,
		"https://cert1.bank.example": http.StatusForbidden, "https://bank.example:8443": http.StatusForbidden,
	} {
		r := request(http.MethodPost, "https://bank.example/link/a/consent")
		r.Header.Set("Origin", origin)
		if w := answer(s, fine, r); w.Code != want {
			t.Errorf("a form of %s: %d", origin, w.Code)
		}
	}
}

func TestTheLogSaysWhatWasAskedAndNoSecret(t *testing.T) {
	var log bytes.Buffer
	s := Site{Name: "issuer", Log: slog.New(slog.NewTextHandler(&log, nil))}
	r := request(http.MethodGet, "https://bank.example/authorize?request_uri=very-secret")
	r.Header.Set("Cookie", "a=very-secret")
	answer(s, fine, r)
	line := log.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, "path=/authorize status=200 bytes=4") {
		t.Errorf("logged %q", line)
	}
	if strings.Contains(line, "very-secret") {
		t.Errorf("a secret is in the log: %s", line)
	}
}

func TestAPanicIsLoggedOnceAndShowsOurPage(t *testing.T) {
	var log bytes.Buffer
	s := Site{Name: "issuer", Log: slog.New(slog.NewTextHandler(&log, nil)), Broken: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "AL-950")
	}}
	w := answer(s, func(http.ResponseWriter, *http.Request) { panic("ours") }, request(http.MethodGet, "https://bank.example/"))
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "AL-950" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Count(log.String(), "msg=panic") != 1 {
		t.Errorf("logged %s", log.String())
	}
}

func TestABodyHasALimit(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "https://bank.example/", strings.NewReader(strings.Repeat("a", 11)))
	var err error
	answer(Site{MaxBody: 10}, func(_ http.ResponseWriter, r *http.Request) { _, err = io.ReadAll(r.Body) }, r)
	if err == nil {
		t.Error("all of it was read")
	}
}

func TestStaticFilesCarryTheirContentInTheirNameAndMayBeKept(t *testing.T) {
	a := NewAssets("/assets/")
	if err := a.AddAll(fstest.MapFS{"renkei.css": {Data: []byte("a{}")}}); err != nil {
		t.Fatal(err)
	}
	before := a.Address("renkei.css")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, request(http.MethodGet, before))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	a.Add("renkei.css", []byte("b{}"))
	if a.Address("renkei.css") == before {
		t.Error("another content has the same address")
	}
	w = httptest.NewRecorder()
	a.ServeHTTP(w, request(http.MethodGet, "/assets/renkei.css"))
	if w.Code != http.StatusNotFound {
		t.Errorf("a name without content: %d", w.Code)
	}
}

func TestReportsOfBrowsersAreLoggedWithoutTheirQueries(t *testing.T) {
	var log bytes.Buffer
	h := ReportHandler(slog.New(slog.NewTextHandler(&log, nil)))
	body := `[{"type":"csp-violation","body":{"documentURL":"https://bank.example/link/a?once=very-secret","blockedURL":"inline","effectiveDirective":"script-src"}}]`
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/reports", strings.NewReader(body)))
	if w.Code != http.StatusNoContent || !strings.Contains(log.String(), "script-src") || strings.Contains(log.String(), "very-secret") {
		t.Errorf("%d %s", w.Code, log.String())
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/reports", strings.NewReader("{")))
	if w.Code != http.StatusNoContent {
		t.Errorf("nonsense: %d", w.Code)
	}
}

func TestACookieIsForThisHostAlone(t *testing.T) {
	w := httptest.NewRecorder()
	c := Cookie{Name: "jny_1", Life: time.Hour}
	c.Set(w, secret.Of("value"))
	if got := w.Header().Get("Set-Cookie"); got != "__Host-jny_1=value; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("set %s", got)
	}
	r := request(http.MethodGet, "https://bank.example/")
	if !c.Of(r).IsEmpty() {
		t.Error("a cookie out of nowhere")
	}
	r.AddCookie(&http.Cookie{Name: "__Host-jny_1", Value: "value"})
	if c.Of(r).Reveal() != "value" {
		t.Error("the cookie was not found")
	}
}

func TestServingStopsInGoodOrder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	began, finish := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-finish
		_, _ = io.WriteString(w, "done")
	})
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, slog.New(slog.DiscardHandler), 10*time.Second, Listener{Name: "test", Net: l, Handler: slow, OneRequest: true})
	}()
	got := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			got <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		if !response.Close {
			body = append(body, " and the connection stays open"...)
		}
		got <- string(body)
	}()
	<-began
	stop()
	close(finish)
	if answer := <-got; answer != "done" {
		t.Errorf("the request that ran got %q", answer)
	}
	if err := <-served; err != nil {
		t.Errorf("ended with %v", err)
	}
}

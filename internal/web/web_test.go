package web_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"renkei.dev/internal/web"
)

func site(log io.Writer) web.Site {
	return web.Site{
		Name: "login", Hosts: []string{"bank.example"}, ForeignForms: []string{"POST /authorize"}, MaxBody: 10,
		Broken:  func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) },
		Foreign: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "foreign", http.StatusForbidden) },
		Lost:    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "lost", http.StatusNotFound) },
		Log:     slog.New(slog.NewTextHandler(log, nil)),
	}
}

// pages is a handler of every kind: one that works, one that reads a body, one
// that breaks.
func pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	mux.HandleFunc("/link/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	mux.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("our own bug") })
	return mux
}

func TestEveryAnswerCarriesTheHeadersOfABankPage(t *testing.T) {
	h := site(io.Discard).Wrap(pages())
	for _, c := range []struct {
		name, method, target, host, origin, body string
		want                                     int
	}{
		{"a page", "GET", "/", "bank.example", "", "", 200},
		{"a foreign host", "GET", "/", "evil.example", "", "", 421},
		{"a form of a foreign page", "POST", "/link/x", "bank.example", "https://evil.example", "", 403},
		{"a form of no page's origin", "POST", "/link/x", "bank.example", "null", "", 403},
		{"a partner's posted request", "POST", "/authorize", "bank.example", "https://partner.example", "", 200},
		{"our own form", "POST", "/link/x", "bank.example", "https://bank.example", "", 200},
		{"a body beyond the limit", "POST", "/body", "bank.example", "", "more than ten bytes", 413},
		{"a bug of ours", "GET", "/panic", "bank.example", "", "", 500},
		{"a doubled slash", "POST", "//authorize", "bank.example", "", "", 404},
		{"a dot segment", "GET", "/link/../authorize", "bank.example", "", "", 404},
		{"an escaped dot segment", "GET", "/link/%2e%2e/authorize", "bank.example", "", "", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "https://"+c.host+"/", strings.NewReader(c.body))
			r.URL.Path, r.URL.RawPath = c.target, ""
			if strings.Contains(c.target, "%") {
				r = httptest.NewRequest(c.method, "https://"+c.host+c.target, nil)
			}
			r.TLS.ServerName = c.host
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("answered %d %q, want %d", w.Code, w.Body, c.want)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
				"Cache-Control": "no-store", "Strict-Transport-Security": "max-age=0",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			csp := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %q", csp)
			}
		})
	}
}

func TestAConnectionMadeForAnotherNameIsMisdirected(t *testing.T) {
	h := site(io.Discard).Wrap(pages())
	r := httptest.NewRequest("GET", "https://bank.example/", nil)
	r.TLS = &tls.ConnectionState{ServerName: "cert1.bank.example"}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusMisdirectedRequest || w.Header().Get("Connection") != "close" {
		t.Errorf("answered %d %v", w.Code, w.Header())
	}
}

func TestTheLogTellsAPathAndNoQueryHeaderOrBody(t *testing.T) {
	var log bytes.Buffer
	h := site(&log).Wrap(pages())
	r := httptest.NewRequest("POST", "https://bank.example/link/x?code=marked-secret", strings.NewReader("marked-secret"))
	r.Header.Set("Authorization", "DPoP marked-secret")
	r.AddCookie(&http.Cookie{Name: "__Host-x", Value: "marked-secret"})
	h.ServeHTTP(httptest.NewRecorder(), r)
	if line := log.String(); strings.Contains(line, "marked-secret") || !strings.Contains(line, "path=/link/x") || !strings.Contains(line, "status=200") {
		t.Errorf("logged %s", line)
	}
}

package screens

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/i18n"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/login"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
	"renkei.dev/internal/web"
	"renkei.dev/internal/web/look"
)

// house is the pages over the real journey, a real database and the sandbox
// bank. Only the protocol behind them is a fake, at its port.
type house struct {
	*Screens
	pages        http.Handler
	certificates http.Handler
	authority    *pki.Authority
	clock        *time.Time
}

type protocolFake struct{}

func (protocolFake) Approve(_ context.Context, _ string, a linkage.Approval) (linkage.Redirect, audit.Change, error) {
	return linkage.Redirect{URL: "https://kaikei.example/callback?code=a-code&state=b&iss=c"}, noted("code.issued", a.Consent), nil
}

func (protocolFake) Deny(_ context.Context, _ string, why linkage.Reason) (linkage.Redirect, audit.Change, error) {
	return linkage.Redirect{URL: "https://kaikei.example/callback?error=access_denied&error_description=" + string(why)}, noted("code.refused", ""), nil
}

func noted(name audit.Name, consent linkage.ConsentID) audit.Change {
	return audit.Denial{Denied: audit.Act{Name: name, At: noon, Actor: audit.Actor{Kind: audit.System}, Object: string(consent), Outcome: audit.Done}}
}

type partnersFake struct{ only partner.Partner }

func (p partnersFake) Partner(_ context.Context, id partner.ID) (partner.Partner, error) {
	if id != p.only.ID {
		return partner.Partner{}, fault.New(fault.NotFound, "no partner %s", id)
	}
	return p.only, nil
}

func newHouse(t *testing.T) *house {
	t.Helper()
	now := noon
	h := &house{clock: &now}
	clock := func() time.Time { return *h.clock }
	box, err := secret.NewBox(map[uint32][]byte{1: bytes.Repeat([]byte{7}, secret.KeySize)})
	must(t, err)
	folder := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(folder, "renkei.db"), Box: box, Now: clock, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	bank, err := sandbox.Open(t.Context(), sandbox.Config{File: filepath.Join(folder, "bank.db"), Now: clock})
	must(t, err)
	t.Cleanup(func() { _ = bank.Close() })
	ids, err := store.NewIDs(0, clock)
	must(t, err)
	p := mihonKaikei
	p.Functions, p.Required = corebank.Functions, []corebank.BusinessFunction{corebank.BalanceInquiry}
	p.ChoosesFunctions, p.Status, p.ContractFrom = true, partner.Active, noon.AddDate(-1, 0, 0)
	h.authority = newAuthority(t)
	looks, err := look.New(nil)
	must(t, err)
	h.Screens, err = New(Options{
		Linkage: &linkage.Service{
			Institution: "test", Key: bytes.Repeat([]byte{9}, 32), Store: db.Institution("test"), Bank: bank,
			Partners: partnersFake{p}, Protocol: protocolFake{}, Box: box, NextID: ids.Next, Now: clock,
			Alias: func(_ partner.ID, a corebank.AccountID) string { return string(a) },
			Rules: linkage.Rules{
				IdleFor: 15 * time.Minute, TotalFor: time.Hour, BankFor: 10 * time.Second, ConsentFor: 90 * 24 * time.Hour,
				HistoryDays: 90, PINsKeptFor: 90 * 24 * time.Hour, PINsOfColleague: true, SteppedUp: true,
				CertificateHosts: 9, MaxAnswer: 20, MaxPINTries: 3, Terms: "1",
				Login: login.Rules{
					Password:    login.StopRule{Tries: 5, First: 30 * time.Minute, Longest: 24 * time.Hour},
					AnswerTries: 3, Risk: login.Weights{Flagged: 100, AsksFrom: 100},
				},
			},
		},
		Look: looks, Issuer: "https://bank.example", CertificateHost: func(int) string { return "https://cert.bank.example" },
		Judge: JudgeBy(func() pki.Trust {
			return pki.Trust{Authorities: []*x509.Certificate{h.authority.Certificate}}
		}, clock),
		Address: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") },
		Log:     slog.New(slog.DiscardHandler),
	})
	must(t, err)
	site := web.Site{Name: "test", Hosts: []string{"bank.example"}, Log: slog.New(slog.DiscardHandler), Broken: h.Broken, Foreign: h.Foreign}
	mux := http.NewServeMux()
	mux.Handle("/", h.Handler())
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		h.Start(w, r, linkage.Asked{Handle: "h", Client: "c", Partner: p.ID, LoginHint: r.URL.Query().Get("hint")})
	})
	h.pages = site.Wrap(mux)
	h.certificates = web.Site{Name: "certificate", Hosts: []string{"cert.bank.example"}, Log: slog.New(slog.DiscardHandler)}.Wrap(h.CertificateHandler())
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newAuthority(t *testing.T) *pki.Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	a, err := pki.NewClientAuthority("見本 利用者認証局", key, noon.AddDate(-1, 0, 0), 10*365*24*time.Hour)
	must(t, err)
	return a
}

// certificateFor issues a customer's certificate.
func (h *house) certificateFor(t *testing.T, login, company string, notAfter time.Time) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c, err := h.authority.IssueClient(pki.Holder{Name: login, Organization: company}, x509.ExtKeyUsageClientAuth, key.Public(), noon.AddDate(0, -1, 0), notAfter)
	must(t, err)
	return c
}

// browser is a browser without JavaScript: it keeps cookies, follows redirects
// and sends the forms that stand on its page.
type browser struct {
	t           *testing.T
	house       *house
	language    i18n.Language
	cookies     map[string]string
	certificate *x509.Certificate
	at          string // the address of the page
	status      int
	html        string
	cleared     string // what the browser was told to forget, last
	page        *element
}

func (h *house) browser(t *testing.T, l i18n.Language) *browser {
	return &browser{t: t, house: h, language: l, cookies: map[string]string{}}
}

func (b *browser) open(address string) { b.t.Helper(); b.send(http.MethodGet, address, nil) }

func (b *browser) send(method, address string, body url.Values) {
	b.t.Helper()
	for range 10 {
		to, err := url.Parse(address)
		must(b.t, err)
		if to.Host == "" {
			to.Scheme, to.Host = "https", "bank.example"
		}
		r := httptest.NewRequest(method, to.String(), strings.NewReader(body.Encode()))
		r.Header.Set("Accept-Language", string(b.language))
		if body != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		r.TLS = &tls.ConnectionState{ServerName: to.Hostname()}
		w := httptest.NewRecorder()
		if to.Host == "cert.bank.example" {
			if b.certificate != nil {
				r.TLS.PeerCertificates = []*x509.Certificate{b.certificate}
			}
			b.house.certificates.ServeHTTP(w, r)
		} else {
			for name, value := range b.cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			b.house.pages.ServeHTTP(w, r)
		}
		answer := w.Result()
		if c := answer.Header.Get("Clear-Site-Data"); c != "" {
			b.cleared = c
		}
		for _, c := range answer.Cookies() {
			if to.Host != "bank.example" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, web.HostPrefix) {
				b.t.Errorf("%s sets a cookie that others may read: %v", to.Host, c)
			}
			b.cookies[c.Name] = c.Value
			if c.MaxAge < 0 {
				delete(b.cookies, c.Name)
			}
		}
		if answer.StatusCode == http.StatusSeeOther {
			method, address, body = http.MethodGet, answer.Header.Get("Location"), nil
			continue
		}
		html, err := io.ReadAll(answer.Body)
		must(b.t, err)
		b.at, b.status, b.html = to.Path, answer.StatusCode, string(html)
		b.page, err = readPage(b.html)
		must(b.t, err)
		if answer.Header.Get("Cache-Control") != "no-store" || !strings.Contains(answer.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			b.t.Errorf("%s lacks the headers of a bank's page", to.Path)
		}
		return
	}
	b.t.Fatal("redirected for ever")
}

// form is the form that a button of the page sends, as the page stands.
func (b *browser) form(button string) (action string, body url.Values) {
	b.t.Helper()
	for _, press := range b.page.named("button") {
		if press.words() != button {
			continue
		}
		for up := press.parent; up != nil; up = up.parent {
			if up.name != "form" {
				continue
			}
			body = url.Values{}
			for _, i := range up.named("input") {
				chosen := i.attrs["type"] != "checkbox" && i.attrs["type"] != "radio" || i.has("checked")
				if chosen {
					body.Add(i.attrs["name"], i.attrs["value"])
				}
			}
			if to := press.attrs["formaction"]; to != "" {
				return to, body
			}
			return up.attrs["action"], body
		}
	}
	b.t.Fatalf("%s has no button %s:\n%s", b.at, button, transcribe(b.page))
	return "", nil
}

// press fills the form and presses a button.
func (b *browser) press(button string, filled ...string) {
	b.t.Helper()
	action, body := b.form(button)
	for i := 0; i+1 < len(filled); i += 2 {
		body.Set(filled[i], filled[i+1])
	}
	b.send(http.MethodPost, action, body)
}

// follow takes a link of the page.
func (b *browser) follow(link string) {
	b.t.Helper()
	for _, a := range b.page.named("a") {
		if a.words() == link {
			b.open(a.attrs["href"])
			return
		}
	}
	b.t.Fatalf("%s has no link %s", b.at, link)
}

func (b *browser) heading() string { return b.page.named("h1")[0].words() }

// stands fails the test unless the page is at a step and screen.
func (b *browser) stands(step, screen string, status int) {
	b.t.Helper()
	if !strings.HasSuffix(b.at, "/"+step) || !strings.Contains(b.page.words(), screen) || b.status != status {
		b.t.Fatalf("stands at %s with %d, want %s %s with %d:\n%s", b.at, b.status, step, screen, status, transcribe(b.page))
	}
}

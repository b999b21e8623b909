package service_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/demo/service"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/secret"
)

// world is one service, its bank and a browser.
type world struct {
	t       *testing.T
	bank    *bank
	config  service.Config
	service *service.Service
	front   *httptest.Server
	browser *http.Client
	dir     string
	log     *bytes.Buffer
}

func key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newWorld(t *testing.T, how service.Authentication) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), log: &bytes.Buffer{}}
	box, err := secret.NewBox(map[uint32][]byte{1: bytes.Repeat([]byte{7}, secret.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	w.config = service.Config{
		Name: "見本会計クラウド", NameEnglish: "Sample Accounting Cloud", Corporation: "見本ソフト株式会社", Look: service.Leaf,
		Bank: "見本信用組合", ClientID: "cl_sample", Authentication: how,
		Functions: []string{"balance", "transactions"}, Narrow: []string{"balance"}, HistoryDays: 90,
		DataFile: filepath.Join(w.dir, "service.db"), Box: box, Now: time.Now, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	var keys *jose.Set
	if how == service.KeyAndDPoP {
		signing := key(t)
		ring, err := jose.NewRing([]jose.Key{{KID: "k1", Algorithm: jose.ES256, State: jose.Active, ExpiresAt: time.Now().Add(time.Hour), Private: signing}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		keys = ring.Set()
		w.config.SigningKey, w.config.SigningKID, w.config.ProofKey = signing, "k1", key(t)
	} else {
		own := key(t)
		a, err := pki.NewClientAuthority("partners", key(t), time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.IssueClient(pki.Holder{Name: "cl_sample"}, x509.ExtKeyUsageClientAuth, own.Public(), time.Now().Add(-time.Minute), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		w.config.Certificate = tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: own}
	}
	w.bank = newBank(t, "cl_sample", keys)
	w.config.Issuer, w.config.API, w.config.CAs = w.bank.server.URL, w.bank.server.URL, w.bank.roots()

	var mu sync.Mutex
	w.front = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := w.service.Handler()
		mu.Unlock()
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.front.Close)
	w.config.URL = w.front.URL
	w.start()
	t.Cleanup(func() { w.service.Close() })
	w.browser = w.newBrowser()
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.service, err = service.New(w.config); err != nil {
		w.t.Fatal(err)
	}
}

// newBrowser follows redirects within the service and stops at the bank's.
func (w *world) newBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := *w.front.Client()
	c.Jar = jar
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), w.front.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &c
}

func (w *world) get(path string) (int, string) {
	w.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = w.front.URL + path
	}
	res, err := w.browser.Get(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.read(res)
}

func (w *world) read(res *http.Response) (int, string) {
	w.t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (w *world) post(path string, form url.Values) (int, string) {
	w.t.Helper()
	res, err := w.browser.PostForm(w.front.URL+path, form)
	if err != nil {
		w.t.Fatal(err)
	}
	if to := res.Header.Get("Location"); to != "" {
		res.Body.Close()
		return res.StatusCode, to
	}
	return w.read(res)
}

// leave presses 銀行口座を連携する and returns where that leads.
func (w *world) leave() string {
	w.t.Helper()
	status, to := w.post("/link", url.Values{"ask": {"all"}})
	if status != http.StatusSeeOther {
		w.t.Fatalf("%d %s", status, to)
	}
	return to
}

func (w *world) link() {
	w.t.Helper()
	if status, body := w.get(w.bank.allow(w.leave())); status != http.StatusOK || !strings.Contains(body, "口座を連携しました。") {
		w.t.Fatalf("%d\n%s\n%s", status, body, w.log)
	}
}

func want(t *testing.T, body string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("%q is missing in\n%s", text, body)
		}
	}
}

func lack(t *testing.T, body string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(body, text) {
			t.Errorf("%q stands in\n%s", text, body)
		}
	}
}

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
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

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

func TestAccountsAreLinkedShownRefreshedAndUnlinked(t *testing.T) {
	for _, how := range []service.Authentication{service.KeyAndDPoP, service.MutualTLS} {
		t.Run(string(how), func(t *testing.T) {
			w := newWorld(t, how)
			if _, body := w.get("/"); !strings.Contains(body, "銀行口座を連携する") || strings.Contains(body, "円") {
				t.Errorf("the first page:\n%s", body)
			}
			w.link()
			_, body := w.get("/")
			want(t, body, "1,234,567円", "2,469,134円", "1,200,000円", "本店(001) 普通", "7654321", "残高照会、入出金明細照会")

			if _, body = w.get("/links/1/accounts/ac_1/transactions"); !strings.Contains(body, "55,000円") {
				t.Errorf("the statement:\n%s", body)
			}
			if status, _ := w.get("/links/1/accounts/ac_1/deposits"); status != http.StatusNotFound {
				t.Errorf("a function that was not allowed: %d", status)
			}
			if _, body = w.post("/links/1/refresh", nil); !strings.Contains(body, "最新の情報に更新しました。") || w.bank.refreshes != 1 {
				t.Errorf("%d refreshes\n%s", w.bank.refreshes, body)
			}
			if _, body = w.get("/links/1/unlink"); !strings.Contains(body, "7654321") || w.bank.revoked {
				t.Errorf("the question before the end:\n%s", body)
			}
			if _, body = w.post("/links/1/unlink", nil); !strings.Contains(body, "連携を解除しました。") || !w.bank.revoked {
				t.Errorf("revoked: %v\n%s", w.bank.revoked, body)
			}
			lack(t, body, "1,234,567円")
		})
	}
}

func TestTheSecondButtonAsksForLess(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	w.post("/link", url.Values{"ask": {"narrow"}})
	want(t, w.bank.pushed.Get("authorization_details"), `"actions":["balance"]`)
	w.post("/link", url.Values{"ask": {"all"}})
	want(t, w.bank.pushed.Get("authorization_details"), `"actions":["balance","transactions"]`)
}

func TestWhatStandsInTheWayOfOneAccountIsToldBesideIt(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	w.bank.trouble = "pin_rejected"
	w.link()
	_, body := w.get("/")
	want(t, body, "1,234,567円", "照会用暗証番号が銀行の登録と一致しません。")
	if strings.Count(body, "1,234,567円") != 1 {
		t.Error("a figure is shown for the account that gave none, or a total without it")
	}
}

func TestAnOldFigureStaysWithItsTimeWhenTheNextDoesNotCome(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	w.link()
	w.bank.trouble = "core_unavailable"
	_, body := w.post("/links/1/refresh", nil)
	want(t, body, "の残高です。", "銀行のシステムから応答がありません。")
}

func TestALinkThatEndedAtTheBankSaysSo(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	w.link()
	w.bank.revoked = true
	_, body := w.post("/links/1/refresh", nil)
	want(t, body, "この連携は、銀行の側で終わっています。")
	lack(t, body, "最新の情報に更新しました。")
}

func TestEachAnswerOfTheBankHasItsPage(t *testing.T) {
	for description, heading := range map[string]string{
		"refused_by_customer": "連携は行われませんでした", "timed_out": "時間切れになりました", "user_locked": "インターネットバンキングのご利用が停止されています",
		"not_permitted": "API連携の権限がありません", "out_of_hours": "銀行のサービス時間外です", "nothing_to_link": "連携できる口座がありません",
		"not_set_up": "インターネットバンキングの初期設定が済んでいません", "contract_ended": "銀行とのご契約が終了しています",
		"partner_stopped": "このサービスとの連携が停止されています", "bank_unavailable": "銀行が一時的に利用できません", "a new word": "連携は行われませんでした",
	} {
		t.Run(description, func(t *testing.T) {
			w := newWorld(t, service.KeyAndDPoP)
			w.leave()
			back := w.front.URL + "/callback?" + url.Values{
				"error": {"access_denied"}, "error_description": {description}, "state": {w.bank.pushed.Get("state")}, "iss": {w.bank.server.URL}}.Encode()
			for range 2 { // shown twice it says the same twice
				if _, body := w.get(back); !strings.Contains(body, "<h1>"+heading+"</h1>") {
					t.Errorf("got\n%s", body)
				}
			}
		})
	}
}

func TestAnAnswerThatIsNotForUsIsNotTaken(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	back := w.bank.allow(w.leave())
	mutate := func(name, value string) string {
		u, err := url.Parse(back)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	victim := w.browser
	w.browser = w.newBrowser()
	if status, body := w.get(back); status != http.StatusBadRequest || !strings.Contains(body, "このブラウザーで始まっていません") {
		t.Errorf("in another browser: %d\n%s", status, body)
	}
	w.browser = victim
	for _, address := range []string{mutate("state", "guess"), mutate("state", "")} {
		if status, body := w.get(address); status != http.StatusBadRequest || !strings.Contains(body, "このブラウザーで始まっていません") {
			t.Errorf("%s: %d\n%s", address, status, body)
		}
	}
	if w.bank.redeemed != 0 {
		t.Error("a code was redeemed")
	}
	if _, body := w.get(mutate("iss", "https://evil.example")); !strings.Contains(body, "別の発行者からの応答でした") || w.bank.redeemed != 0 {
		t.Errorf("another issuer:\n%s", body)
	}
}

func TestTheWayBackShownManyTimesRedeemsOnce(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	back := w.bank.allow(w.leave())
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			res, err := w.browser.Get(back)
			if err != nil {
				t.Error(err)
				return
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || !strings.Contains(string(body), "1,234,567円") {
				t.Errorf("%v\n%s", err, body)
			}
		})
	}
	wait.Wait()
	if w.bank.redeemed != 1 {
		t.Errorf("redeemed %d times", w.bank.redeemed)
	}
}

func TestARestartAnywhereLosesNothing(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	restart := func() {
		t.Helper()
		if err := w.service.Close(); err != nil {
			t.Fatal(err)
		}
		w.start()
	}
	to := w.leave()
	restart() // while the customer is at the bank
	if _, body := w.get(w.bank.allow(to)); !strings.Contains(body, "1,234,567円") {
		t.Errorf("after a restart in mid-journey:\n%s", body)
	}
	restart()
	if _, body := w.get("/"); !strings.Contains(body, "1,234,567円") {
		t.Errorf("after a restart:\n%s", body)
	}
	if _, body := w.get("/wire"); !strings.Contains(body, "/par") {
		t.Errorf("the record after a restart:\n%s", body)
	}
}

func TestABankThatDoesNotAnswerMayBeTriedAgain(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	back := w.bank.allow(w.leave())
	w.bank.down = true
	if status, body := w.get(back); status != http.StatusServiceUnavailable || !strings.Contains(body, "銀行につながりません") {
		t.Errorf("%d\n%s", status, body)
	}
	w.bank.down = false
	if _, body := w.get(back); !strings.Contains(body, "1,234,567円") {
		t.Errorf("a reload:\n%s", body)
	}
}

func TestNoSecretLiesOpen(t *testing.T) {
	for _, how := range []service.Authentication{service.KeyAndDPoP, service.MutualTLS} {
		w := newWorld(t, how)
		to := w.leave()
		back := w.bank.allow(to)
		code, state := w.bank.code, w.bank.pushed.Get("state")
		w.get(back)
		w.post("/links/1/refresh", nil)
		secrets := []string{code, state, w.bank.refresh, "0123456789abcdefghijk"}
		for token := range w.bank.access {
			secrets = append(secrets, token)
		}
		front, err := url.Parse(w.front.URL)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range w.browser.Jar.Cookies(front) {
			secrets = append(secrets, c.Value)
		}
		_, page := w.get("/wire")
		for _, s := range secrets {
			if len(s) < 20 {
				t.Fatalf("%q is no secret", s)
			}
			lack(t, page, s)
			lack(t, w.log.String(), s)
		}
		files, err := filepath.Glob(filepath.Join(w.dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range append(secrets, "1234567", "見本商店", "code_challenge") {
				if bytes.Contains(raw, []byte(s)) {
					t.Errorf("%s holds %q", filepath.Base(f), s)
				}
			}
		}
		// It teaches all the same.
		want(t, page, "RFC 9126 §2", "code_challenge", "corporate_account_information", "callback", "/open-api/v1/accounts/ac_1/balance")
		if how == service.KeyAndDPoP {
			want(t, page, "&#34;htu&#34;", "&#34;aud&#34;", "use_dpop_nonce", "RFC 9449 §8")
		}
	}
}

func TestPagesAreWrittenInEnglishToo(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	w.link()
	if status, _ := w.get("/language/en?back=/wire"); status != http.StatusOK {
		t.Fatal(status)
	}
	for _, path := range []string{"/", "/wire", "/links/1/unlink", "/links/1/accounts/ac_1/transactions", "/callback", "/nowhere"} {
		_, body := w.get(path)
		want(t, body, `<html lang="en"`)
		// What the bank tells of accounts is data; the switch names a language in itself.
		for _, data := range []string{"日本語", "見本信用組合", "見本ソフト株式会社", "株式会社見本商店", "本店", "駅前支店", "普通", "当座", "フリコミ ミホン"} {
			body = strings.ReplaceAll(body, data, "")
		}
		for _, r := range body {
			if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) {
				t.Errorf("%s has %q", path, r)
				break
			}
		}
	}
}

func TestTheLanguageSwitchLeadsNowhereElse(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	w.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, back := range []string{"//evil.example", `/\evil.example`, "https://evil.example/", "javascript:alert(1)", ""} {
		res, err := w.browser.Get(w.front.URL + "/language/en?back=" + url.QueryEscape(back))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if to := res.Header.Get("Location"); to != "/" {
			t.Errorf("%q leads to %q", back, to)
		}
	}
}

func TestEveryPageHasItsHeaders(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	for _, path := range []string{"/", "/wire", "/nowhere", "/callback", "/static/service.css"} {
		res, err := w.browser.Get(w.front.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		csp := res.Header.Get("Content-Security-Policy")
		if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "form-action 'self' "+w.bank.server.URL) {
			t.Errorf("%s: %s", path, csp)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, res.Header)
		}
	}
	r, err := http.NewRequest(http.MethodPost, w.front.URL+"/link", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := w.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %d", res.StatusCode)
	}
}

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	w := newWorld(t, service.KeyAndDPoP)
	for name, change := range map[string]func(*service.Config){
		"no signing key":      func(c *service.Config) { c.SigningKey = nil },
		"no certificate":      func(c *service.Config) { c.Authentication = service.MutualTLS },
		"no such way":         func(c *service.Config) { c.Authentication = "client_secret_basic" },
		"an issuer by http":   func(c *service.Config) { c.Issuer = "http://localhost" },
		"a folder that lacks": func(c *service.Config) { c.DataFile = filepath.Join(w.dir, "none", "x.db") },
	} {
		c := w.config
		change(&c)
		if s, err := service.New(c); err == nil {
			s.Close()
			t.Errorf("%s: it starts", name)
		}
	}
}

package service_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode"

	"renkei.dev/internal/demo/service"
)

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

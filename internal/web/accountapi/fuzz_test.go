package accountapi

import (
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/secret"
)

// A cursor opens what it was sealed for, in its one spelling.
func FuzzCursor(f *testing.F) {
	box, err := secret.NewBox(map[uint32][]byte{1: make([]byte, secret.KeySize)})
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	c := &call{api: &api{Options: Options{Box: box}}, now: now, account: "001-1-1", access: oauth.Access{Client: "cl_a", Extent: oauth.Extent{HistoryDays: 90}}}
	good := c.seal(cursor{Function: corebank.TransactionInquiry, From: corebank.DateOf(now), To: corebank.DateOf(now), After: "9", At: now.Unix()})
	other := c.seal(cursor{Function: corebank.DepositInquiry, From: corebank.DateOf(now), To: corebank.DateOf(now), After: "9", At: now.Unix()})
	for _, seed := range []string{good, other, good + "\n", good[:9] + "\r" + good[9:], good + "A", "", "AAAA", strings.Repeat("A", 3000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := c.openCursor(text, corebank.TransactionInquiry)
		if err != nil {
			return
		}
		// Another process of the fuzzer sealed it, under the same key.
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != text || k.After != "9" {
			t.Fatalf("%q opens as %+v", text, k)
		}
	})
}

// A path is one of ours in one spelling only.
func FuzzPath(f *testing.F) {
	a := &api{}
	a.table = a.routes()
	for _, p := range Paths() {
		f.Add(strings.ReplaceAll(p, "{accountId}", "acc_x"))
	}
	for _, p := range []string{"/open-api/v1//accounts", "/open-api/v1/accounts/", "/open-api/v1/accounts/%2e%2e/balance", "/open-api/v1/accounts/a%2fb/balance", "/open-api/v1/Accounts", "/open-api/v1/accounts/../accounts"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \r\n\t?#") {
			return
		}
		r := httptest.NewRequest("GET", "/", nil)
		u, err := r.URL.Parse(path)
		if err != nil {
			return
		}
		r.URL = u
		_, account, ok := a.find(r)
		if ok && (strings.Contains(account, "/") || r.URL.RawPath != "" || !strings.HasPrefix(r.URL.Path, base)) {
			t.Fatalf("%q leads to account %q", path, account)
		}
	})
}

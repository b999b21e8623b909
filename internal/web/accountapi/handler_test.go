package accountapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
)

const base = "/open-api/v1/"

func TestAccountsTellWhatHindersEach(t *testing.T) {
	d := newDesk(t)
	m, c, _ := d.bank.Member("pin.mixed")
	states := []linkage.PINState{"", linkage.Registered, linkage.Pending, linkage.Rejected}
	for i, s := range states {
		if s == "" {
			continue
		}
		seed := linkage.SeedPIN{Account: c.Accounts[i].ID, User: m.User, State: s}
		seed.PIN.Value = secretOf(c.Accounts[i].PIN)
		if err := d.linkage.SeedPINs(t.Context(), []linkage.SeedPIN{seed}); err != nil {
			t.Fatal(err)
		}
	}
	a := d.get("pin.mixed", base+"accounts")
	list, _ := a.body["accounts"].([]any)
	if a.status != http.StatusOK || len(list) != 4 {
		t.Fatalf("got %d %v", a.status, a.body)
	}
	want := []string{"pin_missing", "active", "pin_pending", "pin_rejected"}
	for i, row := range list {
		account := row.(map[string]any)
		if account["status"] != want[i] || account["accountId"] != d.account("pin.mixed", i) || account["currencyCode"] != "JPY" {
			t.Errorf("account %d: %v, want %s", i, account, want[i])
		}
	}
	if list[0].(map[string]any)["primaryAccountCode"] != "1" || list[1].(map[string]any)["primaryAccountCode"] != "2" {
		t.Error("the first account is not the primary one, or others are")
	}
}

func TestBalanceIsTheBanksInStrings(t *testing.T) {
	d := newDesk(t)
	d.register("ok.pw", linkage.Registered, right)
	a := d.get("ok.pw", base+"accounts/"+d.account("ok.pw", 0)+"/balance")
	_, c, _ := d.bank.Member("ok.pw")
	b, err := d.bank.Balance(t.Context(), c.Accounts[0].ID, corebank.InquiryPIN{Value: secretOf(c.Accounts[0].PIN)})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"accountId": d.account("ok.pw", 0), "currencyCode": "JPY", "balance": fmt.Sprint(b.Current),
		"withdrawableAmount": fmt.Sprint(b.Withdrawable), "previousDayBalance": fmt.Sprint(b.PreviousDay),
		"previousMonthBalance": fmt.Sprint(b.PreviousMonthEnd), "baseDate": "2026-11-24", "baseTime": "12:00:00+09:00",
	}
	if a.status != http.StatusOK || fmt.Sprint(a.body) != fmt.Sprint(want) {
		t.Errorf("got %d %v\nwant %v", a.status, a.body, want)
	}
}

func TestEveryAnswerCarriesItsHeaders(t *testing.T) {
	d := newDesk(t)
	given := "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	for _, path := range []string{"accounts", "accounts/unknown/balance", "nothing"} {
		a := d.get("ok.pw", base+path, func(r *http.Request) { r.Header.Set("x-fapi-interaction-id", given) })
		if a.header.Get("x-fapi-interaction-id") != given {
			t.Errorf("%s: the interaction id is not echoed but %q", path, a.header.Get("x-fapi-interaction-id"))
		}
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("DPoP-Nonce") != "nonce-1" || a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: headers %v", path, a.header)
		}
	}
	for _, bad := range []string{"", "1", "not a uuid\r\nX: y", strings.Repeat("a", 5000)} {
		a := d.get("ok.pw", base+"accounts", func(r *http.Request) { r.Header["X-Fapi-Interaction-Id"] = []string{bad} })
		if id := a.header.Get("x-fapi-interaction-id"); len(id) != 36 || id == bad {
			t.Errorf("for %q the interaction id is %q", bad, id)
		}
	}
}

func TestPathsAndMethodsAreTakenAsTheyCome(t *testing.T) {
	d := newDesk(t)
	d.register("ok.pw", linkage.Registered, right)
	account := d.account("ok.pw", 0)
	for _, path := range []string{
		"/", "/open-api/v1", base, base + "accounts/", base + "Accounts", base + "/accounts", "/open-api//v1/accounts",
		base + "accounts/" + account, base + "accounts//balance", base + "accounts/" + account + "/balance/",
		base + "accounts/" + account + "/x/balance", base + "accounts%2f" + account + "/balance",
		base + "accounts/a%2fb/balance", base + "accounts/../accounts", base + "accounts/%61/balance",
		base + "problems/none_such",
	} {
		d.get("ok.pw", path).wants(t, http.StatusNotFound, "not_found")
	}
	for _, method := range []string{"POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "get"} {
		a := d.get("ok.pw", base+"accounts", func(r *http.Request) { r.Method = method })
		a.wants(t, http.StatusMethodNotAllowed, "method_not_allowed")
		if a.header.Get("Allow") != "GET" {
			t.Errorf("%s: Allow is %q", method, a.header.Get("Allow"))
		}
	}
}

func TestChallengesSayHowATokenIsShown(t *testing.T) {
	d := newDesk(t)
	a := d.get("", base+"accounts")
	a.wants(t, http.StatusUnauthorized, "invalid_token")
	if got := a.header.Values("WWW-Authenticate"); len(got) != 2 || strings.Contains(strings.Join(got, ""), "error") {
		t.Errorf("without credentials: %q", got)
	}
	for _, c := range []struct {
		failure oauth.Failure
		scheme  string
		status  int
		code    string
		want    string
	}{
		{oauth.Failure{Code: oauth.UseDPoPNonce}, "DPoP", 401, "use_dpop_nonce", `DPoP realm="accounts", error="use_dpop_nonce", algs=`},
		{oauth.Failure{Code: oauth.InvalidDPoPProof, Word: "the proof was seen before"}, "dpop", 401, "invalid_dpop_proof", `DPoP realm="accounts", error="invalid_dpop_proof", error_description="the proof was seen before", algs=`},
		{oauth.Failure{Code: oauth.InvalidToken, Word: oauth.ConsentExpired}, "bEARER", 401, "consent_expired", `Bearer realm="accounts", error="invalid_token", error_description="consent_expired"`},
		{oauth.Failure{Code: oauth.InvalidToken, Word: oauth.ConsentRestsNow}, "DPoP", 401, "consent_suspended", `error_description="consent_suspended"`},
		{oauth.Failure{Code: oauth.InsufficientScope, Word: "account.balance"}, "DPoP", 403, "insufficient_scope", `scope="account.balance"`},
		{oauth.Failure{Code: oauth.InsufficientLogin, Word: "too old", ACRs: []string{"a", "b"}, MaxAge: time.Minute}, "Bearer", 401, "insufficient_user_authentication",
			`Bearer realm="accounts", error="insufficient_user_authentication", error_description="too old", acr_values="a b", max_age="60"`},
		{oauth.Failure{Code: oauth.AccessDenied, Word: oauth.ProfileSunset}, "DPoP", 403, "profile_sunset", ""},
		{oauth.Failure{Code: oauth.AccessDenied, Word: oauth.PartnerSuspended}, "DPoP", 403, "partner_suspended", ""},
		{oauth.Failure{Code: oauth.AccessDenied, Word: oauth.ContractNotEffective}, "DPoP", 403, "contract_not_effective", ""},
	} {
		d.tokens.fails = &c.failure
		a := d.get("", base+"accounts", func(r *http.Request) { r.Header.Set("Authorization", c.scheme+" x") })
		a.wants(t, c.status, c.code)
		if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: challenge %q, want %q", c.code, got, c.want)
		}
	}
}

func TestATokenInTheQueryIsRefused(t *testing.T) {
	d := newDesk(t)
	d.get("ok.pw", base+"accounts?access_token=x").wants(t, http.StatusBadRequest, "invalid_request")
	if d.tokens.last.Target != origin+base+"accounts" {
		t.Errorf("a proof's htu would be %q", d.tokens.last.Target)
	}
}

func TestAnotherAccountThanTheConsentsIsNotThere(t *testing.T) {
	d := newDesk(t)
	d.register("ok.cert", linkage.Registered, right)
	a := d.get("ok.pw", base+"accounts/"+d.account("ok.cert", 0)+"/balance")
	a.wants(t, http.StatusNotFound, "account_not_in_consent")
	if len(d.log.acts) != 1 || d.log.acts[0].Reason != "account_not_in_consent" || d.log.acts[0].Actor.ID != "cl_kaikei" {
		t.Errorf("recorded: %+v", d.log.acts)
	}
	d.log.fail = fault.Unavailable
	d.get("ok.pw", base+"accounts/unknown/balance").wants(t, http.StatusServiceUnavailable, "temporarily_busy")
}

func TestFunctionsOpenOnlyWhatTheyAreFor(t *testing.T) {
	d := newDesk(t)
	d.register("ok.pw", linkage.Registered, right)
	for f, path := range map[corebank.BusinessFunction]string{"balance": "balance", "transactions": "transactions", "deposits": "deposits"} {
		d.tokens.lacks = f
		d.get("ok.pw", base+"accounts/"+d.account("ok.pw", 0)+"/"+path).wants(t, http.StatusForbidden, "insufficient_scope")
	}
	d.tokens.lacks = ""
	d.register("team.general", linkage.Registered, right)
	d.get("team.general", base+"accounts/"+d.account("team.general", 0)+"/transactions").wants(t, http.StatusForbidden, "permission_removed")
}

func TestPINsThatCannotBeUsedHaveACodeEach(t *testing.T) {
	d := newDesk(t)
	path := func(login corebank.LoginID) string { return base + "accounts/" + d.account(login, 0) + "/balance" }
	d.get("pin.none", path("pin.none")).wants(t, http.StatusForbidden, "pin_not_registered")
	d.register("ok.pw", linkage.Pending, right)
	d.get("ok.pw", path("ok.pw")).wants(t, http.StatusForbidden, "pin_pending")
	d.register("ok.pw", linkage.Rejected, right)
	a := d.get("ok.pw", path("ok.pw"))
	a.wants(t, http.StatusForbidden, "pin_rejected")
	if a.body["action_url"] != origin+base+"problems/pin_rejected" || a.body["who"] != "customer" || a.body["requestId"] != a.header.Get("X-Request-Id") {
		t.Errorf("the problem says %v", a.body)
	}
}

func TestAWrongPINIsTriedOnceAndNeverCostsTheLastTry(t *testing.T) {
	d := newDesk(t)
	d.register("ok.pw", linkage.Registered, func(sandbox.Account) string { return "0000" })
	path := base + "accounts/" + d.account("ok.pw", 0) + "/balance"
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { d.get("ok.pw", path).wants(t, http.StatusForbidden, "pin_rejected") })
	}
	all.Wait()
	if n := d.bank.Calls()["Balance"]; n > 3 {
		t.Errorf("the core was asked %d times with a wrong PIN", n)
	}
	_, c, _ := d.bank.Member("ok.pw")
	if err := d.bank.CheckPIN(t.Context(), c.Accounts[0].ID, corebank.InquiryPIN{Value: secretOf(c.Accounts[0].PIN)}); err != nil {
		t.Errorf("the customer's next try at the branch: %v", err)
	}
}

func TestPeriodsMeanWhatTheCatalogueSays(t *testing.T) {
	d := newDesk(t)
	d.register("ok.pw", linkage.Registered, right)
	path := base + "accounts/" + d.account("ok.pw", 0) + "/transactions"
	for _, c := range []struct{ query, from, to string }{
		{"", "2026-11-24", "2026-11-24"},
		{"?dateFrom=2026-11-01", "2026-11-01", "2026-11-24"},
		{"?dateTo=2026-01-31", "2025-10-20", "2026-01-31"},
		{"?dateFrom=2026-02-01&dateTo=2026-02-28", "2026-02-01", "2026-02-28"},
	} {
		a := d.get("ok.pw", path+c.query)
		if a.status != http.StatusOK || a.body["dateFrom"] != c.from || a.body["dateTo"] != c.to || a.body["oldestAvailableDate"] != "2025-10-20" {
			t.Errorf("%q: got %d %v to %v (%v)", c.query, a.status, a.body["dateFrom"], a.body["dateTo"], a.body)
		}
		if _, empty := a.body["transactions"].([]any); !empty {
			t.Errorf("%q: no list", c.query)
		}
	}
	for query, code := range map[string]string{
		"?dateFrom=2025-10-19":                     "period_out_of_range",
		"?dateTo=2026-11-25":                       "period_out_of_range",
		"?dateTo=2025-10-19":                       "period_out_of_range",
		"?dateFrom=2026-11-20&dateTo=2026-11-19":   "invalid_request",
		"?dateFrom=2026-02-30":                     "invalid_request",
		"?dateFrom=20261101":                       "invalid_request",
		"?datefrom=2026-11-01":                     "invalid_request",
		"?dateFrom=2026-11-01&dateFrom=2026-11-02": "invalid_request",
		"?limit=0":                                 "invalid_request", "?limit=501": "invalid_request", "?limit=x": "invalid_request",
		"?cursor=AAAA": "invalid_request", "?cursor=%": "invalid_request",
	} {
		a := d.get("ok.pw", path+query)
		a.wants(t, http.StatusBadRequest, code)
		if code == "period_out_of_range" && (a.body["oldestAvailableDate"] != "2025-10-20" || a.body["newestAvailableDate"] != "2026-11-24") {
			t.Errorf("%q: the range is %v to %v", query, a.body["oldestAvailableDate"], a.body["newestAvailableDate"])
		}
	}
	d.tokens.history = 5000 // further back than the bank keeps
	if a := d.get("ok.pw", path+"?dateTo=2026-11-24&limit=1"); a.status != http.StatusOK || a.body["dateFrom"] != "2021-11-24" {
		t.Errorf("from the bank's first entry: %d %v", a.status, a.body)
	}
}

func TestPagesFollowWithoutGapAndCursorsAreSealed(t *testing.T) {
	d := newDesk(t)
	d.register("ok.pw", linkage.Registered, right)
	d.register("ok.cert", linkage.Registered, right)
	path := base + "accounts/" + d.account("ok.pw", 0) + "/transactions"
	whole := ids(d.get("ok.pw", path+"?dateFrom=2026-08-01&limit=500"), "transactions")
	var paged []string
	first := ""
	for next := ""; ; {
		a := d.get("ok.pw", path+"?dateFrom=2026-08-01&limit=7&cursor="+next)
		if next == "" {
			a = d.get("ok.pw", path+"?dateFrom=2026-08-01&limit=7")
		}
		paged = append(paged, ids(a, "transactions")...)
		next, _ = a.body["nextCursor"].(string)
		if first == "" {
			first = next
		}
		if a.body["hasNext"] != (next != "") {
			t.Fatalf("hasNext is %v with cursor %q", a.body["hasNext"], next)
		}
		if next == "" {
			break
		}
	}
	if len(whole) < 20 || !slices.Equal(whole, paged) {
		t.Errorf("%d entries at once, %d by pages", len(whole), len(paged))
	}
	if got := ids(d.get("ok.pw", path+"?limit=7&cursor="+first), "transactions"); !slices.Equal(got, whole[7:14]) {
		t.Error("a cursor alone does not bring its period along")
	}
	d.get("ok.pw", path+"?dateFrom=2026-08-02&cursor="+first).wants(t, http.StatusBadRequest, "invalid_request")
	d.get("ok.pw", strings.Replace(path, "transactions", "deposits", 1)+"?cursor="+first).wants(t, http.StatusBadRequest, "invalid_request")
	d.get("ok.pw", base+"accounts/"+d.account("ok.pw", 1)+"/transactions?cursor="+first).wants(t, http.StatusBadRequest, "invalid_request")
	d.advance(25 * time.Hour)
	d.get("ok.pw", path+"?cursor="+first).wants(t, http.StatusBadRequest, "cursor_expired")
}

func ids(a answer, list string) []string {
	var all []string
	rows, _ := a.body[list].([]any)
	for _, row := range rows {
		all = append(all, row.(map[string]any)["entryId"].(string))
	}
	return all
}

func TestOnlyDepositsTellWhoSent(t *testing.T) {
	d := newDesk(t)
	d.register("ok.pw", linkage.Registered, right)
	path := base + "accounts/" + d.account("ok.pw", 0) + "/"
	for list, wanted := range map[string]bool{"transactions": false, "deposits": true} {
		a := d.get("ok.pw", path+list+"?dateFrom=2026-06-01&limit=500")
		rows, _ := a.body[list].([]any)
		if len(rows) == 0 {
			t.Fatalf("no %s: %v", list, a.body)
		}
		for _, row := range rows {
			_, remitter := row.(map[string]any)["remitterName"]
			if remitter != wanted {
				t.Fatalf("%s: %v", list, row)
			}
		}
	}
}

func TestTheBanksHoursAndOutagesAreToldApart(t *testing.T) {
	d := newDesk(t)
	d.register("ok.pw", linkage.Registered, right)
	path := base + "accounts/" + d.account("ok.pw", 0) + "/balance"
	opens := d.now().Add(90 * time.Minute)
	d.bank.CloseUntil(opens, "")
	a := d.get("ok.pw", path)
	a.wants(t, http.StatusServiceUnavailable, "out_of_service_hours")
	if a.header.Get("Retry-After") != "5400" || a.body["resumesAt"] != "2026-11-24T13:30:00+09:00" {
		t.Errorf("resumes %v, Retry-After %s", a.body["resumesAt"], a.header.Get("Retry-After"))
	}
	d.bank.CloseUntil(time.Time{}, "")
	d.bank.SetDown(true)
	a = d.get("ok.pw", path)
	a.wants(t, http.StatusServiceUnavailable, "core_unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("nobody is told when to try again")
	}
	d.bank.SetDown(false)
	if a = d.get("ok.pw", path); a.status != http.StatusOK {
		t.Errorf("after the outage: %d %v", a.status, a.body)
	}
}

func TestStoppedUsersAndClosedAccountsAreRefused(t *testing.T) {
	d := newDesk(t)
	for _, login := range []corebank.LoginID{"ng.locked", "ng.ended", "closing.account"} {
		d.register(login, linkage.Registered, right)
	}
	d.get("ng.locked", base+"accounts").wants(t, http.StatusForbidden, "user_stopped")
	d.get("ng.locked", base+"accounts/"+d.account("ng.locked", 0)+"/balance").wants(t, http.StatusForbidden, "user_stopped")
	d.get("ng.ended", base+"accounts/"+d.account("ng.ended", 0)+"/balance").wants(t, http.StatusForbidden, "service_contract_ended")
	d.get("closing.account", base+"accounts/"+d.account("closing.account", 1)+"/balance").wants(t, http.StatusGone, "account_closed")
	list, _ := d.get("closing.account", base+"accounts").body["accounts"].([]any)
	if len(list) != 2 || list[1].(map[string]any)["status"] != "closed" {
		t.Errorf("the list says %v", list)
	}
}

func TestEveryCodeHasAPageForPeople(t *testing.T) {
	d := newDesk(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, origin+base+"problems/pin_rejected", nil)
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "照会用暗証番号") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func BenchmarkBalance(b *testing.B) {
	d := newDesk(b)
	d.register("ok.pw", linkage.Registered, right)
	path := origin + base + "accounts/" + d.account("ok.pw", 0) + "/balance"
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
		r.Header.Set("Authorization", "DPoP ok.pw")
		w := httptest.NewRecorder()
		if d.handler.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

func TestAPartnerReadsItsOwnRegistrationWithItsOwnTokenAlone(t *testing.T) {
	d := newDesk(t)
	a := d.get(ownToken, base+"partner")
	client, _ := a.body["client"].(map[string]any)
	if a.status != http.StatusOK || a.body["partnerId"] != "kaikei" || a.body["contractFrom"] != "2026-04-01" || a.body["contractUntil"] != "2027-03-31" ||
		client["clientId"] != "cl_kaikei" || client["sunsetOn"] != "2027-03-31" || client["tokensBoundBy"] != "dpop" {
		t.Errorf("%d %v", a.status, a.body)
	}
	d.get("ok.pw", base+"partner").wants(t, http.StatusForbidden, "insufficient_scope")
	d.get(ownToken, base+"accounts").wants(t, http.StatusForbidden, "insufficient_scope")
	d.get(ownToken, base+"partner?x=1").wants(t, http.StatusBadRequest, "invalid_request")
}

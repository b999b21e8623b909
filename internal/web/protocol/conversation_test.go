package protocol_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
)

func TestAPartnersWholeConversation(t *testing.T) {
	c := newConversation(t, nil, nil)
	uri := c.push(c.client, request(c.client))
	if !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") {
		t.Errorf("request_uri %q", uri)
	}
	for range 2 { // reload and back: opening spends nothing
		if w := c.open(c.client, uri); w.Code != http.StatusSeeOther || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Fatalf("authorize: %d %v", w.Code, w.Header())
		}
	}
	back := c.approve(c.client)
	q := back.Query()
	if q.Get("state") != "s-1" || q.Get("iss") != oauthtest.IssuerURL || q.Get("bank") != "1" {
		t.Errorf("the way back is %s", back)
	}
	w := c.token(c.client, redemption(c.client, q.Get("code")))
	got := answerOf(t, w)
	if w.Code != http.StatusOK || got["token_type"] != "DPoP" || got["expires_in"] != 900.0 || got["scope"] != "openid account.balance" ||
		got["refresh_token"] == nil || got["id_token"] == nil || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("DPoP-Nonce") == "" {
		t.Errorf("token: %d %v %v", w.Code, got, w.Header())
	}
	w = c.token(c.client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got["refresh_token"].(string)}})
	if again := answerOf(t, w); w.Code != http.StatusOK || again["refresh_token"] != got["refresh_token"] {
		t.Errorf("refresh: %d %v", w.Code, again)
	}
	if w = c.post(oauth.RevokeEndpoint, asked(c.client, url.Values{"token": {got["refresh_token"].(string)}})); w.Code != http.StatusOK {
		t.Errorf("revoke: %d %s", w.Code, w.Body)
	}
	if w = c.post(oauth.RevokeEndpoint, asked(c.client, url.Values{"token": {"rubbish"}})); w.Code != http.StatusOK {
		t.Errorf("revoke what is no token: %d %s", w.Code, w.Body)
	}
	w = c.token(c.client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got["refresh_token"].(string)}})
	wantError(t, w, 400, "invalid_grant")
}

func TestWhatIsGrantedStandsInTheAnswerWithItsAccounts(t *testing.T) {
	c := newConversation(t, nil, nil)
	form := request(c.client)
	form.Del("scope")
	form.Set("authorization_details", `[{"type":"corporate_account_information","actions":["balance","deposits"],"historyDays":30}]`)
	got := answerOf(t, c.token(c.client, redemption(c.client, c.code(c.client, form))))
	details, _ := got["authorization_details"].([]any)
	if len(details) != 1 || got["scope"] != nil || got["id_token"] != nil {
		t.Fatalf("answered %v", got)
	}
	d := details[0].(map[string]any)
	if actions := d["actions"].([]any); len(actions) != 1 || actions[0] != "balance" {
		t.Errorf("the customer allowed balance alone: %v", d)
	}
	if accounts := d["accounts"].([]any); len(accounts) != 1 || !strings.HasPrefix(accounts[0].(string), "acc_") {
		t.Errorf("accounts are told by the partner's own ids: %v", d)
	}
}

func TestARequestThatCannotBeIsRefusedAtPAR(t *testing.T) {
	c := newConversation(t, nil, nil)
	for _, a := range []struct {
		name   string
		change func(url.Values)
		code   string
	}{
		{"request_uri inside", func(f url.Values) { f.Set("request_uri", "urn:x") }, "invalid_request"},
		{"no challenge", func(f url.Values) { f.Del("code_challenge") }, "invalid_request"},
		{"plain", func(f url.Values) { f.Set("code_challenge_method", "plain") }, "invalid_request"},
		{"no method, which would be plain", func(f url.Values) { f.Del("code_challenge_method") }, "invalid_request"},
		{"a challenge that is no digest", func(f url.Values) { f.Set("code_challenge", "short") }, "invalid_request"},
		{"a token in the front channel", func(f url.Values) { f.Set("response_type", "token") }, "unsupported_response_type"},
		{"hybrid under fapi2", func(f url.Values) { f.Set("response_type", "code id_token") }, "unsupported_response_type"},
		{"no response_type", func(f url.Values) { f.Del("response_type") }, "invalid_request"},
		{"fragment", func(f url.Values) { f.Set("response_mode", "fragment") }, "invalid_request"},
		{"no redirect_uri", func(f url.Values) { f.Del("redirect_uri") }, "invalid_request"},
		{"an unknown scope", func(f url.Values) { f.Set("scope", "openid everything") }, "invalid_scope"},
		{"a giant scope", func(f url.Values) { f.Set("scope", strings.Repeat("a ", 20000)) }, "invalid_scope"},
		{"nothing asked", func(f url.Values) { f.Set("scope", "openid") }, "invalid_scope"},
		{"an unknown type", func(f url.Values) { f.Set("authorization_details", `[{"type":"payment"}]`) }, "invalid_authorization_details"},
		{"an unknown field", func(f url.Values) {
			f.Set("authorization_details", `[{"type":"corporate_account_information","actions":["balance"],"more":1}]`)
		}, "invalid_authorization_details"},
		{"a field twice", func(f url.Values) {
			f.Set("authorization_details", `[{"type":"corporate_account_information","actions":["balance"],"actions":["deposits"]}]`)
		}, "invalid_authorization_details"},
		{"deep JSON", func(f url.Values) {
			f.Set("authorization_details", strings.Repeat("[", 5000)+strings.Repeat("]", 5000))
		}, "invalid_authorization_details"},
		{"an unknown resource", func(f url.Values) { f.Set("resource", "https://other.example") }, "invalid_target"},
		{"two resources", func(f url.Values) { f["resource"] = []string{oauthtest.APIURL, oauthtest.APIURL} }, "invalid_target"},
		{"a dpop_jkt that is none", func(f url.Values) { f.Set("dpop_jkt", "abc") }, "invalid_request"},
		{"an unknown prompt", func(f url.Values) { f.Set("prompt", "sleep") }, "invalid_request"},
		{"one prompt ten thousand times", func(f url.Values) { f.Set("prompt", strings.Repeat("login ", 9000)) }, "invalid_request"},
		{"none beside another", func(f url.Values) { f.Set("prompt", "none login") }, "invalid_request"},
		{"a negative max_age", func(f url.Values) { f.Set("max_age", "-1") }, "invalid_request"},
		{"claims that are no object", func(f url.Values) { f.Set("claims", "[]") }, "invalid_request"},
		{"merge of nothing", func(f url.Values) { f.Set("grant_management_action", "merge") }, "invalid_grant_id"},
		{"grant_id without action", func(f url.Values) { f.Set("grant_id", "grt_x") }, "invalid_request"},
		{"a request object that is none", func(f url.Values) { f.Set("request", "a.b.c") }, "invalid_request_object"},
	} {
		t.Run(a.name, func(t *testing.T) {
			form := request(c.client)
			a.change(form)
			wantError(t, c.post(oauth.PAREndpoint, asked(c.client, form)), 400, a.code)
		})
	}
}

// What must pass, because clients send it and it harms nobody.
func TestWhatIsHarmlessPasses(t *testing.T) {
	c := newConversation(t, nil, nil)
	for name, change := range map[string]func(url.Values){
		"a nonce of 64":          func(f url.Values) { f.Set("nonce", strings.Repeat("n", 64)) },
		"a long state":           func(f url.Values) { f.Set("state", strings.Repeat("s", 2000)) },
		"no state":               func(f url.Values) { f.Del("state") },
		"display and ui_locales": func(f url.Values) { f.Set("display", "page"); f.Set("ui_locales", "fr ja en") },
		"acr_values as a wish":   func(f url.Values) { f.Set("acr_values", "urn:unknown") },
		"an unknown parameter":   func(f url.Values) { f.Set("x-more", "1") },
		"the API by name":        func(f url.Values) { f.Set("resource", oauthtest.APIURL) },
		"claims":                 func(f url.Values) { f.Set("claims", `{"userinfo":{"name":null},"id_token":{"acr":null}}`) },
		"response_mode query":    func(f url.Values) { f.Set("response_mode", "query") },
		"a signed answer":        func(f url.Values) { f.Set("response_mode", "jwt") },
		"scope in any order":     func(f url.Values) { f.Set("scope", "account.balance openid") },
	} {
		t.Run(name, func(t *testing.T) {
			s := c.client.Again()
			form := request(s)
			change(form)
			if w := c.open(s, c.push(s, form)); w.Code != http.StatusSeeOther {
				t.Errorf("authorize: %d", w.Code)
			}
		})
	}
}

func TestOnlyTheRegisteredRedirectURIIsTaken(t *testing.T) {
	c := newConversation(t, nil, nil)
	right := oauthtest.RedirectURI
	mutants := []string{
		strings.ToUpper(right), strings.Replace(right, "https", "http", 1), strings.Replace(right, "https", "HTTPS", 1),
		strings.Replace(right, "kaikei.example", "KAIKEI.example", 1), strings.Replace(right, "kaikei.example", "kaikei.example:443", 1),
		strings.Replace(right, "kaikei.example", "kaikei.example.", 1), strings.Replace(right, "kaikei.example", "kaikei.example@evil.example", 1),
		strings.Replace(right, "kaikei.example", "evil.example\\@kaikei.example", 1), strings.Replace(right, "kaikei.example", "evil.example#kaikei.example", 1),
		strings.Replace(right, "kaikei.example", "x.kaikei.example", 1), strings.Replace(right, "kaikei.example", "kaikei.example.evil.example", 1),
		strings.Replace(right, "kaikei", "k%61ikei", 1), strings.Replace(right, "kaikei.example", "[::1]", 1), strings.Replace(right, "kaikei.example", "127.0.0.1", 1),
		strings.Replace(right, "kaikei.example", "localhost", 1), strings.Replace(right, "/callback", "/callback/", 1), strings.Replace(right, "/callback", "/Callback", 1),
		strings.Replace(right, "/callback", "//callback", 1), strings.Replace(right, "/callback", "/x/../callback", 1), strings.Replace(right, "/callback", "/./callback", 1),
		strings.Replace(right, "/callback", "/c%61llback", 1), strings.Replace(right, "/callback", "/callback%2f", 1), strings.Replace(right, "/callback", "/callback%00", 1),
		strings.Replace(right, "/callback", "/callback/..;/x", 1), strings.Replace(right, "/callback", "/%2e%2e/callback", 1), strings.Replace(right, "?bank=1", "", 1),
		right + "&x=1", right + "#", right + "#x", right + "%20", right + " ", " " + right, right + "\n", right + "\x00", "\t" + right,
		right + "/", right + "?", right + "&", strings.Replace(right, "bank=1", "bank=2", 1), strings.Replace(right, "bank=1", "bank=%31", 1),
		strings.Replace(right, "bank", "BANK", 1), strings.Replace(right, "?bank=1", "?bank=1&bank=1", 1), "//kaikei.example/callback?bank=1", "/callback?bank=1",
		"https:kaikei.example/callback?bank=1", "https:/kaikei.example/callback?bank=1", "https:///kaikei.example/callback?bank=1", "javascript:alert(1)", "data:text/html,x",
		"https://*.example/callback?bank=1", "https://*/callback", "*", "about:blank", "file:///etc/passwd", "urn:ietf:wg:oauth:2.0:oob",
		strings.Replace(right, "kaikei", "kаikei", 1), strings.Replace(right, "https://", "https://user@", 1), strings.Replace(right, "https://", "https://user:pw@", 1),
		strings.Replace(right, "https://", "https:\\\\", 1), strings.Replace(right, "/callback", "\\callback", 1), strings.Replace(right, ".", "。", 1), right + right,
	}
	if len(mutants) < 60 {
		t.Fatalf("only %d mutants", len(mutants))
	}
	for _, m := range mutants {
		form := request(c.client)
		form.Set("redirect_uri", m)
		w := c.post(oauth.PAREndpoint, asked(c.client, form))
		if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
			t.Errorf("%q: %d %v", m, w.Code, w.Header())
		}
	}
}

func TestAClientProvesItselfByItsOneMethod(t *testing.T) {
	c := newConversation(t, nil, nil)
	other := c.Register(t, "cl_other", nil)
	now := c.Now().Unix()
	with := func(change oauthtest.Claims) func(url.Values) {
		return func(f url.Values) { f.Set("client_assertion", c.client.Assertion(change)) }
	}
	used := c.client.Assertion(nil)
	c.post(oauth.TokenEndpoint, url.Values{})
	for name, change := range map[string]func(url.Values){
		"nothing": func(f url.Values) { f.Del("client_assertion"); f.Del("client_assertion_type") },
		"client_id alone": func(f url.Values) {
			f.Del("client_assertion")
			f.Del("client_assertion_type")
			f.Set("client_id", "cl_kaikei")
		},
		"half":                      func(f url.Values) { f.Del("client_assertion_type") },
		"another type":              func(f url.Values) { f.Set("client_assertion_type", "saml") },
		"a secret beside it":        func(f url.Values) { f.Set("client_secret", "x") },
		"another client_id":         func(f url.Values) { f.Set("client_id", "cl_other") },
		"an unknown client":         with(oauthtest.Claims{"iss": "cl_nobody", "sub": "cl_nobody"}),
		"another client's name":     with(oauthtest.Claims{"iss": "cl_other", "sub": "cl_other"}),
		"sub that differs":          with(oauthtest.Claims{"sub": "cl_other"}),
		"aud is the token endpoint": with(oauthtest.Claims{"aud": oauthtest.IssuerURL + "/token"}),
		"aud is the PAR endpoint":   with(oauthtest.Claims{"aud": oauthtest.IssuerURL + "/par"}),
		"aud is an array":           with(oauthtest.Claims{"aud": []string{oauthtest.IssuerURL}}),
		"aud with a slash":          with(oauthtest.Claims{"aud": oauthtest.IssuerURL + "/"}),
		"no aud":                    with(oauthtest.Claims{"aud": nil}),
		"no jti":                    with(oauthtest.Claims{"jti": nil}),
		"no exp":                    with(oauthtest.Claims{"exp": nil}),
		"over":                      with(oauthtest.Claims{"exp": now - 60}),
		"for years":                 with(oauthtest.Claims{"exp": now + 1<<30}),
		"exp as text":               with(oauthtest.Claims{"exp": "soon"}),
		"iat over 60 s ahead":       with(oauthtest.Claims{"iat": now + 61}),
		"nbf over 60 s ahead":       with(oauthtest.Claims{"nbf": now + 61}),
		"another key":               func(f url.Values) { f.Set("client_assertion", forged(other, c.client)) },
		"a changed signature":       func(f url.Values) { f.Set("client_assertion", f.Get("client_assertion")+"A") },
		"a fourth part":             func(f url.Values) { f.Set("client_assertion", f.Get("client_assertion")+".x") },
		"a request object as assertion": func(f url.Values) {
			f.Set("client_assertion", c.client.RequestObject(nil, oauthtest.Claims{"sub": "cl_kaikei", "jti": "1"}))
		},
		"a DPoP proof as assertion":       func(f url.Values) { f.Set("client_assertion", c.client.Proof("POST", "x", "", "", nil)) },
		"an assertion that was used once": func(f url.Values) { f.Set("client_assertion", used) },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "an assertion that was used once" {
				f := request(c.client)
				f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
				f.Set("client_assertion", used)
				if w := c.post(oauth.PAREndpoint, f); w.Code != http.StatusCreated {
					t.Fatalf("its first use: %d %s", w.Code, w.Body)
				}
			}
			form := asked(c.client, request(c.client))
			change(form)
			wantError(t, c.post(oauth.PAREndpoint, form), 401, "invalid_client")
		})
	}
	for name, change := range map[string]oauthtest.Claims{
		"iat 8 s ahead": {"iat": now + 8}, "nbf 8 s ahead": {"nbf": now + 8},
	} {
		form := asked(c.client, request(c.client.Again()))
		form.Set("client_assertion", c.client.Assertion(change))
		if w := c.post(oauth.PAREndpoint, form); w.Code != http.StatusCreated {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	w := c.post(oauth.PAREndpoint, asked(c.client, request(c.client)), "Authorization", "Basic eDp5")
	wantError(t, w, 401, "invalid_client")
	if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("the scheme that was tried is not answered: %v", w.Header())
	}
}

func TestAStoppedPartnerIsToldSoAfterItProvedItself(t *testing.T) {
	c := newConversation(t, nil, nil)
	p := oauthtest.Kaikei()
	p.Status = "stopped"
	c.Partners.Put(p)
	wantError(t, c.post(oauth.PAREndpoint, asked(c.client, request(c.client))), 400, "unauthorized_client")
	form := asked(c.client, request(c.client))
	form.Set("client_assertion", c.client.Assertion(oauthtest.Claims{"aud": "x"}))
	wantError(t, c.post(oauth.PAREndpoint, form), 401, "invalid_client")
}

// forged is an assertion in the name of one client, signed by another.
func forged(by, as *oauthtest.Software) string {
	return by.Assertion(oauthtest.Claims{"iss": string(as.ID), "sub": string(as.ID)})
}

func TestADPoPProofIsForOneRequestAlone(t *testing.T) {
	c := newConversation(t, nil, nil)
	const target = oauthtest.IssuerURL + "/token"
	form := func() url.Values {
		return asked(c.client, url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}})
	}
	proof := func(change oauthtest.Claims) string {
		return c.client.Proof("POST", target, c.Engine.Nonce(), "", change)
	}
	now := c.Now().Unix()
	used := proof(nil)
	if w := c.post(oauth.TokenEndpoint, form(), "DPoP", used); w.Code != http.StatusOK {
		t.Fatalf("a right proof: %d %s", w.Code, w.Body)
	}
	stale := proof(nil)
	for _, a := range []struct {
		name   string
		proofs []string
		code   string
	}{
		{"none", nil, "invalid_dpop_proof"},
		{"empty", []string{""}, "invalid_dpop_proof"},
		{"two", []string{proof(nil), proof(nil)}, "invalid_dpop_proof"},
		{"two in one header", []string{proof(nil) + ", " + proof(nil)}, "invalid_dpop_proof"},
		{"used before", []string{used}, "invalid_dpop_proof"},
		{"another method", []string{proof(oauthtest.Claims{"htm": "GET"})}, "invalid_dpop_proof"},
		{"a method in small letters", []string{proof(oauthtest.Claims{"htm": "post"})}, "invalid_dpop_proof"},
		{"another address", []string{proof(oauthtest.Claims{"htu": oauthtest.IssuerURL + "/par"})}, "invalid_dpop_proof"},
		{"another host", []string{proof(oauthtest.Claims{"htu": "https://evil.example/token"})}, "invalid_dpop_proof"},
		{"a user in the address", []string{proof(oauthtest.Claims{"htu": "https://x@bank.example/token"})}, "invalid_dpop_proof"},
		{"an address that is a number", []string{proof(oauthtest.Claims{"htu": 1})}, "invalid_dpop_proof"},
		{"an hour old", []string{proof(oauthtest.Claims{"iat": now - 3600})}, "invalid_dpop_proof"},
		{"an hour ahead", []string{proof(oauthtest.Claims{"iat": now + 3600})}, "invalid_dpop_proof"},
		{"no iat", []string{proof(oauthtest.Claims{"iat": nil})}, "invalid_dpop_proof"},
		{"no jti", []string{proof(oauthtest.Claims{"jti": nil})}, "invalid_dpop_proof"},
		{"no nonce", []string{proof(oauthtest.Claims{"nonce": nil})}, "use_dpop_nonce"},
		{"a nonce of ours for APIs", []string{proof(oauthtest.Claims{"nonce": c.Engine.ResourceNonce()})}, "use_dpop_nonce"},
		{"rubbish as nonce", []string{proof(oauthtest.Claims{"nonce": "rubbish"})}, "use_dpop_nonce"},
		{"an assertion", []string{c.client.Assertion(nil)}, "invalid_dpop_proof"},
		{"rubbish", []string{"a.b.c"}, "invalid_dpop_proof"},
	} {
		t.Run(a.name, func(t *testing.T) {
			var headers []string
			for _, p := range a.proofs {
				headers = append(headers, "DPoP", p)
			}
			w := c.post(oauth.TokenEndpoint, form(), headers...)
			wantError(t, w, 400, a.code)
			if w.Header().Get("DPoP-Nonce") == "" {
				t.Error("no nonce to go on with")
			}
		})
	}
	for name, htu := range map[string]string{"a default port": "https://bank.example:443/token", "capitals": "HTTPS://BANK.example/token", "a query": target + "?x=1#y"} {
		if w := c.post(oauth.TokenEndpoint, form(), "DPoP", proof(oauthtest.Claims{"htu": htu})); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	c.Wait(4 * time.Minute)
	wantError(t, c.post(oauth.TokenEndpoint, form(), "DPoP", stale), 400, "use_dpop_nonce")
}

func TestWhatCannotBeAFormIsRefused(t *testing.T) {
	c := newConversation(t, nil, nil)
	body := asked(c.client, url.Values{"grant_type": {"client_credentials"}}).Encode()
	for name, r := range map[string]*http.Request{
		"a parameter twice":         httptest.NewRequest("POST", "/token", strings.NewReader(body+"&grant_type=refresh_token")),
		"query beside body":         httptest.NewRequest("POST", "/token?grant_type=refresh_token", strings.NewReader(body)),
		"a broken escape":           httptest.NewRequest("POST", "/token", strings.NewReader("scope=%zz")),
		"a semicolon":               httptest.NewRequest("POST", "/token", strings.NewReader("a=1;b=2")),
		"parameters under brackets": httptest.NewRequest("POST", "/token", strings.NewReader("grant_type[]=x")),
	} {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if w := c.do(r); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	for _, kind := range []string{"", "application/json", "multipart/form-data; boundary=x", "text/plain"} {
		r := httptest.NewRequest("POST", "/token", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		wantError(t, c.do(r), 400, "invalid_request")
	}
}

func TestMethodsThatAreNotOursAre405(t *testing.T) {
	c := newConversation(t, nil, nil)
	for path, methods := range map[string][]string{
		"/token": {"GET", "PUT", "TRACE", "OPTIONS"}, "/par": {"GET", "DELETE"}, "/revoke": {"GET"}, "/authorize": {"PUT", "OPTIONS", "TRACE"}, "/jwks": {"POST"},
	} {
		for _, m := range methods {
			if w := c.do(httptest.NewRequest(m, path, nil)); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %d", m, path, w.Code)
			}
		}
	}
}

func TestARequestURIThatDoesNotFitShowsOurPageAndLeadsNowhere(t *testing.T) {
	c := newConversation(t, nil, nil)
	other := c.Register(t, "cl_other", nil)
	uri := c.push(c.client, request(c.client))
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("we fetched a request_uri") }))
	defer listener.Close()
	for name, target := range map[string]string{
		"another client's": "/authorize?" + url.Values{"client_id": {string(other.ID)}, "request_uri": {uri}}.Encode(),
		"no client_id":     "/authorize?" + url.Values{"request_uri": {uri}}.Encode(),
		"not pushed":       "/authorize?" + url.Values{"client_id": {"cl_kaikei"}, "response_type": {"code"}, "redirect_uri": {oauthtest.RedirectURI}}.Encode(),
		"an address":       "/authorize?" + url.Values{"client_id": {"cl_kaikei"}, "request_uri": {listener.URL}}.Encode(),
		"changed":          "/authorize?" + url.Values{"client_id": {"cl_kaikei"}, "request_uri": {uri[:len(uri)-1] + "_"}}.Encode(),
		"twice":            "/authorize?" + url.Values{"client_id": {"cl_kaikei"}, "request_uri": {uri, uri}}.Encode(),
	} {
		pages := len(c.pages)
		if w := c.do(httptest.NewRequest("GET", target, nil)); len(c.pages) != pages+1 || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	if w := c.open(c.client, uri); w.Code != http.StatusSeeOther {
		t.Errorf("the request is gone for its owner: %d", w.Code)
	}
	// After its own life only a browser that began before may go on.
	handle := c.began[len(c.began)-1].Handle
	c.Wait(6 * time.Minute)
	pages := len(c.pages)
	if c.open(c.client, uri); len(c.pages) != pages+1 {
		t.Error("a request opened after its time")
	}
	if _, _, err := c.Engine.Approve(t.Context(), handle, c.approval(c.client)); err != nil {
		t.Errorf("the browser that began in time: %v", err)
	}
}

// A client that takes an address back, since it is no longer its own, takes it from
// the customers too who are on the way.
func TestAnAddressWithdrawnOnTheWayIsLedToNoMore(t *testing.T) {
	c := newConversation(t, nil, nil)
	c.open(c.client, c.push(c.client, request(c.client)))
	handle := c.began[len(c.began)-1].Handle
	changed := c.client.Client
	changed.RedirectURIs = []string{"https://kaikei.example/another"}
	if err := c.in.Commit(t.Context(), oauth.ClientChanged{Client: changed, Version: 1, By: audit.Actor{Kind: audit.Operator, ID: "staff"}, At: c.Now()}); err != nil {
		t.Fatal(err)
	}
	c.Wait(time.Second)
	if back, _, err := c.Engine.Approve(t.Context(), handle, c.approval(c.client)); !errors.Is(err, fault.Expired) {
		t.Errorf("allowed, it leads to %s: %v", back.URL, err)
	}
	if back, _, err := c.Engine.Deny(t.Context(), handle, oauth.RefusedByCustomer); !errors.Is(err, fault.Expired) {
		t.Errorf("refused, it leads to %s: %v", back.URL, err)
	}
}

func TestWhatThePartnerMayBeToldGoesBackToIt(t *testing.T) {
	c := newConversation(t, nil, nil)
	form := request(c.client)
	form.Set("prompt", "none")
	w := c.open(c.client, c.push(c.client, form))
	back, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	q := back.Query()
	if q.Get("error") != "login_required" || q.Get("state") != "s-1" || q.Get("iss") != oauthtest.IssuerURL || q.Get("bank") != "1" {
		t.Errorf("the way back is %s", back)
	}
	// A partner that was stopped is told nothing.
	uri := c.push(c.client, request(c.client.Again()))
	p := oauthtest.Kaikei()
	p.Status = "stopped"
	c.Partners.Put(p)
	pages := len(c.pages)
	if w := c.open(c.client, uri); len(c.pages) != pages+1 || c.pages[pages].Page != oauth.PartnerOutOfAction || w.Header().Get("Location") != "" {
		t.Errorf("a stopped partner: %d %v", w.Code, w.Header())
	}
}

func TestTheCustomersRefusalGoesBackWithItsWord(t *testing.T) {
	c := newConversation(t, nil, nil)
	c.open(c.client, c.push(c.client, request(c.client)))
	back, change, err := c.Engine.Deny(t.Context(), c.began[0].Handle, oauth.RefusedByCustomer)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.in.Commit(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(back.URL)
	if q := u.Query(); q.Get("error") != "access_denied" || q.Get("error_description") != "refused_by_customer" || q.Get("iss") == "" || q.Get("bank") != "1" {
		t.Errorf("the way back is %s", back.URL)
	}
	if at := u.Query().Get("error_uri"); at != oauthtest.IssuerURL+"/reasons/refused_by_customer" {
		t.Errorf("its page is %q", at)
	}
	if _, _, err := c.Engine.Approve(t.Context(), c.began[0].Handle, c.approval(c.client)); err == nil {
		t.Error("a denied request was approved")
	}
}

func TestEveryReasonHasItsPage(t *testing.T) {
	c := newConversation(t, nil, nil)
	for _, reason := range oauth.Reasons() {
		w := c.do(httptest.NewRequest("GET", "/reasons/"+string(reason), nil))
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(w.Body.String(), "<h1>"+string(reason)+"</h1>") {
			t.Errorf("%s: %d %s", reason, w.Code, w.Body)
		}
	}
	if w := c.do(httptest.NewRequest("GET", "/reasons/%3Cscript%3E", nil)); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "script") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

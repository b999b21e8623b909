package protocol_test

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
)

// tokens takes a client to its tokens.
func (c *conversation) tokens(s *oauthtest.Software, form url.Values) map[string]any {
	c.t.Helper()
	w := c.token(s, redemption(s, c.code(s, form)))
	if w.Code != http.StatusOK {
		c.t.Fatalf("token: %d %s", w.Code, w.Body)
	}
	return answerOf(c.t, w)
}

// call calls a resource of the issuer with a DPoP-bound token.
func (c *conversation) call(s *oauthtest.Software, method, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", s.Proof(method, oauthtest.IssuerURL+path, c.Engine.ResourceNonce(), token, nil))
	return c.do(r)
}

func claimsOf(t testing.TB, c *conversation, compact, typ string) map[string]any {
	t.Helper()
	token, err := c.Ring.Set().Verify(compact, jose.Rules{Algorithms: []string{jose.ES256}, Types: []string{typ}})
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(token.Payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestTheIDTokenSaysWhoLoggedInWhenAndHow(t *testing.T) {
	c := newConversation(t, nil, nil)
	form := request(c.client)
	form.Set("max_age", "60")
	got := c.tokens(c.client, form)
	claims := claimsOf(t, c, got["id_token"].(string), "JWT")
	if claims["iss"] != oauthtest.IssuerURL || claims["aud"] != "cl_kaikei" || claims["nonce"] != "n-1" || claims["acr"] != "urn:demo:password" ||
		claims["auth_time"] != float64(oauthtest.Began.Unix()) || !strings.HasPrefix(claims["sub"].(string), "sub_") {
		t.Errorf("claims %v", claims)
	}
	if !c.began[0].Asked.Relogin {
		t.Error("max_age asks for a new login")
	}
	c.Wait(time.Minute)
	w := c.token(c.client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got["refresh_token"].(string)}})
	again := claimsOf(t, c, answerOf(t, w)["id_token"].(string), "JWT")
	for _, same := range []string{"iss", "sub", "aud", "auth_time"} {
		if again[same] != claims[same] {
			t.Errorf("%s changed by a refresh: %v, was %v", same, again[same], claims[same])
		}
	}
	if again["nonce"] != nil || again["iat"] == claims["iat"] {
		t.Errorf("a refreshed ID token: %v", again)
	}
}

func TestUserInfoJudgesTokensAsTheAPIDoes(t *testing.T) {
	c := newConversation(t, nil, nil)
	token := c.tokens(c.client, request(c.client))["access_token"].(string)
	for _, method := range []string{"GET", "POST"} {
		w := c.call(c.client, method, "/userinfo", token)
		if w.Code != http.StatusOK || !strings.HasPrefix(answerOf(t, w)["sub"].(string), "sub_") ||
			w.Header().Get("x-fapi-interaction-id") == "" || w.Header().Get("Date") == "" {
			t.Errorf("%s: %d %s %v", method, w.Code, w.Body, w.Header())
		}
	}
	target := oauthtest.IssuerURL + "/userinfo"
	proof := func(change oauthtest.Claims) string {
		return c.client.Proof("GET", target, c.Engine.ResourceNonce(), token, change)
	}
	narrow := request(c.client.Again())
	narrow.Set("scope", "account.balance")
	other := c.client.Again()
	narrow.Set("code_challenge", other.Challenge())
	withoutOpenID := c.tokens(other, narrow)["access_token"].(string)
	for _, a := range []struct {
		name          string
		authorization []string
		proofs        []string
		path          string
		status        int
		challenge     string
	}{
		{"no token", nil, nil, "/userinfo", 401, `DPoP algs=`},
		{"no proof", []string{"DPoP " + token}, nil, "/userinfo", 401, `invalid_dpop_proof`},
		{"Bearer", []string{"Bearer " + token}, nil, "/userinfo", 401, `invalid_token`},
		{"Bearer beside a proof", []string{"Bearer " + token}, []string{proof(nil)}, "/userinfo", 401, `invalid_token`},
		{"another key", []string{"DPoP " + token}, []string{c.client.WithProver(t).Proof("GET", target, c.Engine.ResourceNonce(), token, nil)}, "/userinfo", 401, `invalid_token`},
		{"no ath", []string{"DPoP " + token}, []string{proof(oauthtest.Claims{"ath": nil})}, "/userinfo", 401, `invalid_dpop_proof`},
		{"the ath of another token", []string{"DPoP " + token}, []string{proof(oauthtest.Claims{"ath": "x"})}, "/userinfo", 401, `invalid_dpop_proof`},
		{"no nonce", []string{"DPoP " + token}, []string{proof(oauthtest.Claims{"nonce": nil})}, "/userinfo", 401, `use_dpop_nonce`},
		{"a nonce of the other server", []string{"DPoP " + token}, []string{proof(oauthtest.Claims{"nonce": c.Engine.Nonce()})}, "/userinfo", 401, `use_dpop_nonce`},
		{"two proofs", []string{"DPoP " + token}, []string{proof(nil), proof(nil)}, "/userinfo", 401, `invalid_dpop_proof`},
		{"the token in the query", nil, nil, "/userinfo?access_token=" + token, 400, ``},
		{"two headers", []string{"DPoP " + token, "DPoP " + token}, []string{proof(nil)}, "/userinfo", 400, ``},
		{"a tab", []string{"DPoP\t" + token}, []string{proof(nil)}, "/userinfo", 401, ``},
		{"two spaces", []string{"DPoP  " + token}, []string{proof(nil)}, "/userinfo", 400, ``},
		{"no openid", []string{"DPoP " + withoutOpenID}, []string{c.client.Proof("GET", target, c.Engine.ResourceNonce(), withoutOpenID, nil)}, "/userinfo", 403, `insufficient_scope`},
		{"an assertion as token", []string{"DPoP " + c.client.Assertion(nil)}, []string{proof(nil)}, "/userinfo", 401, `invalid_token`},
	} {
		t.Run(a.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", a.path, nil)
			for _, v := range a.authorization {
				r.Header.Add("Authorization", v)
			}
			for _, v := range a.proofs {
				r.Header.Add("DPoP", v)
			}
			w := c.do(r)
			if w.Code != a.status || !strings.Contains(w.Header().Get("WWW-Authenticate"), a.challenge) {
				t.Errorf("%d %q %s", w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
			}
		})
	}
	r := httptest.NewRequest("GET", "/userinfo", nil)
	r.Header.Set("Authorization", "dpop "+token)
	r.Header.Set("DPoP", proof(nil))
	if w := c.do(r); w.Code != http.StatusOK {
		t.Errorf("a scheme in small letters: %d %s", w.Code, w.Body)
	}
}

func TestIntrospectionSpeaksOfTheClientsOwnTokensAlone(t *testing.T) {
	c := newConversation(t, nil, nil)
	other := c.Register(t, "cl_other", nil)
	got := c.tokens(c.client, request(c.client))
	ask := func(s *oauthtest.Software, token any) map[string]any {
		w := c.post(oauth.IntrospectEndpoint, asked(s, url.Values{"token": {token.(string)}}))
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return answerOf(t, w)
	}
	if a := ask(c.client, got["access_token"]); a["active"] != true || a["scope"] != "openid account.balance" || a["cnf"].(map[string]any)["jkt"] == nil || a["token_type"] != "DPoP" {
		t.Errorf("its own: %v", a)
	}
	if a := ask(c.client, got["refresh_token"]); a["active"] != true {
		t.Errorf("its own refresh token: %v", a)
	}
	for _, token := range []any{got["access_token"], got["refresh_token"], "rubbish", got["id_token"]} {
		if a := ask(other, token); a["active"] != false || len(a) != 1 {
			t.Errorf("another's: %v", a)
		}
	}
	r := httptest.NewRequest("POST", "/introspect", strings.NewReader(asked(c.client, url.Values{"token": {got["access_token"].(string)}}).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/token-introspection+jwt")
	w := c.do(r)
	claims := claimsOf(t, c, w.Body.String(), "token-introspection+jwt")
	if w.Header().Get("Content-Type") != "application/token-introspection+jwt" || claims["aud"] != "cl_kaikei" || claims["token_introspection"].(map[string]any)["active"] != true {
		t.Errorf("%v %v", w.Header(), claims)
	}
	c.sql(`UPDATE consents SET state = 'ended', end_reason = 'customer'`)
	for _, token := range []any{got["access_token"], got["refresh_token"]} {
		if a := ask(c.client, token); a["active"] != false || len(a) != 1 {
			t.Errorf("after the consent ended: %v", a)
		}
	}
}

func TestAPartnerAsksAndEndsAGrantByItsName(t *testing.T) {
	c := newConversation(t, nil, nil)
	form := request(c.client)
	form.Set("grant_management_action", "create")
	form.Set("scope", "openid account.balance grant_management_query")
	got := c.tokens(c.client, form)
	grant := got["grant_id"].(string)
	own := answerOf(t, c.token(c.client, url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query grant_management_revoke"}}))["access_token"].(string)
	for _, token := range []string{got["access_token"].(string), own} {
		w := c.call(c.client, "GET", "/grants/"+grant, token)
		a := answerOf(t, w)
		if w.Code != http.StatusOK || a["scopes"].([]any)[0].(map[string]any)["scope"] != "openid account.balance grant_management_query" || a["authorization_details"] == nil {
			t.Errorf("%d %v", w.Code, a)
		}
	}
	other := c.Register(t, "cl_other", nil)
	foreign := answerOf(t, c.token(other, url.Values{"grant_type": {"client_credentials"}}))["access_token"].(string)
	if w := c.call(other, "GET", "/grants/"+grant, foreign); w.Code != http.StatusNotFound {
		t.Errorf("another's grant: %d", w.Code)
	}
	if w := c.call(c.client, "DELETE", "/grants/"+grant, got["access_token"].(string)); w.Code != http.StatusForbidden {
		t.Errorf("without the scope to revoke: %d", w.Code)
	}
	if w := c.call(c.client, "DELETE", "/grants/"+grant, own); w.Code != http.StatusNoContent {
		t.Errorf("revoke: %d %s", w.Code, w.Body)
	}
	if w := c.call(c.client, "GET", "/grants/"+grant, own); w.Code != http.StatusNotFound {
		t.Errorf("a grant that ended: %d", w.Code)
	}
	if w := c.call(c.client, "GET", "/userinfo", got["access_token"].(string)); w.Code != http.StatusUnauthorized {
		t.Errorf("its token: %d", w.Code)
	}
}

func TestReplacingAGrantEndsItsOlderTokens(t *testing.T) {
	c := newConversation(t, nil, nil)
	form := request(c.client)
	form.Set("grant_management_action", "create")
	first := c.tokens(c.client, form)
	for _, action := range []string{"merge", "replace"} {
		s := c.client.Again()
		form = request(s)
		form.Set("grant_management_action", action)
		form.Set("grant_id", first["grant_id"].(string))
		uri := c.push(s, form)
		c.open(s, uri)
		began := c.began[len(c.began)-1]
		if began.Asked.Grant == "" || began.Asked.GrantAction != action {
			t.Fatalf("asked %+v", began.Asked)
		}
		a := c.approval(s)
		a.Replaces = began.Asked.Grant
		back, change, err := c.Engine.Approve(t.Context(), began.Handle, a)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.in.Commit(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		if w := c.call(s, "GET", "/userinfo", first["access_token"].(string)); w.Code != http.StatusOK {
			t.Errorf("%s: the old token ended before the new code was redeemed: %d", action, w.Code)
		}
		u, _ := url.Parse(back.URL)
		got := answerOf(t, c.token(s, redemption(s, u.Query().Get("code"))))
		if got["grant_id"] != first["grant_id"] {
			t.Fatalf("%s: %v", action, got)
		}
		w := c.token(s, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first["refresh_token"].(string)}})
		wantError(t, w, 400, "invalid_grant")
		first = got
	}
}

func TestAGrantIsMergedOrReplacedByItsOwnUserOnly(t *testing.T) {
	for _, action := range []string{"merge", "replace"} {
		c := newConversation(t, nil, nil)
		form := request(c.client)
		form.Set("grant_management_action", "create")
		first := c.tokens(c.client, form)
		s := c.client.Again()
		form = request(s)
		form.Set("grant_management_action", action)
		form.Set("grant_id", first["grant_id"].(string))
		c.open(s, c.push(s, form))
		a := c.approval(s)
		a.Subject = "usr_another"
		back, _, err := c.Engine.Approve(t.Context(), c.began[len(c.began)-1].Handle, a)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(back.URL)
		if q := u.Query(); q.Get("code") != "" || q.Get("error_description") != "another_user" {
			t.Errorf("%s by another user: %s", action, u)
		}
	}
}

func TestTokensEndWithWhatTheyStandOn(t *testing.T) {
	for _, a := range []struct {
		name string
		end  func(c *conversation)
		want oauth.Code
	}{
		{"the consent by the customer", func(c *conversation) { c.sql(`UPDATE consents SET state = 'ended', end_reason = 'customer'`) }, oauth.InvalidToken},
		{"the consent for a while", func(c *conversation) { c.sql(`UPDATE consents SET state = 'suspended'`) }, oauth.InvalidToken},
		{"the consent by its date", func(c *conversation) { c.sql(`UPDATE consents SET ends_at = 1`) }, oauth.InvalidToken},
		{"the token's life", func(c *conversation) { c.Wait(16 * time.Minute) }, oauth.InvalidToken},
		{"the partner", func(c *conversation) { p := oauthtest.Kaikei(); p.Status = "stopped"; c.Partners.Put(p) }, oauth.AccessDenied},
		{"the contract", func(c *conversation) { p := oauthtest.Kaikei(); p.ContractUntil = c.Now(); c.Partners.Put(p) }, oauth.AccessDenied},
		{"the client", func(c *conversation) { c.sql(`UPDATE clients SET removed_at = 1`); c.Wait(time.Second) }, oauth.AccessDenied},
		{"the function, for the partner", func(c *conversation) { p := oauthtest.Kaikei(); p.Functions = p.Functions[1:]; c.Partners.Put(p) }, oauth.InsufficientScope},
	} {
		t.Run(a.name, func(t *testing.T) {
			c := newConversation(t, nil, nil)
			got := c.tokens(c.client, request(c.client))
			token := got["access_token"].(string)
			open := func() error {
				const target = oauthtest.APIURL + "/open-api/v1/accounts"
				_, err := c.Engine.Access(t.Context(), oauth.AccessRequest{
					Authorization: []string{"DPoP " + token}, Proofs: []string{c.client.Proof("GET", target, c.Engine.ResourceNonce(), token, nil)},
					Method: "GET", Target: target, Audience: oauthtest.APIURL, Functions: []corebank.BusinessFunction{"balance"},
				})
				return err
			}
			if err := open(); err != nil {
				t.Fatal(err)
			}
			a.end(c)
			err := open()
			if fault.Of(err) == fault.Internal || !strings.HasPrefix(err.Error(), string(a.want)) {
				t.Errorf("got %v, want %s", err, a.want)
			}
		})
	}
}

func TestATokenIsForItsOwnAPI(t *testing.T) {
	const second = "https://second.bank.example"
	c := newConversation(t, func(cfg *oauth.Config) { cfg.Issuer.APIs = append(cfg.Issuer.APIs, oauth.API{URL: second}) }, nil)
	form := request(c.client)
	form.Set("resource", second)
	token := c.tokens(c.client, form)["access_token"].(string)
	for audience, ok := range map[string]bool{second: true, oauthtest.APIURL: false} {
		target := audience + "/x"
		_, err := c.Engine.Access(t.Context(), oauth.AccessRequest{
			Authorization: []string{"DPoP " + token}, Proofs: []string{c.client.Proof("GET", target, c.Engine.ResourceNonce(), token, nil)},
			Method: "GET", Target: target, Audience: audience,
		})
		if (err == nil) != ok {
			t.Errorf("%s: %v", audience, err)
		}
	}
}

func TestMutualTLSAuthenticatesAndBinds(t *testing.T) {
	named, foreign := oauthtest.Certificate(t, "kaikei.example"), oauthtest.Certificate(t, "evil.example")
	accept := func(cfg *oauth.Config) {
		cfg.CheckCertificate = func(chain []*x509.Certificate, _ time.Time) error { return nil }
	}
	mutual := map[string]any{"dpop_bound_access_tokens": nil, "tls_client_certificate_bound_access_tokens": true}
	with := func(more map[string]any) map[string]any {
		out := map[string]any{}
		for _, m := range []map[string]any{mutual, more} {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	for name, metadata := range map[string]map[string]any{
		"subject":     with(map[string]any{"token_endpoint_auth_method": "tls_client_auth", "jwks": nil, "tls_client_auth_subject_dn": `CN=kaikei.example, O=mihon\,  INC.`}),
		"DNS name":    with(map[string]any{"token_endpoint_auth_method": "tls_client_auth", "jwks": nil, "tls_client_auth_san_dns": "Kaikei.example"}),
		"self-signed": with(map[string]any{"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": map[string]any{"keys": []any{certificateKey(named)}}}),
	} {
		t.Run(name, func(t *testing.T) {
			c := newConversation(t, accept, metadata)
			form := func() url.Values {
				return url.Values{"client_id": {"cl_kaikei"}, "grant_type": {"client_credentials"}, "scope": {"grant_management_query"}}
			}
			w := c.postWith(named, oauth.TokenEndpoint, form())
			got := answerOf(t, w)
			if w.Code != http.StatusOK || got["token_type"] != "Bearer" {
				t.Fatalf("%d %v", w.Code, got)
			}
			wantError(t, c.postWith(foreign, oauth.TokenEndpoint, form()), 401, "invalid_client")
			wantError(t, c.post(oauth.TokenEndpoint, form()), 401, "invalid_client")
			wantError(t, c.post(oauth.TokenEndpoint, form(), "Client-Cert", ":AAAA:", "X-SSL-Client-Cert", "x"), 401, "invalid_client")
			both := form()
			both.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			both.Set("client_assertion", c.client.Assertion(nil))
			wantError(t, c.postWith(named, oauth.TokenEndpoint, both), 401, "invalid_client")
			for certificate, ok := range map[*x509.Certificate]bool{named: true, foreign: false, nil: false} {
				_, err := c.Engine.Access(t.Context(), oauth.AccessRequest{
					Authorization: []string{"Bearer " + got["access_token"].(string)}, Certificate: certificate, Method: "GET",
					Target: oauthtest.APIURL, Audience: oauthtest.APIURL,
				})
				if (err == nil) != ok {
					t.Errorf("the token with another certificate: %v", err)
				}
			}
		})
	}
}

// certificateKey is a JWK with the certificate in it (RFC 8705 §2.2.2).
func certificateKey(c *x509.Certificate) map[string]any {
	raw, _ := json.Marshal(c.Raw)
	var der string
	_ = json.Unmarshal(raw, &der)
	return map[string]any{"kty": "unknown", "x5c": []string{der}}
}

func TestAnAssertionCanGoWithACertificateThatBinds(t *testing.T) {
	c := newConversation(t, nil, map[string]any{"dpop_bound_access_tokens": nil, "tls_client_certificate_bound_access_tokens": true})
	form := func() url.Values {
		return asked(c.client, url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}})
	}
	if w := c.postWith(oauthtest.Certificate(t, "x"), oauth.TokenEndpoint, form()); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantError(t, c.post(oauth.TokenEndpoint, form()), 400, "invalid_request")
	wantError(t, c.post(oauth.TokenEndpoint, form(), "DPoP", c.client.Proof("POST", oauthtest.IssuerURL+"/token", c.Engine.Nonce(), "", nil)), 400, "invalid_dpop_proof")
}

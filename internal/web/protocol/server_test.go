package protocol_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
)

const dataURL = "https://data.bank.example"

// withServer registers a resource server of the bank's beside the account API.
func withServer(signed bool, s *oauth.ResourceServer) func(*oauth.Config) {
	return func(cfg *oauth.Config) {
		cfg.Issuer.APIs = append(cfg.Issuer.APIs, oauth.API{URL: dataURL, SignedTokens: signed, Server: s})
	}
}

// dataTokens takes the client to tokens for the resource server.
func (c *conversation) dataTokens(s *oauthtest.Software) map[string]any {
	form := request(s)
	form.Set("resource", dataURL)
	return c.tokens(s, form)
}

func TestAnAccessTokenIsSignedForTheServerThatIsRegisteredForIt(t *testing.T) {
	c := newConversation(t, withServer(true, nil), nil)
	got := c.dataTokens(c.client)
	token := got["access_token"].(string)
	claims := claimsOf(t, c, token, "at+jwt")
	thumbprint, err := c.client.Thumbprint()
	if err != nil {
		t.Fatal(err)
	}
	if claims["iss"] != oauthtest.IssuerURL || claims["aud"] != dataURL || claims["client_id"] != "cl_kaikei" || claims["scope"] != "openid account.balance" ||
		claims["auth_time"] != float64(oauthtest.Began.Unix()) || claims["acr"] != "urn:demo:password" || claims["cnf"].(map[string]any)["jkt"] != thumbprint ||
		!strings.HasPrefix(claims["sub"].(string), "sub_") || claims["exp"].(float64)-claims["iat"].(float64) != 900 || claims["jti"] == "" {
		t.Errorf("claims %v", claims)
	}
	granted := claims["authorization_details"].([]any)[0].(map[string]any)
	if granted["type"] != oauth.DetailsType || len(granted["accounts"].([]any)) != 1 {
		t.Errorf("details %v", granted)
	}
	// The refreshed one too, under another jti; and the opaque one stays what it was.
	again := answerOf(t, c.token(c.client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got["refresh_token"].(string)}}))
	if next := claimsOf(t, c, again["access_token"].(string), "at+jwt"); next["jti"] == claims["jti"] || next["sub"] != claims["sub"] {
		t.Errorf("refreshed: %v", next)
	}
	s := c.client.Again()
	if own := c.tokens(s, request(s)); strings.HasPrefix(own["access_token"].(string), "ey") {
		t.Errorf("the account API's own token: %v", own["access_token"])
	}
	// Our API takes it no more than another opaque token for that server; the jti is no token.
	for _, text := range []string{token, claims["jti"].(string), "rat_" + claims["jti"].(string), token[:len(token)-4] + "AAAA", got["id_token"].(string)} {
		const target = oauthtest.APIURL + "/open-api/v1/accounts"
		_, err := c.Engine.Access(t.Context(), oauth.AccessRequest{
			Authorization: []string{"DPoP " + text}, Proofs: []string{c.client.Proof("GET", target, c.Engine.ResourceNonce(), text, nil)},
			Method: "GET", Target: target, Audience: oauthtest.APIURL,
		})
		if err == nil || !strings.HasPrefix(err.Error(), "invalid_token") {
			t.Errorf("at our own API: %v", err)
		}
	}
	own := claimsOf(t, c, answerOf(t, c.token(c.client, url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}, "resource": {dataURL}}))["access_token"].(string), "at+jwt")
	if own["sub"] != "cl_kaikei" || own["auth_time"] != nil || own["authorization_details"] != nil {
		t.Errorf("a partner's own: %v", own)
	}
}

func TestAResourceServerLearnsOfTokensForItselfAlone(t *testing.T) {
	certificate, other := oauthtest.Certificate(t, "data.bank.example"), oauthtest.Certificate(t, "evil.example")
	for name, signed := range map[string]bool{"opaque": false, "signed": true} {
		t.Run(name, func(t *testing.T) {
			c := newConversation(t, withServer(signed, &oauth.ResourceServer{ID: "rs_data", Certificates: []*x509.Certificate{certificate}}), nil)
			got := c.dataTokens(c.client)
			s := c.client.Again()
			elsewhere := c.tokens(s, request(s))
			ask := func(token any) map[string]any {
				w := c.postWith(certificate, oauth.IntrospectEndpoint, url.Values{"client_id": {"rs_data"}, "token": {token.(string)}})
				if w.Code != http.StatusOK {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				return answerOf(t, w)
			}
			a := ask(got["access_token"])
			behind, _ := a["renkei_customer"].(map[string]any)
			if a["active"] != true || a["aud"] != dataURL || a["client_id"] != "cl_kaikei" || a["acr"] != "urn:demo:password" ||
				a["cnf"].(map[string]any)["jkt"] == nil || behind["user"] != "usr_hanako" || len(behind["accounts"].(map[string]any)) != 1 {
				t.Errorf("%v", a)
			}
			for _, token := range []any{got["refresh_token"], elsewhere["access_token"], elsewhere["refresh_token"], got["id_token"], "rubbish"} {
				if a := ask(token); a["active"] != false || len(a) != 1 {
					t.Errorf("not for it: %v", a)
				}
			}
			// Another certificate, none, and its id at the endpoints of clients.
			form := func() url.Values {
				return url.Values{"client_id": {"rs_data"}, "token": {got["access_token"].(string)}}
			}
			wantError(t, c.postWith(other, oauth.IntrospectEndpoint, form()), 401, "invalid_client")
			wantError(t, c.post(oauth.IntrospectEndpoint, form()), 401, "invalid_client")
			for _, e := range []oauth.Endpoint{oauth.TokenEndpoint, oauth.PAREndpoint, oauth.RevokeEndpoint} {
				wantError(t, c.postWith(certificate, e, form()), 401, "invalid_client")
			}
			// As a JWT for the server (RFC 9701).
			r := httptest.NewRequest("POST", "/introspect", strings.NewReader(form().Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Accept", "application/token-introspection+jwt")
			r.TLS = tlsOf(certificate)
			claims := claimsOf(t, c, c.do(r).Body.String(), "token-introspection+jwt")
			if claims["aud"] != "rs_data" || claims["exp"] != nil || claims["sub"] != nil || claims["token_introspection"].(map[string]any)["active"] != true {
				t.Errorf("%v", claims)
			}
			// The client's own introspection and revocation take both forms.
			w := c.post(oauth.IntrospectEndpoint, asked(c.client, url.Values{"token": {got["access_token"].(string)}}))
			if a := answerOf(t, w); a["active"] != true || a["renkei_customer"] != nil {
				t.Errorf("to its client: %v", a)
			}
			if w := c.post(oauth.RevokeEndpoint, asked(c.client, url.Values{"token": {got["access_token"].(string)}})); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if a := ask(got["access_token"]); a["active"] != false {
				t.Errorf("revoked: %v", a)
			}
		})
	}
}

var stopped = fault.New(fault.Refused, "stopped at the bank")

func TestWhatIsIntrospectedEndsWithEverythingThatItStandsOn(t *testing.T) {
	certificate := oauthtest.Certificate(t, "data.bank.example")
	for name, end := range map[string]func(c *conversation){
		"the consent":  func(c *conversation) { c.sql(`UPDATE consents SET state = 'ended', end_reason = 'customer'`) },
		"its rest":     func(c *conversation) { c.sql(`UPDATE consents SET state = 'suspended'`) },
		"its date":     func(c *conversation) { c.sql(`UPDATE consents SET ends_at = 1`) },
		"the token":    func(c *conversation) { c.Wait(16 * time.Minute) },
		"the partner":  func(c *conversation) { p := oauthtest.Kaikei(); p.Status = "stopped"; c.Partners.Put(p) },
		"the contract": func(c *conversation) { p := oauthtest.Kaikei(); p.ContractUntil = c.Now(); c.Partners.Put(p) },
		"the client":   func(c *conversation) { c.sql(`UPDATE clients SET removed_at = 1`); c.Wait(time.Second) },
		"the user":     func(c *conversation) { c.customer.Store(&stopped) },
		"the profile": func(c *conversation) {
			c.sql(`UPDATE clients SET version = 2, metadata = json_set(metadata, '$.sunset_on', '2026-11-23')`)
			c.Wait(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c *conversation
			c = newConversation(t, func(cfg *oauth.Config) {
				withServer(true, &oauth.ResourceServer{ID: "rs_data", Certificates: []*x509.Certificate{certificate}})(cfg)
				cfg.CheckCustomer = func(context.Context, corebank.UserID) error {
					if err := c.customer.Load(); err != nil {
						return *err
					}
					return nil
				}
			}, nil)
			token := c.dataTokens(c.client)["access_token"].(string)
			ask := func() any {
				return answerOf(t, c.postWith(certificate, oauth.IntrospectEndpoint, url.Values{"client_id": {"rs_data"}, "token": {token}}))["active"]
			}
			if ask() != true {
				t.Fatal("a live token is not active")
			}
			end(c)
			if ask() != false {
				t.Error("still active")
			}
		})
	}
}

func TestWhileTheBankIsSilentNobodyIsToldWhetherACustomersTokenIsActive(t *testing.T) {
	certificate := oauthtest.Certificate(t, "data.bank.example")
	c := newConversation(t, func(cfg *oauth.Config) {
		withServer(false, &oauth.ResourceServer{ID: "rs_data", Certificates: []*x509.Certificate{certificate}})(cfg)
		cfg.CheckCustomer = func(context.Context, corebank.UserID) error { return fault.New(fault.Unavailable, "no answer") }
	}, nil)
	own := answerOf(t, c.token(c.client, url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}, "resource": {dataURL}}))
	for name, a := range map[string]struct {
		token  any
		status int
	}{"a customer's": {c.dataTokens(c.client)["access_token"], 503}, "a partner's own": {own["access_token"], 200}} {
		w := c.postWith(certificate, oauth.IntrospectEndpoint, url.Values{"client_id": {"rs_data"}, "token": {a.token.(string)}})
		if w.Code != a.status || strings.Contains(w.Body.String(), `"active":true`) != (a.status == 200) {
			t.Errorf("%s token: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestAResourceServerMayProveItselfByAKey(t *testing.T) {
	keys := newConversation(t, nil, nil).client // its keys alone are wanted
	c := newConversation(t, withServer(false, &oauth.ResourceServer{ID: "rs_data", JWKS: keys.Client.JWKS}), nil)
	server := c.Register(t, "cl_spare", nil)
	server.ID, server.Signer = "rs_data", keys.Signer
	token := c.dataTokens(c.client)["access_token"].(string)
	form := asked(server, url.Values{"token": {token}})
	if a := answerOf(t, c.post(oauth.IntrospectEndpoint, form)); a["active"] != true {
		t.Errorf("%v", a)
	}
	wantError(t, c.post(oauth.IntrospectEndpoint, form), 401, "invalid_client") // its assertion is spent
	wantError(t, c.postWith(oauthtest.Certificate(t, "x"), oauth.IntrospectEndpoint, url.Values{"client_id": {"rs_data"}, "token": {token}}), 401, "invalid_client")
	if _, err := c.Engine.Issuer().ParseClient(oauthtest.PartnerID, toJSON(map[string]any{"client_id": "rs_data", "redirect_uris": []string{oauthtest.RedirectURI}, "jwks": json.RawMessage(keys.Client.JWKS)})); err == nil {
		t.Error("a client can take the name of a resource server")
	}
}

func TestAFunctionMayDemandAYoungerOrStrongerLogin(t *testing.T) {
	for _, a := range []struct {
		name   string
		demand oauth.StepUp
		wait   time.Duration
		want   []string // of the challenge; none: it opens
	}{
		{"met", oauth.StepUp{ACRs: []string{"urn:demo:password"}, MaxAge: time.Hour}, 0, nil},
		{"too weak", oauth.StepUp{ACRs: []string{"urn:demo:certificate"}}, 0, []string{`acr_values="urn:demo:certificate"`}},
		{"too old", oauth.StepUp{MaxAge: 5 * time.Minute}, 6 * time.Minute, []string{`max_age="300"`}},
		{"both", oauth.StepUp{ACRs: []string{"a", "b"}, MaxAge: time.Minute}, 2 * time.Minute, []string{`acr_values="a b"`, `max_age="60"`}},
	} {
		t.Run(a.name, func(t *testing.T) {
			a.demand.Functions = []corebank.BusinessFunction{"balance"}
			c := newConversation(t, func(cfg *oauth.Config) { cfg.Issuer.StepUp = []oauth.StepUp{a.demand} }, nil)
			token := c.tokens(c.client, request(c.client))["access_token"].(string)
			c.Wait(a.wait)
			const target = oauthtest.APIURL + "/open-api/v1/accounts"
			open := func(functions ...corebank.BusinessFunction) error {
				_, err := c.Engine.Access(t.Context(), oauth.AccessRequest{
					Authorization: []string{"DPoP " + token}, Proofs: []string{c.client.Proof("GET", target, c.Engine.ResourceNonce(), token, nil)},
					Method: "GET", Target: target, Audience: oauthtest.APIURL, Functions: functions,
				})
				return err
			}
			if err := open(); err != nil {
				t.Errorf("a call that needs no function: %v", err)
			}
			err := open("balance")
			if len(a.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f, ok := err.(*oauth.Failure)
			if !ok || f.Code != oauth.InsufficientLogin {
				t.Fatalf("got %v", err)
			}
			challenge := c.Engine.Challenge(f)
			for _, part := range append(a.want, `error="insufficient_user_authentication"`) {
				if !strings.Contains(challenge, part) {
					t.Errorf("challenge %s lacks %s", challenge, part)
				}
			}
		})
	}
}

// What the challenge names goes into the next request, and what cannot be reached
// there fails at once only where it is essential.
func TestTheAuthorizationEndpointHonoursWhatAChallengeNames(t *testing.T) {
	c := newConversation(t, nil, nil)
	form := request(c.client)
	form.Set("acr_values", "urn:demo:password other")
	form.Set("max_age", "300")
	c.open(c.client, c.push(c.client, form))
	if i := c.began[len(c.began)-1]; !i.Asked.Relogin || !slices.Equal(i.Asked.ACRs, []string{"urn:demo:password", "other"}) {
		t.Errorf("asked %+v", i.Asked)
	}
	s := c.client.Again()
	form = request(s)
	form.Set("claims", `{"id_token":{"acr":{"essential":true,"values":["nobody:reaches"]}}}`)
	w := c.open(s, c.push(s, form))
	if w.Code != http.StatusSeeOther || !strings.Contains(w.Header().Get("Location"), "error=unmet_authentication_requirements") {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
}

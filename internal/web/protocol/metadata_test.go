package protocol_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
)

func (c *conversation) metadata() map[string]any {
	w := c.do(httptest.NewRequest("GET", "/.well-known/oauth-authorization-server", nil))
	return answerOf(c.t, w)
}

func words(m map[string]any, name string) []string {
	var out []string
	list, _ := m[name].([]any)
	for _, v := range list {
		out = append(out, v.(string))
	}
	return out
}

// offer is what an institution may put on offer.
type offer struct {
	profiles     []oauth.Profile
	withoutTLS   bool // no mutual TLS
	registration bool
}

var (
	fapi2Only = []oauth.Profile{oauth.FAPI2}
	advOnly   = []oauth.Profile{oauth.FAPI1Adv}
	both      = []oauth.Profile{oauth.FAPI2, oauth.FAPI1Adv}
)

var offers = map[string]offer{
	"fapi2": {profiles: fapi2Only}, "fapi2, registration": {profiles: fapi2Only, registration: true},
	"fapi2 without mutual TLS": {profiles: fapi2Only, withoutTLS: true}, "fapi2 without mutual TLS, registration": {fapi2Only, true, true},
	"fapi1_adv": {profiles: advOnly}, "fapi1_adv, registration": {profiles: advOnly, registration: true},
	"both": {profiles: both}, "both, registration": {profiles: both, registration: true},
}

// on sets the offer up, with a client of its first profile.
func (o offer) on(t testing.TB) *conversation {
	t.Helper()
	return newConversation(t, func(cfg *oauth.Config) {
		cfg.Issuer.Profiles, cfg.Issuer.SelfRegistration = slices.Clone(o.profiles), o.registration
		cfg.CheckCertificate = func([]*x509.Certificate, time.Time) error { return nil }
		if o.withoutTLS {
			cfg.Issuer.MutualTLSURL, cfg.CheckCertificate = "", nil
		}
	}, profileOf(o.profiles))
}

func (o offer) has(p oauth.Profile) bool { return slices.Contains(o.profiles, p) }

// What metadata names works, and what it does not name is refused.
func TestMetadataIsTrueInBothDirections(t *testing.T) {
	for name, o := range offers {
		t.Run(name, func(t *testing.T) {
			c := o.on(t)
			m := c.metadata()
			if openID := answerOf(t, c.do(httptest.NewRequest("GET", "/.well-known/openid-configuration", nil))); !reflect.DeepEqual(m, openID) {
				t.Error("the two addresses tell different things")
			}
			if m["issuer"] != oauthtest.IssuerURL {
				t.Errorf("issuer %v", m["issuer"])
			}
			c.endpointsStand(m, o)
			c.registrationFollows(m, o)
			c.requestsFollow(m, o)
		})
	}
}

func TestFAPI1AdvancedIsNotOnOfferWithoutMutualTLS(t *testing.T) {
	c := newConversation(t, nil, nil)
	i := c.Engine.Issuer()
	i.MutualTLSURL = ""
	_, err := oauth.New(oauth.Config{Issuer: i, Store: c.in, Partners: c.Partners, NonceKey: make([]byte, 32), PairwiseKey: make([]byte, 32), Now: c.Now, NextID: nextID()})
	if fault.Of(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

// endpointsStand: every address is served at its origin, and the authorization
// endpoint has no alias.
func (c *conversation) endpointsStand(m map[string]any, o offer) {
	aliases, there := m["mtls_endpoint_aliases"].(map[string]any)
	if there == o.withoutTLS || m["tls_client_certificate_bound_access_tokens"] == o.withoutTLS {
		c.t.Errorf("mutual TLS: %v, %v", aliases, m["tls_client_certificate_bound_access_tokens"])
	}
	if aliases["authorization_endpoint"] != nil {
		c.t.Error("an alias for the authorization endpoint")
	}
	named := map[string]bool{}
	for _, at := range []struct {
		origin  string
		handler http.Handler
		names   map[string]any
	}{{oauthtest.IssuerURL, c.issuer, m}, {oauthtest.MutualTLSURL, c.mutualTLS, aliases}} {
		for name, address := range at.names {
			text, ok := address.(string)
			if !ok || !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" {
				continue
			}
			path, ok := strings.CutPrefix(text, at.origin)
			if !ok {
				c.t.Errorf("%s is %s", name, text)
			}
			if name == "grant_management_endpoint" {
				path += "/x"
			}
			named[path] = true
			served := false
			for _, method := range []string{"GET", "POST"} {
				w := httptest.NewRecorder()
				at.handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
				served = served || w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed
			}
			if !served {
				c.t.Errorf("%s is not served", text)
			}
		}
	}
	// And what is not named is not there.
	for _, path := range []string{"/authorize", "/par", "/token", "/revoke", "/introspect", "/userinfo", "/grants/x", "/jwks", "/register",
		"/register/cl_kaikei", "/device_authorization", "/bc-authorize", "/end_session", "/logout", "/check_session", "/credential"} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			w := httptest.NewRecorder()
			c.issuer.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			at, _ := strings.CutSuffix(path, "/cl_kaikei")
			if there := w.Code != http.StatusNotFound; there != named[at] && (there || method == "POST") {
				c.t.Errorf("%s %s is %d, named: %v", method, path, w.Code, named[at])
			}
		}
	}
	for name, alias := range aliases {
		if own := m[name]; own == nil || strings.TrimPrefix(own.(string), oauthtest.IssuerURL) != strings.TrimPrefix(alias.(string), oauthtest.MutualTLSURL) {
			c.t.Errorf("the alias %s is %v", name, alias)
		}
	}
}

// registrationFollows: a client can be registered exactly for what is named.
func (c *conversation) registrationFollows(m map[string]any, o offer) {
	base := func() map[string]any {
		b := map[string]any{
			"client_id": "cl_x", "redirect_uris": []string{oauthtest.RedirectURI}, "jwks": mustJSON(c.client.Client.JWKS),
			"scope": "openid account.balance",
		}
		return b
	}
	for _, field := range []struct {
		metadata, client string
		candidates       []string
		also             map[string]any
	}{
		{"response_types_supported", "response_types", []string{"code", "code id_token", "token", "id_token", "code token", "none"}, nil},
		{"grant_types_supported", "grant_types", []string{"authorization_code", "refresh_token", "client_credentials", "password", "implicit", "urn:ietf:params:oauth:grant-type:token-exchange"}, nil},
		{"token_endpoint_auth_methods_supported", "token_endpoint_auth_method", []string{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "client_secret_basic", "client_secret_post", "client_secret_jwt", "none"}, nil},
		{"token_endpoint_auth_signing_alg_values_supported", "token_endpoint_auth_signing_alg", []string{"ES256", "PS256", "EdDSA", "Ed25519", "RS256", "HS256", "none", "ES384"}, nil},
		{"request_object_signing_alg_values_supported", "request_object_signing_alg", []string{"ES256", "PS256", "EdDSA", "Ed25519", "RS256", "HS256", "none"}, nil},
		{"id_token_signing_alg_values_supported", "id_token_signed_response_alg", []string{"ES256", "PS256", "EdDSA", "RS256", "HS256", "none"}, nil},
		{"authorization_signing_alg_values_supported", "authorization_signed_response_alg", []string{"ES256", "PS256", "EdDSA", "RS256", "none"}, nil},
		{"userinfo_signing_alg_values_supported", "userinfo_signed_response_alg", []string{"ES256", "PS256", "RS256", "none"}, nil},
		{"id_token_encryption_alg_values_supported", "id_token_encrypted_response_alg", []string{"ECDH-ES+A256KW", "RSA-OAEP-256", "RSA-OAEP", "RSA1_5", "dir", "A256KW"}, nil},
		{"id_token_encryption_enc_values_supported", "id_token_encrypted_response_enc", []string{"A256GCM", "A128GCM", "A128CBC-HS256"}, nil},
		{"userinfo_encryption_alg_values_supported", "userinfo_encrypted_response_alg", []string{"ECDH-ES+A256KW", "RSA-OAEP-256", "RSA-OAEP", "RSA1_5", "dir", "A256KW"}, nil},
		{"userinfo_encryption_enc_values_supported", "userinfo_encrypted_response_enc", []string{"A256GCM", "A128GCM", "A128CBC-HS256"}, nil},
		{"revocation_endpoint_auth_methods_supported", "token_endpoint_auth_method", []string{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"}, nil},
		{"introspection_endpoint_auth_methods_supported", "token_endpoint_auth_method", []string{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"}, nil},
		{"introspection_signing_alg_values_supported", "introspection_signed_response_alg", []string{"ES256", "PS256", "RS256", "none"}, nil},
		{"authorization_details_types_supported", "authorization_details_types", []string{oauth.DetailsType, "payment_initiation"}, nil},
		{"subject_types_supported", "subject_type", []string{"pairwise", "public"}, nil},
		{"scopes_supported", "scope", []string{"openid", "account.balance", "account.transactions", "account.deposits", "partner", "grant_management_query", "grant_management_revoke", "offline_access", "email", "profile"}, nil},
	} {
		named := words(m, field.metadata)
		for _, candidate := range field.candidates {
			works := slices.ContainsFunc(o.profiles, func(p oauth.Profile) bool {
				b := base()
				b["profile"] = string(p)
				if alg, isContent := strings.CutSuffix(field.client, "_enc"); isContent {
					b[alg+"_alg"] = "ECDH-ES+A256KW"
				}
				switch field.client {
				case "response_types", "grant_types", "authorization_details_types":
					b[field.client] = []string{candidate}
				default:
					b[field.client] = candidate
				}
				return c.registers(b, candidate)
			})
			if works != slices.Contains(named, candidate) {
				c.t.Errorf("%s: %q is named: %v, works: %v", field.metadata, candidate, !works, works)
			}
		}
		for _, n := range named {
			if !slices.Contains(field.candidates, n) {
				c.t.Errorf("%s names %q, which this test does not try", field.metadata, n)
			}
		}
	}
}

// registers completes what a candidate needs beside it, and tries to register it.
func (c *conversation) registers(b map[string]any, candidate string) bool {
	switch candidate {
	case "client_credentials":
		delete(b, "redirect_uris")
		b["scope"] = "partner"
	case "refresh_token":
		b["grant_types"] = []string{"authorization_code", "refresh_token"}
	case "tls_client_auth":
		b["tls_client_auth_san_dns"] = "kaikei.example"
	case "self_signed_tls_client_auth":
		b["jwks"] = map[string]any{"keys": []any{certificateKey(oauthtest.Certificate(c.t, "x"))}}
	case "EdDSA", "Ed25519", "PS256", "ECDH-ES+A256KW", "RSA-OAEP-256", "A256GCM":
		// A key of that kind; without jwks only the algorithm is judged.
		delete(b, "jwks")
		b["jwks_uri"] = "https://kaikei.example/jwks"
	}
	_, err := c.Engine.Issuer().ParseClient(oauthtest.PartnerID, toJSON(b))
	return err == nil
}

// requestsFollow: an authorization request may have exactly what is named.
func (c *conversation) requestsFollow(m map[string]any, o offer) {
	if m["require_pushed_authorization_requests"] == o.has(oauth.FAPI1Adv) {
		c.t.Errorf("PAR is needed: %v", m["require_pushed_authorization_requests"])
	}
	if (m["dpop_signing_alg_values_supported"] != nil) != o.has(oauth.FAPI2) {
		c.t.Errorf("DPoP algorithms %v", m["dpop_signing_alg_values_supported"])
	}
	challenge := c.do(httptest.NewRequest("GET", "/userinfo", nil)).Header().Get("WWW-Authenticate")
	if strings.Contains(challenge, "DPoP") != o.has(oauth.FAPI2) || strings.Contains(challenge, "Bearer") == o.withoutTLS {
		c.t.Errorf("a resource asks for %s", challenge)
	}
	if m["request_uri_parameter_supported"] != false || m["authorization_response_iss_parameter_supported"] != true || m["request_parameter_supported"] != true || m["claims_parameter_supported"] != true {
		c.t.Errorf("%v", m)
	}
	clients := map[oauth.Profile]*oauthtest.Software{c.client.Client.Profile: c.client}
	for _, p := range o.profiles {
		if clients[p] == nil {
			clients[p] = c.Register(c.t, "cl_second", profileOf([]oauth.Profile{p}))
		}
	}
	// works tells whether some client may push a request with a change, of some response type.
	works := func(name, value string) bool {
		for p, s := range clients {
			for _, responseType := range s.Client.ResponseTypes {
				change := map[string]string{"response_type": responseType, name: value}
				if p == oauth.FAPI1Adv && responseType == "code" && name != "response_mode" {
					change["response_mode"] = "jwt"
				}
				if name == "grant_id" {
					change["grant_management_action"] = "create"
				}
				s := s.Again()
				w := c.post(oauth.PAREndpoint, asked(s, url.Values{"request": {s.RequestObject(object(s, change), nil)}}))
				if w.Code == http.StatusCreated {
					return true
				}
			}
		}
		return false
	}
	for _, field := range []struct {
		metadata, parameter string
		candidates          []string
	}{
		{"response_modes_supported", "response_mode", []string{"query", "fragment", "jwt", "query.jwt", "fragment.jwt", "form_post", "form_post.jwt", "web_message"}},
		{"response_types_supported", "response_type", []string{"code", "code id_token", "token", "id_token", "code token", "none"}},
		{"code_challenge_methods_supported", "code_challenge_method", []string{"S256", "plain"}},
		{"prompt_values_supported", "prompt", []string{"none", "login", "consent", "select_account", "create"}},
		{"scopes_supported", "scope", []string{"account.balance", "account.transactions", "account.deposits", "offline_access", "profile"}},
	} {
		named := words(m, field.metadata)
		for _, candidate := range field.candidates {
			if got := works(field.parameter, candidate); got != slices.Contains(named, candidate) {
				c.t.Errorf("%s: %q is named: %v, works: %v", field.metadata, candidate, !got, got)
			}
		}
	}
	if actions := words(m, "grant_management_actions_supported"); !slices.Equal(actions, []string{"create", "merge", "replace", "query", "revoke"}) || m["grant_management_action_required"] != false {
		c.t.Errorf("grant management: %v", actions) // each of them has a test of its own
	}
	if works("grant_management_action", "update") || !works("grant_management_action", "create") {
		c.t.Error("an action that is not named, or not one that is")
	}
}

func profileOf(profiles []oauth.Profile) map[string]any {
	if profiles[0] == oauth.FAPI1Adv {
		return advanced(nil)
	}
	return nil
}

// No header of a request changes who we say that we are.
func TestTheIssuerIsConfiguredAndNeverDerived(t *testing.T) {
	c := newConversation(t, nil, nil)
	r := httptest.NewRequest("GET", "https://evil.example/.well-known/openid-configuration", nil)
	for _, h := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-Host"} {
		r.Header.Set(h, "evil.example")
	}
	if w := c.do(r); strings.Contains(w.Body.String(), "evil.example") {
		t.Errorf("%s", w.Body)
	}
	if _, err := url.Parse(c.metadata()["issuer"].(string)); err != nil {
		t.Error(err)
	}
}

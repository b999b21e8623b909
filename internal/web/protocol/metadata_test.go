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

var offers = map[string][]oauth.Profile{
	"fapi2": {oauth.FAPI2}, "fapi1_adv": {oauth.FAPI1Adv}, "both": {oauth.FAPI2, oauth.FAPI1Adv},
}

// What metadata names works, and what it does not name is refused.
func TestMetadataIsTrueInBothDirections(t *testing.T) {
	for name, profiles := range offers {
		t.Run(name, func(t *testing.T) {
			metadata := map[string]any{}
			if profiles[0] == oauth.FAPI1Adv {
				metadata = advanced(map[string]any{"response_types": []string{"code id_token", "code"}})
			}
			c := newConversation(t, func(cfg *oauth.Config) {
				cfg.Issuer.Profiles = profiles
				cfg.CheckCertificate = func([]*x509.Certificate, time.Time) error { return nil }
			}, metadata)
			m := c.metadata()
			if openID := answerOf(t, c.do(httptest.NewRequest("GET", "/.well-known/openid-configuration", nil))); !reflect.DeepEqual(m, openID) {
				t.Error("the two addresses tell different things")
			}
			if m["issuer"] != oauthtest.IssuerURL {
				t.Errorf("issuer %v", m["issuer"])
			}
			c.endpointsStand(m)
			c.registrationFollows(m, profiles)
		})
	}
}

// endpointsStand: every address is served at its origin, and the authorization
// endpoint has no alias.
func (c *conversation) endpointsStand(m map[string]any) {
	aliases := m["mtls_endpoint_aliases"].(map[string]any)
	if aliases["authorization_endpoint"] != nil {
		c.t.Error("an alias for the authorization endpoint")
	}
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
	for name, alias := range aliases {
		if own := m[name]; own == nil || strings.TrimPrefix(own.(string), oauthtest.IssuerURL) != strings.TrimPrefix(alias.(string), oauthtest.MutualTLSURL) {
			c.t.Errorf("the alias %s is %v", name, alias)
		}
	}
}

// registrationFollows: a client can be registered exactly for what is named.
func (c *conversation) registrationFollows(m map[string]any, profiles []oauth.Profile) {
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
		{"introspection_signing_alg_values_supported", "introspection_signed_response_alg", []string{"ES256", "PS256", "RS256", "none"}, nil},
		{"authorization_details_types_supported", "authorization_details_types", []string{oauth.DetailsType, "payment_initiation"}, nil},
		{"subject_types_supported", "subject_type", []string{"pairwise", "public"}, nil},
		{"scopes_supported", "scope", []string{"openid", "account.balance", "account.transactions", "account.deposits", "partner", "grant_management_query", "grant_management_revoke", "offline_access", "email", "profile"}, nil},
	} {
		named := words(m, field.metadata)
		for _, candidate := range field.candidates {
			works := slices.ContainsFunc(profiles, func(p oauth.Profile) bool {
				b := base()
				b["profile"] = string(p)
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
	case "EdDSA", "Ed25519", "PS256":
		// A key of that kind; without jwks only the algorithm is judged.
		delete(b, "jwks")
		b["jwks_uri"] = "https://kaikei.example/jwks"
	}
	_, err := c.Engine.Issuer().ParseClient(oauthtest.PartnerID, toJSON(b))
	return err == nil
}

func TestMetadataTellsWhatARequestMustHave(t *testing.T) {
	for name, profiles := range offers {
		c := newConversation(t, func(cfg *oauth.Config) { cfg.Issuer.Profiles = append([]oauth.Profile{}, profiles...) }, profileOf(profiles))
		m := c.metadata()
		if m["require_pushed_authorization_requests"] != (name == "fapi2") {
			t.Errorf("%s: PAR is needed: %v", name, m["require_pushed_authorization_requests"])
		}
		if methods := words(m, "code_challenge_methods_supported"); !slices.Equal(methods, []string{"S256"}) {
			t.Errorf("%s: challenge methods %v", name, methods)
		}
		if (m["dpop_signing_alg_values_supported"] != nil) != slices.Contains(profiles, oauth.FAPI2) {
			t.Errorf("%s: DPoP algorithms %v", name, m["dpop_signing_alg_values_supported"])
		}
		if fragment := slices.Contains(words(m, "response_modes_supported"), "fragment"); fragment != slices.Contains(profiles, oauth.FAPI1Adv) {
			t.Errorf("%s: response modes %v", name, m["response_modes_supported"])
		}
		if m["request_uri_parameter_supported"] != false || m["authorization_response_iss_parameter_supported"] != true {
			t.Errorf("%s: %v", name, m)
		}
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

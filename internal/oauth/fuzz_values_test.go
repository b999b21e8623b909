package oauth

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
)

func FuzzAuthorizationHeader(f *testing.F) {
	for _, seed := range []string{"", "DPoP x", "dpop x", "Bearer x", "Bearer  x", "Bearer\tx", "Bearer x,", "Bearer x, Bearer y", "Basic eA==", "DPoP", "DPoP ", "x", "DPoP \u00e9", "Bearer x y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		scheme, token, failure := readAuthorization(AccessRequest{Authorization: []string{header}})
		if failure != nil {
			wordsMayGoOutside(t, failure)
			return
		}
		if scheme != "dpop" && scheme != "bearer" || !strings.EqualFold(header, scheme+" "+token.Reveal()) || !strings.HasSuffix(header, " "+token.Reveal()) {
			t.Fatalf("%q is read as %s and %q", header, scheme, token.Reveal())
		}
	})
}

// A value of ours has one spelling, and is of one kind.
func FuzzValue(f *testing.F) {
	issuer := Issuer{URL: "https://bank.example"}
	kinds := []valueKind{requestURIValue, codeValue, accessTokenValue, refreshTokenValue, initialTokenValue, registrationTokenValue}
	for n, k := range kinds {
		v, _ := issuer.issue(k, int64(n+1))
		f.Add(v.Reveal())
		f.Add(v.Reveal() + "\n")
		f.Add(strings.Replace(v.Reveal(), "_", "_\r\n", 1))
	}
	f.Add("rac_" + strings.Repeat("A", 54))
	e := &Engine{issuer: issuer}
	f.Fuzz(func(t *testing.T, text string) {
		known := 0
		for _, k := range kinds {
			key, ok := e.keyOf(k, secret.Of(text))
			if !ok {
				continue
			}
			known++
			if key.ID <= 0 || !strings.HasPrefix(text, k.prefix) || strings.ContainsAny(text, "\r\n= ") {
				t.Fatalf("%q counts as a value", text)
			}
		}
		if known > 1 {
			t.Fatalf("%q is of %d kinds", text, known)
		}
	})
}

func FuzzClaimsParameter(f *testing.F) {
	for _, seed := range []string{
		`{"userinfo":{"name":null},"id_token":{"acr":{"essential":true,"values":["a","b"]}}}`, `{"id_token":null}`, `{"id_token":{"acr":null}}`,
		`{"id_token":{"acr":{"value":1}}}`, `[]`, `null`, `{"id_token":{"a":1,"A":2}}`, `{"id_token":{"sub":{"value":"sub_x"}}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseClaims([]byte(text)); err != nil {
			return
		}
		if text != "" && !json.Valid([]byte(text)) {
			t.Fatalf("accepted %q", text)
		}
		r := Request{Claims: json.RawMessage(text)}
		r.essentialACR()
		r.wantedSubjects()
		r.asked()
	})
}

func FuzzScope(f *testing.F) {
	for _, seed := range []string{"", "openid", "openid account.balance", "openid openid", " openid", "openid ", "a  b", "a\tb", `a"b`, `a\b`, "é", strings.Repeat("a ", 600)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, failure := parseScope(text)
		if failure != nil {
			wordsMayGoOutside(t, failure)
			return
		}
		again, failure := parseScope(s.String())
		if failure != nil || again.String() != s.String() || len(s) > 0 && strings.ContainsAny(s.String(), "\"\\\t\r\n") {
			t.Fatalf("%q is read as %q, and that as %q", text, s, again)
		}
	})
}

func FuzzNonce(f *testing.F) {
	n := nonces{key: make([]byte, 32), issuer: "https://bank.example"}
	now := time.Unix(1_800_000_000, 0)
	good := map[string]bool{}
	for _, at := range []time.Duration{-3 * time.Minute, -2 * time.Minute, -time.Minute, 0, time.Minute} {
		good[n.at(authorizationServer, step(now.Add(at)))] = true
		f.Add(n.at(authorizationServer, step(now.Add(at))))
	}
	f.Add(n.at(resourceServer, step(now)))
	f.Add(n.at(authorizationServer, step(now)) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		if n.good(authorizationServer, text, now) && !good[text] {
			t.Fatalf("%q is no nonce of ours", text)
		}
	})
}

// What a client registers for itself is judged as what the bank's staff register.
func FuzzSelfRegistration(f *testing.F) {
	key, err := jose.Generate(jose.ES256, time.Unix(1_800_000_000, 0), time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	key.State = jose.Active
	ring, err := jose.NewRing([]jose.Key{key}, time.Unix(1_800_000_000, 0))
	if err != nil {
		f.Fatal(err)
	}
	issuer := Issuer{URL: "https://bank.example", MutualTLSURL: "https://mtls.bank.example", Profiles: []Profile{FAPI2}, Keys: ring, SelfRegistration: true}
	jwks := string(ring.JWKS())
	for _, seed := range []string{
		`{"redirect_uris":["https://a.example/cb"],"jwks":` + jwks + `}`, `{"redirect_uris":["https://a.example/cb"],"jwks":` + jwks + `,"logo_uri":"javascript:alert(1)"}`,
		`{"redirect_uris":["https://a.example/cb"],"jwks_uri":"https://127.0.0.1/"}`, `{"client_name":"\u202e","jwks":` + jwks + `}`, `{"token_endpoint_auth_method":"none"}`, `null`, `[]`, `{"jwks":{"keys":[{}]}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := decodeClient([]byte(text), false)
		if err != nil {
			wordsMayGoOutside(t, badMetadata(err))
			return
		}
		c.ID, c.Partner, c.Registered, c.SunsetOn = "cl_x", "p", ByItself, ""
		if c, err = issuer.completed(c); err != nil {
			wordsMayGoOutside(t, badMetadata(err))
			return
		}
		for _, uri := range c.RedirectURIs {
			if redirectURIFault(uri) != "" {
				t.Fatalf("registered %q", uri)
			}
		}
		if c.AuthMethod != PrivateKeyJWT && c.AuthMethod != TLSClientAuth && c.AuthMethod != SelfSignedAuth || c.DPoPBound == c.CertificateBound {
			t.Fatalf("registered %s as %+v", text, c)
		}
	})
}

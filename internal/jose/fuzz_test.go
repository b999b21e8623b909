package jose_test

import (
	"encoding/json"
	"strings"
	"testing"

	"renkei.dev/internal/jose"
)

// What verifies has exactly one spelling, and any other reader reads it alike.
func FuzzVerify(f *testing.F) {
	k := newKeys(f)
	s := set(f, jwk(f, &k.ec.PublicKey, "k", "sig", ""))
	good := signES256(f, k.ec, `{"alg":"ES256","kid":"k"}`, `{"iss":"a"}`)
	f.Add(good)
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add(b64(`{"alg":"none"}`) + "." + b64(`{}`) + ".")
	f.Add("...")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := s.Verify(token, jose.Rules{Algorithms: everything})
		if err == nil && token != good {
			t.Errorf("%q verified to %s", token, got.Payload)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	k := newKeys(f)
	own := jwk(f, &k.ec.PublicKey, "", "", "")
	f.Add(signES256(f, k.ec, `{"alg":"ES256","typ":"dpop+jwt","jwk":`+own+`}`, `{}`))
	f.Add(signES256(f, k.ec, `{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"oct","k":""}}`, `{}`))
	f.Fuzz(func(t *testing.T, proof string) {
		p, err := jose.ParseProof(proof, everything)
		if err == nil && (p.Thumbprint == "" || p.Key == nil || !json.Valid(p.Payload)) {
			t.Errorf("%q gave %+v", proof, p)
		}
	})
}

func FuzzParseSet(f *testing.F) {
	k := newKeys(f)
	for _, key := range []string{jwk(f, &k.ec.PublicKey, "a", "sig", ""), jwk(f, &k.rsa.PublicKey, "b", "enc", ""), jwk(f, k.ed.Public(), "c", "", ""), `{"kty":"oct","k":"AA"}`} {
		f.Add([]byte(`{"keys":[` + key + `]}`))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := jose.ParseSet(raw)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Errorf("%q is no JSON", raw)
		}
		for i := range s.Len() {
			if _, err := jose.Thumbprint(jose.KeyAt(s, i)); err != nil {
				t.Errorf("a key of %q has no thumbprint: %v", raw, err)
			}
		}
	})
}

// The strict reader takes a part of what encoding/json takes, never more.
func FuzzUnambiguous(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"\u0000"}],"c":-1e9}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !jose.Unambiguous(raw) {
			return
		}
		var v map[string]any
		if err := json.Unmarshal(raw, &v); err != nil || v == nil {
			t.Errorf("%q: %v", raw, err)
		}
	})
}

package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"strings"
	"testing"

	josev4 "github.com/go-jose/go-jose/v4"

	"renkei.dev/internal/jose"
)

func TestAProofIsVerifiedByTheKeyThatItCarries(t *testing.T) {
	k := newKeys(t)
	for alg, key := range map[string]crypto.Signer{"ES256": k.ec, "PS256": k.rsa, "EdDSA": k.ed} {
		prover, err := jose.NewProver(alg, key)
		if err != nil {
			t.Fatal(err)
		}
		token, err := prover.Sign("dpop+jwt", map[string]string{"jti": "1"})
		if err != nil {
			t.Fatal(err)
		}
		p, err := jose.ParseProof(token, everything)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		sum, err := (&josev4.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if want := base64.RawURLEncoding.EncodeToString(sum); p.Thumbprint != want {
			t.Errorf("%s: thumbprint %s, another library says %s", alg, p.Thumbprint, want)
		}
	}
}

func TestThumbprintIsThatOfTheRFC(t *testing.T) {
	// The example of RFC 7638 §3.1.
	s, err := jose.ParseSet([]byte(`{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}`))
	if err != nil || s.Len() != 1 {
		t.Fatal(err)
	}
	got, err := jose.Thumbprint(jose.KeyAt(s, 0))
	if err != nil || got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("thumbprint %s, %v", got, err)
	}
}

func TestAHostileProofIsRefused(t *testing.T) {
	k, other := newKeys(t), newKeys(t)
	own := jwk(t, &k.ec.PublicKey, "", "", "")
	private, err := josev4.JSONWebKey{Key: k.ec}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	proof := func(header string) string { return signES256(t, k.ec, header, `{"jti":"1"}`) }
	if _, err := jose.ParseProof(proof(`{"alg":"ES256","typ":"dpop+jwt","jwk":`+own+`}`), everything); err != nil {
		t.Fatalf("the good proof: %v", err)
	}
	for name, token := range map[string]string{
		"no typ":                proof(`{"alg":"ES256","jwk":` + own + `}`),
		"typ JWT":               proof(`{"alg":"ES256","typ":"JWT","jwk":` + own + `}`),
		"no key":                proof(`{"alg":"ES256","typ":"dpop+jwt","kid":"k"}`),
		"null key":              proof(`{"alg":"ES256","typ":"dpop+jwt","jwk":null}`),
		"a list of keys":        proof(`{"alg":"ES256","typ":"dpop+jwt","jwk":[` + own + `]}`),
		"a private key":         proof(`{"alg":"ES256","typ":"dpop+jwt","jwk":` + string(private) + `}`),
		"a symmetric key":       proof(`{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"oct","k":"AAAA"}}`),
		"a key of another type": proof(`{"alg":"ES256","typ":"dpop+jwt","jwk":` + jwk(t, &k.rsa.PublicKey, "", "", "") + `}`),
		"another key":           proof(`{"alg":"ES256","typ":"dpop+jwt","jwk":` + jwk(t, &other.ec.PublicKey, "", "", "") + `}`),
		"a key for encryption":  proof(`{"alg":"ES256","typ":"dpop+jwt","jwk":` + jwk(t, &k.ec.PublicKey, "", "enc", "") + `}`),
		"two keys":              proof(`{"alg":"ES256","typ":"dpop+jwt","jwk":` + own + `,"jwk":` + own + `}`),
		"a key by address":      proof(`{"alg":"ES256","typ":"dpop+jwt","jku":"https://evil.example"}`),
		"alg none":              b64(`{"alg":"none","typ":"dpop+jwt","jwk":`+own+`}`) + "." + b64(`{"jti":"1"}`) + ".AA",
		"alg HS256":             proof(`{"alg":"HS256","typ":"dpop+jwt","jwk":` + own + `}`),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := jose.ParseProof(token, everything); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestAKeyThatIsRememberedChangesNoVerdict(t *testing.T) {
	k, other := newKeys(t), newKeys(t)
	prover := func(key *ecdsa.PrivateKey) *jose.Signer {
		s, err := jose.NewProver(jose.ES256, key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	sign := func(s *jose.Signer) string {
		token, err := s.Sign("dpop+jwt", map[string]any{"jti": "1"})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	var proofs jose.Proofs
	good, others := sign(prover(k.ec)), sign(prover(other.ec))
	first, err := proofs.Parse(good, everything)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again, err := proofs.Parse(sign(prover(k.ec)), everything)
		if err != nil || again.Thumbprint != first.Thumbprint {
			t.Errorf("again: %v, %s", err, again.Thumbprint)
		}
		if p, err := proofs.Parse(others, everything); err != nil || p.Thumbprint == first.Thumbprint {
			t.Errorf("another key: %v, %s", err, p.Thumbprint)
		}
		forged := good[:strings.LastIndexByte(good, '.')] + others[strings.LastIndexByte(others, '.'):]
		if _, err := proofs.Parse(forged, everything); err == nil {
			t.Error("another key's signature was taken")
		}
		if _, err := proofs.Parse(good, []jose.Algorithm{jose.PS256}); err == nil {
			t.Error("an algorithm was taken that is not permitted")
		}
	}
}

package jose_test

import (
	"crypto"
	"testing"

	"renkei.dev/internal/jose"
)

type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ID       string `json:"jti"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

var someClaims = claims{"https://bank.example", "partner-1", "https://bank.example", "0123456789abcdef0123456789abcdef", 1795500000, 1795500060}

func BenchmarkSign(b *testing.B) {
	k := newKeys(b)
	for alg, key := range map[string]crypto.Signer{"ES256": k.ec, "PS256": k.rsa, "EdDSA": k.ed} {
		b.Run(alg, func(b *testing.B) {
			s, err := jose.NewSigner("key-1", alg, key)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sign("JWT", someClaims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	k := newKeys(b)
	for alg, key := range map[string]crypto.Signer{"ES256": k.ec, "PS256": k.rsa, "EdDSA": k.ed} {
		b.Run(alg, func(b *testing.B) {
			s, err := jose.NewSigner("key-1", alg, key)
			if err != nil {
				b.Fatal(err)
			}
			token, err := s.Sign("JWT", someClaims)
			if err != nil {
				b.Fatal(err)
			}
			verifier := set(b, jwk(b, key.Public(), "key-1", "sig", ""))
			rules := jose.Rules{Algorithms: []string{alg}, Types: []string{"", "JWT"}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifier.Verify(token, rules); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseProof(b *testing.B) {
	k := newKeys(b)
	s, err := jose.NewProver("ES256", k.ec)
	if err != nil {
		b.Fatal(err)
	}
	token, err := s.Sign("dpop+jwt", someClaims)
	if err != nil {
		b.Fatal(err)
	}
	for name, parse := range map[string]func(string, []jose.Algorithm) (jose.Proof, error){
		"by a new key": jose.ParseProof, "by a known key": new(jose.Proofs).Parse,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse(token, []string{"ES256"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

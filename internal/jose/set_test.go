package jose_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"testing"

	josev4 "github.com/go-jose/go-jose/v4"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

func TestASetWithADangerousKeyIsRefused(t *testing.T) {
	k := newKeys(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	private, err := josev4.JSONWebKey{Key: k.ec}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	ec := jwk(t, &k.ec.PublicKey, "k", "sig", "")
	for name, raw := range map[string]string{
		"empty":                 "",
		"null":                  "null",
		"no keys":               `{}`,
		"keys an object":        `{"keys":{}}`,
		"keys twice":            `{"keys":[],"keys":[]}`,
		"a private key":         `{"keys":[` + string(private) + `]}`,
		"d set to null":         `{"keys":[` + strings.Replace(ec, "{", `{"d":null,`, 1) + `]}`,
		"a symmetric key":       `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`,
		"RSA of 1024 bits":      `{"keys":[` + jwk(t, &weak.PublicKey, "w", "sig", "") + `]}`,
		"RSA of 16384 bits":     fmt.Sprintf(`{"keys":[{"kty":"RSA","e":"AQAB","n":%q}]}`, strings.Repeat("_", 2730)),
		"RSA with exponent 1":   fmt.Sprintf(`{"keys":[{"kty":"RSA","e":"AQ","n":%q}]}`, strings.Repeat("_", 342)),
		"a point off its curve": `{"keys":[{"kty":"EC","crv":"P-256","x":"` + b64(strings.Repeat("a", 32)) + `","y":"` + b64(strings.Repeat("b", 32)) + `"}]}`,
		"a short coordinate":    `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`,
		"a short Ed25519 key":   `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`,
		"a key without kty":     `{"keys":[{"kid":"k"}]}`,
		"one kid for two keys":  `{"keys":[` + ec + `,` + jwk(t, &newKeys(t).ec.PublicKey, "k", "sig", "") + `]}`,
		"a thousand keys":       `{"keys":[` + strings.Repeat(ec+",", 999) + ec + `]}`,
		"half a megabyte":       `{"keys":[],"x":"` + strings.Repeat("a", 1<<19) + `"}`,
		"a number as key":       `{"keys":[1]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := jose.ParseSet([]byte(raw)); fault.Of(err) != fault.Invalid || err == nil {
				t.Errorf("a set of %d keys, %v", s.Len(), err)
			}
		})
	}
}

func TestKeysOfUnknownTypesArePassedOver(t *testing.T) {
	k := newKeys(t)
	s := set(t, `{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`, `{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`,
		`{"kty":"OKP","crv":"X25519","x":"AA"}`, jwk(t, &k.ec.PublicKey, "k", "sig", ""))
	if s.Len() != 1 {
		t.Errorf("%d keys are left, want 1", s.Len())
	}
	if !s.Verifies("ES256") || s.Verifies("PS256") {
		t.Error("the set says wrongly what it verifies")
	}
}

func TestWhatStandsBesideAKeyIsNotLookedAt(t *testing.T) {
	k := newKeys(t)
	raw := strings.Replace(jwk(t, &k.ec.PublicKey, "k", "sig", ""), "{", `{"x5u":"https://evil.example/","x5c":["AAAA"],"x5t":"AA",`, 1)
	if set(t, raw).Len() != 1 {
		t.Error("the key is gone")
	}
}

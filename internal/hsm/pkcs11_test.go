//go:build pkcs11

package hsm_test

import (
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/hsm"
	"renkei.dev/internal/hsm/hsmtest"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
)

func TestKeysAreMadeFoundAndSignInAnHSM(t *testing.T) {
	cfg := hsmtest.New(t)
	wrong := cfg
	wrong.PIN = secret.Of("0000")
	if _, err := hsm.Open(wrong); fault.Of(err) != fault.Unavailable {
		t.Errorf("with a wrong PIN: %v", err)
	}
	first, err := hsm.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	kids := map[jose.Algorithm]string{}
	for _, alg := range []jose.Algorithm{jose.ES256, jose.PS256} {
		key, err := first.Generate(alg)
		if err != nil {
			t.Fatal(err)
		}
		if kids[alg], err = jose.Thumbprint(key.Public()); err != nil {
			t.Fatal(err)
		}
		if _, err := jose.MarshalPrivate(key); err == nil {
			t.Error("the private key can leave the token")
		}
	}
	if _, err := first.Generate(jose.EdDSA); fault.Of(err) != fault.Invalid {
		t.Errorf("EdDSA: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := hsm.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	var keys []jose.Key
	now := time.Now()
	for alg, kid := range kids {
		key, err := again.Find(kid)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, jose.Key{KID: kid, Algorithm: alg, State: jose.Active, ExpiresAt: now.Add(time.Hour), Private: key})
	}
	ring, err := jose.NewRing(keys, now)
	if err != nil {
		t.Fatal(err)
	}
	for alg := range kids {
		signer, err := ring.Signer(alg)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := signer.Sign("JWT", map[string]string{"sub": "x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Set().Verify(compact, jose.Rules{Algorithms: []jose.Algorithm{alg}}); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	if _, err := again.Find("nobody"); fault.Of(err) != fault.NotFound {
		t.Errorf("a key that is not there: %v", err)
	}
}

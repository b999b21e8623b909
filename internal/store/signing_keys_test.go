package store_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

func signingKey(t *testing.T, alg jose.Algorithm) oauth.SigningKey {
	t.Helper()
	k, err := jose.Generate(alg, time.Now().UTC().Truncate(time.Microsecond), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return oauth.SigningKey{Key: k}
}

func added(k oauth.SigningKey) oauth.KeyAdded {
	return oauth.KeyAdded{Issuer: oauth.FAPIIssuer, Key: k, By: operator(), At: k.CreatedAt}
}

func keysOf(t *testing.T, in *store.Institution) map[string]oauth.SigningKey {
	t.Helper()
	all, err := in.SigningKeys(t.Context(), oauth.FAPIIssuer)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]oauth.SigningKey{}
	for _, k := range all {
		out[k.KID] = k
	}
	return out
}

func TestASigningKeyLivesFromNextToRetired(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		first, second := signingKey(t, jose.ES256), signingKey(t, jose.ES256)
		now := first.CreatedAt
		activate := func(kid, retires string) oauth.KeyActivated {
			return oauth.KeyActivated{Issuer: oauth.FAPIIssuer, KID: kid, Retires: retires, RemoveAt: now.Add(time.Hour), By: operator(), At: now}
		}
		if err := in.Commit(t.Context(), added(first), activate(first.KID, "")); err != nil {
			t.Fatal(err)
		}
		still := in.Fresh(store.Keys)
		if err := in.Commit(t.Context(), added(second)); err != nil {
			t.Fatal(err)
		}
		if still() {
			t.Error("a new key is no news")
		}
		if err := in.Commit(t.Context(), added(second)); !errors.Is(err, fault.Conflict) {
			t.Errorf("a kid twice: %v", err)
		}
		keys := keysOf(t, in)
		got := keys[second.KID]
		if got.State != jose.Next || !got.CreatedAt.Equal(second.CreatedAt) || !got.ExpiresAt.Equal(second.ExpiresAt) || got.Algorithm != jose.ES256 ||
			!got.Private.(interface{ Equal(crypto.PrivateKey) bool }).Equal(second.Private) {
			t.Errorf("the next key came back as %+v", got)
		}
		before, err := in.KeysVersion(t.Context(), oauth.FAPIIssuer)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Commit(t.Context(), activate(second.KID, "")); !errors.Is(err, fault.Conflict) {
			t.Errorf("two active keys of one algorithm: %v", err)
		}
		if err := in.Commit(t.Context(), activate(second.KID, first.KID)); err != nil {
			t.Fatal(err)
		}
		if err := in.Commit(t.Context(), activate(second.KID, first.KID)); !errors.Is(err, fault.Conflict) {
			t.Errorf("activated twice: %v", err)
		}
		after, err := in.KeysVersion(t.Context(), oauth.FAPIIssuer)
		if err != nil || after == before {
			t.Errorf("the rotation is not seen: %v, then %v, %v", before, after, err)
		}
		keys = keysOf(t, in)
		old := keys[first.KID]
		if old.State != jose.Retired || old.Private != nil || old.Public == nil || !old.RemoveAt.Equal(now.Add(time.Hour)) {
			t.Errorf("the retired key is %+v", old)
		}
		if keys[second.KID].State != jose.Active {
			t.Errorf("the new key is %s", keys[second.KID].State)
		}
		remove := oauth.KeyRemoved{Issuer: oauth.FAPIIssuer, KID: first.KID, From: jose.Retired, By: operator(), At: time.Now().Add(-time.Second)}
		if err := in.Commit(t.Context(), remove); err != nil {
			t.Fatal(err)
		}
		if err := in.Commit(t.Context(), remove); !errors.Is(err, fault.Conflict) {
			t.Errorf("removed twice: %v", err)
		}
		if _, there := keysOf(t, in)[first.KID]; there {
			t.Error("a removed key is still among the keys")
		}
		if err := in.Commit(t.Context(), added(first)); !errors.Is(err, fault.Conflict) {
			t.Errorf("a removed kid came back: %v", err)
		}
		if len(keysOf(t, db.Institution("other"))) != 0 {
			t.Error("another institution has the keys")
		}
	})
}

func TestASigningKeyIsSealedToItsPlace(t *testing.T) {
	folder := t.TempDir()
	cfg := store.Config{URL: "sqlite:" + folder + "/renkei.db"}
	db := open(t, cfg)
	k := signingKey(t, jose.EdDSA)
	if err := db.Institution("demo").Commit(t.Context(), added(k)); err != nil {
		t.Fatal(err)
	}
	var sealed []byte
	if err := db.Institution("demo").Row(t.Context(), `SELECT sealed FROM signing_keys WHERE kid = $1`, []any{k.KID}, &sealed); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, k.Private.(ed25519.PrivateKey).Seed()) {
		t.Error("the private key lies open")
	}
	if err := db.Tamper(t.Context(), `UPDATE signing_keys SET institution = 'other'`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Institution("other").SigningKeys(t.Context(), oauth.FAPIIssuer); !errors.Is(err, fault.Invalid) {
		t.Errorf("a row that was moved to another institution opens: %v", err)
	}
	if err := db.Tamper(t.Context(), `UPDATE signing_keys SET institution = 'demo'`); err != nil {
		t.Fatal(err)
	}
	other, err := secret.NewBox(map[uint32][]byte{1: make([]byte, secret.KeySize), 2: bytes.Repeat([]byte{2}, secret.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Box, cfg.Passive = other, true
	if _, err := open(t, cfg).Institution("demo").SigningKeys(t.Context(), oauth.FAPIIssuer); err != nil {
		t.Errorf("with one sealing key more: %v", err)
	}
}

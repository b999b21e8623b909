package jose_test

import (
	"encoding/json"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

var noon = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

func generate(t *testing.T, alg string, s jose.State) jose.Key {
	t.Helper()
	k, err := jose.Generate(alg, noon, 90*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	k.State = s
	return k
}

func published(t *testing.T, r *jose.Ring) map[string]bool {
	t.Helper()
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(r.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, k := range set.Keys {
		out[k["kid"]] = true
		if k["d"] != "" || k["use"] != "sig" || k["alg"] == "" {
			t.Errorf("published %v", k)
		}
	}
	return out
}

func TestAKeyIsKnownBeforeItSignsAndAfter(t *testing.T) {
	keys := []jose.Key{generate(t, "ES256", jose.Active), generate(t, "ES256", jose.Next)}
	first, second := keys[0].KID, keys[1].KID
	before, err := jose.NewRing(keys, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got := published(t, before); !got[first] || !got[second] {
		t.Error("the next key is not published before it signs")
	}
	signer, err := before.Signer("ES256")
	if err != nil || signer.KID() != first {
		t.Fatalf("signs with %v, %v", signer, err)
	}
	old, err := signer.Sign("", map[string]int{})
	if err != nil {
		t.Fatal(err)
	}

	later := noon.Add(time.Hour)
	keys[0].State, keys[0].RemoveAt, keys[1].State = jose.Retired, later.Add(time.Hour), jose.Active
	during, err := jose.NewRing(keys, later)
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = during.Signer(""); err != nil || signer.KID() != second {
		t.Fatalf("after the rotation %v signs, %v", signer, err)
	}
	if _, err := during.Set().Verify(old, jose.Rules{Algorithms: []string{"ES256"}}); err != nil {
		t.Errorf("what the retired key signed verifies no more: %v", err)
	}

	after, err := jose.NewRing(keys, later.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if got := published(t, after); got[first] || !got[second] {
		t.Errorf("published when the overlap is over: %v", got)
	}
}

func TestARingThatCannotSignStopsTheStart(t *testing.T) {
	active := generate(t, "ES256", jose.Active)
	nameless := active
	nameless.KID = ""
	lost := active
	lost.Private = nil
	strange := generate(t, "ES256", "waiting")
	for name, c := range map[string]struct {
		keys []jose.Key
		kind fault.Kind
	}{
		"no key":                      {nil, fault.Invalid},
		"no active key":               {[]jose.Key{generate(t, "ES256", jose.Next)}, fault.Invalid},
		"two active keys":             {[]jose.Key{active, generate(t, "ES256", jose.Active)}, fault.Invalid},
		"one kid twice":               {[]jose.Key{active, active}, fault.Invalid},
		"a key without kid":           {[]jose.Key{nameless}, fault.Invalid},
		"a key whose private is gone": {[]jose.Key{lost}, fault.Invalid},
		"a key in a strange state":    {[]jose.Key{active, strange}, fault.Invalid},
	} {
		if _, err := jose.NewRing(c.keys, noon); err == nil || fault.Of(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnExpiredKeyIsToldAndGoesOnUntilItIsReplaced(t *testing.T) {
	active := generate(t, "ES256", jose.Active)
	r, err := jose.NewRing([]jose.Key{active}, active.ExpiresAt)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Expired(active.ExpiresAt.Add(-time.Second)); err != nil {
		t.Errorf("before its end: %v", err)
	}
	if err := r.Expired(active.ExpiresAt); fault.Of(err) != fault.Expired {
		t.Errorf("at its end: %v", err)
	}
}

func TestARetiredKeyNeedsNoPrivateHalf(t *testing.T) {
	active, retired := generate(t, "ES256", jose.Active), generate(t, "PS256", jose.Retired)
	retired.Public, retired.Private, retired.RemoveAt = retired.Private.Public(), nil, noon.Add(time.Hour)
	der, err := jose.MarshalPublic(retired.Public)
	if err != nil {
		t.Fatal(err)
	}
	if retired.Public, err = jose.ParsePublic(der); err != nil {
		t.Fatal(err)
	}
	r, err := jose.NewRing([]jose.Key{active, retired}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got := published(t, r); !got[retired.KID] || !r.ChangesAt().Equal(retired.RemoveAt) {
		t.Errorf("published %v until %s", got, r.ChangesAt())
	}
	retired.State = jose.Next
	if _, err := jose.NewRing([]jose.Key{active, retired}, noon); fault.Of(err) != fault.Invalid {
		t.Errorf("a next key that could never sign: %v", err)
	}
}

func TestARingSignsByEachOfItsAlgorithms(t *testing.T) {
	r, err := jose.NewRing([]jose.Key{generate(t, "ES256", jose.Active), generate(t, "PS256", jose.Active), generate(t, "EdDSA", jose.Active)}, noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range r.Algorithms() {
		s, err := r.Signer(alg)
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.Sign("JWT", map[string]int{"a": 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Set().Verify(token, jose.Rules{Algorithms: []string{alg}}); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	if _, err := r.Signer("RS256"); fault.Of(err) != fault.NotFound {
		t.Errorf("RS256: %v", err)
	}
	if _, err := jose.Generate("RS256", noon, time.Hour); fault.Of(err) != fault.Invalid {
		t.Errorf("make an RS256 key: %v", err)
	}
}

func TestAPrivateKeySurvivesItsKeeping(t *testing.T) {
	for _, alg := range []string{"ES256", "PS256", "EdDSA"} {
		k := generate(t, alg, jose.Active)
		der, err := jose.MarshalPrivate(k.Private)
		if err != nil {
			t.Fatal(err)
		}
		if k.Private, err = jose.ParsePrivate(der); err != nil {
			t.Fatal(err)
		}
		if kid, err := jose.Thumbprint(k.Private.Public()); err != nil || kid != k.KID {
			t.Errorf("%s: read back as %s, %v", alg, kid, err)
		}
	}
	if _, err := jose.ParsePrivate([]byte("no key")); fault.Of(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}

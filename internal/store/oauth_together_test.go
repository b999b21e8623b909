package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// Look-ups that wait at the same time may become one statement: each must get its
// own row, and none another's.
func TestEachOfManyLookUpsFindsItsOwnRow(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		in := db.Institution("demo")
		var keys []oauth.Key
		for range 5 {
			_, key := w.ownToken()
			keys = append(keys, key)
		}
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				k := keys[i%len(keys)]
				if i%3 == 2 {
					k.Digest[0] ^= 1 // another secret under the same id
				}
				a, err := in.AccessToken(t.Context(), k)
				switch {
				case i%3 == 2 && !errors.Is(err, fault.NotFound):
					t.Errorf("a token that nobody has: %+v, %v", a, err)
				case i%3 != 2 && (err != nil || a.Key != k || a.Scope != "partner" || a.Standing != nil):
					t.Errorf("token %d: %+v, %v", i, a, err)
				}
			})
			all.Go(func() {
				pins, _, _, err := in.PINInUse(t.Context(), corebank.AccountID("001-1-0000000"), time.Now())
				if err != nil || len(pins) != 0 {
					t.Errorf("PINs that nobody has: %v, %v", pins, err)
				}
			})
		}
		all.Wait()
	})
}

// protocol.md §4 item 1, within one group of calls and over several.
func TestOfManyCallsWithOneProofAtOnceOneIsAnswered(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		in := db.Institution("demo")
		bound, key := w.ownToken()
		const proofs, times = 8, 6
		var answered [proofs]atomic.Int32
		var all sync.WaitGroup
		for i := range proofs * times {
			all.Go(func() {
				n := i % proofs
				use := oauth.ProofUse{Thumbprint: bound, At: w.Now(), Proof: oauth.Replay{
					What: oauth.ProofReplay, Until: w.Now().Add(time.Minute).Truncate(time.Second),
					Digest: secret.DigestOf("dpop proof", "together", secret.Of(string(rune('a'+n)))),
				}}
				_, err := in.UseAccessToken(t.Context(), key, use)
				switch {
				case err == nil:
					answered[n].Add(1)
				case !errors.As(err, new(oauth.Replayed)):
					t.Errorf("call %d: %v", i, err)
				}
			})
			all.Go(func() { // a proof of another key spends nothing
				use := oauth.ProofUse{Thumbprint: "another", At: w.Now(), Proof: oauth.Replay{What: oauth.ProofReplay, Until: w.Now(), Digest: secret.Digest{1}}}
				if _, err := in.UseAccessToken(t.Context(), key, use); err != nil {
					t.Errorf("another key's proof: %v", err)
				}
			})
		}
		all.Wait()
		for n := range answered {
			if got := answered[n].Load(); got != 1 {
				t.Errorf("proof %d was taken %d times", n, got)
			}
		}
		if _, err := in.UseAccessToken(t.Context(), oauth.Key{ID: key.ID}, oauth.ProofUse{Thumbprint: bound, At: w.Now()}); !errors.Is(err, fault.NotFound) {
			t.Errorf("an unknown token: %v", err)
		}
	})
}

// A partner of two banks may count its proofs at each by itself, with one key.
func TestOneInstitutionsProofIsNoReplayAtAnother(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		here, there := db.Institution("demo"), db.Institution("other")
		bound, key := w.ownToken()
		_, keyThere := w.ownTokenIn(there)
		var all sync.WaitGroup
		for n := range 40 {
			use := oauth.ProofUse{Thumbprint: bound, At: w.Now(), Proof: oauth.Replay{
				What: oauth.ProofReplay, Until: w.Now().Add(time.Minute).Truncate(time.Second),
				Digest: secret.DigestOf("dpop proof", "together", secret.Of(string(rune('a'+n)))),
			}}
			all.Go(func() {
				if _, err := here.UseAccessToken(t.Context(), key, use); err != nil {
					t.Errorf("call %d here: %v", n, err)
				}
			})
			all.Go(func() {
				if _, err := there.UseAccessToken(t.Context(), keyThere, use); err != nil {
					t.Errorf("call %d there: %v", n, err)
				}
			})
		}
		all.Wait()
	})
}

// ownToken puts a partner's own token into the store.
func (w *protocolWorld) ownToken() (thumbprint string, k oauth.Key) {
	w.t.Helper()
	return w.ownTokenIn(w.in)
}

func (w *protocolWorld) ownTokenIn(in *store.Institution) (thumbprint string, k oauth.Key) {
	w.t.Helper()
	k = oauth.Key{ID: consentNumber.Add(1) + 1<<40, Digest: secret.DigestOf("access token", "together", secret.Of(time.Now().String()))}
	err := in.Commit(w.t.Context(), oauth.TokenIssued{
		Header: oauth.Header{Client: w.client.ID, Partner: oauthtest.PartnerID, At: w.Now()},
		Access: oauth.NewAccessToken{Key: k, Confirmation: oauth.Confirmation{Method: oauth.BoundByDPoP, Thumbprint: "bound"}, Scope: "partner", Audience: "api", ExpiresAt: w.Now().Add(time.Minute)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return "bound", k
}

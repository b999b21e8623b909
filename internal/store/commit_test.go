package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

func denial(object string) audit.Denial {
	return audit.Denial{Denied: audit.Act{
		Name: "login.done", At: time.Unix(1_800_000_000, 0), Actor: audit.Actor{Kind: audit.Unknown},
		Object: object, Outcome: audit.Denied, Reason: "wrong_password",
	}}
}

func TestACommitIsInTheLogWhenItReturns(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		if err := db.Institution("demo").Commit(t.Context(), denial("a"), denial("b")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCommitsOfManyAtOnceAllHappen(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		var all sync.WaitGroup
		errs := make(chan error, 64)
		for i := range 64 {
			all.Go(func() { errs <- db.Institution("demo").Commit(t.Context(), denial(fmt.Sprint(i))) })
		}
		all.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

func TestACommitThatDoesNotHoldHurtsNoneBesideIt(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		var all sync.WaitGroup
		var done, replayed atomic.Int64
		for i := range 64 {
			seen := oauth.Replay{What: oauth.AssertionReplay, Until: time.Unix(1_800_000_060, 0), Digest: secret.DigestOf("test", "", secret.Of(fmt.Sprint(i)))}
			if i%4 == 0 {
				seen.Digest = secret.DigestOf("test", "", secret.Of("the same"))
			}
			head := oauth.Header{Client: "cl", Partner: "p", At: time.Unix(1_800_000_000, 0), Seen: []oauth.Replay{seen}}
			all.Go(func() {
				switch err := in.Commit(t.Context(), oauth.AssertionUsed{Header: head}); {
				case err == nil:
					done.Add(1)
				case errors.As(err, new(oauth.Replayed)):
					replayed.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if done.Load() != 49 || replayed.Load() != 15 {
			t.Errorf("%d done and %d replayed instead of 49 and 15", done.Load(), replayed.Load())
		}
		if err := db.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, db); r.Bad != nil || r.Sealed != 49 {
			t.Errorf("%+v, bad %v", r, r.Bad)
		}
	})
}

func TestACommitWhoseTimeIsOverIsNotApplied(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := db.Institution("demo").Commit(ctx, denial("late")); !errors.Is(err, fault.Unavailable) {
			t.Fatalf("got %v", err)
		}
	})
}

type strange struct{ audit.Denial }

func TestAChangeThatNobodyStoresIsRefused(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		if err := db.Institution("demo").Commit(t.Context(), strange{}); fault.Of(err) != fault.Internal || err == nil {
			t.Fatalf("got %v", err)
		}
	})
}

func TestADatabaseThatIsReopenedKeepsItsSchema(t *testing.T) {
	besides(t, func(t *testing.T, _, url string) {
		cfg := store.Config{URL: url}
		open(t, cfg).Close()
		cfg.LeaveSchema = true
		if err := open(t, cfg).Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

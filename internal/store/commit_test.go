package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
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

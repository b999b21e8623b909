package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/store"
)

// BenchmarkCommit is a Commit of one audited act, by so many workers at once.
// RENKEI_TEST_FSYNC=1 makes PostgreSQL durable, as SQLite always is.
func BenchmarkCommit(b *testing.B) {
	concurrently(b, func(in *store.Institution, ctx context.Context, n int64) error {
		return in.Commit(ctx, denial("jny_5NQ7"))
	})
}

// BenchmarkSpend is what a redemption does: a row is spent by a condition, two
// are added under rising keys, and an act is recorded.
func BenchmarkSpend(b *testing.B) {
	concurrently(b, func(in *store.Institution, ctx context.Context, n int64) error {
		var digest [32]byte
		return in.Write(ctx, func(ctx context.Context, t store.Tx) error {
			if err := t.Must(ctx, `INSERT INTO scratch (institution, id, digest, spent_at) VALUES ($1, $2, $3, NULL)`, "demo", n, digest[:]); err != nil {
				return err
			}
			if err := t.Must(ctx, `UPDATE scratch SET spent_at = $4 WHERE institution = $1 AND id = $2 AND digest = $3 AND spent_at IS NULL`, "demo", n, digest[:], n); err != nil {
				return err
			}
			return in.Record(ctx, t, denial("y").Act())
		})
	})
}

// BenchmarkLookUp reads a row by its key.
func BenchmarkLookUp(b *testing.B) {
	concurrently(b, func(in *store.Institution, ctx context.Context, n int64) error {
		var digest []byte
		var spent *int64
		return in.Row(ctx, `SELECT digest, spent_at FROM scratch WHERE institution = $1 AND id = $2`, []any{"demo", n%10_000 + 1_000_000_000}, &digest, &spent)
	})
}

func concurrently(b *testing.B, f func(in *store.Institution, ctx context.Context, n int64) error) {
	for name, url := range databases(b) {
		if name == "serializable" {
			continue
		}
		db := open(b, store.Config{URL: url(b)})
		in := db.Institution("demo")
		prepare(b, in)
		var n atomic.Int64
		for _, workers := range []int{1, 8, 32, 64} {
			b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) {
				began := time.Now()
				var all sync.WaitGroup
				per := (b.N + workers - 1) / workers
				for range workers {
					all.Go(func() {
						for range per {
							if err := f(in, b.Context(), n.Add(1)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(per*workers)/time.Since(began).Seconds(), "ops/s")
			})
		}
	}
}

func prepare(b *testing.B, in *store.Institution) {
	b.Helper()
	blob := "BLOB"
	if in.Dialect() == "postgres" {
		blob = "BYTEA"
	}
	err := in.Write(b.Context(), func(ctx context.Context, t store.Tx) error {
		if _, err := t.Exec(ctx, `CREATE TABLE scratch (institution TEXT NOT NULL, id BIGINT NOT NULL, digest `+blob+` NOT NULL, spent_at BIGINT, PRIMARY KEY (institution, id))`); err != nil {
			return err
		}
		var digest [32]byte
		for i := range 10_000 {
			if err := t.Do(ctx, `INSERT INTO scratch (institution, id, digest) VALUES ($1, $2, $3)`, "demo", 1_000_000_000+i, digest[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

package store_test

import (
	"context"
	"testing"
	"time"

	"renkei.dev/internal/store"
)

func TestWhatIsOverIsForgottenHoweverMuchThereIs(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		in, other := db.Institution("demo"), db.Institution("other")
		fill := func(in *store.Institution, first, n int, until time.Time) {
			t.Helper()
			err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
				for i := range n {
					var digest [32]byte
					digest[0], digest[1], digest[2] = byte(first+i), byte((first+i)>>8), byte((first+i)>>16)
					if err := x.Do(ctx, `INSERT INTO replays (institution, until, digest) VALUES ($1, $2, $3)`, in.ID(), until.UnixMicro(), digest[:]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		fill(in, 0, 2500, now.Add(-time.Second)) // more than one batch
		fill(in, 3000, 3, now.Add(time.Second))
		fill(other, 0, 4, now.Add(-time.Second))
		if err := in.ForgetOAuth(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		for in, want := range map[*store.Institution]int{in: 3, other: 4} {
			var left int
			if err := in.Row(t.Context(), `SELECT COUNT(*) FROM replays WHERE institution = $1`, []any{in.ID()}, &left); err != nil || left != want {
				t.Errorf("%s has %d rows, not %d (%v)", in.ID(), left, want, err)
			}
		}
	})
}

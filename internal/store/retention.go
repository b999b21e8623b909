package store

import (
	"context"
	"time"
)

const (
	// forgetBatch bounds how many rows one transaction removes, so that no
	// request waits long behind it.
	forgetBatch = 1000
	// forgetPause lets requests go first.
	forgetPause = 20 * time.Millisecond
)

// forgetInBatches runs a DELETE until nothing is left for it. Its parameters are
// the institution, where what is over ends, and how many rows to remove at most.
func (in *Institution) forgetInBatches(ctx context.Context, sql string, end int64) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
		var removed int64
		err := in.write(ctx, func(ctx context.Context, t tx) (err error) {
			removed, err = t.Exec(ctx, sql, in.id, end, forgetBatch)
			return err
		})
		if err != nil || removed < forgetBatch {
			return err
		}
		pause.Reset(forgetPause)
	}
}

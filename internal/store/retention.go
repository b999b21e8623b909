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

// old are the rows of a table whose time is over.
type old struct {
	table string
	key   string // columns that name a row
	over  string // which rows of the institution $1 are over at $2, in the order of an index
	order string
}

// byID is a table with rising ids of which those before $2 are over.
func byID(table string) old { return old{table, "id", "id < $2", "id"} }

// byTime is a table of which the rows with a time before $2 are over.
func byTime(table, key, column string) old { return old{table, key, column + " < $2", column} }

// forget removes what is over, in batches with pauses between, and tells the
// meter how much it was and whether more is left.
func (in *Institution) forget(ctx context.Context, o old, end int64) error {
	due := ` FROM ` + o.table + ` WHERE institution = $1 AND ` + o.over
	remove := `DELETE FROM ` + o.table + ` WHERE institution = $1 AND (` + o.key + `) IN (SELECT ` + o.key + due + ` ORDER BY ` + o.order + ` LIMIT $3)`
	count := `SELECT COUNT(*) FROM (SELECT 1 AS one` + due + ` LIMIT $3) AS due`
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return failed(ctx.Err(), "forget what is over in "+o.table)
		case <-pause.C:
		}
		var removed, left int64
		err := in.write(ctx, func(ctx context.Context, t tx) (err error) {
			removed, err = t.Exec(ctx, remove, in.id, end, forgetBatch)
			return err
		})
		if err == nil && removed == forgetBatch {
			err = in.read.QueryRow(ctx, count, in.id, end, 100*forgetBatch).Scan(&left)
		}
		if err != nil {
			return failed(err, "forget what is over in "+o.table)
		}
		in.db.cfg.Meter.Forgot(in.id, o.table, removed, left)
		if left == 0 {
			return nil
		}
		pause.Reset(forgetPause)
	}
}

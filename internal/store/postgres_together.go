package store

import (
	"context"
	"runtime"
)

// Together sends the look-ups as one pipeline, or beside those of others that wait.
func (r pgReader) Together(ctx context.Context, all ...asked) error {
	if len(all) == 0 {
		return nil
	}
	group := make([]*pgRead, len(all))
	for i, a := range all {
		group[i] = &pgRead{ctx: ctx, look: a.look, args: a.args, scan: a.scan, done: make(chan error, 1), reads: r.reads}
	}
	group[0].rest = group[1:]
	return r.reads.together(ctx, group)
}

func (r *pgReads) together(ctx context.Context, group []*pgRead) (err error) {
	defer r.flying.Add(-1)
	if r.flying.Add(1) <= pgReaders {
		runtime.Gosched() // see run
	}
	if r.flying.Load() <= pgReaders || !r.enqueue(group[0]) {
		ctx, cancel := bounded(ctx)
		r.send(ctx, group)
		cancel()
	}
	for _, q := range group { // all of them: those behind an error may be being scanned still
		if e := q.wait(); err == nil {
			err = e
		}
	}
	return err
}

// joins adds the look-up, and those that go with it, to a group, unless nobody
// waits for them any more.
func (q *pgRead) joins(group []*pgRead) []*pgRead {
	if q.taken.CompareAndSwap(false, true) {
		group = append(group, q)
	}
	for _, r := range q.rest {
		group = r.joins(group)
	}
	return group
}

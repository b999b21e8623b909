package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgReads sends the look-ups that wait at the same time as one pipeline, once
// there are more of them than connections serve well.
type pgReads struct {
	pool   *pgxpool.Pool
	queue  chan *pgRead
	flying atomic.Int64 // look-ups under way

	closing sync.RWMutex // held for reading while something is put into queue
	closed  bool
	readers sync.WaitGroup
}

// directReads is up to how many look-ups at once each has a connection of its own.
const directReads = 8

// pgReaders is how many pipelines of look-ups are on their way at once.
const pgReaders = 2

// pgRead is one look-up of one row.
type pgRead struct {
	ctx   context.Context
	sql   string
	args  []any
	dest  []any
	taken atomic.Bool
	done  chan error
	reads *pgReads
}

func startReads(pool *pgxpool.Pool) *pgReads {
	r := &pgReads{pool: pool, queue: make(chan *pgRead, maxPgGroup)}
	for range pgReaders {
		r.readers.Go(r.run)
	}
	return r
}

// Scan sends the look-up and waits for its row.
func (q *pgRead) Scan(dest ...any) error {
	q.dest = dest
	defer q.reads.flying.Add(-1)
	if q.reads.flying.Add(1) <= directReads || !q.reads.enqueue(q) {
		return q.alone()
	}
	select {
	case err := <-q.done:
		return q.again(err)
	case <-q.ctx.Done():
		if q.taken.CompareAndSwap(false, true) {
			return q.ctx.Err()
		}
		return q.again(<-q.done) // dest is being written to
	}
}

// again repeats alone a look-up that failed beside others: a pipeline ends at its
// first failure, whosever it is.
func (q *pgRead) again(err error) error {
	if err == nil || errors.Is(err, errNone) {
		return err
	}
	return q.alone()
}

func (q *pgRead) alone() error {
	return pgRow{q.reads.pool.QueryRow(q.ctx, q.sql, q.args...)}.Scan(q.dest...)
}

// enqueue puts a look-up into the queue; false when there is none any more.
func (r *pgReads) enqueue(q *pgRead) bool {
	r.closing.RLock()
	defer r.closing.RUnlock()
	if r.closed {
		return false
	}
	select {
	case r.queue <- q:
		return true
	case <-q.ctx.Done():
		return false
	}
}

// readWithin bounds a pipeline of look-ups.
const readWithin = 5 * time.Second

func (r *pgReads) run() {
	group := make([]*pgRead, 0, maxPgGroup)
	for first := range r.queue {
		group = group[:0]
		for q := first; q != nil; {
			if q.taken.CompareAndSwap(false, true) {
				group = append(group, q)
			}
			q = nil
			if len(group) < maxPgGroup {
				select {
				case q = <-r.queue: // nil when it is closed
				default:
				}
			}
		}
		r.send(group)
		clear(group)
	}
}

func (r *pgReads) send(group []*pgRead) {
	if len(group) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	b := &pgx.Batch{}
	for _, q := range group {
		b.Queue(q.sql, q.args...)
	}
	results := r.pool.SendBatch(ctx, b)
	errs := make([]error, len(group))
	for i, q := range group {
		errs[i] = pgRow{results.QueryRow()}.Scan(q.dest...)
	}
	results.Close() // its error is the last look-up's
	for i, q := range group {
		q.done <- errs[i]
	}
}

func (r *pgReads) close() {
	r.closing.Lock()
	if !r.closed {
		r.closed = true
		close(r.queue)
	}
	r.closing.Unlock()
	r.readers.Wait()
}

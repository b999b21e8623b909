package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"renkei.dev/internal/fault"
)

// pgReads sends the look-ups that wait at the same time as one pipeline, and those
// of one kind among them as one statement, as soon as there are more of them than
// pipelines. A look-up of its own costs server and database together three times
// its share of a group.
type pgReads struct {
	pool   *pgxpool.Pool
	queue  chan *pgRead
	flying atomic.Int64 // look-ups under way

	closing sync.RWMutex // held for reading while something is put into queue
	closed  bool
	readers sync.WaitGroup
}

// pgReaders is how many pipelines of look-ups are on their way at once; up to as
// many look-ups have a connection of their own.
const pgReaders = 1

// pgRead is one look-up.
type pgRead struct {
	ctx   context.Context
	look  *lookUp
	args  []any
	scan  func(int, row) error
	rows  int
	taken atomic.Bool
	done  chan error
	reads *pgReads
	rest  []*pgRead // that go with it (Together)
}

func startReads(pool *pgxpool.Pool) *pgReads {
	r := &pgReads{pool: pool, queue: make(chan *pgRead, maxPgGroup)}
	for range pgReaders {
		r.readers.Go(r.work)
	}
	return r
}

// run sends the look-up and waits until its rows were scanned. Before it goes
// alone, and before a group goes (work), every goroutine that can run does: each
// may be about to ask too. Where there is none, that costs nothing.
func (q *pgRead) run() error {
	defer q.reads.flying.Add(-1)
	if q.reads.flying.Add(1) <= pgReaders {
		runtime.Gosched()
	}
	if q.reads.flying.Load() <= pgReaders || !q.reads.enqueue(q) {
		return q.alone()
	}
	return q.wait()
}

// wait waits until the rows of a look-up in the queue were scanned.
func (q *pgRead) wait() error {
	select {
	case err := <-q.done:
		return q.again(err)
	case <-q.ctx.Done():
		if q.taken.CompareAndSwap(false, true) {
			return q.ctx.Err()
		}
		return q.again(<-q.done) // its rows are being scanned
	}
}

// again repeats alone a look-up that failed beside others: a pipeline ends at its
// first failure, whosever it is. Where rows were scanned that are gone by now, whoever
// asked still has them and cannot be told otherwise.
func (q *pgRead) again(err error) error {
	if err == nil {
		return nil
	}
	scanned := q.rows > 0
	if err := q.alone(); err != nil || !scanned || q.rows > 0 {
		return err
	}
	return errVanished
}

var errVanished = fault.New(fault.Unavailable, "what was looked for went away meanwhile")

func (q *pgRead) alone() error {
	ctx, cancel := bounded(q.ctx)
	defer cancel()
	rows, err := q.reads.pool.Query(ctx, q.look.one, q.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	r := &wireRow{rows: rows}
	for q.rows = 0; rows.Next(); q.rows++ {
		if err := q.scan(q.rows, r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// bounded gives a look-up its time where who asks has none: a line that is open
// and silent would hold it for minutes.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, readWithin)
}

// enqueue puts a look-up into the queue; false when there is none any more, or its
// time is over already.
func (r *pgReads) enqueue(q *pgRead) bool {
	r.closing.RLock()
	defer r.closing.RUnlock()
	if r.closed || q.ctx.Err() != nil {
		return false
	}
	select {
	case r.queue <- q:
		return true
	case <-q.ctx.Done():
		return false
	}
}

// readWithin bounds look-ups.
const readWithin = 5 * time.Second

func (r *pgReads) work() {
	group := make([]*pgRead, 0, maxPgGroup)
	for first := range r.queue {
		runtime.Gosched()
		group = group[:0]
		for q := first; q != nil; {
			group = q.joins(group)
			q = nil
			if len(group) < maxPgGroup {
				select {
				case q = <-r.queue: // nil when it is closed
				default:
				}
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), readWithin)
		r.send(ctx, group)
		cancel()
		clear(group)
	}
}

func (r *pgReads) send(ctx context.Context, group []*pgRead) {
	if len(group) == 0 {
		return
	}
	b := &pgx.Batch{}
	packs := packed(group)
	for _, p := range packs {
		if len(p) == 1 {
			b.Queue(p[0].look.one, p[0].args...)
		} else {
			b.Queue(p[0].look.many, p.columns()...)
		}
	}
	results := r.pool.SendBatch(ctx, b)
	errs := make([]error, len(packs))
	for i, p := range packs {
		errs[i] = p.read(results.Query())
	}
	results.Close() // its error is the last look-up's
	for i, p := range packs {
		for _, q := range p {
			q.done <- errs[i]
		}
	}
}

// pack is look-ups that are one statement.
type pack []*pgRead

// packed puts look-ups of one kind beside each other.
func packed(group []*pgRead) []pack {
	var packs []pack
next:
	for _, q := range group {
		for i := range packs {
			if q.look.many != "" && packs[i][0].look == q.look {
				packs[i] = append(packs[i], q)
				continue next
			}
		}
		packs = append(packs, pack{q})
	}
	return packs
}

// columns returns the parameters of all look-ups, an array for each.
func (p pack) columns() []any {
	all := make([]any, len(p[0].args))
	for i, first := range p[0].args {
		switch first.(type) {
		case int64:
			all[i] = columnOf[int64](p, i)
		case string:
			all[i] = columnOf[string](p, i)
		default:
			all[i] = columnOf[[]byte](p, i)
		}
	}
	return all
}

func columnOf[T any](p pack, i int) []T {
	column := make([]T, len(p))
	for n, q := range p {
		column[n], _ = q.args[i].(T) // of another type it finds nothing
	}
	return column
}

// read hands each row to its look-up. An error is that of all of them: pgx reads
// no further after one.
func (p pack) read(rows pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	r := &wireRow{rows: rows, numbered: len(p) > 1}
	for rows.Next() {
		q := p[0]
		if r.numbered {
			n := numberIn(rows)
			if n < 1 || n > len(p) {
				return errNumber
			}
			q = p[n-1]
		}
		if err := q.scan(q.rows, r); err != nil {
			return err
		}
		q.rows++
	}
	return rows.Err()
}

var errNumber = errors.New("a row of no look-up")

func (r *pgReads) close() {
	r.closing.Lock()
	if !r.closed {
		r.closed = true
		close(r.queue)
	}
	r.closing.Unlock()
	r.readers.Wait()
}

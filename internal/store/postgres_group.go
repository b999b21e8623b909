package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"renkei.dev/internal/fault"
)

// pgWriters is how many groups are on their way at once: one is being committed
// while the next is sent.
const pgWriters = 2

// maxPgGroup bounds how many Commits share one transaction on PostgreSQL.
const maxPgGroup = 64

// pgGroups commits together the Commits that wait at the same time, as one
// pipeline: one round trip and one flush of the log for all of them.
type pgGroups struct {
	pool  *pgxpool.Pool // of the writers alone
	meter Meter
	queue chan *pgWaiting

	closing sync.RWMutex // held for reading while something is put into queue
	closed  bool
	writers sync.WaitGroup
}

// pgWaiting is a Commit that needs no answer on the way.
type pgWaiting struct {
	waiting
	queued   []queued
	acts     acts
	deadline time.Time
}

// errAlone says that a Commit has to be tried outside of its group: only alone is
// it sure that a condition failed for what is in the database, and not for what
// another of the group had done.
var errAlone = errors.New("try it alone")

func startGroups(ctx context.Context, pool *pgxpool.Pool, cfg Config) (*pgGroups, error) {
	writers := pool.Config()
	writers.MaxConns = pgWriters
	if !cfg.Pooled { // through a pooler each statement is planned when it runs
		writers.PrepareConn = countRows
	}
	own, err := pgxpool.NewWithConfig(ctx, writers)
	if err != nil {
		return nil, failed(err, "open the database")
	}
	g := &pgGroups{pool: own, meter: cfg.Meter, queue: make(chan *pgWaiting, maxPgGroup)}
	for range pgWriters {
		g.writers.Go(g.write)
	}
	return g, nil
}

// commit waits for the group that takes the statements.
func (g *pgGroups) commit(ctx context.Context, all []queued, kept acts) error {
	r := &pgWaiting{waiting: waiting{done: make(chan error, 1)}, queued: all, acts: kept}
	r.deadline, _ = ctx.Deadline()
	if err := g.enqueue(ctx, r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return fault.Wrap(fault.Unavailable, "wait for the commit", ctx.Err())
		}
		return <-r.done // the group has a deadline of its own
	}
}

func (g *pgGroups) enqueue(ctx context.Context, r *pgWaiting) error {
	g.closing.RLock()
	defer g.closing.RUnlock()
	if g.closed {
		return fault.New(fault.Unavailable, "commit: the database is closed")
	}
	select {
	case g.queue <- r:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, "wait for the commit", ctx.Err())
	}
}

func (g *pgGroups) write() {
	group := make([]*pgWaiting, 0, maxPgGroup)
	for first := range g.queue {
		group = takeGroup(append(group[:0], first), g.queue)
		if len(group) == 0 {
			continue
		}
		g.commitGroup(group)
		clear(group)
	}
}

// takeGroup adds to group what waits in queue, and leaves out what nobody waits
// for any more.
func takeGroup(group []*pgWaiting, queue chan *pgWaiting) []*pgWaiting {
	if !group[0].taken.CompareAndSwap(false, true) {
		group = group[:0]
	}
	for len(group) < maxPgGroup {
		select {
		case r, ok := <-queue:
			if !ok {
				return group
			}
			if r.taken.CompareAndSwap(false, true) {
				group = append(group, r)
			}
		default:
			return group
		}
	}
	return group
}

// commitGroup sends the group; whoever fails is told to try alone, and the rest
// is sent again, since the database took all of it back.
func (g *pgGroups) commitGroup(group []*pgWaiting) {
	deadline := group[0].deadline
	for _, r := range group {
		if r.deadline.After(deadline) {
			deadline = r.deadline
		}
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	unsent := 0
	for together := len(group) > 1 || group[0].repeats(); len(group) > 0; {
		began := time.Now()
		failing, err := g.send(ctx, group, together)
		g.meter.Committed(len(group), time.Since(began), err == nil)
		switch {
		case err == nil:
			tell(group, nil)
			return
		case givenUp(err):
			tell(group, errAlone)
			return
		case pgconn.SafeToRetry(err) && unsent < pgWriters:
			unsent++ // the connection had ended before anything went out by it: to another
			continue
		case failing == nobody || kindOf(err) == fault.Unavailable:
			tell(group, err)
			return
		case together:
			together = false // each statement by itself will tell whose it is
			continue
		case len(group) == 1:
			tell(group, err)
			return
		}
		group[failing].done <- errAlone
		group = slices.Delete(group, failing, failing+1)
	}
}

func tell(group []*pgWaiting, err error) {
	for _, r := range group {
		r.done <- err
	}
}

// Whose a failing statement may be, besides of one of the group.
const (
	nobody   = -1 // the commit itself failed
	somebody = -2 // it is of several
)

// send sends a group as one transaction, effects of one kind as one statement if
// they are to go together. On failure it returns whose statement failed.
func (g *pgGroups) send(ctx context.Context, group []*pgWaiting, together bool) (failing int, err error) {
	b := &pgx.Batch{}
	var owners []int // of the statements, in their order
	var whole []*queued
	if together {
		for _, x := range bundled(group) {
			sql, args := x.statement()
			b.Queue(sql, args...)
			owners, whole = append(owners, somebody), append(whole, x.pieces[0])
		}
	}
	var kept acts
	for i, r := range group {
		kept.addAll(r.acts)
		for n := range r.queued {
			if !together {
				q := &r.queued[n]
				b.Queue(q.sql, q.args...)
				owners, whole = append(owners, i), append(whole, q)
			}
		}
	}
	if len(kept.seqs) > 0 {
		record := kept.statement()
		b.Queue(record.sql, record.args...)
		owners, whole = append(owners, nobody), append(whole, &record)
	}
	results := g.pool.SendBatch(ctx, b)
	for i, q := range whole {
		if _, err := results.Exec(); err != nil {
			results.Close()
			return owners[i], q.failed(err)
		}
	}
	if err := results.Close(); err != nil {
		return nobody, failed(err, "commit")
	}
	return nobody, nil
}

// failed turns the error of a statement into what its Commit shall return.
func (q queued) failed(err error) error {
	if q.conflict != nil && kindOf(err) == fault.Conflict {
		err = q.conflict
	}
	return failed(err, "commit")
}

func (g *pgGroups) close() {
	g.closing.Lock()
	if !g.closed {
		g.closed = true
		close(g.queue)
	}
	g.closing.Unlock()
	g.writers.Wait()
	g.pool.Close()
}

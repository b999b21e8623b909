package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
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
	pool  *pgxpool.Pool
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

func startGroups(pool *pgxpool.Pool, meter Meter) *pgGroups {
	g := &pgGroups{pool: pool, meter: meter, queue: make(chan *pgWaiting, maxPgGroup)}
	for range pgWriters {
		g.writers.Go(g.write)
	}
	return g
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
	for len(group) > 0 {
		began := time.Now()
		failing, err := g.send(ctx, group)
		g.meter.Committed(len(group), time.Since(began), err == nil)
		switch {
		case err == nil:
			tell(group, nil)
			return
		case givenUp(err):
			tell(group, errAlone)
			return
		case failing < 0 || len(group) == 1 || kindOf(err) == fault.Unavailable:
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

// send sends a group as one transaction. On failure it returns whose statement
// failed; -1 when it was none's, or the commit's own.
func (g *pgGroups) send(ctx context.Context, group []*pgWaiting) (failing int, err error) {
	b := &pgx.Batch{}
	var kept acts
	var record queued
	for _, r := range group {
		for _, q := range r.queued {
			b.Queue(q.sql, q.args...)
		}
		kept.addAll(r.acts)
	}
	if len(kept.seqs) > 0 {
		record = kept.statement()
		b.Queue(record.sql, record.args...)
	}
	results := g.pool.SendBatch(ctx, b)
	for i, r := range group {
		for _, q := range r.queued {
			if _, err := results.Exec(); err != nil {
				results.Close()
				return i, q.failed(err)
			}
		}
	}
	if len(kept.seqs) > 0 {
		if _, err := results.Exec(); err != nil {
			results.Close()
			return -1, record.failed(err)
		}
	}
	if err := results.Close(); err != nil {
		return -1, failed(err, "commit")
	}
	return -1, nil
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
}

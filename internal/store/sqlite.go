package store

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"renkei.dev/internal/fault"
)

// maxGroup bounds how many Commits share one transaction.
const maxGroup = 256

// sqliteEngine has one writer, which commits together what waits together, and
// readers beside it.
type sqliteEngine struct {
	address string
	meter   Meter
	queue   chan *waiting
	readers *sqliteReaders

	writer *sqliteConn // the writer goroutine's alone; nil after it broke

	closing sync.RWMutex // held for reading while something is put into queue
	closed  bool
	stopped chan struct{}
}

// waiting is a Commit in the queue.
type waiting struct {
	work  work
	taken atomic.Bool // by the writer, or back by who waited
	done  chan error
	err   error
}

func openSQLite(ctx context.Context, cfg Config) (engine, error) {
	// With one P the whole process would sleep through every fsync and nobody
	// would poll the network (performance.md §4 rule 8).
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	writer, err := connectSQLite(ctx, cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := checkSQLite(ctx, writer); err != nil {
		writer.close()
		return nil, err
	}
	e := &sqliteEngine{
		address: cfg.URL,
		meter:   cfg.Meter,
		queue:   make(chan *waiting, maxGroup),
		readers: newSQLiteReaders(cfg.URL, max(4, 2*runtime.GOMAXPROCS(0))),
		writer:  writer,
		stopped: make(chan struct{}),
	}
	go e.write()
	return e, nil
}

func (e *sqliteEngine) dialect() string { return "sqlite" }
func (e *sqliteEngine) reader() looker  { return e.readers }

func (e *sqliteEngine) commit(ctx context.Context, w work) error {
	r := &waiting{work: w, done: make(chan error, 1)}
	if err := e.enqueue(ctx, r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return fault.Wrap(fault.Unavailable, "wait for the commit", ctx.Err())
		}
		return <-r.done
	}
}

func (e *sqliteEngine) enqueue(ctx context.Context, r *waiting) error {
	e.closing.RLock()
	defer e.closing.RUnlock()
	if e.closed {
		return fault.New(fault.Unavailable, "commit: the database is closed")
	}
	select {
	case e.queue <- r:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, "wait for the commit", ctx.Err())
	}
}

// write is the writer goroutine: it takes all Commits that wait into one
// transaction and tells each what became of it. They are taken only when the
// transaction is open, so that who waits for another process's lock can give up.
func (e *sqliteEngine) write() {
	defer close(e.stopped)
	group := make([]*waiting, 0, maxGroup)
	for first := range e.queue {
		began := time.Now()
		err := e.begin()
		group = takeWaiting(group[:0], first, e.queue)
		if err == nil {
			err = e.commitGroup(group)
		}
		e.meter.Committed(len(group), time.Since(began), err == nil)
		for i, r := range group {
			if err != nil && r.err == nil {
				r.err = err
			}
			r.done <- r.err
			group[i] = nil
		}
	}
	if e.writer != nil {
		e.writer.close()
	}
}

// takeWaiting gathers first and what waits behind it, and leaves out what nobody
// waits for any more.
func takeWaiting(group []*waiting, first *waiting, queue chan *waiting) []*waiting {
	for r := first; ; {
		if r.taken.CompareAndSwap(false, true) {
			group = append(group, r)
		}
		if len(group) == maxGroup {
			return group
		}
		var ok bool
		select {
		case r, ok = <-queue:
			if !ok {
				return group
			}
		default:
			return group
		}
	}
}

// begin opens a transaction, on a new connection if the last one broke.
func (e *sqliteEngine) begin() (err error) {
	ctx := context.Background() // what is taken is carried through
	if e.writer == nil {
		if e.writer, err = connectSQLite(ctx, e.address); err != nil {
			e.writer = nil
			return err
		}
	}
	if _, err = e.writer.Exec(ctx, `BEGIN IMMEDIATE`); err == nil {
		err = e.writer.QueryRow(ctx, `SELECT coalesce(max(seq), 0) FROM audit`).Scan(&e.writer.seq)
	}
	if err != nil {
		e.giveUp(err)
	}
	return failed(err, "begin")
}

// giveUp takes the transaction back, and leaves the connection where it broke.
func (e *sqliteEngine) giveUp(err error) {
	_, undone := e.writer.Exec(context.Background(), `ROLLBACK`)
	if brokenSQLite(err) || brokenSQLite(undone) {
		e.writer.close()
		e.writer = nil
	}
}

// commitGroup commits what holds of a group. A savepoint costs a copy of each page
// that is changed behind it, so that at first there is none. Where one of several
// does not hold, all go again, each behind a savepoint of its own, so that it does
// not hurt the others.
func (e *sqliteEngine) commitGroup(group []*waiting) error {
	again, err := e.try(group, false)
	if !again {
		return err
	}
	if err := e.begin(); err != nil {
		return err
	}
	_, err = e.try(group, true)
	return err
}

// try applies each Commit of a group, apart by savepoints or not, and ends the
// transaction. Without them it takes all back where one of several does not hold,
// and tells that they have to go again. An error is that of all who have none of
// their own.
func (e *sqliteEngine) try(group []*waiting, apart bool) (again bool, err error) {
	ctx, c := context.Background(), e.writer
	defer func() {
		if err != nil {
			e.giveUp(err)
			err = failed(err, "commit")
		}
	}()
	held := 0
	for _, r := range group {
		seq := c.seq
		if apart {
			if _, err = c.Exec(ctx, `SAVEPOINT c`); err != nil {
				return false, err
			}
		}
		switch r.err = r.work(ctx, c); {
		case r.err == nil:
			held++
		case fault.Of(r.err) == fault.Unavailable:
			return false, r.err // a full disk or a failed read: SQLite may have taken all back
		case apart:
			c.seq = seq
			if _, err = c.Exec(ctx, `ROLLBACK TO c`); err != nil {
				return false, err
			}
		case len(group) > 1:
			r.err = nil // what it saw of its neighbours is taken back with it
			_, err = c.Exec(ctx, `ROLLBACK`)
			return err == nil, err
		}
		if apart {
			if _, err = c.Exec(ctx, `RELEASE c`); err != nil {
				return false, err
			}
		}
	}
	if held == 0 {
		_, err = c.Exec(ctx, `ROLLBACK`)
		return false, err
	}
	_, err = c.Exec(ctx, `COMMIT`)
	return false, err
}

func (e *sqliteEngine) ping(ctx context.Context) error {
	return e.commit(ctx, func(ctx context.Context, t tx) error {
		// It writes a page though nothing changes: on a disk that is full or
		// read-only, locks and reads go on as if nothing were wrong.
		return failed(t.Do(ctx, `PRAGMA user_version = 0`), "write to the database")
	})
}

func (e *sqliteEngine) close() error {
	e.closing.Lock()
	if e.closed {
		e.closing.Unlock()
		return nil
	}
	e.closed = true
	close(e.queue)
	e.closing.Unlock()
	<-e.stopped
	return e.readers.close()
}

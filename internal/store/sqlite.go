package store

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"renkei.dev/internal/fault"
)

// oldestSQLite is the first version without the fault by which resetting the
// write-ahead log could lose what had been committed.
const oldestSQLite = "3.51.3"

// sqliteDSN returns the driver's name for a sqlite:PATH with our settings.
func sqliteDSN(address string, more ...string) string {
	path := strings.TrimPrefix(address, "sqlite:")
	settings := append([]string{"_pragma=busy_timeout(5000)", "_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)"}, more...)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(settings, "&")
}

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
	writer, err := connectSQLite(ctx, sqliteDSN(cfg.URL, "_txlock=immediate"))
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
		readers: newSQLiteReaders(sqliteDSN(cfg.URL, "_pragma=query_only(1)"), max(4, 2*runtime.GOMAXPROCS(0))),
		writer:  writer,
		stopped: make(chan struct{}),
	}
	go e.write()
	return e, nil
}

// createPrivate makes the file, readable by its owner alone, unless it exists.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// makeFile makes the file of a SQLite database, unless it exists.
func makeFile(cfg Config) error {
	if path, ok := strings.CutPrefix(cfg.URL, "sqlite:"); ok {
		if err := createPrivate(path); err != nil {
			return fault.Wrap(fault.Unavailable, "open the database file", err)
		}
	}
	return nil
}

func checkSQLite(ctx context.Context, c *sqliteConn) error {
	var version, mode string
	if err := c.QueryRow(ctx, `SELECT sqlite_version()`).Scan(&version); err != nil {
		return failed(err, "ask the version of SQLite")
	}
	if olderVersion(version, oldestSQLite) {
		return fault.New(fault.Internal, "SQLite %s can lose commits: %s is the oldest that will do", version, oldestSQLite)
	}
	if err := c.QueryRow(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return failed(err, "ask the journal mode of SQLite")
	}
	if mode != "wal" {
		return fault.New(fault.Unavailable, "the database file cannot be used with a write-ahead log: is it on a network file system?")
	}
	return nil
}

// olderVersion compares dotted numbers.
func olderVersion(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range bs {
		if i >= len(as) {
			return true
		}
		if as[i] != bs[i] {
			return len(as[i]) < len(bs[i]) || len(as[i]) == len(bs[i]) && as[i] < bs[i]
		}
	}
	return false
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
		if e.writer, err = connectSQLite(ctx, sqliteDSN(e.address, "_txlock=immediate")); err != nil {
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

// commitGroup applies each Commit of the group behind a savepoint of its own, so
// that one that no longer holds does not hurt the others. An error is that of
// all who have none of their own.
func (e *sqliteEngine) commitGroup(group []*waiting) (err error) {
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
		if len(group) > 1 {
			if _, err = c.Exec(ctx, `SAVEPOINT c`); err != nil {
				return err
			}
		}
		switch r.err = r.work(ctx, c); {
		case r.err == nil:
			held++
		case fault.Of(r.err) == fault.Unavailable:
			return r.err // a full disk or a failed read: SQLite may have taken all back
		case len(group) > 1:
			c.seq = seq
			if _, err = c.Exec(ctx, `ROLLBACK TO c`); err != nil {
				return err
			}
		}
		if len(group) > 1 {
			if _, err = c.Exec(ctx, `RELEASE c`); err != nil {
				return err
			}
		}
	}
	if held == 0 {
		_, err = c.Exec(ctx, `ROLLBACK`)
		return err
	}
	_, err = c.Exec(ctx, `COMMIT`)
	return err
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

// sqliteReaders is a pool of connections that can only read.
type sqliteReaders struct {
	dsn  string
	free chan *sqliteConn // nil stands for one that is not connected yet

	mu     sync.Mutex
	closed bool
}

func newSQLiteReaders(dsn string, n int) *sqliteReaders {
	p := &sqliteReaders{dsn: dsn, free: make(chan *sqliteConn, n)}
	for range n {
		p.free <- nil
	}
	return p
}

func (p *sqliteReaders) QueryRow(ctx context.Context, sql string, args ...any) row {
	rs, err := p.query(ctx, sql, args, true)
	if err != nil {
		return failedRow{err}
	}
	return &rs
}

func (p *sqliteReaders) Query(ctx context.Context, sql string, args ...any) (rows, error) {
	rs, err := p.query(ctx, sql, args, false)
	if err != nil {
		return nil, err
	}
	return &rs, nil
}

func (p *sqliteReaders) Each(ctx context.Context, l *lookUp, scan func(int, row) error, args ...any) error {
	rs, err := p.query(ctx, l.one, args, l.unique)
	for n := 0; err == nil && rs.Next(); n++ {
		err = scan(n, &rs)
	}
	return err
}

func (p *sqliteReaders) query(ctx context.Context, sql string, args []any, single bool) (rs readRows, err error) {
	var c *sqliteConn
	select {
	case c = <-p.free:
	default:
		select {
		case c = <-p.free:
		case <-ctx.Done():
			return rs, ctx.Err()
		}
	}
	defer func() {
		if brokenSQLite(err) && c != nil {
			c.close()
			c = nil
		}
		p.free <- c
	}()
	if c == nil {
		if c, err = connectSQLite(context.Background(), p.dsn); err != nil {
			return rs, err
		}
	}
	if err = ctx.Err(); err != nil {
		return rs, err
	}
	return c.query(sql, args, single)
}

// close closes all connections; it waits for those in use.
func (p *sqliteReaders) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	var errs []error
	for range cap(p.free) {
		if c := <-p.free; c != nil {
			errs = append(errs, c.close())
		}
	}
	for range cap(p.free) {
		p.free <- nil
	}
	return errors.Join(errs...)
}

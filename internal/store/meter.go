package store

import (
	"context"
	"time"
)

// Meter is told what the store does, for an operator's monitoring. Its methods
// are called on hot paths and must not wait.
type Meter interface {
	// Committed tells of one transaction: how many Commits shared it, how long it
	// took from its begin to its end, and whether it was done.
	Committed(commits int, took time.Duration, done bool)
	// Forgot tells that rows of a table were removed because their time was over,
	// and that at least left more wait for the next batch.
	Forgot(institution, table string, rows, left int64)
	// Sealed tells that rows of the audit log were taken into its tree, or that
	// they could not be.
	Sealed(rows int, err error)
}

// unmetered is nobody who is told.
type unmetered struct{}

func (unmetered) Committed(int, time.Duration, bool)  {}
func (unmetered) Forgot(string, string, int64, int64) {}
func (unmetered) Sealed(int, error)                   {}

// Load is how busy the ways to the database are now.
type Load struct {
	InUse, Most int           // connections that are used, and the most that can be
	Queued      int           // Commits that wait for the writer; SQLite alone
	Waits       int64         // how often a connection had to be waited for since the start
	WaitedFor   time.Duration // and for how long together
}

// Load returns how busy the ways to the database are.
func (db *DB) Load() Load { return db.engine.load() }

func (e *sqliteEngine) load() Load {
	return Load{InUse: cap(e.readers.places) - len(e.readers.places), Most: cap(e.readers.places), Queued: len(e.queue)}
}

func (e *postgresEngine) load() Load {
	s := e.pool.Stat()
	l := Load{
		InUse: int(s.AcquiredConns()), Most: int(s.MaxConns()),
		Waits: s.EmptyAcquireCount(), WaitedFor: s.EmptyAcquireWaitTime(),
	}
	if e.groups != nil {
		w := e.groups.pool.Stat()
		l.InUse, l.Most = l.InUse+int(w.AcquiredConns()), l.Most+int(w.MaxConns())
	}
	return l
}

// mostUnsealed bounds how many rows Unsealed counts.
const mostUnsealed = 100_000

// Unsealed returns how many rows of the audit log wait to be sealed, up to
// 100,000, and since when the oldest does; the zero time when none does.
func (db *DB) Unsealed(ctx context.Context) (rows int64, since time.Time, err error) {
	_, _, last, err := db.lastCheckpoint(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	var oldest int64
	err = db.engine.reader().QueryRow(ctx, `SELECT COUNT(*), COALESCE(MIN(at), 0) FROM
		(SELECT at FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2) AS waiting`, last, mostUnsealed).Scan(&rows, &oldest)
	return rows, fromMicros(oldest), failed(err, "count what is not sealed")
}

package store

import (
	"context"

	"renkei.dev/internal/audit"
)

// Point is a place where the way to the database can break.
type Point string

// The points of every look-up and every Commit.
const (
	Reading   Point = "a look-up"
	Changing  Point = "a statement of a Commit"
	Committed Point = "the answer to a Commit that happened"
)

// Watched returns the database as a server sees it whose way to it asks at at
// every point; the error of at is what happens there.
func (db *DB) Watched(at func(Point) error) *DB {
	c := *db
	c.engine = &watchedEngine{db.engine, at}
	return &c
}

type watchedEngine struct {
	engine
	at func(Point) error
}

func (e *watchedEngine) commit(ctx context.Context, w work) error {
	var broken error
	err := e.engine.commit(ctx, func(ctx context.Context, t tx) error {
		broken = nil
		err := w(ctx, &watchedTx{t, e.at, &broken})
		if broken != nil {
			return broken
		}
		return err
	})
	if err == nil {
		return e.at(Committed)
	}
	return err
}

func (e *watchedEngine) reader() looker { return watchedReader{e.engine.reader(), e.at} }

type watchedReader struct {
	looker
	at func(Point) error
}

func (r watchedReader) QueryRow(ctx context.Context, sql string, args ...any) row {
	if err := r.at(Reading); err != nil {
		return failedRow{err}
	}
	return r.looker.QueryRow(ctx, sql, args...)
}

func (r watchedReader) Query(ctx context.Context, sql string, args ...any) (rows, error) {
	if err := r.at(Reading); err != nil {
		return nil, err
	}
	return r.looker.Query(ctx, sql, args...)
}

func (r watchedReader) Each(ctx context.Context, l *lookUp, scan func(int, row) error, args ...any) error {
	if err := r.at(Reading); err != nil {
		return err
	}
	return r.looker.Each(ctx, l, scan, args...)
}

func (r watchedReader) Together(ctx context.Context, all ...asked) error {
	if err := r.at(Reading); err != nil {
		return err
	}
	return r.looker.Together(ctx, all...)
}

// watchedTx breaks before a statement; whatever its Commit makes of the error,
// the Commit fails with it, as one does whose connection is gone.
type watchedTx struct {
	tx
	at     func(Point) error
	broken *error
}

func (t *watchedTx) next() error {
	if *t.broken == nil {
		*t.broken = t.at(Changing)
	}
	return *t.broken
}

func (t *watchedTx) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := t.next(); err != nil {
		return 0, err
	}
	return t.tx.Exec(ctx, sql, args...)
}

func (t *watchedTx) Must(ctx context.Context, sql string, args ...any) error {
	if err := t.next(); err != nil {
		return err
	}
	return t.tx.Must(ctx, sql, args...)
}

func (t *watchedTx) MustOr(ctx context.Context, conflict error, sql string, args ...any) error {
	if err := t.next(); err != nil {
		return err
	}
	return t.tx.MustOr(ctx, conflict, sql, args...)
}

func (t *watchedTx) Do(ctx context.Context, sql string, args ...any) error {
	if err := t.next(); err != nil {
		return err
	}
	return t.tx.Do(ctx, sql, args...)
}

func (t *watchedTx) QueryRow(ctx context.Context, sql string, args ...any) row {
	if err := t.next(); err != nil {
		return failedRow{err}
	}
	return t.tx.QueryRow(ctx, sql, args...)
}

func (t *watchedTx) Query(ctx context.Context, sql string, args ...any) (rows, error) {
	if err := t.next(); err != nil {
		return nil, err
	}
	return t.tx.Query(ctx, sql, args...)
}

func (t *watchedTx) Keep(ctx context.Context, r audit.Row) error {
	if err := t.next(); err != nil {
		return err
	}
	return t.tx.Keep(ctx, r)
}

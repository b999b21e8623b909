package store

import (
	"context"
	"time"

	"renkei.dev/internal/audit"
)

// Tx is what changes are applied in.
type Tx = tx

// ErrNone is what Scan returns when there is no row.
var ErrNone = errNone

// Write applies work that belongs to no change.
func (in *Institution) Write(ctx context.Context, w func(context.Context, Tx) error) error {
	return in.write(ctx, w)
}

// Row reads at most one row.
func (in *Institution) Row(ctx context.Context, sql string, args []any, dest ...any) error {
	return in.read.QueryRow(ctx, sql, args...).Scan(dest...)
}

// Dialect names the database.
func (in *Institution) Dialect() string { return in.db.engine.dialect() }

// Record writes an act to the log.
func (in *Institution) Record(ctx context.Context, t Tx, act audit.Act) error {
	return in.record(ctx, t, act)
}

// Seal takes all rows into the tree now.
func (db *DB) Seal(ctx context.Context) error { return db.seal(ctx, &sealer{db: db}, 0) }

// Tamper runs a statement outside of everything.
func (db *DB) Tamper(ctx context.Context, sql string, args ...any) error {
	return db.engine.commit(ctx, func(ctx context.Context, t tx) error {
		_, err := t.Exec(ctx, sql, args...)
		return err
	})
}

// Hears tells whether news of other nodes come in.
func (db *DB) Hears() bool {
	return int64(time.Since(db.news.began)) < db.news.heardUntil.Load()
}

// Ungroup makes every Commit a transaction of its own.
func (db *DB) Ungroup() { db.engine.(*postgresEngine).groups = nil }

// LookAt bounds a round.
func (e *Ended) LookAt(n int64) { e.round = n }

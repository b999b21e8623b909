package store

import "context"

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

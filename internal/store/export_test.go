package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"renkei.dev/internal/audit"
)

// Tx is what changes are applied in.
type Tx = tx

// ErrNone is what Scan returns when there is no row.
var ErrNone = errNone

// Channel is where changes are announced.
const Channel = channel

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

// Together makes one group of Commits, on PostgreSQL, and returns what became of
// each and of how many statements the group is.
func (in *Institution) Together(ctx context.Context, commits ...[]audit.Change) (errs []error, statements int, err error) {
	e := in.db.engine.(*postgresEngine)
	group := make([]*pgWaiting, len(commits))
	for i, changes := range commits {
		t := &pgTx{engine: e}
		for _, change := range changes {
			if err := in.apply(ctx, t, change); err != nil {
				return nil, 0, err
			}
			if err := in.record(ctx, t, change.Act()); err != nil {
				return nil, 0, err
			}
		}
		group[i] = &pgWaiting{waiting: waiting{done: make(chan error, 1)}, queued: t.queued, acts: t.acts, deadline: time.Now().Add(commitWithin)}
	}
	statements = len(bundled(group)) + 1 // that of the acts
	e.groups.commitGroup(slices.Clone(group))
	for _, r := range group {
		errs = append(errs, <-r.done)
	}
	return errs, statements, nil
}

// ErrAlone is what a Commit is told that has to be tried outside of its group.
var ErrAlone = errAlone

// BundledOrder returns, for Commits that have statements of these kinds in this
// order, the kinds as they go to the database and how many of each.
func BundledOrder(commits ...string) (order []string) {
	kinds := map[rune]*effect{}
	var group []*pgWaiting
	for _, c := range commits {
		r := &pgWaiting{}
		for _, kind := range c {
			if kinds[kind] == nil && kind != '-' { // '-' is no effect
				kinds[kind] = &effect{one: string(kind)}
			}
			r.queued = append(r.queued, queued{sql: string(kind), effect: kinds[kind]})
		}
		group = append(group, r)
	}
	for _, b := range bundled(group) {
		all := ""
		for _, q := range b.pieces {
			all += q.sql
		}
		order = append(order, all)
	}
	return order
}

// Effect is one of the statements that many Commits run.
type Effect struct {
	One, Many string
	Types     []string
}

// Effects returns all of them.
func Effects() (all []Effect) {
	for _, e := range effects {
		all = append(all, Effect{e.one, e.many, e.types})
	}
	return all
}

// LookUps returns the statements of look-ups that many make at the same time.
func LookUps() []string {
	all := []string{usedTokens}
	for _, l := range []*lookUp{
		accessTokenByKey, refreshTokenByKey, codeByKey, pushedByKey, journeyByID, sessionByDigest,
		pinInUse, pinsByAccounts.of(1), pinsByAccounts.of(3),
	} {
		all = append(all, l.one, l.many)
	}
	return all
}

// WriterPlan returns how the writers' connections of PostgreSQL would run a
// statement for whatever its parameters are.
func (db *DB) WriterPlan(ctx context.Context, e Effect) (plan string, err error) {
	return planned(ctx, db.engine.(*postgresEngine).groups.pool, e.Many)
}

// ReaderPlan is WriterPlan of the other connections.
func (db *DB) ReaderPlan(ctx context.Context, sql string) (plan string, err error) {
	return planned(ctx, db.engine.(*postgresEngine).pool, sql)
}

func planned(ctx context.Context, pool *pgxpool.Pool, sql string) (plan string, err error) {
	c, err := pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer c.Release()
	pg := c.Conn().PgConn()
	said, err := pg.Prepare(ctx, "looked", sql, nil)
	if err != nil {
		return "", err
	}
	nothing := strings.TrimSuffix(strings.Repeat("NULL, ", len(said.ParamOIDs)), ", ")
	rows, err := pg.Exec(ctx, `EXPLAIN EXECUTE looked (`+nothing+`)`).ReadAll()
	if err != nil {
		return "", err
	}
	for _, r := range rows[0].Rows {
		plan += string(r[0]) + "\n"
	}
	_, err = pg.Exec(ctx, `DEALLOCATE looked`).ReadAll()
	return plan, err
}

// AgainWithoutRows repeats a look-up that had scanned a row, and now finds none.
func (db *DB) AgainWithoutRows(ctx context.Context) error {
	q := &pgRead{
		ctx: ctx, look: accessTokenByKey, args: []any{int64(1), "nowhere", []byte{}}, scan: func(int, row) error { return nil },
		rows: 1, reads: db.engine.(*postgresEngine).reads,
	}
	return q.again(errors.New("the line broke"))
}

package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

// reader reads. Placeholders are $1, $2 …; times are BIGINT microseconds
// (micros, fromMicros); digests are passed as d[:]; there are no BOOLEAN
// columns; NULL is read into a pointer. Lists are JSON in a TEXT column.
type reader interface {
	// QueryRow reads at most one row; errors come from Scan, and errNone when
	// there is none.
	QueryRow(ctx context.Context, sql string, args ...any) row
	Query(ctx context.Context, sql string, args ...any) (rows, error)
}

// looker reads, and makes look-ups that can be made for many at once.
type looker interface {
	reader
	// Each calls scan for every row that a look-up finds, the first as number 0;
	// after a failure on the way it may begin anew with it. scan reads the row and
	// asks the database nothing: a connection may stand on that row.
	Each(ctx context.Context, l *lookUp, scan func(n int, r row) error, args ...any) error
	// Together is Each of look-ups none of which needs another's answer, in as few
	// round trips as can be. It is no snapshot.
	Together(ctx context.Context, all ...asked) error
}

// asked is one of the look-ups of Together.
type asked struct {
	look *lookUp
	args []any
	scan func(n int, r row) error
}

// lookUp is a look-up by key.
type lookUp struct {
	one string // for one key, as for Query
	// many is for PostgreSQL and all keys that are looked up at the same time: its
	// parameters are arrays of one's, and its rows begin with the number of their
	// key, from 1. Empty: there is none.
	many   string
	unique bool // whether a key has at most one row, so that no second is looked for
}

// lookUpBy makes a look-up of one SELECT; types are those of its parameters. Beside
// the keys stands the SELECT itself, which is planned as it would be alone: joined
// to a table that was empty when the plan was made, it would read all of it later.
func lookUpBy(one string, types ...string) *lookUp {
	arrays, names, inner := make([]string, len(types)), make([]string, len(types)), one
	for i := len(types); i > 0; i-- { // $12 before $1
		n := strconv.Itoa(i)
		arrays[i-1], names[i-1] = "$"+n+"::"+types[i-1]+"[]", "k"+n
		inner = strings.ReplaceAll(inner, "$"+n, "q.k"+n)
	}
	return &lookUp{one: one, many: "SELECT q.n, f.* FROM unnest(" + strings.Join(arrays, ", ") + ") WITH ORDINALITY AS q(" + strings.Join(names, ", ") +
		", n) CROSS JOIN LATERAL (" + inner + " OFFSET 0) AS f"}
}

// lookUpOne is lookUpBy of a key that has at most one row.
func lookUpOne(one string, types ...string) *lookUp {
	l := lookUpBy(one, types...)
	l.unique = true
	return l
}

// lookUpsBy is look-ups of several keys at once, one for each number of them.
type lookUpsBy struct {
	sql   string   // a SELECT, with ? where the keys stand
	first []string // types of the parameters before the keys
	key   string   // how a key is compared, with ? for each of its parameters
	or    string   // what stands between keys
	types []string // of a key's parameters
	made  sync.Map // number of keys → *lookUp
}

// of returns the look-up of n keys.
func (l *lookUpsBy) of(n int) *lookUp {
	if made, ok := l.made.Load(n); ok {
		return made.(*lookUp)
	}
	types, keys := slices.Clone(l.first), make([]string, n)
	for i := range keys {
		keys[i] = l.key
		for _, t := range l.types {
			types = append(types, t)
			keys[i] = strings.Replace(keys[i], "?", "$"+strconv.Itoa(len(types)), 1)
		}
	}
	made, _ := l.made.LoadOrStore(n, lookUpBy(strings.Replace(l.sql, "?", strings.Join(keys, l.or), 1), types...))
	return made.(*lookUp)
}

// into returns a scan that adds each row to a list.
func into[T any](list *[]T, scan func(row) (T, error)) func(int, row) error {
	return func(n int, r row) error {
		if n == 0 {
			*list = nil
		}
		one, err := scan(r)
		*list = append(*list, one)
		return err
	}
}

// find reads the one row of a look-up; errNone when there is none.
func find(ctx context.Context, from looker, l *lookUp, dest []any, args ...any) error {
	none := true
	err := from.Each(ctx, l, func(n int, r row) error {
		none = false
		if n > 0 {
			return nil
		}
		return r.Scan(dest...)
	}, args...)
	if err == nil && none {
		return errNone
	}
	return err
}

// tx is a transaction that a change is applied in. Must and Do may wait for
// each other and go to the database together; whoever uses only these two pays
// one round trip for the whole Commit, so prefer them to Exec, QueryRow and
// Query, whose answer has to be waited for.
type tx interface {
	reader
	// Exec runs a statement and returns how many rows it touched.
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	// Must runs one INSERT, UPDATE or DELETE without RETURNING; when it
	// touches no row, the whole Commit is fault.Conflict and nothing of it
	// happens. The error may come now or at the end of the Commit.
	Must(ctx context.Context, sql string, args ...any) error
	// MustOr is Must with the error that the Commit shall return instead, an
	// error of kind fault.Conflict with facts of its own.
	MustOr(ctx context.Context, conflict error, sql string, args ...any) error
	// Do runs one statement that may touch any number of rows.
	Do(ctx context.Context, sql string, args ...any) error
	// Apply is Must or Do, as the effect says; effects of Commits that wait at the
	// same time may become one statement.
	Apply(ctx context.Context, e *effect, args ...any) error
	// ApplyOr is Apply as MustOr is Must.
	ApplyOr(ctx context.Context, conflict error, e *effect, args ...any) error
	// Announce tells all nodes that the rows of a topic have changed, once the
	// transaction is committed.
	Announce(ctx context.Context, topic string) error
	// NextSeq returns the number of the next row of the audit log.
	NextSeq() int64
	// Keep adds a row to the audit log.
	Keep(ctx context.Context, r audit.Row) error
}

type row interface{ Scan(dest ...any) error }

type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

// work applies changes to a transaction. It may be called again, after all of
// its effects were taken back.
type work func(ctx context.Context, t tx) error

// errNone is what Scan returns when there is no row.
var errNone = errors.New("no row")

// errNoMore is why a Commit is a Conflict when Must touched no row.
var errNoMore = fault.New(fault.Conflict, "the change no longer holds")

// found turns the error of a look-up by id into one for the engines:
// fault.NotFound when there was no row.
func found(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNone):
		return fault.Wrap(fault.NotFound, doing, nil)
	}
	return failed(err, doing)
}

// failed says what we were doing when the database failed; nil stays nil.
func failed(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(kindOf(err), doing, err)
}

// collect reads all rows of a query by scan.
func collect[T any](rs rows, err error, doing string, scan func(row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, failed(err, doing)
	}
	defer rs.Close()
	var all []T
	for rs.Next() {
		one, err := scan(rs)
		if err != nil {
			return nil, failed(err, doing)
		}
		all = append(all, one)
	}
	return all, failed(rs.Err(), doing)
}

// micros is how a time is stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros reads what micros wrote.
func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

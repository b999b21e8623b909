package store

import (
	"context"
	"strconv"
	"strings"

	"renkei.dev/internal/fault"
)

// effect is a statement by which many Commits change rows: one INSERT, UPDATE or
// DELETE without RETURNING. Where a Commit has it twice in a row, it must not
// matter which of the two comes first.
type effect struct {
	one  string // for one Commit, as for Must and Do
	must bool   // it touches one row, or the Commit is a Conflict

	// alone and many are for PostgreSQL: one, failing where it has to, and the same
	// for all Commits that wait at the same time, whose parameters are arrays of
	// one's and which fails unless it touches as many rows as they are.
	alone, many string
	types       []string // of the parameters: text, bigint or bytea
}

// mustBy makes the effect of a statement that has to touch its row.
func mustBy(one string, types ...string) *effect {
	e := doBy(one, types...)
	e.must = true
	if strings.Contains(e.one, ") VALUES (") && !strings.Contains(e.one, " ON CONFLICT ") {
		return e // it adds its row or fails
	}
	e.alone = wrapMust(e.one)
	e.many = `WITH touched AS (` + e.many + ` RETURNING 1) SELECT 1 / CASE WHEN count(*) = cardinality($1::` + types[0] + `[]) THEN 1 ELSE 0 END FROM touched`
	return e
}

// doBy makes the effect of a statement that may touch no row.
func doBy(one string, types ...string) *effect {
	one = strings.Join(strings.Fields(one), " ")
	e := &effect{one: one, alone: one, many: overArrays(one, types), types: types}
	effects = append(effects, e)
	return e
}

// effects are all that there are.
var effects []*effect

// overArrays makes of a statement the one that does the same for every element of
// its parameters, now arrays; q holds them, a row for each.
func overArrays(one string, types []string) string {
	arrays, names, each := make([]string, len(types)), make([]string, len(types)), one
	for i := len(types); i > 0; i-- { // $12 before $1
		n := strconv.Itoa(i)
		arrays[i-1], names[i-1] = "$"+n+"::"+types[i-1]+"[]", "k"+n
		each = strings.ReplaceAll(each, "$"+n, "q.k"+n)
	}
	q := "unnest(" + strings.Join(arrays, ", ") + ") AS q(" + strings.Join(names, ", ") + ")"
	head, where, conditional := strings.Cut(each, " WHERE ")
	switch {
	case strings.HasPrefix(each, "UPDATE ") && conditional:
		return head + " FROM " + q + " WHERE " + where
	case strings.HasPrefix(each, "DELETE ") && conditional:
		return head + " USING " + q + " WHERE " + where
	}
	each, conflict, either := strings.Cut(each, " ON CONFLICT ")
	if either {
		conflict = " ON CONFLICT " + conflict
	}
	if strings.Contains(conflict, "q.k") {
		panic("store: no parameter can stand behind ON CONFLICT of " + one)
	}
	if into, values, ok := strings.Cut(each, ") VALUES ("); ok {
		return into + ") SELECT " + strings.TrimSuffix(values, ")") + " FROM " + q + conflict
	}
	// Beside the elements stands the SELECT itself, as in a look-up of many.
	into, from, ok := strings.Cut(each, ") SELECT ")
	if !ok {
		panic("store: there is no way to run for many " + one)
	}
	return into + ") SELECT f.* FROM " + q + " CROSS JOIN LATERAL (SELECT " + from + " OFFSET 0) AS f" + conflict
}

// Apply runs the effect now.
func (c *sqliteConn) Apply(ctx context.Context, e *effect, args ...any) error {
	return c.ApplyOr(ctx, errNoMore, e, args...)
}

// ApplyOr is Apply with an error of its own.
func (c *sqliteConn) ApplyOr(ctx context.Context, conflict error, e *effect, args ...any) error {
	if e.must {
		return c.MustOr(ctx, conflict, e.one, args...)
	}
	return c.Do(ctx, e.one, args...)
}

// Apply puts the effect beside those of the Commits that wait at the same time.
func (t *pgTx) Apply(ctx context.Context, e *effect, args ...any) error {
	return t.ApplyOr(ctx, errNoMore, e, args...)
}

// ApplyOr is Apply with an error of its own.
func (t *pgTx) ApplyOr(_ context.Context, conflict error, e *effect, args ...any) error {
	if !e.must {
		conflict = nil
	}
	if !e.takes(args) {
		return fault.New(fault.Internal, "other parameters than declared: %s", e.one)
	}
	t.queued = append(t.queued, queued{e.alone, args, conflict, e})
	return nil
}

// takes tells whether args are of the declared types, and makes int64 of int.
func (e *effect) takes(args []any) bool {
	if len(args) != len(e.types) {
		return false
	}
	for i, a := range args {
		is := ""
		switch a := a.(type) {
		case int:
			args[i], is = int64(a), "bigint"
		case int64:
			is = "bigint"
		case string, *string:
			is = "text"
		case []byte:
			is = "bytea"
		}
		if is != e.types[i] {
			return false
		}
	}
	return true
}

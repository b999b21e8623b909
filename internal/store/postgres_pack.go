package store

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// bundle is what one statement does for several Commits.
type bundle struct {
	effect *effect // nil: it is of one piece
	pieces []*queued
}

// bundled puts the effects of one kind beside each other, whoever's they are. The
// statements of a Commit stay in their order; between those of several there is
// none.
func bundled(group []*pgWaiting) []bundle {
	var all []bundle
	for _, r := range group {
		at := -1 // where the last statement of this Commit went
		for i := range r.queued {
			q := &r.queued[i]
			fits := func(b bundle) bool { return q.effect != nil && b.effect == q.effect }
			if n := slices.IndexFunc(all[max(at, 0):], fits); n >= 0 {
				at = max(at, 0) + n
				all[at].pieces = append(all[at].pieces, q)
				continue
			}
			at++
			all = slices.Insert(all, at, bundle{q.effect, []*queued{q}})
		}
	}
	return all
}

// repeats tells whether a Commit has an effect twice in a row, such as remembering
// an assertion and a proof.
func (r *pgWaiting) repeats() bool {
	for i, q := range r.queued {
		if i > 0 && q.effect != nil && q.effect == r.queued[i-1].effect {
			return true
		}
	}
	return false
}

// statement returns what the bundle is for the database. Its pieces are in the
// order of their parameters, so that two groups take the locks of the same rows in
// the same order.
func (b bundle) statement() (sql string, args []any) {
	if len(b.pieces) == 1 {
		return b.pieces[0].sql, b.pieces[0].args
	}
	slices.SortStableFunc(b.pieces, func(x, y *queued) int { return slices.CompareFunc(x.args, y.args, compareArgs) })
	args = make([]any, len(b.effect.types))
	for i, t := range b.effect.types {
		var all bool
		switch t {
		case "bigint":
			args[i], _ = columnIn[int64](b, i)
		case "bytea":
			args[i], _ = columnIn[[]byte](b, i)
		default:
			if args[i], all = columnIn[string](b, i); !all {
				args[i] = nullable(b, i)
			}
		}
	}
	return b.effect.many, args
}

// columnIn returns one parameter of all pieces; false when one is of another type.
func columnIn[T any](b bundle, i int) (column []T, all bool) {
	column, all = make([]T, len(b.pieces)), true
	for n, q := range b.pieces {
		is := false
		column[n], is = q.args[i].(T)
		all = all && is
	}
	return column, all
}

func nullable(b bundle, i int) []*string {
	column := make([]*string, len(b.pieces))
	for n, q := range b.pieces {
		switch s := q.args[i].(type) {
		case string:
			column[n] = &s
		case *string:
			column[n] = s
		}
	}
	return column
}

// compareArgs orders parameters of one place; those that may be NULL are all the
// same, since no key is one.
func compareArgs(a, b any) int {
	switch a := a.(type) {
	case int64:
		b, _ := b.(int64)
		return cmp.Compare(a, b)
	case string:
		b, _ := b.(string)
		return strings.Compare(a, b)
	case []byte:
		b, _ := b.([]byte)
		return bytes.Compare(a, b)
	}
	return 0
}

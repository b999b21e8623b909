package store

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"slices"

	"zombiezen.com/go/sqlite"
)

// sqliteStatement is a prepared statement, and as a row the one it stands on.
type sqliteStatement struct {
	*sqlite.Stmt
	width     int   // how many columns its rows have
	arguments []int // which argument each parameter takes: SQLite counts parameters as they appear

	values []sqliteValue // room for a row that is being read
	text   []byte        // and for its texts
}

// take gives the statement its arguments.
func (s *sqliteStatement) take(args []any) error {
	for i, n := range s.arguments {
		if n >= len(args) {
			return fmt.Errorf("parameter $%d has no argument", n+1)
		}
		if !s.bind(i+1, args[n]) {
			plain, err := driver.DefaultParameterConverter.ConvertValue(args[n])
			if err == nil && !s.bind(i+1, plain) {
				err = fmt.Errorf("it is a %T", plain)
			}
			if err != nil {
				return fmt.Errorf("parameter $%d: %w", n+1, err)
			}
		}
	}
	return nil
}

// each calls scan while the statement stands on each of its rows, or only on the first.
func (s *sqliteStatement) each(args []any, single bool, scan func(n int, r row) error) (err error) {
	defer func() { err = s.end(err) }()
	err = s.take(args)
	for n := 0; err == nil && (n == 0 || !single); n++ {
		more, failed := s.Step()
		if failed != nil || !more {
			return failed
		}
		err = scan(n, s)
	}
	return err
}

// end makes the statement ready for its next use and lets go of what it read. It
// returns err, or what became of the end itself.
func (s *sqliteStatement) end(err error) error {
	if s == nil {
		return err
	}
	if ending := s.Reset(); err == nil {
		err = ending
	}
	return err
}

// bind tells whether it knows what arg is.
func (s *sqliteStatement) bind(at int, arg any) bool {
	switch v := arg.(type) {
	case string:
		s.BindText(at, v)
	case int64:
		s.BindInt64(at, v)
	case []byte:
		if v == nil {
			s.BindNull(at)
		} else {
			s.BindBytes(at, v)
		}
	case int:
		s.BindInt64(at, int64(v))
	case bool:
		s.BindBool(at, v)
	case float64:
		s.BindFloat(at, v)
	case nil:
		s.BindNull(at)
	default:
		return false
	}
	return true
}

func (s *sqliteStatement) Scan(dest ...any) error {
	if len(dest) != s.width {
		return fmt.Errorf("%d places for %d columns", len(dest), s.width)
	}
	s.values = s.read(s.values[:0])
	defer clear(s.values)
	for i, d := range dest {
		if err := assign(d, &s.values[i]); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

// mostTextKept bounds the room for texts that a statement keeps, in bytes.
const mostTextKept = 64 << 10

// read adds the values of the row that the statement stands on. All of its texts
// are parts of one string, which is one allocation instead of a dozen.
func (s *sqliteStatement) read(values []sqliteValue) []sqliteValue {
	first := len(values)
	s.text = s.text[:0]
	for i := range s.width {
		v := sqliteValue{kind: s.ColumnType(i)}
		switch v.kind {
		case sqlite.TypeInteger:
			v.n = s.ColumnInt64(i)
		case sqlite.TypeText, sqlite.TypeBlob:
			at := len(s.text)
			s.text = slices.Grow(s.text, s.ColumnLen(i))
			s.text = s.text[:at+s.ColumnBytes(i, s.text[at:cap(s.text)])]
			v.n = int64(len(s.text)) // where it ends
		case sqlite.TypeFloat:
			v.n = int64(math.Float64bits(s.ColumnFloat(i)))
		}
		values = append(values, v)
	}
	text, at := string(s.text), int64(0)
	for i := first; i < len(values); i++ {
		if v := &values[i]; v.kind == sqlite.TypeText || v.kind == sqlite.TypeBlob {
			v.text, at = text[at:v.n], v.n
		}
	}
	if cap(s.text) > mostTextKept {
		s.text = nil
	}
	return values
}

// sqliteValue is what stands in one column of a row.
type sqliteValue struct {
	kind sqlite.ColumnType
	n    int64  // an integer, the bits of a float, or where a text ends
	text string // a BLOB too
}

func (v *sqliteValue) any() any {
	switch v.kind {
	case sqlite.TypeInteger:
		return v.n
	case sqlite.TypeText:
		return v.text
	case sqlite.TypeBlob:
		return []byte(v.text)
	case sqlite.TypeFloat:
		return math.Float64frombits(uint64(v.n))
	}
	return nil
}

// readRows are rows that were read already. As a row, it is the current one.
type readRows struct {
	width  int
	values []sqliteValue
	next   int // the row after the current one
}

func (r *readRows) add(s *sqliteStatement) {
	r.width, r.values = s.width, s.read(r.values)
}

func (r *readRows) Next() bool {
	if r.width == 0 || (r.next+1)*r.width > len(r.values) {
		return false
	}
	r.next++
	return true
}

func (r *readRows) Scan(dest ...any) error {
	at := (r.next - 1) * r.width
	if r.next == 0 {
		return errNone
	}
	if len(dest) != r.width {
		return fmt.Errorf("%d places for %d columns", len(dest), r.width)
	}
	for i, d := range dest {
		if err := assign(d, &r.values[at+i]); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

func (r *readRows) Err() error { return nil }
func (r *readRows) Close()     {}

type failedRow struct{ err error }

func (f failedRow) Scan(...any) error { return f.err }

// assign puts a value where dest points to. It is as strict as pgx: no number
// becomes a text, and NULL wants a pointer.
func assign(dest any, v *sqliteValue) error {
	switch d := dest.(type) {
	case *string:
		if v.kind == sqlite.TypeText {
			*d = v.text
			return nil
		}
	case *int64:
		if v.kind == sqlite.TypeInteger {
			*d = v.n
			return nil
		}
	case **int64:
		switch v.kind {
		case sqlite.TypeInteger:
			n := v.n
			*d = &n
			return nil
		case sqlite.TypeNull:
			*d = nil
			return nil
		}
	case *[]byte:
		switch v.kind {
		case sqlite.TypeBlob:
			*d = []byte(v.text)
			return nil
		case sqlite.TypeNull:
			*d = nil
			return nil
		}
	case *any:
		*d = v.any()
		return nil
	case sql.Scanner:
		return d.Scan(v.any())
	}
	return assignByKind(reflect.ValueOf(dest), v)
}

func assignByKind(dest reflect.Value, v *sqliteValue) error {
	if dest.Kind() != reflect.Pointer || dest.IsNil() {
		return fmt.Errorf("cannot read into a %s", dest.Type())
	}
	to := dest.Elem()
	if to.Kind() == reflect.Pointer {
		if v.kind == sqlite.TypeNull {
			to.SetZero()
			return nil
		}
		to.Set(reflect.New(to.Type().Elem()))
		return assign(to.Interface(), v)
	}
	bytes := to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8
	switch v.kind {
	case sqlite.TypeInteger:
		switch {
		case to.CanInt() && !to.OverflowInt(v.n):
			to.SetInt(v.n)
			return nil
		case to.CanUint() && v.n >= 0 && !to.OverflowUint(uint64(v.n)):
			to.SetUint(uint64(v.n))
			return nil
		case to.Kind() == reflect.Bool && (v.n == 0 || v.n == 1):
			to.SetBool(v.n == 1)
			return nil
		}
	case sqlite.TypeText:
		switch {
		case to.Kind() == reflect.String:
			to.SetString(v.text)
			return nil
		case bytes:
			to.SetBytes([]byte(v.text))
			return nil
		}
	case sqlite.TypeBlob:
		if bytes {
			to.SetBytes([]byte(v.text))
			return nil
		}
	case sqlite.TypeFloat:
		if to.CanFloat() {
			to.SetFloat(math.Float64frombits(uint64(v.n)))
			return nil
		}
	}
	return fmt.Errorf("cannot read a %T into a %s", v.any(), to.Type())
}

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"
	"slices"

	"modernc.org/sqlite"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

// sqliteConn is one connection with its prepared statements, spoken to without
// database/sql between, which would cost as much again as a look-up by key. One
// goroutine uses it at a time. As a tx, everything runs at once.
type sqliteConn struct {
	conn       driver.Conn
	statements map[string]statement
	named      []driver.NamedValue
	seq        int64 // the last number of the audit log, during a transaction of the writer
}

func (c *sqliteConn) NextSeq() int64 {
	c.seq++
	return c.seq
}

type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func connectSQLite(ctx context.Context, dsn string) (*sqliteConn, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, failed(err, "read the name of the database file")
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, failed(err, "open the database file")
	}
	return &sqliteConn{conn: conn, statements: map[string]statement{}}, nil
}

func (c *sqliteConn) Keep(ctx context.Context, r audit.Row) error {
	return c.Do(ctx, `INSERT INTO audit (seq, institution, at, name, entry, mac) VALUES ($1, $2, $3, $4, $5, $6)`,
		r.Seq, r.Institution, r.At, string(r.Name), r.Entry, r.MAC)
}

// Announce has nobody to tell: the process itself knows what it commits.
func (c *sqliteConn) Announce(context.Context, string) error { return nil }

func (c *sqliteConn) close() error {
	for _, s := range c.statements {
		s.Close()
	}
	c.statements = nil
	return failed(c.conn.Close(), "close the database file")
}

func (c *sqliteConn) prepare(sql string, args []any) (statement, []driver.NamedValue, error) {
	s, ok := c.statements[sql]
	if !ok {
		prepared, err := c.conn.Prepare(sql)
		if err != nil {
			return nil, nil, err
		}
		s = prepared.(statement)
		c.statements[sql] = s
	}
	c.named = c.named[:0]
	for i, arg := range args {
		v, err := valueOf(arg)
		if err != nil {
			return nil, nil, fmt.Errorf("parameter $%d: %w", i+1, err)
		}
		c.named = append(c.named, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s, c.named, nil
}

// valueOf turns an argument into one of the few types that a driver takes.
func valueOf(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case nil, int64, string, []byte, float64:
		return v, nil
	case int:
		return int64(v), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	}
	return driver.DefaultParameterConverter.ConvertValue(arg)
}

// No context reaches the driver: a statement on a local file ends by itself,
// and a watcher for each would cost more than the statement.

func (c *sqliteConn) Exec(_ context.Context, sql string, args ...any) (int64, error) {
	s, named, err := c.prepare(sql, args)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(context.Background(), named)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (c *sqliteConn) Must(ctx context.Context, sql string, args ...any) error {
	return c.MustOr(ctx, errNoMore, sql, args...)
}

func (c *sqliteConn) MustOr(ctx context.Context, conflict error, sql string, args ...any) error {
	n, err := c.Exec(ctx, sql, args...)
	if err == nil && n == 0 || err != nil && kindOf(err) == fault.Conflict {
		return conflict
	}
	return err
}

func (c *sqliteConn) Do(ctx context.Context, sql string, args ...any) error {
	_, err := c.Exec(ctx, sql, args...)
	return err
}

func (c *sqliteConn) QueryRow(_ context.Context, sql string, args ...any) row {
	rs, err := c.query(sql, args, true)
	if err != nil {
		return failedRow{err}
	}
	return &rs
}

func (c *sqliteConn) Query(_ context.Context, sql string, args ...any) (rows, error) {
	rs, err := c.query(sql, args, false)
	if err != nil {
		return nil, err
	}
	return &rs, nil
}

// query reads all rows before it returns, or only the first, so that no
// statement stays open behind its reader.
func (c *sqliteConn) query(sql string, args []any, single bool) (rs readRows, err error) {
	s, named, err := c.prepare(sql, args)
	if err != nil {
		return rs, err
	}
	open, err := s.QueryContext(context.Background(), named)
	if err != nil {
		return rs, err
	}
	defer func() {
		if closing := open.Close(); err == nil {
			err = closing
		}
	}()
	rs.width = len(open.Columns())
	for {
		n := len(rs.values)
		rs.values = slices.Grow(rs.values, rs.width)[:n+rs.width]
		switch err := open.Next(rs.values[n:]); {
		case err == io.EOF:
			rs.values = rs.values[:n]
			return rs, nil
		case err != nil:
			return rs, err
		case single:
			return rs, nil
		}
	}
}

// readRows are rows that were read already. As a row, it is its first.
type readRows struct {
	width  int
	values []driver.Value
	next   int // the row after the current one
}

func (r *readRows) Next() bool {
	if r.width == 0 || (r.next+1)*r.width > len(r.values) {
		return false
	}
	r.next++
	return true
}

func (r *readRows) Scan(dest ...any) error {
	at := max(r.next-1, 0) * r.width
	if at >= len(r.values) {
		return errNone
	}
	if len(dest) != r.width {
		return fmt.Errorf("%d places for %d columns", len(dest), r.width)
	}
	for i, d := range dest {
		if err := assign(d, r.values[at+i]); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

func (r *readRows) Err() error { return nil }
func (r *readRows) Close()     {}

type failedRow struct{ err error }

func (f failedRow) Scan(...any) error { return f.err }

// assign puts a value that the driver read where dest points to. It is as
// strict as pgx: no number becomes a text, and NULL wants a pointer.
func assign(dest any, v driver.Value) error {
	switch d := dest.(type) {
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return nil
		}
	case *string:
		if s, ok := v.(string); ok {
			*d = s
			return nil
		}
	case *[]byte:
		switch b := v.(type) {
		case []byte:
			*d = b
			return nil
		case nil:
			*d = nil
			return nil
		}
	case *any:
		*d = v
		return nil
	case sql.Scanner:
		return d.Scan(v)
	}
	return assignByKind(reflect.ValueOf(dest), v)
}

func assignByKind(dest reflect.Value, v driver.Value) error {
	if dest.Kind() != reflect.Pointer || dest.IsNil() {
		return fmt.Errorf("cannot read into a %s", dest.Type())
	}
	to := dest.Elem()
	if to.Kind() == reflect.Pointer {
		if v == nil {
			to.SetZero()
			return nil
		}
		to.Set(reflect.New(to.Type().Elem()))
		return assign(to.Interface(), v)
	}
	switch from := v.(type) {
	case int64:
		switch {
		case to.CanInt() && !to.OverflowInt(from):
			to.SetInt(from)
			return nil
		case to.CanUint() && from >= 0 && !to.OverflowUint(uint64(from)):
			to.SetUint(uint64(from))
			return nil
		case to.Kind() == reflect.Bool && (from == 0 || from == 1):
			to.SetBool(from == 1)
			return nil
		}
	case string:
		switch {
		case to.Kind() == reflect.String:
			to.SetString(from)
			return nil
		case to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8:
			to.SetBytes([]byte(from))
			return nil
		}
	case []byte:
		if to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8 {
			to.SetBytes(from)
			return nil
		}
	case float64:
		if to.CanFloat() {
			to.SetFloat(from)
			return nil
		}
	}
	return fmt.Errorf("cannot read a %T into a %s", v, to.Type())
}

package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

// sqliteConn is one connection with its prepared statements. It speaks to SQLite
// itself: database/sql, and the driver beneath it too, cost more than a look-up
// by key. One goroutine uses it at a time. As a tx, everything runs at once.
//
// No context reaches a statement: on a local file it ends by itself, and a
// watcher for each would cost more than the statement.
type sqliteConn struct {
	conn       *sqlite.Conn
	statements map[string]*sqliteStatement
	looks      map[*lookUp]*sqliteStatement // some of statements, found without reading their text
	seq        int64                        // the last number of the audit log, during a transaction of the writer
}

// connectSQLite opens the file at a sqlite:PATH, which must be there, with our
// settings and those of more.
func connectSQLite(ctx context.Context, address string, more ...sqliteSetting) (*sqliteConn, error) {
	conn, err := sqlite.OpenConn(sqliteFile(address), sqlite.OpenReadWrite|sqlite.OpenURI)
	if err != nil {
		return nil, failed(err, "open the database file")
	}
	conn.SetBusyTimeout(busyFor)
	c := &sqliteConn{conn: conn, statements: map[string]*sqliteStatement{}, looks: map[*lookUp]*sqliteStatement{}}
	for _, s := range slices.Concat(sqliteSettings, more) {
		if err := c.set(ctx, s); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// set makes a setting and makes sure that it took: SQLite passes over what it
// does not know.
func (c *sqliteConn) set(ctx context.Context, s sqliteSetting) error {
	if _, err := c.Exec(ctx, `PRAGMA `+s.name+` = `+s.to); err != nil {
		return failed(err, "open the database file: set "+s.name)
	}
	var is any
	if err := c.QueryRow(ctx, `PRAGMA `+s.name).Scan(&is); err != nil {
		return failed(err, "open the database file: ask for "+s.name)
	}
	if fmt.Sprint(is) != s.to {
		return fault.New(fault.Unavailable, "the database file cannot be used with %s %s but only with %v: is it on a network file system?", s.name, s.to, is)
	}
	return nil
}

func (c *sqliteConn) NextSeq() int64 {
	c.seq++
	return c.seq
}

func (c *sqliteConn) Keep(ctx context.Context, r audit.Row) error {
	return c.Do(ctx, `INSERT INTO audit (seq, institution, at, name, entry, mac) VALUES ($1, $2, $3, $4, $5, $6)`,
		r.Seq, r.Institution, r.At, string(r.Name), r.Entry, r.MAC)
}

// Announce has nobody to tell: the process itself knows what it commits.
func (c *sqliteConn) Announce(context.Context, string) error { return nil }

func (c *sqliteConn) close() error {
	c.statements, c.looks = nil, nil
	return failed(c.conn.Close(), "close the database file") // its statements too
}

func (c *sqliteConn) Exec(_ context.Context, sql string, args ...any) (int64, error) {
	s, err := c.begin(sql, args)
	for more := true; err == nil && more; {
		more, err = s.Step()
	}
	if err != nil {
		return 0, s.end(err)
	}
	n := c.conn.Changes()
	return int64(n), s.end(nil)
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
	return &sqliteAsked{c, sql, args}
}

// sqliteAsked is the first row of a query that is made when it is read.
type sqliteAsked struct {
	conn *sqliteConn
	sql  string
	args []any
}

func (a *sqliteAsked) Scan(dest ...any) error { return a.conn.first(a.sql, a.args, dest) }

// first reads the first row of a query; errNone when there is none.
func (c *sqliteConn) first(sql string, args []any, dest []any) error {
	s, err := c.begin(sql, args)
	if err == nil {
		var found bool
		switch found, err = s.Step(); {
		case err == nil && !found:
			err = errNone
		case err == nil:
			err = s.Scan(dest...)
		}
	}
	return s.end(err)
}

// look calls scan while a look-up stands on each of its rows.
func (c *sqliteConn) look(l *lookUp, args []any, scan func(n int, r row) error) (err error) {
	s := c.looks[l]
	if s == nil {
		if s, err = c.statement(l.one); err != nil {
			return err
		}
		c.looks[l] = s
	}
	return s.each(args, l.unique, scan)
}

func (c *sqliteConn) Query(_ context.Context, sql string, args ...any) (rows, error) {
	rs, err := c.all(sql, args)
	if err != nil {
		return nil, err
	}
	return rs, nil
}

// all reads all rows before it returns, so that no statement stays open behind
// its reader.
func (c *sqliteConn) all(sql string, args []any) (*readRows, error) {
	rs := &readRows{}
	s, err := c.statement(sql)
	if err != nil {
		return rs, err
	}
	err = s.each(args, false, func(_ int, r row) error {
		rs.add(r.(*sqliteStatement))
		return nil
	})
	return rs, err
}

// begin finds a statement and gives it its arguments. Whoever began it ends it, also
// after an error.
func (c *sqliteConn) begin(sql string, args []any) (*sqliteStatement, error) {
	s, err := c.statement(sql)
	if err != nil {
		return nil, err
	}
	return s, s.take(args)
}

// statement prepares a statement, unless it was before.
func (c *sqliteConn) statement(sql string) (*sqliteStatement, error) {
	if s, ok := c.statements[sql]; ok {
		return s, nil
	}
	s, err := c.prepare(sql)
	if err == nil {
		c.statements[sql] = s
	}
	return s, err
}

func (c *sqliteConn) prepare(sql string) (*sqliteStatement, error) {
	prepared, err := c.conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	s := &sqliteStatement{Stmt: prepared, width: prepared.ColumnCount(), arguments: make([]int, prepared.BindParamCount())}
	for i := range s.arguments {
		name := prepared.BindParamName(i + 1)
		if name == "" { // ?
			s.arguments[i] = i
			continue
		}
		n, err := strconv.Atoi(strings.TrimPrefix(name, "$"))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("a parameter is %q and not $ and a number", name)
		}
		s.arguments[i] = n - 1
	}
	return s, nil
}

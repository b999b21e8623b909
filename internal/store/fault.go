package store

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"

	"renkei.dev/internal/fault"
)

// kindOf maps what a driver says to the kinds that an edge can tell apart: a
// row that is there already is a Conflict, a database that cannot work now is
// Unavailable, and what is left is a bug of ours.
func kindOf(err error) fault.Kind {
	if k, ok := errors.AsType[fault.Kind](err); ok {
		return k
	}
	if code, ok := codeOfSQLite(err); ok {
		return kindOfSQLite(code)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return kindOfPostgres(e.Code)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return fault.Unavailable
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, puddle.ErrClosedPool), pgconn.SafeToRetry(err):
		return fault.Unavailable
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fault.Unavailable
	}
	return fault.Internal
}

// codeOfSQLite returns the extended result code of an error of SQLite, whichever
// way to it was taken.
func codeOfSQLite(err error) (int, bool) {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code(), true
	}
	code := sqlite.ErrCode(err)
	return int(code), code != sqlite.ResultOK && code != sqlite.ResultError
}

func kindOfSQLite(code int) fault.Kind {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fault.Conflict
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_PERM:
		return fault.Unavailable
	}
	return fault.Internal
}

// brokenSQLite tells whether a connection should not be used again: after a
// failed write what its cache holds is not surely what the file holds.
func brokenSQLite(err error) bool {
	code, ok := codeOfSQLite(err)
	if !ok {
		return false
	}
	switch code & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_MISUSE:
		return true
	}
	return false
}

func kindOfPostgres(code string) fault.Kind {
	switch code {
	case "23505", "23503": // unique_violation, foreign_key_violation
		return fault.Conflict
	case divisionByZero:
		return fault.Conflict // mustTouch makes it
	case "25006", "40001", "40P01", lockNotAvailable: // read-only (a standby), serialization, deadlock, lock not available
		return fault.Unavailable
	}
	if len(code) == 5 {
		switch code[:2] {
		case "08", "53", "57", "58": // connection, resources, operator intervention, system
			return fault.Unavailable
		}
	}
	return fault.Internal
}

package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "modernc.org/sqlite/lib"
)

// plainly is a driver's error in words of ours, which say what to do.
type plainly struct {
	sentence string
	cause    error
}

func (p plainly) Error() string { return p.sentence }
func (p plainly) Unwrap() error { return p.cause }

// plain says why a database cannot be opened, for whoever reads it at a terminal;
// what it does not know stays in the driver's words.
func plain(err error) error {
	sentence := ""
	if code, is := codeOfSQLite(err); is {
		sentence = plainSQLite(code)
	} else if e, is := errors.AsType[*pgconn.PgError](err); is {
		sentence = plainPostgres(e)
	} else if e, is := errors.AsType[*pgconn.ConnectError](err); is {
		sentence = plainConnect(e)
	}
	if sentence == "" {
		return err
	}
	return plainly{sentence, err}
}

func plainSQLite(code int) string {
	switch code & 0xff {
	case sqlite3.SQLITE_CANTOPEN:
		return "its file cannot be opened: look whether the path in database.url is right, and whether this user may read and write the file and its folder"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return "its file cannot be written to: this user needs the right to write the file and its folder"
	case sqlite3.SQLITE_NOTADB:
		return "its file is not a SQLite database: look whether the path in database.url is right"
	case sqlite3.SQLITE_CORRUPT:
		return "its file is damaged: restore a backup into a new one (`renkei db restore`)"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another program holds its file: try again when that is done"
	case sqlite3.SQLITE_FULL:
		return "the disk of its file is full"
	case sqlite3.SQLITE_IOERR:
		return "its file cannot be read: look at the disk, which must be a local one"
	}
	return ""
}

func plainPostgres(e *pgconn.PgError) string {
	const says = " (PostgreSQL says: %s)"
	switch {
	case strings.HasPrefix(e.Code, "28"): // invalid authorization specification
		return fmt.Sprintf("its server lets this user not in: look at the user in database.url, and at password_file"+says, e.Message)
	case e.Code == "3D000":
		return fmt.Sprintf("its server has no such database: create it, or look at database.url"+says, e.Message)
	case e.Code == "42501":
		return fmt.Sprintf("its role lacks a right: it needs to own its database, or a schema of its own"+says, e.Message)
	case strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57P"): // resources, operator intervention
		return fmt.Sprintf("its server cannot serve now: try again, and look at its log"+says, e.Message)
	}
	return ""
}

func plainConnect(e *pgconn.ConnectError) string {
	at := net.JoinHostPort(e.Config.Host, fmt.Sprint(e.Config.Port))
	const look = ": look whether it runs and whether database.url is right"
	if unknown, is := errors.AsType[*net.DNSError](e); is && unknown.IsNotFound {
		return fmt.Sprintf("the name %s has no address: look at database.url", unknown.Name)
	}
	if errno, is := errors.AsType[syscall.Errno](e); is {
		return "no server answers at " + at + " (" + errno.Error() + ")" + look
	}
	if errors.Is(e, os.ErrDeadlineExceeded) || errors.Is(e, context.DeadlineExceeded) {
		return "no server answers at " + at + " in time" + look
	}
	var whys []string // of each address that was tried
	for why := range strings.Lines(e.Unwrap().Error()) {
		if why = strings.TrimSpace(why); !slices.Contains(whys, why) {
			whys = append(whys, why)
		}
	}
	return "no connection to " + at + " could be made (" + strings.Join(whys, "; ") + ")" + look
}

package store

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"renkei.dev/internal/fault"
)

// oldestSQLite is the first version without the fault by which resetting the
// write-ahead log could lose what had been committed.
const oldestSQLite = "3.51.3"

// busyFor bounds how long a statement waits for another process's lock.
const busyFor = 5 * time.Second

// sqliteSetting is a PRAGMA and the value that it then tells.
type sqliteSetting struct{ name, to string }

// sqliteSettings are those of every connection.
var sqliteSettings = []sqliteSetting{
	{"journal_mode", "wal"},
	{"synchronous", "2"}, // FULL
	{"foreign_keys", "1"},
}

// readingOnly is for a connection that never writes.
var readingOnly = sqliteSetting{"query_only", "1"}

// sqliteFile returns SQLite's name for the file at a sqlite:PATH.
func sqliteFile(address string) string {
	return "file:" + (&url.URL{Path: strings.TrimPrefix(address, "sqlite:")}).EscapedPath()
}

// sqliteDSN returns the name for database/sql of the same file with the same
// settings, for what is not in a hurry.
func sqliteDSN(address string, more ...string) string {
	settings := []string{"_pragma=busy_timeout(" + strconv.Itoa(int(busyFor/time.Millisecond)) + ")"}
	for _, s := range sqliteSettings {
		settings = append(settings, "_pragma="+s.name+"("+s.to+")")
	}
	return sqliteFile(address) + "?" + strings.Join(append(settings, more...), "&")
}

// createPrivate makes the file, readable by its owner alone, unless it exists.
// One that exists is not opened: to close it would drop the locks that this
// process may have on it.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return f.Close()
}

// makeFile makes the file of a SQLite database, unless it exists.
func makeFile(cfg Config) error {
	if path, ok := strings.CutPrefix(cfg.URL, "sqlite:"); ok {
		if err := createPrivate(path); err != nil {
			return fault.Wrap(fault.Unavailable, "open the database file", err)
		}
	}
	return nil
}

// checkSQLite refuses a version of SQLite that is not safe.
func checkSQLite(ctx context.Context, c *sqliteConn) error {
	var version string
	if err := c.QueryRow(ctx, `SELECT sqlite_version()`).Scan(&version); err != nil {
		return failed(err, "ask the version of SQLite")
	}
	if olderVersion(version, oldestSQLite) {
		return fault.New(fault.Internal, "SQLite %s can lose commits: %s is the oldest that will do", version, oldestSQLite)
	}
	return nil
}

// olderVersion compares dotted numbers.
func olderVersion(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range bs {
		if i >= len(as) {
			return true
		}
		if as[i] != bs[i] {
			return len(as[i]) < len(bs[i]) || len(as[i]) == len(bs[i]) && as[i] < bs[i]
		}
	}
	return false
}

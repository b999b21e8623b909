package store

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

// A backup is gzipped lines of JSON: a head, then for each table its name and
// columns and a line for each row, then an end with the number of rows and the
// digest of all that came before. It can be restored into either database. What
// is sealed stays so: the sealing keys are not in it.
type (
	backupHead struct {
		Renkei string    `json:"renkei"` // "backup"
		Schema int64     `json:"schema"` // the highest step
		Steps  []int64   `json:"steps"`  // all steps taken, which are not always the lowest
		MadeAt time.Time `json:"made_at"`
	}
	backupTable struct {
		Table   string   `json:"table"`
		Columns []string `json:"columns"`
	}
	backupEnd struct {
		Rows   int64  `json:"rows"`
		SHA256 string `json:"sha256"`
	}
	// backupBlob is how a BLOB stands in a row.
	backupBlob struct {
		Base64 string `json:"base64"`
	}
)

// Backup writes all of cfg's database, as it is at one instant, while servers go
// on using it. It returns how many rows there are.
func Backup(ctx context.Context, cfg Config, to io.Writer) (int64, error) {
	const doing = "back up the database"
	p, db, err := migrator(cfg)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if err := founded(ctx, cfg, db); err != nil {
		return 0, err
	}
	steps, err := stepsTaken(ctx, p, db)
	if err != nil {
		return 0, err
	}
	if len(steps) == 0 {
		return 0, fault.New(fault.NotFound, "%s: there is none yet", doing)
	}
	isolation := sql.LevelRepeatableRead
	if strings.HasPrefix(cfg.URL, "sqlite:") {
		isolation = sql.LevelDefault // a transaction that reads sees one instant
		db.Close()
		if db, err = sql.Open("sqlite", sqliteDSN(cfg.URL)); err != nil {
			return 0, failed(err, doing)
		}
		defer db.Close()
	}
	t, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: isolation, ReadOnly: isolation != sql.LevelDefault})
	if err != nil {
		return 0, failed(err, doing)
	}
	defer t.Rollback()
	zipped := gzip.NewWriter(to)
	w := &backupWriter{to: zipped, digest: sha256.New()}
	w.line(backupHead{Renkei: "backup", Schema: steps[len(steps)-1], Steps: steps, MadeAt: time.Now().UTC()})
	tables, err := tablesOf(ctx, t, cfg)
	if err != nil {
		return 0, failed(err, doing)
	}
	for _, table := range tables {
		if err := w.table(ctx, t, table); err != nil {
			return 0, failed(err, doing+": table "+table)
		}
	}
	w.line(backupEnd{Rows: w.rows, SHA256: fmt.Sprintf("%x", w.digest.Sum(nil))})
	if w.err == nil {
		w.err = zipped.Close()
	}
	return w.rows, failed(w.err, doing)
}

func tablesOf(ctx context.Context, t *sql.Tx, cfg Config) ([]string, error) {
	list := `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_name NOT LIKE 'goose%' AND table_name <> '` + breaksTable + `' ORDER BY table_name`
	if strings.HasPrefix(cfg.URL, "sqlite:") {
		list = `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%' AND name <> '` + breaksTable + `' ORDER BY name`
	}
	rs, err := t.QueryContext(ctx, list)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	var all []string
	for rs.Next() {
		var name string
		if err := rs.Scan(&name); err != nil {
			return nil, err
		}
		all = append(all, name)
	}
	return all, rs.Err()
}

type backupWriter struct {
	to     io.Writer
	digest hash.Hash
	rows   int64
	err    error
}

func (w *backupWriter) line(v any) {
	b, err := json.Marshal(v)
	if w.err == nil {
		w.err = err
	}
	if w.err == nil {
		b = append(b, '\n')
		w.digest.Write(b)
		_, w.err = w.to.Write(b)
	}
}

func (w *backupWriter) table(ctx context.Context, t *sql.Tx, name string) error {
	rs, err := t.QueryContext(ctx, `SELECT * FROM `+name) // the one place where columns are found out
	if err != nil {
		return err
	}
	defer rs.Close()
	columns, err := rs.Columns()
	if err != nil {
		return err
	}
	w.line(backupTable{Table: name, Columns: columns})
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	for rs.Next() && w.err == nil {
		if err := rs.Scan(places...); err != nil {
			return err
		}
		for i, v := range values {
			if blob, ok := v.([]byte); ok {
				values[i] = backupBlob{base64.StdEncoding.EncodeToString(blob)}
			}
		}
		w.line(values)
		w.rows++
	}
	return errors.Join(rs.Err(), w.err)
}

// Restore fills the empty database of cfg from a backup and brings its schema up
// to date. Whatever the customers had allowed waits from then on, except where
// the bank resumes it: the backup cannot know what was cancelled after it was
// made. A backup that is damaged or of a newer program is fault.Invalid, a
// database that is not empty fault.Refused.
func Restore(ctx context.Context, cfg Config, from io.Reader) (int64, error) {
	rows, err := load(ctx, cfg, from)
	if err != nil {
		return 0, err
	}
	return rows, AcceptSetBack(ctx, cfg, true)
}

// VerifyBackup reads a whole backup into a database that is thrown away, and
// verifies its audit log. It returns how many rows it has.
func VerifyBackup(ctx context.Context, cfg Config, from io.Reader) (int64, audit.Report, error) {
	folder, err := os.MkdirTemp("", "renkei-verify-")
	if err != nil {
		return 0, audit.Report{}, fault.Wrap(fault.Unavailable, "verify a backup", err)
	}
	defer os.RemoveAll(folder)
	trial := Config{URL: "sqlite:" + filepath.Join(folder, "backup.db"), Box: cfg.Box, Now: cfg.Now, Log: cfg.Log, Passive: true}
	rows, err := load(ctx, trial, from)
	if err != nil {
		return 0, audit.Report{}, err
	}
	db, err := Open(ctx, trial)
	if err != nil {
		return 0, audit.Report{}, err
	}
	defer db.Close()
	report, err := db.AuditLog().Verify(ctx)
	return rows, report, err
}

func load(ctx context.Context, cfg Config, from io.Reader) (rows int64, err error) {
	const doing = "restore the database"
	if err := makeFile(cfg); err != nil {
		return 0, err
	}
	p, db, err := migrator(cfg)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	r, err := newBackupReader(from)
	if err != nil {
		return 0, err
	}
	for _, step := range append(r.head.Steps, r.head.Schema) {
		if !slices.ContainsFunc(p.ListSources(), func(s *goose.Source) bool { return s.Version == step }) {
			return 0, fault.New(fault.Invalid, "%s: the backup is of a newer version of renkei (step %d of the schema)", doing, step)
		}
	}
	if err := mustBeEmpty(ctx, p, db); err != nil {
		return 0, err
	}
	if err := upTo(ctx, p, r.head); err != nil {
		return 0, err
	}
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, failed(err, doing)
	}
	defer t.Rollback()
	if err := r.into(ctx, t); err != nil {
		return 0, failed(err, doing)
	}
	if err := t.Commit(); err != nil {
		return 0, failed(err, doing)
	}
	if _, err := p.Up(ctx); err != nil {
		return 0, unreadable(err)
	}
	return r.rows, nil
}

// upTo takes an empty database to the schema of a backup, so that later steps
// find its rows as they were; a newer one only where the database is there already.
func upTo(ctx context.Context, p *goose.Provider, head backupHead) error {
	if len(head.Steps) == 0 {
		if _, err := p.UpTo(ctx, head.Schema); err != nil {
			return unreadable(err)
		}
		return nil
	}
	for _, step := range head.Steps {
		if _, err := p.ApplyVersion(ctx, step, true); err != nil && !errors.Is(err, goose.ErrAlreadyApplied) {
			return unreadable(err)
		}
	}
	return nil
}

func mustBeEmpty(ctx context.Context, p *goose.Provider, db *sql.DB) error {
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return unreadable(err)
	}
	if version == 0 {
		return nil
	}
	var n int64
	if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM audit_key UNION ALL SELECT 1 FROM audit) AS used`).Scan(&n); err != nil {
		return failed(err, "look into the database")
	}
	if n > 0 {
		return fault.New(fault.Refused, "the database is not empty: restore into a new one, so that nothing is lost by mistake")
	}
	return nil
}

// backupReader reads what Backup wrote.
type backupReader struct {
	lines  *bufio.Reader
	digest hash.Hash
	head   backupHead
	rows   int64
}

func damaged(err error) error {
	return fault.Wrap(fault.Invalid, "read the backup: it is damaged or none", err)
}

func newBackupReader(from io.Reader) (*backupReader, error) {
	zipped, err := gzip.NewReader(from)
	if err != nil {
		return nil, damaged(err)
	}
	r := &backupReader{lines: bufio.NewReaderSize(zipped, 1<<20), digest: sha256.New()}
	line, err := r.next()
	if err == nil {
		err = json.Unmarshal(line, &r.head)
	}
	if err != nil || r.head.Renkei != "backup" {
		return nil, damaged(err)
	}
	r.digest.Write(line)
	return r, nil
}

func (r *backupReader) next() ([]byte, error) { return r.lines.ReadBytes('\n') }

// into inserts every row, and ends well only at the backup's own end.
func (r *backupReader) into(ctx context.Context, t *sql.Tx) error {
	var insert *sql.Stmt
	for {
		line, err := r.next()
		if err != nil {
			return damaged(err)
		}
		if line[0] == '[' {
			if insert == nil {
				return damaged(errors.New("a row without a table"))
			}
			if err := r.row(ctx, insert, line); err != nil {
				return err
			}
			r.digest.Write(line)
			continue
		}
		var what struct {
			backupTable
			backupEnd
		}
		if err := json.Unmarshal(line, &what); err != nil {
			return damaged(err)
		}
		if what.Table == "" {
			if what.Rows != r.rows || what.SHA256 != fmt.Sprintf("%x", r.digest.Sum(nil)) {
				return damaged(errors.New("its digest is another"))
			}
			return nil
		}
		r.digest.Write(line)
		if insert, err = prepareInsert(ctx, t, what.backupTable); err != nil {
			return err
		}
	}
}

func (r *backupReader) row(ctx context.Context, insert *sql.Stmt, line []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil {
		return damaged(err)
	}
	values := make([]any, len(raw))
	for i, v := range raw {
		var err error
		switch {
		case string(v) == "null":
		case v[0] == '"':
			var s string
			err = json.Unmarshal(v, &s)
			values[i] = s
		case v[0] == '{':
			var blob backupBlob
			if err = json.Unmarshal(v, &blob); err == nil {
				values[i], err = base64.StdEncoding.DecodeString(blob.Base64)
			}
		default:
			var n int64
			err = json.Unmarshal(v, &n)
			values[i] = n
		}
		if err != nil {
			return damaged(err)
		}
	}
	if _, err := insert.ExecContext(ctx, values...); err != nil {
		return failed(err, "insert a row")
	}
	r.rows++
	return nil
}

// prepareInsert prepares a statement for a table of the backup. Names come from a
// file, so that anything but a plain word is refused.
func prepareInsert(ctx context.Context, t *sql.Tx, table backupTable) (*sql.Stmt, error) {
	places := make([]string, len(table.Columns))
	for i, name := range append([]string{table.Table}, table.Columns...) {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" || name == "" {
			return nil, damaged(errors.New("a name that is no word"))
		}
		if i > 0 {
			places[i-1] = fmt.Sprintf("$%d", i)
		}
	}
	s, err := t.PrepareContext(ctx, `INSERT INTO `+table.Table+` (`+strings.Join(table.Columns, ", ")+`) VALUES (`+strings.Join(places, ", ")+`)`)
	return s, failed(err, "prepare table "+table.Table)
}

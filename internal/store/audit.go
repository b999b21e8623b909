package store

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"strings"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// record writes the act of a change to the audit log.
func (in *Institution) record(ctx context.Context, t tx, act audit.Act) error {
	if act.At.IsZero() {
		act.At = in.now()
	}
	if err := act.Check(); err != nil {
		return err
	}
	return failed(t.Keep(ctx, in.db.auditKey.Row(t.NextSeq(), in.id, act)), "record an act")
}

// loadAuditKey reads the log's key, and makes it on the first start.
func loadAuditKey(ctx context.Context, e engine, box *secret.Box) (audit.Key, error) {
	const doing = "load the audit log's key"
	if box == nil {
		return audit.Key{}, fault.New(fault.Invalid, "%s: the store needs a key to seal with", doing)
	}
	const read = `SELECT seed FROM audit_key WHERE id = 1`
	var sealed []byte
	err := e.reader().QueryRow(ctx, read).Scan(&sealed)
	if errors.Is(err, errNone) {
		seed := make([]byte, audit.SeedSize)
		rand.Read(seed)
		err = e.commit(ctx, func(ctx context.Context, t tx) error {
			return t.Do(ctx, `INSERT INTO audit_key (id, seed) VALUES (1, $1) ON CONFLICT DO NOTHING`, box.Seal(seed, "audit_key", "1"))
		})
		if err == nil {
			err = e.reader().QueryRow(ctx, read).Scan(&sealed) // another node may have been first
		}
	}
	if err != nil {
		return audit.Key{}, failed(err, doing)
	}
	seed, err := box.Open(sealed, "audit_key", "1")
	if err != nil {
		return audit.Key{}, fault.Wrap(fault.Invalid, doing+": the sealing key is not the one that this database was made with", err)
	}
	return audit.NewKey(seed)
}

// AuditLog is the log of all institutions of a database, for those who verify.
type AuditLog struct {
	db *DB
}

// AuditLog returns the log.
func (db *DB) AuditLog() AuditLog { return AuditLog{db} }

// Public returns the key that checkpoints and proofs are verified by.
func (l AuditLog) Public() string { return l.db.auditKey.Public() }

// Verify reads the whole log and tells the first row that was edited, deleted,
// inserted, moved or cut off. It also compares it with the checkpoints in the
// configured file, which the database cannot change.
func (l AuditLog) Verify(ctx context.Context) (audit.Report, error) {
	known, err := keptCheckpoints(l.db.cfg.CheckpointFile)
	if err != nil {
		return audit.Report{}, err
	}
	return audit.Verify(ctx, auditBook{l.db.engine}, l.db.auditKey, known...)
}

// Prove returns the proof that a row is in the log.
func (l AuditLog) Prove(ctx context.Context, seq int64) (audit.Proof, error) {
	book := auditBook{l.db.engine}
	c, signed, _, err := l.db.lastCheckpoint(ctx)
	if err != nil {
		return audit.Proof{}, err
	}
	rows, err := book.Between(ctx, seq, seq)
	if err != nil {
		return audit.Proof{}, err
	}
	if len(rows) == 0 {
		return audit.Proof{}, fault.New(fault.NotFound, "the audit log has no row %d", seq)
	}
	index, err := audit.IndexOf(ctx, book, c, seq)
	if err != nil {
		return audit.Proof{}, err
	}
	return audit.Prove(ctx, book, l.Public(), signed, index, rows[0].Entry)
}

// Which says which rows of the log are wanted; empty fields want all.
type Which struct {
	Institution string
	Name        audit.Name
	Word        string // stands somewhere in the entry: an id, an inquiry number
}

// Each calls f with the rows that are wanted, the oldest first.
func (l AuditLog) Each(ctx context.Context, w Which, f func(audit.Row) error) error {
	const page = 1000
	for after := int64(-1 << 63); ; {
		rs, err := l.db.engine.reader().Query(ctx, `SELECT seq, institution, at, name, entry, mac FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2`, after, page)
		rows, err := collect(rs, err, "read the audit log", scanAudit)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if w.Institution != "" && r.Institution != w.Institution || w.Name != "" && r.Name != w.Name || !strings.Contains(r.Entry, w.Word) {
				continue
			}
			if err := f(r); err != nil {
				return err
			}
		}
		if len(rows) < page {
			return nil
		}
		after = rows[len(rows)-1].Seq
	}
}

// Export writes the entries that are wanted, a line each, the oldest first.
func (l AuditLog) Export(ctx context.Context, w Which, to io.Writer) error {
	b := bufio.NewWriter(to)
	err := l.Each(ctx, w, func(r audit.Row) error {
		_, err := b.WriteString(r.Entry + "\n")
		return err
	})
	if err != nil {
		return err
	}
	return b.Flush()
}

func scanAudit(r row) (audit.Row, error) {
	var a audit.Row
	err := r.Scan(&a.Seq, &a.Institution, &a.At, &a.Name, &a.Entry, &a.MAC)
	return a, err
}

// auditBook reads the log as a verifier wants it.
type auditBook struct{ engine engine }

func (b auditBook) Tile(ctx context.Context, level int, n int64) ([]byte, error) {
	return b.part(ctx, `SELECT hashes FROM audit_tile WHERE level = $1 AND n = $2`, level, n)
}

func (b auditBook) Order(ctx context.Context, n int64) ([]byte, error) {
	return b.part(ctx, `SELECT seqs FROM audit_tile WHERE level = $1 AND n = $2`, 0, n)
}

func (b auditBook) part(ctx context.Context, sql string, args ...any) ([]byte, error) {
	var part []byte
	err := b.engine.reader().QueryRow(ctx, sql, args...).Scan(&part)
	if errors.Is(err, errNone) {
		return nil, nil
	}
	return part, failed(err, "read the audit log's tree")
}

func (b auditBook) Checkpoints(ctx context.Context) ([]string, error) {
	rs, err := b.engine.reader().Query(ctx, `SELECT signed FROM audit_checkpoint ORDER BY grown_from`)
	return collect(rs, err, "read the audit log's checkpoints", func(r row) (signed string, err error) {
		err = r.Scan(&signed)
		return signed, err
	})
}

func (b auditBook) Between(ctx context.Context, first, last int64) ([]audit.Row, error) {
	rs, err := b.engine.reader().Query(ctx, `SELECT seq, institution, at, name, entry, mac FROM audit WHERE seq BETWEEN $1 AND $2 ORDER BY seq`, first, last)
	return collect(rs, err, "read the audit log", scanAudit)
}

func (b auditBook) Numbers(ctx context.Context, after int64, limit int) ([]int64, error) {
	rs, err := b.engine.reader().Query(ctx, `SELECT seq FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
	return collect(rs, err, "read the audit log", func(r row) (seq int64, err error) {
		err = r.Scan(&seq)
		return seq, err
	})
}

func (b auditBook) Gapless() bool { return b.engine.dialect() == "sqlite" }

// keptCheckpoints reads the file that checkpoints are appended to. They stand
// one after the other, each ended by an empty line.
func keptCheckpoints(file string) ([]string, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, "read the kept checkpoints", err)
	}
	var all []string
	for _, signed := range strings.Split(string(b), checkpointEnd) {
		if strings.TrimSpace(signed) != "" {
			all = append(all, signed)
		}
	}
	return all, nil
}

const checkpointEnd = "\n\x1e\n" // a record separator: notes have empty lines of their own

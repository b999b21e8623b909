// Package store keeps everything that must outlive a request, in SQLite or in
// PostgreSQL, behind the Store interfaces that the engines declare.
//
// It decides nothing: engines decide and return changes; Institution.Commit
// makes all of them durable with their acts in the audit log, or none. It
// knows no HTTP and asks no core bank, and sees single-use values and tokens
// only as digests. SQL is written once, in the dialect that both databases
// speak; every statement names the institution.
//
// Start with Open and Institution.Commit (commit.go), then tx.go for the words
// that the rest of the package is written in. Two folders under schema/ hold
// the tables; their numbers are in owners' blocks of ten.
package store

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// Config says which database to open and how to use it. URL is required.
type Config struct {
	URL   string           // sqlite:PATH, or postgres://… as pgx reads it
	Box   *secret.Box      // seals columns and the audit log's key; required
	Now   func() time.Time // nil: the clock of the machine
	Log   *slog.Logger     // nil: slog.Default()
	Meter Meter            // nil: nobody is told

	// LeaveSchema refuses a database that is not there or whose schema is behind,
	// with a sentence that says what to do, instead of founding it or bringing it up
	// to date.
	LeaveSchema bool

	// Passive leaves out all background work: for commands beside a server.
	Passive bool
	// CheckpointFile is where the audit log's checkpoints are appended to, best
	// on another disk: it shows when the log as a whole was set back. Empty: none.
	CheckpointFile string

	// The rest is for PostgreSQL.

	// Node is this process's number among those that share the database: 0 to 1022,
	// CommandNode for commands.
	Node int
	// Pooled says that URL leads through a pooler in transaction mode: no
	// named prepared statements and no settings at connection start.
	Pooled bool
	// DirectURL leads around the pooler, for LISTEN and migrations; empty: URL,
	// and without it nobody listens through a pooler.
	DirectURL string
	// Serializable runs every transaction at SERIALIZABLE and repeats those
	// that the database gives up, for engines that offer little else.
	Serializable bool
	// Silent leaves out NOTIFY and LISTEN, which distributed engines may not know:
	// what nodes keep in memory is read again every half second then.
	Silent bool
	// MaxConns bounds the connections of this process; 0: 4 per CPU, at least 16. Two
	// of them are the writers' own, even where it is less than three.
	MaxConns int
}

// DB is an open database. Its methods may be called at the same time.
type DB struct {
	engine   engine
	cfg      Config
	auditKey audit.Key
	sealer   *sealer // nil when Passive
	news     *news
	listener *pgListener // nil when Passive or Silent, and for SQLite
}

// engine is what differs between the two databases.
type engine interface {
	// commit applies work in a transaction and makes it durable, perhaps
	// together with others'. After an error nothing of it is visible, unless
	// the error is fault.Unavailable and came from the connection to the
	// database: then the outcome is unknown, as after a lost answer of any kind.
	commit(ctx context.Context, w work) error
	// reader returns what committed data are read by.
	reader() looker
	// ping tells whether both reading and writing are possible now.
	ping(ctx context.Context) error
	load() Load
	dialect() string
	close() error
}

// Open opens the database at cfg.URL, creates it where it is a file that does
// not exist, and brings its schema up to date. A schema that a newer version has
// changed so that this one cannot work on it is fault.Invalid; one that nobody
// has founded, where LeaveSchema forbids it, is fault.NotFound; a database that does not answer
// is fault.Unavailable; one that is older than its own audit log's checkpoints is
// fault.Refused.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Meter == nil {
		cfg.Meter = unmetered{}
	}
	if !cfg.LeaveSchema {
		if err := makeFile(cfg); err != nil {
			return nil, err
		}
	}
	if err := prepareSchema(ctx, cfg); err != nil {
		return nil, err
	}
	var e engine
	var err error
	switch scheme, _, _ := strings.Cut(cfg.URL, ":"); scheme {
	case "sqlite":
		e, err = openSQLite(ctx, cfg)
	case "postgres", "postgresql":
		e, err = openPostgres(ctx, cfg)
	default:
		err = fault.Wrap(fault.Invalid, "read the address of the database", errAddress)
	}
	if err != nil {
		return nil, err
	}
	db := &DB{engine: e, cfg: cfg, news: newNews()}
	if db.auditKey, err = loadAuditKey(ctx, e, cfg.Box); err != nil {
		e.close()
		return nil, err
	}
	if !cfg.Passive {
		if err := db.notSetBack(ctx, cfg.CheckpointFile); err != nil {
			e.close()
			return nil, err
		}
		db.sealer = startSealer(db)
		if pg, is := e.(*postgresEngine); is && cfg.hears() {
			db.listener = startListener(cfg, pg.pool, db.news)
		}
	}
	return db, nil
}

// hears tells whether a listening connection can be had.
func (c Config) hears() bool { return !c.Silent && (!c.Pooled || c.DirectURL != "") }

// Close commits what has been taken, seals the audit log and closes the
// database. Commits that come later are fault.Unavailable.
func (db *DB) Close() error {
	var sealing error
	if db.listener != nil {
		db.listener.close()
	}
	if db.sealer != nil {
		sealing = db.sealer.end()
	}
	return errors.Join(sealing, db.engine.close())
}

// Ping tells whether the database can be read and written now;
// fault.Unavailable when not.
func (db *DB) Ping(ctx context.Context) error { return db.engine.ping(ctx) }

// Institution returns the part of the database that belongs to one
// institution. It need not have been used before.
func (db *DB) Institution(id string) *Institution {
	return &Institution{id: id, db: db, read: db.engine.reader(), box: db.cfg.Box, now: db.cfg.Now}
}

// Institution is one institution's part of the database: it implements every
// engine's Store interface, and no statement of it reaches another's rows.
type Institution struct {
	id   string
	db   *DB
	read looker
	box  *secret.Box
	now  func() time.Time
}

// ID returns the id that the institution was opened by.
func (in *Institution) ID() string { return in.id }

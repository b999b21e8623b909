// Package sandbox is a whole small bank behind corebank.Connector: internet
// banking with users, passwords and questions, and a core with accounts, inquiry
// PINs and statements. It serves the demo, tests and API partners who try things.
//
// It knows nothing of consents, journeys or partners. Who is in it is plain data
// (world.go, companies.go); what must outlive a restart, the digests and the
// counters of wrong secrets, stands in a file of its own. Start with Open, then
// secrets.go for what is checked and ledger.go for the statements.
package sandbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the file

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// Config is how a sandbox bank is opened.
type Config struct {
	File  string           // path of its database; created where there is none
	World World            // zero: Fictional()
	Now   func() time.Time // nil: the clock of the machine
}

// Bank is an open sandbox bank. It implements corebank.Connector.
type Bank struct {
	World
	db        *sql.DB
	changedAt *sql.Stmt // when a member's password was changed; every opened journey asks
	now       func() time.Time
	key       []byte // pepper of the secrets and authenticity of cursors
	members   map[corebank.UserID]*seat
	byLogin   map[corebank.LoginID]*seat
	accounts  map[corebank.AccountID]*vault
	hashing   chan struct{} // one place for each core
	locks     keyed
	weather   weather
	calls     calls
}

var _ corebank.Connector = (*Bank)(nil)

type seat struct {
	Member
	company *Company
}

type vault struct {
	Account
	company *Company
	right   atomic.Pointer[secret.Value] // the PIN that was right, in memory as World has it anyway
	ledger  ledger
}

const schema = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS secrets (
	kind TEXT NOT NULL, subject TEXT NOT NULL, digest TEXT NOT NULL, wrong INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (kind, subject)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS password_changes (member TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inquiries (account TEXT PRIMARY KEY, often INTEGER NOT NULL) STRICT, WITHOUT ROWID;`

// Open opens the bank whose file is named, and founds it where there is none.
// Errors: fault.Unavailable for a file that cannot be used.
func Open(ctx context.Context, cfg Config) (*Bank, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.World.Companies == nil {
		cfg.World = Fictional()
	}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: cfg.File}).EscapedPath(), RawQuery: url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)"}, "_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "open the sandbox bank's file", err)
	}
	b := &Bank{
		World: cfg.World, db: db, now: cfg.Now,
		members: map[corebank.UserID]*seat{}, byLogin: map[corebank.LoginID]*seat{}, accounts: map[corebank.AccountID]*vault{},
		hashing: make(chan struct{}, runtime.NumCPU()),
	}
	for i := range cfg.World.Companies {
		c := &cfg.World.Companies[i]
		for _, m := range c.Members {
			s := &seat{m, c}
			b.members[m.ID], b.byLogin[m.LoginID] = s, s
		}
		for _, a := range c.Accounts {
			v := &vault{Account: a, company: c}
			v.ledger.of, v.ledger.through = v, firstDay
			b.accounts[a.ID] = v
		}
	}
	if err := b.found(ctx); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, "found the sandbox bank in its file", err), db.Close())
	}
	return b, nil
}

// found creates the tables and the bank's key, once.
func (b *Bank) found(ctx context.Context) error {
	if _, err := b.db.ExecContext(ctx, schema); err != nil {
		return err
	}
	fresh := make([]byte, 32)
	rand.Read(fresh)
	if _, err := b.db.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('key', $1) ON CONFLICT DO NOTHING`, fresh); err != nil {
		return err
	}
	for _, v := range b.accounts {
		if !v.Locked {
			continue
		}
		if _, err := b.db.ExecContext(ctx, `INSERT INTO secrets (kind, subject, digest, wrong) VALUES ($1, $2, '', $3) ON CONFLICT DO NOTHING`,
			pins.name, v.ID, v.pins().tries); err != nil {
			return err
		}
	}
	var err error
	if b.changedAt, err = b.db.PrepareContext(ctx, `SELECT at FROM password_changes WHERE member = $1`); err != nil {
		return err
	}
	return b.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'key'`).Scan(&b.key)
}

// Close closes the bank's file.
func (b *Bank) Close() error { return b.db.Close() }

// keyed is one lock for each name.
type keyed struct{ m sync.Map }

func (k *keyed) lock(name string) (unlock func()) {
	v, _ := k.m.LoadOrStore(name, &sync.Mutex{})
	mu := v.(*sync.Mutex)
	mu.Lock()
	return mu.Unlock
}

func (b *Bank) seatOf(user corebank.UserID) (*seat, error) {
	if s, ok := b.members[user]; ok {
		return s, nil
	}
	return nil, fault.New(fault.NotFound, "find user %s", user)
}

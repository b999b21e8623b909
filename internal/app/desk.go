package app

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"renkei.dev/internal/config"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// Desk is one institution's data as a command of the bank's staff needs them,
// beside a server that may be running. Nothing is served.
type Desk struct {
	DB       *store.DB
	Store    *store.Institution
	Settings config.Institution
	Issuer   oauth.Issuer // Keys is nil where no usable key stands in files or database
	Files    []jose.Key   // the issuer's keys out of files
	Box      *secret.Box
}

// OpenDesk opens the database of the settings for the named institution. It makes
// none, and leaves its schema to servers and `renkei db up`. Errors: fault.NotFound
// for a name that the settings do not have; as store.Open.
func OpenDesk(ctx context.Context, f config.File, m config.Material, name string) (*Desk, error) {
	at := slices.IndexFunc(f.Institutions, func(in config.Institution) bool { return in.Name == name })
	if at < 0 {
		return nil, fault.New(fault.NotFound, "the configuration has no institution %q", name)
	}
	box, err := secret.NewBox(m.SealingKeys)
	if err != nil {
		return nil, err
	}
	cfg := StoreConfig(f, m, box, slog.New(slog.DiscardHandler))
	cfg.Node, cfg.LeaveSchema = store.CommandNode, true
	db, err := store.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	d := &Desk{DB: db, Store: db.Institution(name), Settings: f.Institutions[at], Files: m.Institutions[at].SigningKeys, Box: box}
	ring, err := ringOf(ctx, d.Files, d.Store, halfKey, time.Now())
	if fault.Of(err) == fault.Unavailable && err != nil {
		d.Close()
		return nil, err
	}
	d.Issuer = IssuerOf(d.Settings, m.Institutions[at], ring)
	return d, nil
}

// Close closes the database.
func (d *Desk) Close() error { return d.DB.Close() }

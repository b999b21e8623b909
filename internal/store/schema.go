package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // registers the driver that goose migrates by

	"renkei.dev/internal/fault"
)

//go:embed schema
var schemas embed.FS

// Migration is one step of the schema and whether it has been taken.
type Migration struct {
	Number  int64
	Name    string
	Applied bool
}

// migrator opens cfg's database for migrations, which lock out each other.
func migrator(cfg Config) (*goose.Provider, *sql.DB, error) {
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)), goose.WithAllowOutofOrder(true),
	}
	var db *sql.DB
	var err error
	dialect, folder := goose.DialectSQLite3, "sqlite"
	if strings.HasPrefix(cfg.URL, "sqlite:") {
		db, err = sql.Open("sqlite", sqliteDSN(cfg.URL, "_txlock=immediate"))
	} else {
		dialect, folder = goose.DialectPostgres, "postgres"
		var c *pgx.ConnConfig
		if c, err = pgx.ParseConfig(directURL(cfg)); err == nil {
			db = stdlib.OpenDB(*c)
			var locker lock.SessionLocker
			if locker, err = lock.NewPostgresSessionLocker(); err == nil {
				options = append(options, goose.WithSessionLocker(locker))
			}
		}
	}
	if err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, "read the address of the database", errAddress)
	}
	files, err := fs.Sub(schemas, "schema/"+folder)
	if err == nil {
		var p *goose.Provider
		if p, err = goose.NewProvider(dialect, db, files, options...); err == nil {
			return p, db, nil
		}
	}
	db.Close()
	return nil, nil, fault.Wrap(fault.Internal, "read the embedded schema", err)
}

func directURL(cfg Config) string {
	if cfg.DirectURL != "" {
		return cfg.DirectURL
	}
	return cfg.URL
}

// errAddress stands for what a driver says of an address that it cannot read:
// the address holds a password, and an error may be logged.
var errAddress = errors.New("it must look like postgres://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:PATH")

// prepareSchema brings the schema up to date, or refuses it where cfg says so
// and where it is newer than this program.
func prepareSchema(ctx context.Context, cfg Config) error {
	if scheme, _, _ := strings.Cut(cfg.URL, ":"); scheme != "sqlite" && scheme != "postgres" && scheme != "postgresql" {
		return fault.Wrap(fault.Invalid, "read the address of the database", errAddress)
	}
	p, db, err := migrator(cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	if cfg.LeaveSchema {
		pending, err := p.HasPending(ctx)
		if err != nil {
			return unreadable(err)
		}
		if pending {
			return fault.New(fault.Invalid, "the database's schema is older than this program: run `renkei db plan` to see what is missing and `renkei db up` to bring it up to date")
		}
	} else if _, err := p.Up(ctx); err != nil {
		return unreadable(err)
	}
	return knownSchema(ctx, p)
}

// knownSchema refuses a schema with steps that this program has not heard of.
func knownSchema(ctx context.Context, p *goose.Provider) error {
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return unreadable(err)
	}
	sources := p.ListSources()
	if len(sources) > 0 && version > sources[len(sources)-1].Version {
		return fault.New(fault.Invalid, "the database's schema (step %d) is newer than this program (step %d): start the newer version of renkei, or restore a backup from before the upgrade", version, sources[len(sources)-1].Version)
	}
	return nil
}

func unreadable(err error) error {
	kind := kindOf(err)
	if kind == fault.Internal {
		kind = fault.Unavailable // goose hides most causes; a broken migration never passes its tests
	}
	return fault.Wrap(kind, "prepare the schema of the database", err)
}

// Migrations lists the steps of the schema, oldest first. With up it takes
// those that are missing before it answers.
func Migrations(ctx context.Context, cfg Config, up bool) ([]Migration, error) {
	p, db, err := migrator(cfg)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if up {
		if _, err := p.Up(ctx); err != nil {
			return nil, unreadable(err)
		}
	}
	status, err := p.Status(ctx)
	if err != nil {
		return nil, unreadable(err)
	}
	steps := make([]Migration, 0, len(status))
	for _, s := range status {
		steps = append(steps, Migration{Number: s.Source.Version, Name: s.Source.Path, Applied: s.State == goose.StateApplied})
	}
	return steps, knownSchema(ctx, p)
}

package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
			if !strings.Contains(directURL(cfg), "connect_timeout") {
				c.ConnectTimeout = connectWithin
			}
			db = stdlib.OpenDB(*c, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
				_, err := conn.Exec(ctx, lockTimeout)
				return err
			}))
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

// lockTimeout bounds how long a step of the schema waits for a table: whoever
// wants the table after it waits behind it, and that is every request. It is well
// below the time that a Commit has.
const lockTimeout = `SET lock_timeout = '1s'`

// lockRounds is how often a step is tried that did not get its table.
const lockRounds = 3

// up takes the missing steps.
func up(ctx context.Context, p *goose.Provider) error {
	for round := 1; ; round++ {
		_, err := p.Up(ctx)
		if err == nil {
			return nil
		}
		if e, is := errors.AsType[*pgconn.PgError](err); !is || e.Code != lockNotAvailable {
			return unreadable(err)
		}
		if round == lockRounds {
			return fault.Wrap(fault.Unavailable, "take the schema forward: something holds a table that it has to change, such as a backup or an open transaction; wait until that is over", err)
		}
	}
}

const lockNotAvailable = "55P03"

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
// and where this program cannot work on it.
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
		if err := founded(ctx, cfg, db); err != nil {
			return err
		}
		pending, err := p.HasPending(ctx)
		if err != nil {
			return unreadable(err)
		}
		if pending {
			return fault.New(fault.Invalid, "the database's schema is older than this program: run `renkei db plan` to see what is missing and `renkei db up` to bring it up to date")
		}
	} else if err := up(ctx, p); err != nil {
		return err
	}
	return knownSchema(ctx, p, db)
}

// founded refuses a database that no schema was ever made in: to open a SQLite
// file makes it, and goose makes its table when it is asked anything.
func founded(ctx context.Context, cfg Config, db *sql.DB) error {
	const how = "`renkei db up` founds one, and so does the first start of `renkei serve` or `renkei demo`"
	table := `SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1`
	if path, is := strings.CutPrefix(cfg.URL, "sqlite:"); is {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.NotFound, "there is no database at %s: %s", path, how)
		}
		table = `SELECT count(*) FROM sqlite_schema WHERE name = $1`
	}
	var n int
	if err := db.QueryRowContext(ctx, table, goose.DefaultTablename).Scan(&n); err != nil {
		return unreadable(err)
	}
	if n == 0 {
		return fault.New(fault.NotFound, "the database is empty and holds no bank: %s", how)
	}
	return nil
}

// knownSchema refuses a schema that this program cannot work on: one with steps
// that it has not heard of, and of which one is a break.
func knownSchema(ctx context.Context, p *goose.Provider, db *sql.DB) error {
	unknown, err := unknownSteps(ctx, p, db)
	if err != nil || len(unknown) == 0 {
		return err
	}
	breaks, err := breaksOf(ctx, db)
	if err != nil {
		return unreadable(err)
	}
	for _, step := range unknown {
		if breaks[step] {
			return fault.New(fault.Invalid, "the database's schema is newer than this program and has left it behind (step %d): start the newer version of renkei, or restore a backup from before the upgrade", step)
		}
	}
	return nil
}

// stepsTaken lists the steps that the database has taken, lowest first.
func stepsTaken(ctx context.Context, p *goose.Provider, db *sql.DB) ([]int64, error) {
	if _, err := p.GetDBVersion(ctx); err != nil { // makes goose's table where there is none
		return nil, unreadable(err)
	}
	rs, err := db.QueryContext(ctx, `SELECT version_id FROM `+goose.DefaultTablename+` WHERE version_id > 0 ORDER BY version_id`)
	if err != nil {
		return nil, unreadable(err)
	}
	return numbersOf(rs)
}

func unknownSteps(ctx context.Context, p *goose.Provider, db *sql.DB) ([]int64, error) {
	taken, err := stepsTaken(ctx, p, db)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(taken, func(step int64) bool {
		return slices.ContainsFunc(p.ListSources(), func(s *goose.Source) bool { return s.Version == step })
	}), nil
}

func breaksOf(ctx context.Context, db *sql.DB) (map[int64]bool, error) {
	rs, err := db.QueryContext(ctx, `SELECT step FROM `+breaksTable)
	if err != nil {
		return nil, err
	}
	steps, err := numbersOf(rs)
	breaks := map[int64]bool{}
	for _, step := range steps {
		breaks[step] = true
	}
	return breaks, err
}

// breaksTable belongs to the schema and not to what is kept in it.
const breaksTable = "schema_breaks"

func numbersOf(rs *sql.Rows) ([]int64, error) {
	defer rs.Close()
	var all []int64
	for rs.Next() {
		var n int64
		if err := rs.Scan(&n); err != nil {
			return nil, unreadable(err)
		}
		all = append(all, n)
	}
	if err := rs.Err(); err != nil {
		return nil, unreadable(err)
	}
	return all, nil
}

func unreadable(err error) error {
	kind := kindOf(err)
	if kind == fault.Internal {
		kind = fault.Unavailable // goose hides most causes; a broken migration never passes its tests
	}
	return fault.Wrap(kind, "open the database", plain(err))
}

// Migrations lists the steps of the schema, oldest first. With forward it takes
// those that are missing before it answers, and founds a database that is not
// there, which is fault.NotFound else.
func Migrations(ctx context.Context, cfg Config, forward bool) ([]Migration, error) {
	if forward {
		if err := makeFile(cfg); err != nil {
			return nil, err
		}
	}
	p, db, err := migrator(cfg)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if forward {
		err = up(ctx, p)
	} else {
		err = founded(ctx, cfg, db)
	}
	if err != nil {
		return nil, err
	}
	status, err := p.Status(ctx)
	if err != nil {
		return nil, unreadable(err)
	}
	steps := make([]Migration, 0, len(status))
	for _, s := range status {
		steps = append(steps, Migration{Number: s.Source.Version, Name: s.Source.Path, Applied: s.State == goose.StateApplied})
	}
	unknown, err := unknownSteps(ctx, p, db)
	if err != nil {
		return nil, err
	}
	for _, n := range unknown {
		steps = append(steps, Migration{Number: n, Name: fmt.Sprintf("%04d, of a newer version of renkei", n), Applied: true})
	}
	return steps, knownSchema(ctx, p, db)
}

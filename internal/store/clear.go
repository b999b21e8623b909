package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/pressly/goose/v3"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// Clear removes every table of ours from cfg's database, so that it is empty
// again. It is for data that are made up: nothing brings them back. Only who has
// the sealing key may: another's data are fault.Refused and stay as they are. A
// database with nothing of ours in it is left alone.
func Clear(ctx context.Context, cfg Config) error {
	const doing = "clear the database"
	p, db, err := migrator(cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	steps, err := stepsTaken(ctx, p, db)
	if err != nil || len(steps) == 0 {
		return err
	}
	unknown, err := unknownSteps(ctx, p, db)
	if err != nil {
		return err
	}
	if len(unknown) > 0 {
		return fault.New(fault.Invalid, "%s: it is in use by a newer version of renkei (step %d of the schema)", doing, unknown[0])
	}
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return failed(err, doing)
	}
	defer t.Rollback()
	if err := opens(ctx, t, cfg.Box); err != nil {
		return err
	}
	ours, err := tablesOfSchema(cfg)
	if err != nil {
		return err
	}
	for _, table := range ours {
		if _, err := t.ExecContext(ctx, `DROP TABLE IF EXISTS `+table); err != nil {
			return failed(err, doing)
		}
	}
	return failed(t.Commit(), doing)
}

// opens tells whether the data are of whoever has the box: nil too when nothing
// was kept yet.
func opens(ctx context.Context, t *sql.Tx, box *secret.Box) error {
	var sealed []byte
	err := t.QueryRowContext(ctx, `SELECT seed FROM audit_key WHERE id = 1`).Scan(&sealed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return failed(err, "look whose the data are")
	}
	if _, err := box.Open(sealed, "audit_key", "1"); err != nil {
		return fault.New(fault.Refused, "what is in the database was sealed by another key, and is not ours to remove")
	}
	return nil
}

// tablesOfSchema lists the tables that the embedded schema makes, the last first.
func tablesOfSchema(cfg Config) ([]string, error) {
	folder := "schema/postgres"
	if strings.HasPrefix(cfg.URL, "sqlite:") {
		folder = "schema/sqlite"
	}
	files, err := schemas.ReadDir(folder)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "read the embedded schema", err)
	}
	all := []string{goose.DefaultTablename}
	for _, f := range files {
		text, err := schemas.ReadFile(folder + "/" + f.Name())
		if err != nil {
			return nil, fault.Wrap(fault.Internal, "read the embedded schema", err)
		}
		for line := range strings.Lines(string(text)) {
			if rest, is := strings.CutPrefix(line, "CREATE TABLE "); is {
				all = append([]string{strings.Fields(rest)[0]}, all...)
			}
		}
	}
	return all, nil
}

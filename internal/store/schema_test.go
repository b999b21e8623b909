package store_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

// newer takes a database to the schema of a newer program.
func newer(t *testing.T, db *store.DB, step int64) {
	t.Helper()
	for _, sql := range []string{
		`ALTER TABLE clients ADD COLUMN of_tomorrow TEXT NOT NULL DEFAULT ''`,
		`CREATE TABLE table_of_tomorrow (id BIGINT PRIMARY KEY)`,
	} {
		if err := db.Tamper(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	applied := `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, TRUE)`
	if err := db.Tamper(t.Context(), applied, step); err != nil {
		t.Fatal(err)
	}
}

func TestANewerSchemaThatOnlyAddsIsWorkedOn(t *testing.T) {
	besides(t, func(t *testing.T, _, url string) {
		cfg := store.Config{URL: url}
		// The number may be a high one or, of another block, one in between.
		newer(t, open(t, cfg), 9001)
		db := open(t, cfg)
		if err := db.Institution("demo").Commit(t.Context(), denial("on the newer schema")); err != nil {
			t.Error(err)
		}
		cfg.LeaveSchema, cfg.Passive = true, true
		open(t, cfg)
		steps, err := store.Migrations(t.Context(), cfg, false)
		if last := steps[len(steps)-1]; err != nil || last.Number != 9001 || !last.Applied || !strings.Contains(last.Name, "newer version") {
			t.Errorf("listed as %+v, %v", last, err)
		}
	})
}

func TestASchemaThatLeftThisProgramBehindIsRefusedWithASentence(t *testing.T) {
	besides(t, func(t *testing.T, _, url string) {
		cfg := store.Config{URL: url, Box: box(t), Log: slog.New(slog.DiscardHandler)}
		db := open(t, cfg)
		newer(t, db, 19) // below the highest step that this program knows
		if err := db.Tamper(t.Context(), `INSERT INTO schema_breaks (step) VALUES (19)`); err != nil {
			t.Fatal(err)
		}
		again, err := store.Open(t.Context(), cfg)
		if err == nil {
			again.Close()
		}
		if fault.Of(err) != fault.Invalid || err == nil || !strings.Contains(err.Error(), "start the newer version") {
			t.Errorf("got %v", err)
		}
	})
}

// A step that waited for a table without an end would stop every request behind it.
func TestASchemaThatSomebodyHoldsIsNotWaitedForWithoutEnd(t *testing.T) {
	private.Need(t)
	cfg := store.Config{URL: private.Create(t), Box: box(t), Log: slog.New(slog.DiscardHandler)}
	open(t, cfg)
	conn, err := pgx.Connect(t.Context(), cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	hold := func() {
		t.Helper()
		for _, sql := range []string{`DELETE FROM goose_db_version WHERE version_id = 2`, `DROP TABLE IF EXISTS schema_breaks`,
			`BEGIN`, `LOCK TABLE goose_db_version IN ACCESS EXCLUSIVE MODE`} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	hold()
	began := time.Now()
	if db, err := store.Open(t.Context(), cfg); err == nil {
		db.Close()
		t.Error("it opened what was held")
	} else if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "wait until that is over") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it waited for %v", took)
	}
	opened := make(chan error, 1)
	go func() {
		db, err := store.Open(t.Context(), cfg)
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	<-time.After(300 * time.Millisecond) // it waits by now, or comes later: it must open either way
	if _, err := conn.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("when the table is free: %v", err)
	}
}

// A step that makes an index beside running servers, and was given up for whoever held
// the table, leaves one behind that has the name and is never used.
func TestAnIndexThatCouldNotBeFinishedIsMadeAnew(t *testing.T) {
	private.Need(t)
	cfg := store.Config{URL: private.Create(t), Box: box(t), Log: slog.New(slog.DiscardHandler)}
	open(t, cfg)
	conn, err := pgx.Connect(t.Context(), cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{
		`UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('consents_live_user'::regclass, 'consents_ended'::regclass)`,
		`DELETE FROM goose_db_version WHERE version_id IN (33, 36)`,
	} {
		if done, err := conn.Exec(t.Context(), sql); err != nil || done.RowsAffected() != 2 {
			t.Fatal(done, err)
		}
	}
	if _, err := store.Migrations(t.Context(), cfg, true); err != nil {
		t.Fatal(err)
	}
	var usable int
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_index WHERE indisvalid
		AND indexrelid IN ('consents_live_user'::regclass, 'consents_ended'::regclass)`).Scan(&usable)
	if err != nil || usable != 2 {
		t.Errorf("%d of 2 can be used: %v", usable, err)
	}
}

func TestABackupOfANewerSchemaIsRefused(t *testing.T) {
	from := store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "from.db"), Box: box(t)}
	newer(t, open(t, from), 19)
	var backup bytes.Buffer
	if _, err := store.Backup(t.Context(), from, &backup); err != nil {
		t.Fatal(err)
	}
	into := store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "into.db"), Box: box(t)}
	if _, err := store.Restore(t.Context(), into, &backup); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("got %v", err)
	}
}

// What an older program does not survive: its statements name what is gone, or
// leave out what must be there.
var breaking = regexp.MustCompile(`(?is)\bDROP\s+(TABLE|COLUMN|VIEW)\b|\bRENAME\b|\bSET\s+NOT\s+NULL\b|\bALTER\s+COLUMN\s+\S+\s+(TYPE|DROP\s+DEFAULT|SET\s+DATA)\b|\bADD\s+CONSTRAINT\b`)

var columnsAdded = regexp.MustCompile(`(?i)\bADD\s+COLUMN\b[^;]*`)

func breaks(sql string) bool {
	sql = rebuilt.ReplaceAllStringFunc(sql, func(text string) string {
		if m := rebuilt.FindStringSubmatch(text); m[1] == m[4] && m[2] == m[3] && m[2] == m[5] {
			return "" // TestATableThatIsRebuiltKeepsItsColumns
		}
		return text
	})
	if breaking.MatchString(sql) {
		return true
	}
	for _, column := range columnsAdded.FindAllString(sql, -1) {
		column = strings.ToUpper(column)
		if strings.Contains(column, "NOT NULL") && !strings.Contains(column, "DEFAULT") {
			return true
		}
	}
	return false
}

// rebuilt is a table in whose place another comes with the same name and rows, as
// SQLite changes how a table is kept.
var rebuilt = regexp.MustCompile(`INSERT INTO (\w+) SELECT \* FROM (\w+);\s+DROP TABLE (\w+);\s+ALTER TABLE (\w+) RENAME TO (\w+);`)

func TestATableThatIsRebuiltKeepsItsColumns(t *testing.T) {
	columns := func(sql, table string) []string {
		_, rest, ok := strings.Cut(sql, "CREATE TABLE "+table+" (\n")
		if !ok {
			return nil
		}
		rest, _, _ = strings.Cut(rest, "\n)")
		var all []string
		for line := range strings.Lines(rest) {
			line, _, _ = strings.Cut(line, "--")
			all = append(all, strings.Join(strings.Fields(line), " "))
		}
		return all
	}
	files, err := filepath.Glob("schema/sqlite/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	texts, found := "", 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if m := rebuilt.FindStringSubmatch(string(text)); m != nil {
			found++
			before, after := columns(texts, m[2]), columns(string(text), m[1])
			if len(before) == 0 || !slices.Equal(before, after) || strings.Contains(texts, "ALTER TABLE "+m[2]+" ") {
				t.Errorf("%s makes of the columns\n%s\nthese:\n%s", file, strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
		}
		texts += string(text)
	}
	if found == 0 {
		t.Error("no table is rebuilt")
	}
}

func TestAStepThatBreaksOlderProgramsSaysSo(t *testing.T) {
	for sql, want := range map[string]bool{
		"ALTER TABLE a ADD COLUMN b TEXT":                                                   false,
		"ALTER TABLE a ADD COLUMN b TEXT NOT NULL DEFAULT ''":                               false,
		"ALTER TABLE a ADD COLUMN b TEXT NOT NULL":                                          true,
		"alter table a drop column b":                                                       true,
		"ALTER TABLE a RENAME TO b":                                                         true,
		"ALTER TABLE a ALTER COLUMN b TYPE TEXT":                                            true,
		"ALTER TABLE a ALTER COLUMN b SET NOT NULL":                                         true,
		"ALTER TABLE a ALTER COLUMN b SET STORAGE EXTERNAL":                                 false,
		"DROP INDEX a_b":                                                                    false,
		"INSERT INTO a_new SELECT * FROM a;\nDROP TABLE a;\nALTER TABLE a_new RENAME TO a;": false,
		"INSERT INTO a_new SELECT * FROM a;\nDROP TABLE a;\nALTER TABLE a_new RENAME TO b;": true,
	} {
		if breaks(sql) != want {
			t.Errorf("%s: taken for %v", sql, !want)
		}
	}
	files, err := filepath.Glob("schema/*/*.sql")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if breaks(string(text)) && !strings.Contains(string(text), "INSERT INTO schema_breaks") {
			t.Errorf("%s breaks older programs and adds its number to schema_breaks nowhere", file)
		}
	}
}

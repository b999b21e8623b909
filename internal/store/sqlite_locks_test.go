package store_test

import (
	"context"
	"database/sql"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"renkei.dev/internal/store"
)

// childsFile and childsQuestion tell a child process which file to open and what to
// ask it.
const (
	childsFile     = "RENKEI_TEST_ASKING"
	childsQuestion = "RENKEI_TEST_ASKED"
)

// TestTheChildThatAsks is no test: it is another process, which opens the file,
// asks once without waiting for locks, and closes it.
func TestTheChildThatAsks(t *testing.T) {
	path := os.Getenv(childsFile)
	if path == "" {
		t.Skip("it runs as a child")
	}
	os.Stderr.WriteString("said " + ask(t, path, os.Getenv(childsQuestion)) + "\n")
}

// ask opens a file by the way that migrations, backups and the sandbox bank take.
func ask(t *testing.T, path, question string) (answer string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(0)")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(question).Scan(&answer); err != nil {
		answer = err.Error()
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return answer
}

func askElsewhere(t *testing.T, path, question string) string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run", "^TestTheChildThatAsks$")
	child.Env = append(os.Environ(), childsFile+"="+path, childsQuestion+"="+question)
	out, err := child.CombinedOutput()
	_, said, found := strings.Cut(string(out), "said ")
	if err != nil || !found {
		t.Fatalf("%v: %s", err, out)
	}
	said, _, _ = strings.Cut(said, "\n")
	return said
}

const (
	howMany = `SELECT COUNT(*) FROM audit`
	toWrite = `INSERT INTO schema_breaks (step) VALUES (999999) RETURNING step`
)

// A process loses all its locks on a file when it closes the file once, unless
// whoever opened it twice counts: the store's own connections and those of
// database/sql are two ways to one library, which does. Otherwise another process
// would write between, or take away the log under our hands.
func TestWhoeverClosesTheFileInThisProcessLeavesTheLocksOfTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "renkei.db")
	cfg := store.Config{URL: "sqlite:" + path, Passive: true}
	db := open(t, cfg)
	in := db.Institution("demo")
	if err := in.Commit(t.Context(), denial("first")); err != nil {
		t.Fatal(err)
	}
	closings := map[string]func(){
		"database/sql":   func() { ask(t, path, howMany) },
		"a second store": func() { shut(t, cfg) },
		"a backup":       func() { backup(t, cfg) },
	}
	n := 1
	for who, closes := range closings {
		closes()
		askElsewhere(t, path, howMany) // were our lock gone, this process would be the last to close the file and take its log away
		if err := in.Commit(t.Context(), denial(who)); err != nil {
			t.Fatal(err)
		}
		n++
		if got := askElsewhere(t, path, howMany); got != string(rune('0'+n)) {
			t.Errorf("after %s closed the file: another process sees %s acts of %d", who, got, n)
		}
		err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
			if err := x.Do(ctx, `UPDATE audit_key SET id = 1 WHERE id = 1`); err != nil {
				return err
			}
			if who != "a second store" { // it would wait for us
				closes()
			}
			if got := askElsewhere(t, path, toWrite); !strings.Contains(got, "locked") {
				t.Errorf("after %s closed the file: another process wrote into our transaction: %s", who, got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := ask(t, path, `PRAGMA integrity_check`); got != "ok" {
		t.Error(got)
	}
}

func shut(t *testing.T, cfg store.Config) {
	t.Helper()
	cfg.Box = box(t)
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func backup(t *testing.T, cfg store.Config) {
	t.Helper()
	cfg.Box = box(t)
	if _, err := store.Backup(t.Context(), cfg, io.Discard); err != nil {
		t.Fatal(err)
	}
}

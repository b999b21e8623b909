package store_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

func TestOnlyWhoFoundsABankMakesItsDatabase(t *testing.T) {
	for name, url := range databases(t) {
		t.Run(name, func(t *testing.T) {
			cfg := store.Config{URL: url(t), Box: box(t)}
			if path, is := strings.CutPrefix(cfg.URL, "sqlite:"); is { // its folder is not there either
				cfg.URL = "sqlite:" + filepath.Join(path, "deep", "renkei.db")
			}
			left := cfg
			left.LeaveSchema, left.Passive = true, true
			for what, does := range map[string]func() error{
				"opening": func() error { _, err := store.Open(t.Context(), left); return err },
				"asking for steps": func() error {
					_, err := store.Migrations(t.Context(), cfg, false)
					return err
				},
				"a backup":    func() error { _, err := store.Backup(t.Context(), cfg, io.Discard); return err },
				"an accepter": func() error { return store.AcceptSetBack(t.Context(), cfg, true) },
			} {
				err := does()
				if err == nil || fault.Of(err) != fault.NotFound || !strings.Contains(err.Error(), "`renkei db up` founds one") {
					t.Errorf("%s: %v", what, err)
				}
				if made := whatIsThere(t, cfg.URL); made != "" {
					t.Fatalf("%s made %s", what, made)
				}
			}
			if _, err := store.Migrations(t.Context(), cfg, true); err != nil {
				t.Fatal(err)
			}
			if path, is := strings.CutPrefix(cfg.URL, "sqlite:"); is {
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("the file is %v, %v: not its owner's alone", info, err)
				}
			}
			open(t, left)
		})
	}
}

// whatIsThere names something in an empty database or beside a missing file.
func whatIsThere(t *testing.T, url string) (found string) {
	t.Helper()
	if path, is := strings.CutPrefix(url, "sqlite:"); is {
		above := filepath.Dir(filepath.Dir(filepath.Dir(path)))
		err := filepath.WalkDir(above, func(p string, _ fs.DirEntry, err error) error {
			if p != above {
				found = p
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), `SELECT coalesce(min(tablename), '') FROM pg_tables WHERE schemaname = current_schema()`).Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

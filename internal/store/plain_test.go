package store_test

import (
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

func TestWhyADatabaseCannotBeOpenedIsSaidInOneSentenceOfOurs(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "letter.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("dear bank ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, url, says string }{
		{"a folder", "sqlite:" + folder, "its file cannot be opened: look whether the path"},
		{"a letter", "sqlite:" + text, "its file is not a SQLite database"},
		{"a port where nobody listens", "postgres://renkei@127.0.0.1:1/renkei", "no server answers at 127.0.0.1:1 (connection refused)"},
	}
	if there, is := databases(t)["postgres"]; is {
		at, err := url.Parse(there(t))
		if err != nil {
			t.Fatal(err)
		}
		nobody, nowhere := *at, *at
		nobody.User = url.User("nobody-we-know")
		nowhere.Path = "/nowhere"
		cases = append(cases, []struct{ name, url, says string }{
			{"a user that is unknown", nobody.String(), "its server lets this user not in"},
			{"a database that is unknown", nowhere.String(), "its server has no such database: create it"},
		}...)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := store.Config{URL: c.url, Box: box(t), Log: slog.New(slog.DiscardHandler), LeaveSchema: true, Passive: true}
			_, opened := store.Open(t.Context(), cfg)
			_, asked := store.Migrations(t.Context(), cfg, false)
			for what, err := range map[string]error{"opening": opened, "asking for steps": asked} {
				if err == nil || fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

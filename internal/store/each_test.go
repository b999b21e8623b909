package store_test

import (
	"flag"
	"log"
	"os"
	"path/filepath"
	"testing"

	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
	"renkei.dev/internal/store/storetest"
)

// each runs a test on every database that the store speaks to: a SQLite file
// of its own, a PostgreSQL database of its own, and the same at SERIALIZABLE,
// which stands for distributed engines.
func each(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	eachWith(t, store.Config{}, f)
}

// eachWith is each with a configuration of its own.
func eachWith(t *testing.T, cfg store.Config, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	besides(t, func(t *testing.T, name, url string) {
		cfg := cfg
		cfg.URL, cfg.Serializable = url, name == "serializable"
		f(t, open(t, cfg))
	})
}

// besides runs a test on an empty database of every kind, beside each other, since
// most of the time each waits for its disk. It returns when all have ended.
func besides(t *testing.T, f func(t *testing.T, name, url string)) {
	t.Helper()
	t.Run("on", func(t *testing.T) {
		for name, url := range databases(t) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f(t, name, url(t))
			})
		}
	})
}

// databases names every kind of database, with what makes an empty one.
func databases(t testing.TB) map[string]func(testing.TB) string {
	if pooler != nil {
		return map[string]func(testing.TB) string{"pooled": func(t testing.TB) string { return pooler.URL(private.Create(t)) }}
	}
	all := map[string]func(testing.TB) string{
		"sqlite": func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "renkei.db") },
	}
	if err := private.Start(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no private PostgreSQL: %v", err)
		}
		t.Logf("without PostgreSQL: %v", err)
		return all
	}
	all["postgres"] = private.Create
	all["serializable"] = private.Create
	return all
}

// open opens a store that the test closes.
func open(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	if cfg.Box == nil {
		cfg.Box = box(t)
	}
	if pooler != nil {
		if direct, is := pooler.Direct(cfg.URL); is {
			cfg.Pooled, cfg.DirectURL = true, direct
		}
	}
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// box seals with the key of all tests.
func box(t testing.TB) *secret.Box {
	t.Helper()
	b, err := secret.NewBox(map[uint32][]byte{1: make([]byte, secret.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// private is the test binary's own PostgreSQL, started when first asked for.
var private storetest.Cluster

// pooler stands before private while a test of the contract runs through it.
var pooler *storetest.Pooler

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "3"); err != nil { // a database of each kind
		log.Fatal(err)
	}
	code := m.Run()
	private.Stop()
	os.Exit(code)
}

package store_test

import (
	"log/slog"
	"testing"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

func TestAClearedDatabaseIsEmptyAndTakesNewKeys(t *testing.T) {
	besides(t, func(t *testing.T, _, url string) {
		cfg := store.Config{URL: url, Box: box(t), Log: slog.New(slog.DiscardHandler)}
		if err := store.Clear(t.Context(), cfg); err != nil {
			t.Fatalf("with nothing in it: %v", err)
		}
		db, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Tamper(t.Context(), `CREATE TABLE of_somebody_else (id BIGINT)`); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		key := make([]byte, secret.KeySize)
		key[0] = 1
		other, err := secret.NewBox(map[uint32][]byte{1: key})
		if err != nil {
			t.Fatal(err)
		}
		foreign := cfg
		foreign.Box = other
		if err := store.Clear(t.Context(), foreign); fault.Of(err) != fault.Refused || err == nil {
			t.Fatalf("another's data: %v", err)
		}
		if err := store.Clear(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		again := open(t, foreign)
		var n int64
		if err := again.Institution("demo").Row(t.Context(), `SELECT COUNT(*) FROM of_somebody_else`, nil, &n); err != nil {
			t.Errorf("another's table: %v", err)
		}
		if err := again.Institution("demo").Row(t.Context(), `SELECT COUNT(*) FROM audit`, nil, &n); err != nil || n != 0 {
			t.Errorf("%d acts are left, %v", n, err)
		}
	})
}

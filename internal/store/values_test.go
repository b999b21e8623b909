package store_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"renkei.dev/internal/store"
)

// Both databases take an argument by the number of its parameter, wherever that
// stands, and give back what was put in.
func TestWhatIsWrittenIsReadAgainAsItWas(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		blob := "BLOB"
		if in.Dialect() == "postgres" {
			blob = "BYTEA"
		}
		long := strings.Repeat("長い文", 5000)
		write := func(id int, word *string, b []byte, n *int64) {
			t.Helper()
			err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
				return x.Must(ctx, `INSERT INTO kept (n, b, word, again, id) VALUES ($4, $3, $2, $2, $1)`, id, word, b, n)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
			return x.Do(ctx, `CREATE TABLE kept (id BIGINT PRIMARY KEY, word TEXT, again TEXT, b `+blob+`, n BIGINT)`)
		})
		if err != nil {
			t.Fatal(err)
		}
		word, most, least := long+"'\"$1", int64(math.MaxInt64), int64(math.MinInt64)
		empty := ""
		write(1, &word, []byte{0, 1, 0xff, 0}, &most)
		write(2, &empty, []byte{}, &least)
		write(3, nil, nil, nil)
		for id, want := range map[int]struct {
			word *string
			b    []byte
			n    *int64
		}{1: {&word, []byte{0, 1, 0xff, 0}, &most}, 2: {&empty, []byte{}, &least}, 3: {}} {
			var got, again *string
			var b []byte
			var n *int64
			err := in.Row(t.Context(), `SELECT word, again, b, n FROM kept WHERE $2 = 'x' AND id = $1`, []any{id, "x"}, &got, &again, &b, &n)
			if err != nil {
				t.Fatal(err)
			}
			if !same(got, want.word) || !same(again, want.word) || !same(n, want.n) || !bytes.Equal(b, want.b) || (b == nil) != (want.b == nil) {
				t.Errorf("row %d: %v, %v, %v, %v", id, got != nil, again != nil, b, n)
			}
			if want.n == nil {
				continue
			}
			var text string
			var number int64
			if err := in.Row(t.Context(), `SELECT word, b, n FROM kept WHERE id = $1`, []any{id}, &text, &b, &number); err != nil {
				t.Fatal(err)
			}
			if text != *want.word || number != *want.n || b == nil || !bytes.Equal(b, want.b) {
				t.Errorf("row %d, where nothing can be NULL: %d bytes, %v, %d", id, len(text), b, number)
			}
		}
		var n int
		if err := in.Row(t.Context(), `SELECT n FROM kept WHERE id = $1`, []any{3}, &n); err == nil || errors.Is(err, store.ErrNone) {
			t.Errorf("nothing was read into a number: %v", err)
		}
		if err := in.Row(t.Context(), `SELECT word FROM kept WHERE id = $1`, []any{1}, &n); err == nil {
			t.Error("a text was read into a number")
		}
		if err := in.Row(t.Context(), `SELECT n, word FROM kept WHERE id = $1`, []any{1}, &n); err == nil {
			t.Error("one place for two columns will do")
		}
		if err := in.Row(t.Context(), `SELECT n FROM kept WHERE id = $1`, []any{4}, &n); !errors.Is(err, store.ErrNone) {
			t.Errorf("a row that is not there: %v", err)
		}
		if err := in.Row(t.Context(), `SELECT n FROM kept WHERE id = $1 AND word = $2`, []any{4}, &n); err == nil || errors.Is(err, store.ErrNone) {
			t.Errorf("an argument too few: %v", err)
		}
		kept := []byte("before")
		if err := in.Row(t.Context(), `SELECT b FROM kept WHERE id = $1`, []any{1}, &kept); err != nil {
			t.Fatal(err)
		}
		var other []byte
		if err := in.Row(t.Context(), `SELECT b FROM kept WHERE id = $1`, []any{2}, &other); err != nil || !bytes.Equal(kept, []byte{0, 1, 0xff, 0}) {
			t.Errorf("the next look-up changed what the last one had read: %v, %v", kept, err)
		}
	})
}

func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

// scratch makes a table of single-use values, as the engines have.
func scratch(t *testing.T, db *store.DB) *store.Institution {
	t.Helper()
	in := db.Institution("demo")
	err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
		_, err := x.Exec(ctx, `CREATE TABLE scratch (institution TEXT NOT NULL, id BIGINT NOT NULL, word TEXT, spent_at BIGINT, PRIMARY KEY (institution, id))`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func add(id int, word string) func(context.Context, store.Tx) error {
	return func(ctx context.Context, x store.Tx) error {
		return x.Must(ctx, `INSERT INTO scratch (institution, id, word) VALUES ($1, $2, $3)`, "demo", id, word)
	}
}

const spend = `UPDATE scratch SET spent_at = $3 WHERE institution = $1 AND id = $2 AND spent_at IS NULL`

func TestAValueIsSpentOnceHoweverManyTryAtOnce(t *testing.T) {
	ways := map[string]func(context.Context, store.Tx) error{
		"by a condition": func(ctx context.Context, x store.Tx) error { return x.Must(ctx, spend, "demo", 1, 7) },
		"with an answer": func(ctx context.Context, x store.Tx) error {
			var word string
			err := x.QueryRow(ctx, spend+` RETURNING word`, "demo", 1, 7).Scan(&word)
			if errors.Is(err, store.ErrNone) {
				return fault.New(fault.Conflict, "spent")
			}
			return err
		},
	}
	for way, spendIt := range ways {
		t.Run(way, func(t *testing.T) {
			each(t, func(t *testing.T, db *store.DB) {
				in := scratch(t, db)
				if err := in.Write(t.Context(), add(1, "once")); err != nil {
					t.Fatal(err)
				}
				var won, lost atomic.Int64
				var all sync.WaitGroup
				for range 32 {
					all.Go(func() {
						switch err := in.Write(t.Context(), spendIt); {
						case err == nil:
							won.Add(1)
						case errors.Is(err, fault.Conflict):
							lost.Add(1)
						default:
							t.Error(err)
						}
					})
				}
				all.Wait()
				if won.Load() != 1 || lost.Load() != 31 {
					t.Errorf("%d won and %d lost", won.Load(), lost.Load())
				}
			})
		})
	}
}

func TestWhatNoLongerHoldsTakesTheRestOfItsCommitWithItAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := scratch(t, db)
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
					if err := add(i, "row")(ctx, x); err != nil {
						return err
					}
					if i%2 == 0 {
						return x.Must(ctx, spend, "demo", 1000+i, 7) // there is none
					}
					return nil
				})
				if wants := i%2 == 0; errors.Is(err, fault.Conflict) != wants || (err != nil) != wants {
					t.Errorf("commit %d: %v", i, err)
				}
			})
		}
		all.Wait()
		var n int64
		if err := in.Row(t.Context(), `SELECT count(*) FROM scratch`, nil, &n); err != nil || n != 20 {
			t.Errorf("%d rows, want 20 (%v)", n, err)
		}
	})
}

type replayed struct{}

func (replayed) Error() string { return "seen before" }
func (replayed) Unwrap() error { return fault.Conflict }

func TestAConflictSaysWhatItMeans(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := scratch(t, db)
		remember := func(ctx context.Context, x store.Tx) error {
			if err := x.Do(ctx, `UPDATE scratch SET word = NULL WHERE institution = $1`, "demo"); err != nil {
				return err
			}
			return x.MustOr(ctx, replayed{}, `INSERT INTO scratch (institution, id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, "demo", 5)
		}
		if err := in.Write(t.Context(), remember); err != nil {
			t.Fatal(err)
		}
		err := in.Write(t.Context(), remember)
		if _, ok := errors.AsType[replayed](err); !ok || fault.Of(err) != fault.Conflict {
			t.Errorf("got %v", err)
		}
	})
}

func TestARowThatIsThereAlreadyIsAConflict(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := scratch(t, db)
		if err := in.Write(t.Context(), add(1, "first")); err != nil {
			t.Fatal(err)
		}
		if err := in.Write(t.Context(), add(1, "second")); !errors.Is(err, fault.Conflict) {
			t.Errorf("got %v", err)
		}
		var word string
		if err := in.Row(t.Context(), `SELECT word FROM scratch WHERE institution = $1 AND id = $2`, []any{"demo", 1}, &word); err != nil || word != "first" {
			t.Errorf("%q, %v", word, err)
		}
	})
}

func TestStatementsSeeWhatWasQueuedBeforeThem(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := scratch(t, db)
		err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
			if err := add(1, "seen")(ctx, x); err != nil {
				return err
			}
			var word string
			if err := x.QueryRow(ctx, `SELECT word FROM scratch WHERE id = $1`, 1).Scan(&word); err != nil {
				return err
			}
			rows, err := x.Query(ctx, `SELECT id, word, spent_at FROM scratch ORDER BY id`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id int
				var again *string
				var spent *int64
				if err := rows.Scan(&id, &again, &spent); err != nil {
					return err
				}
				if *again != word || spent != nil {
					return fmt.Errorf("read %v and %v", *again, spent)
				}
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestAFailureIsOfAKindThatAnEdgeCanTell(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := scratch(t, db)
		cases := []struct {
			name, sql string
			args      []any
			kind      fault.Kind
		}{
			{"a bug in a statement", `SELECT nothing FROM nowhere`, nil, fault.Internal},
			{"a column that must not be empty", `INSERT INTO scratch (institution, id) VALUES (NULL, 1)`, nil, fault.Internal},
		}
		for _, c := range cases {
			err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error { return x.Do(ctx, c.sql, c.args...) })
			if err == nil || fault.Of(err) != c.kind {
				t.Errorf("%s: %v is %v", c.name, err, fault.Of(err))
			}
			if err := in.Write(t.Context(), add(len(c.name), "after")); err != nil {
				t.Errorf("after %s: %v", c.name, err)
			}
		}
	})
}

func TestACommitAfterTheEndIsUnavailable(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Institution("demo").Commit(t.Context(), denial("late")); err == nil || fault.Of(err) != fault.Unavailable {
			t.Errorf("got %v", err)
		}
		if err := db.Ping(t.Context()); err == nil || fault.Of(err) != fault.Unavailable {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnAddressThatCannotBeReadIsNotRepeated(t *testing.T) {
	for _, url := range []string{"mysql://root:hunter2@db/x", "postgres://u:hunter2@[bad/x", "hunter2"} {
		_, err := store.Open(t.Context(), store.Config{URL: url})
		if err == nil || fault.Of(err) != fault.Invalid || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestLookUpsOfManyAtOnceEachGetTheirOwnRow(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := scratch(t, db)
		for i := range 50 {
			if err := in.Write(t.Context(), add(i, fmt.Sprint("word ", i))); err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				var word string
				err := in.Row(t.Context(), `SELECT word FROM scratch WHERE institution = $1 AND id = $2`, []any{"demo", i % 60}, &word)
				switch {
				case i%60 >= 50 && !errors.Is(err, store.ErrNone):
					t.Errorf("row %d, which is not there: %q, %v", i%60, word, err)
				case i%60 < 50 && (err != nil || word != fmt.Sprint("word ", i%60)):
					t.Errorf("row %d: %q, %v", i%60, word, err)
				}
			})
		}
		for range 20 {
			all.Go(func() { // beside them, look-ups that fail
				var word string
				if err := in.Row(t.Context(), `SELECT nothing FROM nowhere`, nil, &word); err == nil || errors.Is(err, store.ErrNone) {
					t.Errorf("got %v", err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := in.Row(ctx, `SELECT word FROM scratch WHERE id = 1`, nil, &word); err == nil {
					t.Error("read after its time")
				}
			})
		}
		all.Wait()
	})
}

package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/store"
)

// written fills the log of an institution with n acts and seals it.
func written(t *testing.T, db *store.DB, n int) {
	t.Helper()
	var acts []audit.Change
	for i := range n {
		acts = append(acts, denial(fmt.Sprintf("jny_%d", i)))
	}
	if err := db.Institution("demo").Commit(t.Context(), acts...); err != nil {
		t.Fatal(err)
	}
	if err := db.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, db *store.DB) audit.Report {
	t.Helper()
	r, err := db.AuditLog().Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// numbers returns the numbers of all rows.
func numbers(t *testing.T, db *store.DB) []int64 {
	t.Helper()
	var all []int64
	err := db.AuditLog().Each(t.Context(), store.Which{}, func(r audit.Row) error {
		all = append(all, r.Seq)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestALogThatNobodyTouchedVerifies(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		if r := verify(t, db); r.Bad != nil || r.Sealed != 0 {
			t.Errorf("an empty log: %+v", r)
		}
		for _, n := range []int{1, 2, 254, 300} { // across the edge of a tile
			written(t, db, n)
			if r := verify(t, db); r.Bad != nil || r.Pending != 0 || r.Sealed != int64(len(numbers(t, db))) {
				t.Errorf("%+v, bad %v", r, r.Bad)
			}
		}
		if err := db.Institution("demo").Commit(t.Context(), denial("new")); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, db); r.Bad != nil || r.Pending != 1 {
			t.Errorf("with a row that is not sealed: %+v, bad %v", r, r.Bad)
		}
	})
}

func TestVerificationNamesTheFirstBadRow(t *testing.T) {
	cases := []struct {
		name   string
		tamper string // FIRST is the 41st row's number, SECOND the 42nd's
		bad    int    // place of the row that has to be named
	}{
		{"an entry was edited", `UPDATE audit SET entry = replace(entry, 'wrong_password', 'wrong_passw0rd') WHERE seq IN (FIRST, SECOND)`, 40},
		{"a column beside the entry was edited", `UPDATE audit SET name = 'login.tried' WHERE seq IN (FIRST, SECOND)`, 40},
		{"an institution was edited", `UPDATE audit SET institution = 'other' WHERE seq IN (FIRST, SECOND)`, 40},
		{"a row was deleted", `DELETE FROM audit WHERE seq IN (FIRST, SECOND)`, 40},
		{"two rows changed places", `UPDATE audit SET entry = (SELECT b.entry FROM audit b WHERE b.seq <> audit.seq AND b.seq IN (FIRST, SECOND)),
			mac = (SELECT b.mac FROM audit b WHERE b.seq <> audit.seq AND b.seq IN (FIRST, SECOND)) WHERE seq IN (FIRST, SECOND)`, 40},
		{"a leaf of the tree was edited", `UPDATE audit_tile SET hashes = (SELECT b.hashes FROM audit_tile b WHERE b.level = 0 AND b.n = 1) WHERE level = 0 AND n = 0`, 0},
		{"the rest was cut off", `DELETE FROM audit WHERE seq >= FIRST`, 40},
		{"all was cut off", `DELETE FROM audit`, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, db *store.DB) {
				written(t, db, 600)
				all := numbers(t, db)
				if err := db.Tamper(t.Context(), strings.NewReplacer("FIRST", fmt.Sprint(all[40]), "SECOND", fmt.Sprint(all[41])).Replace(c.tamper)); err != nil {
					t.Fatal(err)
				}
				r := verify(t, db)
				if r.Bad == nil || r.Bad.Seq != all[c.bad] {
					t.Errorf("found %+v, want row %d", r.Bad, all[c.bad])
				}
			})
		})
	}
}

func TestAnInsertedRowIsNamed(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		written(t, db, 10)
		last := numbers(t, db)[9]
		copied := `INSERT INTO audit (seq, institution, at, name, entry, mac)
			SELECT $1, institution, at, name, entry, mac FROM audit WHERE seq = $2`
		for _, seq := range []int64{last + 1, -5} {
			if err := db.Tamper(t.Context(), copied, seq, last); err != nil {
				t.Fatal(err)
			}
			if r := verify(t, db); r.Bad == nil || r.Bad.Seq != seq {
				t.Errorf("found %+v, want row %d", r.Bad, seq)
			}
			if err := db.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r := verify(t, db); r.Bad == nil || r.Bad.Seq != seq {
				t.Errorf("after sealing: found %+v, want row %d", r.Bad, seq)
			}
		}
	})
}

func TestALogThatWasSetBackIsNoticedByAKeptCheckpoint(t *testing.T) {
	besides(t, func(t *testing.T, _, url string) {
		db := open(t, store.Config{URL: url, CheckpointFile: filepath.Join(t.TempDir(), "checkpoints")})
		written(t, db, 5)
		written(t, db, 5)
		if r := verify(t, db); r.Bad != nil || r.Checkpoints != 4 { // two, each kept twice
			t.Fatalf("%+v, bad %v", r, r.Bad)
		}
		cut := numbers(t, db)[5]
		for _, sql := range []string{`DELETE FROM audit WHERE seq >= $1`, `DELETE FROM audit_checkpoint WHERE last_seq >= $1`} {
			if err := db.Tamper(t.Context(), sql, cut); err != nil {
				t.Fatal(err)
			}
		}
		if r := verify(t, db); r.Bad == nil || !strings.Contains(r.Bad.What, "cut off") {
			t.Errorf("found %+v", r.Bad)
		}
	})
}

func TestATreeThatWasChangedIsNotBuiltUpon(t *testing.T) {
	eachWith(t, store.Config{Passive: true}, func(t *testing.T, db *store.DB) {
		written(t, db, 300)
		if err := db.Tamper(t.Context(), `UPDATE audit_tile SET hashes = (SELECT b.hashes FROM audit_tile b WHERE b.level = 0 AND b.n = 1) WHERE level = 1 AND n = 0`); err != nil {
			t.Fatal(err)
		}
		if err := db.Institution("demo").Commit(t.Context(), denial("more")); err != nil {
			t.Fatal(err)
		}
		if err := db.Seal(t.Context()); err == nil {
			t.Error("sealed on top of it")
		}
	})
}

func TestEveryRowCanBeProvedToWhoHasThePublicKey(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		written(t, db, 300)
		log := db.AuditLog()
		for _, place := range []int{0, 255, 256, 299} {
			p, err := log.Prove(t.Context(), numbers(t, db)[place])
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Check(log.Public()); err != nil {
				t.Errorf("row %d: %v", place, err)
			}
			p.Entry = strings.Replace(p.Entry, "denied", "done", 1)
			if err := p.Check(log.Public()); err == nil {
				t.Errorf("row %d is proved after an edit", place)
			}
		}
	})
}

func TestTheLogIsSealedWhenTheStoreIsClosed(t *testing.T) {
	besides(t, func(t *testing.T, _, url string) {
		cfg := store.Config{URL: url}
		db := open(t, cfg)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				if err := db.Institution("demo").Commit(t.Context(), denial(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		cfg.Passive = true
		if r := verify(t, open(t, cfg)); r.Bad != nil || r.Sealed != 50 || r.Pending != 0 {
			t.Errorf("%+v, bad %v", r, r.Bad)
		}
	})
}

func TestTheLogIsExportedLineByLine(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		written(t, db, 3)
		var out bytes.Buffer
		if err := db.AuditLog().Export(t.Context(), store.Which{Institution: "demo", Name: audit.Name("login.done"), Word: "jny_1"}, &out); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.Contains(out.String(), `"object":"jny_1"`) {
			t.Errorf("%d lines: %s", lines, out.String())
		}
	})
}

func TestTheLogsKeyIsKeptSealed(t *testing.T) {
	cfg := store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "renkei.db")}
	db := open(t, cfg)
	public := db.AuditLog().Public()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, cfg).AuditLog().Public(); again != public {
		t.Errorf("the key changed from %s to %s", public, again)
	}
	if _, err := os.Stat(strings.TrimPrefix(cfg.URL, "sqlite:")); err != nil {
		t.Error(err)
	}
}

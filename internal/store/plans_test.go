package store

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
)

// A look-up that reads all rows of an institution is as fast as any other in a
// test, and stops a bank with a million consents.
func TestNoLookUpReadsAllOfAnInstitution(t *testing.T) {
	box, err := secret.NewBox(map[uint32][]byte{1: make([]byte, secret.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "renkei.db"), Box: box})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	in, ctx, now := db.Institution("demo"), context.Background(), time.Now()
	all := map[string]bool{}
	for name, look := range map[string]func() error{
		"a user's consents": func() error { _, err := in.ConsentsTo(ctx, "usr", "p"); return err },
		"an account's PINs": func() error { _, _, _, err := in.PINInUse(ctx, "001", now); return err },
		"a journey":         func() error { _, _, _, err := in.Journey(ctx, linkage.JourneyID(1)); return unlessNone(err) },
		"what is left over": func() error {
			_, err := in.Leftovers(ctx, linkage.LeftoversAsked{IdleBefore: now, BeganBefore: now, Limit: 10})
			return err
		},
		"what ended long ago": func() error { return in.NewEnded(0).Forget(ctx, now) },
	} {
		if err := look(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := in.write(ctx, func(ctx context.Context, tx tx) error { return in.dropUnneededPINs(ctx, tx, "cns", now) }); err != nil {
		t.Fatal(err)
	}
	e := db.engine.(*sqliteEngine)
	conns := append([]*sqliteConn{e.writer}, e.readers.free...)
	explain, err := connectSQLite(ctx, db.cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer explain.close()
	for _, c := range conns {
		for sql := range c.statements {
			all[sql] = true
		}
	}
	found := 0
	for sql := range all {
		if !strings.Contains(sql, "consents") && !strings.Contains(sql, "inquiry_pins") && !strings.Contains(sql, "journeys") {
			continue
		}
		found++
		args := make([]any, strings.Count(sql, "$")) // more than there are do no harm
		rs, err := explain.all("EXPLAIN QUERY PLAN "+sql, args[:highest(sql)])
		if err != nil {
			t.Errorf("%v: %s", err, sql)
			continue
		}
		for rs.Next() {
			var a, b, c any
			var how string
			if err := rs.Scan(&a, &b, &c, &how); err != nil {
				t.Fatal(err)
			}
			if large.MatchString(how) && (strings.HasPrefix(how, "SCAN") || strings.HasSuffix(how, "PRIMARY KEY (institution=?)")) {
				t.Errorf("%s\n in %s", how, sql)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d statements were looked at", found)
	}
}

// large are the tables that grow with the customers, as statements name them.
var large = regexp.MustCompile(`^(SCAN|SEARCH) (consents|c|e|o|journeys|j|inquiry_pins)\b`)

// highest returns the number of the last parameter of a statement.
func highest(sql string) int {
	n := 0
	for strings.Contains(sql, "$"+string(rune('1'+n))) && n < 9 {
		n++
	}
	return n
}

func unlessNone(err error) error {
	if err != nil && strings.Contains(err.Error(), "not found") {
		return nil
	}
	return err
}

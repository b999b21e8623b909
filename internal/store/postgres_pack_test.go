package store_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// onPostgres runs a test on a database where Commits are grouped.
func onPostgres(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	url := databases(t)["postgres"]
	if url == nil {
		t.Skip("there is no PostgreSQL")
	}
	f(t, open(t, store.Config{URL: url(t)}))
}

func header(seen ...string) oauth.Header {
	h := oauth.Header{Client: "cl_kaikei", Partner: "p", At: time.Unix(1_800_000_000, 0)}
	for _, s := range seen {
		h.Seen = append(h.Seen, oauth.Replay{What: oauth.ProofReplay, Until: h.At.Add(time.Minute), Digest: secret.DigestOf("test", s, secret.Value{})})
	}
	return h
}

func push(id int64, seen ...string) []audit.Change {
	return []audit.Change{oauth.RequestPushed{Header: header(seen...), Key: oauth.Key{ID: id}, ExpiresAt: time.Unix(1_800_000_060, 0)}}
}

func deny(id int64) []audit.Change {
	return []audit.Change{oauth.RequestDenied{Header: header(), Request: oauth.Key{ID: id}, Reason: "access_denied"}}
}

// counted fails the test unless tables have as many rows.
func counted(t *testing.T, in *store.Institution, want map[string]int) {
	t.Helper()
	for from, want := range want {
		var n int
		if err := in.Row(t.Context(), `SELECT count(*) FROM `+from, nil, &n); err != nil || n != want {
			t.Errorf("%s: %d rows, want %d (%v)", from, n, want, err)
		}
	}
}

func together(t *testing.T, in *store.Institution, want int, commits ...[]audit.Change) []error {
	t.Helper()
	errs, statements, err := in.Together(t.Context(), commits...)
	if err != nil || statements != want {
		t.Fatalf("%d statements, want %d (%v)", statements, want, err)
	}
	return errs
}

func TestCommitsThatWaitTogetherAreOneStatementOfAKind(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		var pushes, denials [][]audit.Change
		for i := range int64(20) {
			pushes = append(pushes, push(i, fmt.Sprint("assertion ", i), fmt.Sprint("proof ", i)))
			denials = append(denials, deny(i))
		}
		for _, err := range slices.Concat(together(t, in, 3, pushes...), together(t, in, 2, denials...)) {
			if err != nil {
				t.Error(err)
			}
		}
		if err := together(t, in, 3, push(20, "one", "two"))[0]; err != nil {
			t.Error(err)
		}
		if err := together(t, in, 3, push(21, "three", "two"))[0]; !errors.As(err, new(oauth.Replayed)) {
			t.Errorf("a proof that was seen: %v", err)
		}
		counted(t, in, map[string]int{"replays": 42, "pushed_requests WHERE spent_at IS NOT NULL": 20, "audit": 41})
	})
}

func TestOneOfAGroupThatNoLongerHoldsHurtsNoneOfTheOthers(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		for i, err := range together(t, in, 3, push(1, "a"), push(2, "b"), push(3, "a")) {
			if third := i == 2; third != errors.Is(err, store.ErrAlone) || !third && err != nil {
				t.Errorf("push %d beside one with the same proof: %v", i, err)
			}
		}
		for i, err := range together(t, in, 2, deny(1), deny(7), deny(2), deny(2)) {
			if lost := i%2 == 1; lost != errors.Is(err, store.ErrAlone) || !lost && err != nil {
				t.Errorf("denial %d: %v", i, err)
			}
		}
		for i, err := range together(t, in, 3, push(4, "c"), push(2, "d")) { // the second has an id that is there
			if lost := i == 1; lost != errors.Is(err, store.ErrAlone) || !lost && err != nil {
				t.Errorf("push %d beside one that cannot be: %v", i, err)
			}
		}
		counted(t, in, map[string]int{"replays": 3, "pushed_requests": 3, "pushed_requests WHERE spent_at IS NOT NULL": 2, "audit": 5})
	})
}

func TestTheStatementsOfACommitStayInTheirOrder(t *testing.T) {
	for _, c := range []struct {
		commits []string
		want    []string
	}{
		{[]string{"abc", "abc", "abc"}, []string{"aaa", "bbb", "ccc"}},
		{[]string{"aab", "ab"}, []string{"aaa", "bb"}},
		{[]string{"ac", "abc", "b"}, []string{"aa", "bb", "cc"}},
		{[]string{"ab", "ba"}, []string{"a", "bb", "a"}},
		{[]string{"aba", "aba"}, []string{"aa", "bb", "aa"}},
		{[]string{"a-b", "a-b"}, []string{"aa", "-", "-", "bb"}},
	} {
		if got := store.BundledOrder(c.commits...); !slices.Equal(got, c.want) {
			t.Errorf("%q went as %q, want %q", c.commits, got, c.want)
		}
	}
}

// A statement of many that joined what it looks for to the whole table would be
// as fast as any other in a test.
func TestNoStatementOfManyReadsAllOfATable(t *testing.T) {
	onPostgres(t, func(t *testing.T, db *store.DB) {
		looked := func(when string, forbidden *regexp.Regexp) {
			if len(store.Effects()) < 15 {
				t.Errorf("only %d statements were looked at", len(store.Effects()))
			}
			for _, e := range store.Effects() {
				plan, err := db.WriterPlan(t.Context(), e)
				if err != nil {
					t.Errorf("%v: %s", err, e.Many)
				} else if bad := forbidden.FindString(plan); bad != "" {
					t.Errorf("%s: %s\n in %s\n%s", when, bad, e.Many, plan)
				}
			}
			for _, sql := range store.LookUps() {
				plan, err := db.ReaderPlan(t.Context(), sql)
				if err != nil {
					t.Errorf("%v: %s", err, sql)
				} else if bad := forbidden.FindString(plan); bad != "" {
					t.Errorf("%s: %s\n in %s\n%s", when, bad, sql, plan)
				}
			}
		}
		const reads = `Seq Scan on|Hash Join|Merge Join|Hash Anti|Hash Semi`
		looked("while the tables are empty", regexp.MustCompile(reads))
		in := db.Institution("demo")
		ids, err := store.NewIDs(3, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range []int{50, 1000} {
			if err := in.PlantConsents(t.Context(), store.Planted{Partner: "p", Client: "c", N: n, IDs: ids}); err != nil {
				t.Fatal(err)
			}
			some := fmt.Sprintf(" FROM generate_series(%d, %d) AS n", i*100, i*100+n)
			for _, sql := range []string{
				`INSERT INTO journeys SELECT 'demo', n, 'J' || n, 'p', 'c', 'usr', 'cmp', 'consent', 1, '', '', 0, '', 0, n, n, 0, '', '', '', 0` + some,
				`INSERT INTO inquiry_pins SELECT 'demo', '001-1-' || n, 'usr', '', 'cmp ' || n, 'registered', '', 1, '', n` + some,
				`INSERT INTO pushed_requests SELECT n, 'demo', '', '{}', n` + some,
				`INSERT INTO used_challenges SELECT 'demo', ('\x' || to_char(n, 'FM000000'))::bytea, n` + some,
				`INSERT INTO codes SELECT n, 'demo', '', 'c', 'cns ' || n, '', 'g', 0, '{}', n` + some,
				`INSERT INTO sign_in_sessions SELECT 'demo', ('\x' || to_char(n, 'FM000000'))::bytea, 'usr', n, 'password', 0, n` + some,
				`ANALYZE`,
			} {
				if err := db.Tamper(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			looked(fmt.Sprintf("with %d rows", n), regexp.MustCompile(reads+`|Index Cond: \((\w+\.)?institution = [^)]*\)\n|Index (Only )?Scan.*\n *[^I ]`))
		}
	})
}

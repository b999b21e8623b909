package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

// D01 and C10 invariants 1 and 2: the n-th look-up, statement or answer of a
// Commit fails, or the server dies there, for every n until the story passes
// undisturbed. Whoever was not answered sends again; nothing is torn, nothing is
// given twice, the bank is never asked without a try that was counted before,
// and the log verifies.
func TestWhereverItFailsNothingIsTornAndTheStoryGoesOn(t *testing.T) {
	for name, url := range databases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t, store.Config{URL: quick(t, url(t)), Passive: true, Serializable: name == "serializable"})
			bank := openBank(t)
			ends := map[string]error{"it fails": fault.New(fault.Unavailable, "the connection is gone"), "it dies": store.Dead{}}
			if name == "serializable" {
				delete(ends, "it dies") // for a server that dies the isolation is all one
			}
			for how, end := range ends {
				for n, passed := 1, false; !passed; n++ {
					points := 0
					var where store.Point
					s := storyOf(t, db, bank, fmt.Sprintf("%s-%d", how, n), func(p store.Point) error {
						if points++; points != n {
							return nil
						}
						where = p
						return end
					})
					s.tell()
					passed = where == ""
					if passed {
						t.Logf("%s at none of %d points", how, points)
					}
					repeated := where == store.Reading && len(s.broken) == 0 // who waits for the core's room looks again
					if len(s.broken) == 0 != passed && !repeated || t.Failed() {
						t.Fatalf("%s at point %d, %s: %q", how, n, where, s.broken)
					}
				}
			}
			if r := verify(t, db); r.Bad != nil || r.Sealed == 0 {
				t.Errorf("%+v, bad %v", r, r.Bad)
			}
		})
	}
}

// quick moves the file of a database to memory, where there is such a place: no
// test of this process alone needs what fsync is for.
func quick(t *testing.T, url string) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "renkei-")
	if !strings.HasPrefix(url, "sqlite:") || err != nil {
		return url
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return "sqlite:" + filepath.Join(folder, "renkei.db")
}

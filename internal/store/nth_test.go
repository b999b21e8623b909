package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
			hows := []string{"it fails", "it dies"}
			if name == "serializable" {
				hows = hows[:1] // for a server that dies the isolation is all one
			}
			for _, how := range hows {
				for n, passed := 1, false; !passed; n++ {
					l := &line{breaksAt: n, dies: how == "it dies"}
					s := storyOf(t, db, bank, fmt.Sprintf("%s-%d", how, n), l)
					s.tell()
					if passed = l.broke == ""; passed {
						t.Logf("%s at none of %d points", how, l.points)
					}
					repeated := l.broke == store.Reading && !l.dies && len(s.broken) == 0 // who waits for the core's room looks again
					if len(s.broken) == 0 != passed && !repeated || t.Failed() {
						t.Fatalf("%s at point %d, %s: %q", how, n, l.broke, s.broken)
					}
				}
			}
			if r := verify(t, db); r.Bad != nil || r.Sealed == 0 {
				t.Errorf("%+v, bad %v", r, r.Bad)
			}
		})
	}
}

// line is the way of a story's servers to the database. It breaks once, at one
// of its points.
type line struct {
	breaksAt int                    // counted from 1; 0: never
	dies     bool                   // the server dies there: nothing works for it any more
	only     func(store.Point) bool // which points count; nil: all
	breaks   func() error           // what happens there; nil: an error
	mu       sync.Mutex
	points   int
	broke    store.Point // where it did
	dead     bool
}

func (l *line) at(p store.Point) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.only != nil && !l.only(p) {
		return nil
	}
	l.points++
	if l.points == l.breaksAt {
		l.broke, l.dead = p, l.dies
		if l.breaks != nil {
			return l.breaks()
		}
		return fault.New(fault.Unavailable, "the connection is gone")
	}
	if l.dead {
		return fault.New(fault.Unavailable, "the server is dead")
	}
	return nil
}

// revive tells whether the server died, and lets the next one live.
func (l *line) revive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	died := l.dead
	l.dead = false
	return died
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

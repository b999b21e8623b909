package store_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"renkei.dev/internal/store"
)

// The child of a kill is told by its environment which database to use, in which
// institution, and at which write it ends.
const (
	killedIn = "RENKEI_TEST_KILLED_IN"
	killedAt = "RENKEI_TEST_KILLED_AT"
)

// TestTheChildOfAKill is no test: it is the process that the next one starts. It
// tells the story, says what was acknowledged, and is killed at or soon after its
// n-th write.
func TestTheChildOfAKill(t *testing.T) {
	name := os.Getenv(killedIn)
	if name == "" {
		t.Skip("it runs as a child")
	}
	n, err := strconv.Atoi(os.Getenv(killedAt))
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, store.Config{URL: os.Getenv(crashing), Passive: true})
	s := storyOf(t, db, openBank(t), name, &line{breaksAt: n, only: func(p store.Point) bool { return p != store.Reading }, breaks: func() error {
		die := func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) }
		if n%3 == 0 { // now; otherwise somewhere in what comes next
			die()
		}
		time.AfterFunc(time.Duration(n%7)*100*time.Microsecond, die)
		return nil
	}})
	s.told = func(what string) { fmt.Fprintf(os.Stderr, "ack %s\n", what) }
	s.tell()
	fmt.Fprintf(os.Stderr, "ack %s\n", passed)
}

const passed = "all"

// acknowledged is what must be in the database once a thing was answered.
var acknowledged = map[string]string{
	"push":             acts("oauth.request_pushed"),
	"a wrong password": acts("login.done"),
	"the password":     `journeys WHERE institution = $1`,
	"the answer":       acts("answer.done"),
	"wrong PINs":       acts("pins.staged"),
	"the PINs":         `audit WHERE institution = $1 AND seq > $2 AND name = 'pins.staged' AND entry LIKE '%"outcome":"done"%'`,
	"go on":            acts("pins.confirmed"),
	"allow":            `consents WHERE institution = $1`,
	"redeem":           `codes WHERE institution = $1 AND spent_at IS NOT NULL`,
	"refresh":          acts("oauth.token_refreshed"),
	"revoke":           `consents WHERE institution = $1 AND end_reason = 'partner'`,
}

// D01: kill -9 of a whole process, at writes all along the story. What it had
// acknowledged is there, nothing is torn, and the next process tells the story
// to its end in the same institution.
func TestAKilledProcessLeavesWhatItAcknowledgedAndNothingTorn(t *testing.T) {
	besides(t, func(t *testing.T, name, url string) {
		if name == "serializable" {
			t.Skip("what a killed process leaves does not depend on it")
		}
		address := url
		db := open(t, store.Config{URL: address, Passive: true})
		bank := openBank(t)
		for n := 1; ; n += 5 {
			institution := fmt.Sprintf("killed-%d", n)
			said := killedChild(t, address, institution, n)
			if said[passed] {
				t.Logf("the story has fewer than %d writes", n)
				break
			}
			gone(t, db, name)
			before := &story{t: t, name: institution, whole: db, broken: []string{"kill -9"}}
			before.consistent()
			for what := range said {
				if from, known := acknowledged[what]; known && before.count(from) == 0 {
					t.Errorf("killed at write %d: %q was acknowledged and is lost", n, what)
				}
			}
			s := storyOf(t, db, bank, institution, &line{})
			s.since = 0                    // what the dead process did counts too
			s.careful, s.heir = true, true // it may have left one try at the PINs
			s.tell()
			if t.Failed() {
				t.Fatalf("killed at write %d, after %v", n, said)
			}
		}
		if r := verify(t, db); r.Bad != nil || r.Sealed == 0 {
			t.Errorf("%+v, bad %v", r, r.Bad)
		}
	})
}

// gone waits until the database has done with what a dead process had sent.
func gone(t *testing.T, db *store.DB, kind string) {
	t.Helper()
	for busy := 1; kind == "postgres" && busy > 0; {
		err := db.Institution("any").Row(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`, nil, &busy)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// killedChild runs a child to its end and returns what it said that was
// acknowledged.
func killedChild(t *testing.T, url, institution string, n int) map[string]bool {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run", "^TestTheChildOfAKill$")
	child.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), crashing+"="+url, killedIn+"="+institution, killedAt+"="+strconv.Itoa(n))
	pipe, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	child.Stdout = &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		if what, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
			said[what] = true
		}
	}
	err = child.Wait()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !said[passed] && (!ok || status.Signal() != syscall.SIGKILL) {
		t.Fatalf("the child was not killed: %v\n%s", err, out.String())
	}
	return said
}

package store_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/store"
)

// crashing names the database that the child process writes to.
const crashing = "RENKEI_TEST_CRASHING"

// TestTheChildOfACrash is no test: it is the process that the next one kills. It
// commits as fast as it can and tells what was acknowledged.
func TestTheChildOfACrash(t *testing.T) {
	url := os.Getenv(crashing)
	if url == "" {
		t.Skip("it runs as a child")
	}
	in := open(t, store.Config{URL: url}).Institution("demo")
	var out sync.Mutex
	var next atomic.Int64
	next.Store(time.Now().UnixNano())
	for range 8 {
		go func() {
			for {
				id := next.Add(1)
				if err := in.Commit(t.Context(), denial(fmt.Sprintf("act_%d", id))); err != nil {
					continue // not acknowledged
				}
				out.Lock()
				fmt.Fprintf(os.Stderr, "ack %d\n", id)
				out.Unlock()
			}
		}()
	}
	select {}
}

// C10 invariant 1, and the issue: whatever was acknowledged outlives kill -9, and
// the audit log verifies after it.
func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	besides(t, func(t *testing.T, _, url string) {
		cfg := store.Config{URL: url}
		open(t, cfg).Close()
		acknowledged := map[string]bool{}
		for _, after := range []int{1, 40, 200, 1000} {
			child := exec.Command(os.Args[0], "-test.run", "^TestTheChildOfACrash$")
			child.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), crashing+"="+cfg.URL)
			pipe, err := child.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(pipe)
			for n := 0; n < after && lines.Scan(); {
				if id, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
					if _, err := strconv.ParseInt(id, 10, 64); err == nil {
						acknowledged["act_"+id] = true
						n++
					}
				}
			}
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			for lines.Scan() { // what it had said before it died
				if id, ok := strings.CutPrefix(lines.Text(), "ack "); ok && len(id) == 19 {
					acknowledged["act_"+id] = true
				}
			}
			child.Wait()
			survived(t, cfg, acknowledged)
		}
	})
}

func survived(t *testing.T, cfg store.Config, acknowledged map[string]bool) {
	t.Helper()
	db := open(t, cfg)
	defer db.Close()
	var there strings.Builder
	if err := db.AuditLog().Export(t.Context(), store.Which{}, &there); err != nil {
		t.Fatal(err)
	}
	kept := there.String()
	for act := range acknowledged {
		if !strings.Contains(kept, `"object":"`+act+`"`) {
			t.Errorf("%s was acknowledged and is lost", act)
		}
	}
	if r := verify(t, db); r.Bad != nil {
		t.Errorf("after the kill: %v", r.Bad)
	}
	if err := db.Seal(t.Context()); err != nil {
		t.Error(err)
	}
	if r := verify(t, db); r.Bad != nil || r.Pending != 0 {
		t.Errorf("after the next seal: %+v, %v", r, r.Bad)
	}
}

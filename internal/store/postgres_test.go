package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

func TestAServerThatCrashesLosesNothingAcknowledgedAndIsFoundAgain(t *testing.T) {
	kinds := databases(t)
	if kinds["postgres"] == nil {
		t.Skip("there is no PostgreSQL")
	}
	db := open(t, store.Config{URL: kinds["postgres"](t)})
	in := db.Institution("demo")
	var all sync.WaitGroup
	var mu sync.Mutex
	var acknowledged []string
	enough := make(chan struct{})
	for w := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				object := fmt.Sprintf("act_%d_%d_", w, i)
				if err := in.Commit(t.Context(), denial(object)); err != nil {
					if !errors.Is(err, fault.Unavailable) {
						t.Errorf("a lost server is %v: %v", fault.Of(err), err)
					}
					return
				}
				mu.Lock()
				if acknowledged = append(acknowledged, object); len(acknowledged) == 200 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	if err := private.Crash(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if err := db.Ping(t.Context()); err == nil || fault.Of(err) != fault.Unavailable {
		t.Errorf("ready without a server: %v", err)
	}
	if err := in.Row(t.Context(), `SELECT 1`, nil, new(int)); err == nil || errors.Is(err, store.ErrNone) {
		t.Errorf("read without a server: %v", err)
	}
	if err := private.Serve(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("not ready again: %v", err)
	}
	if err := in.Commit(t.Context(), denial("after")); err != nil {
		t.Errorf("it does not recover: %v", err)
	}
	var kept strings.Builder
	if err := db.AuditLog().Export(t.Context(), store.Which{}, &kept); err != nil {
		t.Fatal(err)
	}
	for _, object := range acknowledged {
		if !strings.Contains(kept.String(), object) {
			t.Errorf("%s was acknowledged and is lost", object)
		}
	}
	if err := db.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, db); r.Bad != nil {
		t.Error(r.Bad)
	}
}

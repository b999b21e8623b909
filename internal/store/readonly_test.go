package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

// readOnly takes from this process the right to write to the files of a folder
// that it has open, as a file system does that turns read-only: whoever runs the
// test, even where permissions do not bind them.
func readOnly(t *testing.T, folder string) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, f := range open {
		path, err := os.Readlink("/proc/self/fd/" + f.Name())
		if err != nil || filepath.Dir(path) != folder || strings.HasSuffix(path, "-shm") {
			continue
		}
		fd, err := strconv.Atoi(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		instead, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Dup3(instead, fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Close(instead); err != nil {
			t.Fatal(err)
		}
		taken++
	}
	if taken < 2 {
		t.Fatalf("only %d files of %s are open", taken, folder)
	}
}

// D02: files that can no longer be written to, and then no longer be opened.
func TestAReadOnlyFileSystemFailsClosedAndRecoversByItself(t *testing.T) {
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data, away := filepath.Join(folder, "data"), filepath.Join(folder, "away")
	db := open(t, store.Config{URL: "sqlite:" + filepath.Join(data, "renkei.db"), Passive: true})
	in := db.Institution("demo")
	if err := in.Commit(t.Context(), denial("before")); err != nil {
		t.Fatal(err)
	}
	readOnly(t, data)
	if err := os.Rename(data, away); err != nil { // what is opened anew fails too
		t.Fatal(err)
	}
	for i := range 3 {
		if err := in.Commit(t.Context(), denial(fmt.Sprint("lost", i))); err == nil || fault.Of(err) != fault.Unavailable {
			t.Errorf("a commit: %v", err)
		}
		if err := db.Ping(t.Context()); err == nil || fault.Of(err) != fault.Unavailable {
			t.Errorf("ready: %v", err)
		}
	}
	if err := os.Rename(away, data); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("not ready again: %v", err)
	}
	if err := in.Commit(t.Context(), denial("after")); err != nil {
		t.Error(err)
	}
	if got := len(numbers(t, db)); got != 2 {
		t.Errorf("%d acts: what was not acknowledged is there", got)
	}
	if err := db.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, db); r.Bad != nil || r.Sealed != 2 {
		t.Errorf("%+v, bad %v", r, r.Bad)
	}
}

// A PostgreSQL that an operator set to read only answers, and is not ready.
func TestADatabaseThatIsSetToReadOnlyIsNotReady(t *testing.T) {
	private.Need(t)
	url := private.Create(t)
	open(t, store.Config{URL: url, Passive: true}).Close()
	db := open(t, store.Config{URL: url, Passive: true})
	name := url[strings.LastIndex(url[:strings.Index(url, "?")], "/")+1 : strings.Index(url, "?")]
	set := func(to string) {
		t.Helper()
		private.Exec(t, "ALTER DATABASE "+name+" SET default_transaction_read_only = "+to)
		private.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	}
	set("on")
	notReady(t, db)
	if err := db.Institution("demo").Commit(t.Context(), denial("lost")); err == nil || fault.Of(err) != fault.Unavailable {
		t.Errorf("a commit: %v", err)
	}
	set("off")
	healed(t, db)
	if err := db.Institution("demo").Commit(t.Context(), denial("after")); err != nil {
		t.Error(err)
	}
	if got := len(numbers(t, db)); got != 1 {
		t.Errorf("%d acts", got)
	}
}

// notReady asks until the connections from before have ended.
func notReady(t *testing.T, db *store.DB) {
	t.Helper()
	for range 100 {
		err := db.Ping(t.Context())
		if err != nil && strings.Contains(err.Error(), "read only") {
			return
		}
	}
	t.Error("it is ready")
}

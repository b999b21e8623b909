package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

func TestAFullDiskFailsClosedAndRecoversByItself(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no disk to fill: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	t.Run("with the disk", func(t *testing.T) { // the store is closed before the disk goes
		db := open(t, store.Config{URL: "sqlite:" + filepath.Join(disk, "renkei.db")})
		in := scratch(t, db)
		ballast := filepath.Join(disk, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 300<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		acknowledged := 0
		var err error
		for id := 0; err == nil; id++ {
			if err = in.Write(t.Context(), add(id, strings.Repeat("x", 1000))); err == nil {
				acknowledged++
			}
		}
		if fault.Of(err) != fault.Unavailable {
			t.Fatalf("a full disk: %v is %v", err, fault.Of(err))
		}
		var n int
		if err := in.Row(t.Context(), `SELECT count(*) FROM scratch`, nil, &n); err != nil || n != acknowledged {
			t.Errorf("%d rows and %d acknowledged (%v)", n, acknowledged, err)
		}
		for n := 0; db.Ping(t.Context()) == nil; n++ { // what the failed commit had taken of the disk still has room
			if n == 1000 {
				t.Error("a full disk is ready")
				break
			}
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if err := in.Write(t.Context(), add(1_000_000, "there is room again")); err != nil {
			t.Error(err)
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("not ready again: %v", err)
		}
		if err := db.Institution("demo").Commit(t.Context(), denial("after")); err != nil {
			t.Error(err)
		}
	})
}

func TestACommitThatWaitsForAnotherProcessKeepsItsDeadline(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "renkei.db")
	db, other := open(t, store.Config{URL: url}), open(t, store.Config{URL: url, Passive: true})
	holding, release := make(chan struct{}), make(chan struct{})
	held := make(chan error, 1)
	go func() {
		held <- other.Institution("demo").Write(context.Background(), func(ctx context.Context, x store.Tx) error {
			close(holding)
			<-release
			return x.Do(ctx, `UPDATE audit_key SET id = 1 WHERE id = 1`)
		})
	}()
	<-holding
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := db.Institution("demo").Commit(ctx, denial("late"))
	if fault.Of(err) != fault.Unavailable || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	close(release)
	if err := <-held; err != nil {
		t.Error(err)
	}
	if err := db.Institution("demo").Commit(t.Context(), denial("in time")); err != nil {
		t.Error(err)
	}
	if got := len(numbers(t, db)); got != 1 {
		t.Errorf("%d rows: who gave up was committed", got)
	}
}

func TestTwoProcessesShareAFileAndItsLog(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "renkei.db")
	one, two := open(t, store.Config{URL: url}), open(t, store.Config{URL: url})
	for i := range 20 {
		for _, db := range []*store.DB{one, two} {
			if err := db.Institution("demo").Commit(t.Context(), denial(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := one.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := two.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if r := verify(t, one); r.Bad != nil || r.Sealed != 40 {
		t.Errorf("%+v, bad %v", r, r.Bad)
	}
}

func TestAFileThatIsNoDatabaseIsNotTouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("Dear bank, ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + path}); err == nil {
		t.Error("opened a letter")
	}
	if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), "Dear bank") {
		t.Errorf("%.20s, %v", b, err)
	}
}

func TestADatabaseFileIsItsOwnersAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	db := open(t, store.Config{URL: "sqlite:" + filepath.Join(folder, "renkei.db")})
	if err := db.Institution("demo").Commit(t.Context(), denial("a")); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestWhatReadsCannotWrite(t *testing.T) {
	db := open(t, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "renkei.db"), Passive: true})
	in := db.Institution("demo")
	var step int
	for range 3 { // the connection that was refused is not used again
		err := in.Row(t.Context(), `INSERT INTO schema_breaks (step) VALUES ($1) RETURNING step`, []any{999}, &step)
		if err == nil {
			t.Error("a look-up wrote")
		}
	}
	var n int
	if err := in.Row(t.Context(), `SELECT COUNT(*) FROM schema_breaks WHERE step = 999`, nil, &n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

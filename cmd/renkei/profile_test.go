package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// profiled FILE FUNCTION: FILE is a profile, its owner's alone, that met a function
// whose name begins so.
func profiled(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	info, err := os.Stat(file)
	ts.Check(err)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		ts.Fatalf("%s has the mode %s", file, info.Mode())
	}
	packed, err := gzip.NewReader(bytes.NewReader([]byte(ts.ReadFile(file))))
	ts.Check(err)
	profile, err := io.ReadAll(packed)
	ts.Check(err)
	if !bytes.Contains(profile, []byte(args[1])) {
		ts.Fatalf("%s, a profile of %d bytes, does not know %s", file, len(profile), args[1])
	}
}

func TestAProfileThatCannotBeWrittenIsAnError(t *testing.T) {
	ran := false
	f := func() error { ran = true; return nil }
	if err := withProfile(filepath.Join(t.TempDir(), "nowhere", "p"), f); err == nil || ran {
		t.Errorf("into no directory: %v, ran: %v", err, ran)
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no full disk to be had here")
	}
	if err := withProfile("/dev/full", f); err == nil || !ran {
		t.Errorf("onto a full disk: %v, ran: %v", err, ran)
	}
}

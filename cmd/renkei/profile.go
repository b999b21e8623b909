package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"renkei.dev/internal/fault"
)

// makeProfile makes the file for a profile, readable by its owner alone.
func makeProfile(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault.New(fault.Invalid, "--profile wants a file that is not there and can be written (%s)", err)
	}
	return f.Close()
}

// withProfile runs f and writes the CPU profile of this process meanwhile into a
// file, if one is named.
func withProfile(file string, f func() error) error {
	if file == "" {
		return f()
	}
	to, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.Wrap(fault.Invalid, "open the file for the profile", err)
	}
	var profile bytes.Buffer // since pprof does not tell of a write that failed
	if err := pprof.StartCPUProfile(&profile); err != nil {
		return errors.Join(err, to.Close())
	}
	err = f()
	pprof.StopCPUProfile()
	_, written := profile.WriteTo(to)
	return errors.Join(err, written, to.Close())
}

// finishProfile ends the measured server, which then writes its profile, and says
// how to build with it.
func (b *benchRun) finishProfile() error {
	server := b.server
	if err := b.halt(); err != nil {
		return err
	}
	if !server.ProcessState.Success() {
		return b.explained(fault.New(fault.Unavailable, "the server did not end in good order; there is no profile"))
	}
	b.profiled = true
	b.say(fmt.Sprintf("The profile is in %s. Build with it: go build -pgo=%s -o renkei ./cmd/renkei", b.Profile, b.Profile))
	return nil
}

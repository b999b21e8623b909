package main

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"renkei.dev/internal/demo"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"renkei": main})
}

// TestCommands runs each script of testdata as a session at the terminal.
func TestCommands(t *testing.T) { testscript.Run(t, sessions("testdata")) }

// sessions are the scripts of a folder, and the words that they have beside
// testscript's own.
func sessions(folder string) testscript.Params {
	return testscript.Params{
		Dir: folder,
		Setup: func(e *testscript.Env) error {
			first, err := freePorts()
			if err != nil {
				return err
			}
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("LISTEN", "127.0.0.1:"+strconv.Itoa(first))
			e.Setenv("PORT", strconv.Itoa(first))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// awaits FILE: waits until a command in the background has written it.
			"awaits": func(ts *testscript.TestScript, _ bool, args []string) {
				for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
					if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
						return
					}
				}
				ts.Fatalf("%s was not written", args[0])
			},
			// picks FILE PATTERN NAME: sets NAME to what the pattern's group matches.
			"picks": func(ts *testscript.TestScript, _ bool, args []string) {
				found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(args[0]))
				if found == nil {
					ts.Fatalf("%s does not match %s", args[0], args[1])
				}
				ts.Setenv(args[2], found[1])
			},
			"server":   server,
			"profiled": profiled,
			// occupies PORT: another program listens there until the script ends.
			"occupies": func(ts *testscript.TestScript, _ bool, args []string) {
				l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
				ts.Check(err)
				ts.Defer(func() { l.Close() })
			},
		},
	}
}

// freePorts returns the first of eight ports that are free now.
func freePorts() (int, error) {
	var err error
	for range 100 {
		first := 50000 + 10*rand.IntN(1000)
		for n := range demo.Ports {
			var l net.Listener
			if l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(first+n)); err != nil {
				break
			}
			l.Close()
		}
		if err == nil {
			return first, nil
		}
	}
	return 0, err
}

func TestTheExitStatusSaysWhatKindOfFailureItWas(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want int
	}{
		{"help", []string{"--help"}, 0},
		{"nothing asked is help too", nil, 0},
		{"an unknown command", []string{"fly"}, exitUsage},
		{"an unknown flag", []string{"version", "--fast"}, exitUsage},
		{"a flag that is missing", []string{"serve"}, exitUsage},
		{"a file that is not there", []string{"serve", "--config", "none.yaml"}, exitNotFound},
		{"a file that is wrong", []string{"serve", "--config", "main.go"}, exitInvalid},
		{"data that are not there", []string{"partner", "list", "--data", t.TempDir()}, exitNotFound},
		{"a listen address that is none", []string{"demo", "--data", t.TempDir(), "--listen", "here"}, exitInvalid},
		{"a listen address that is refused", []string{"demo", "--data", t.TempDir(), "--listen", "192.0.2.1:80"}, exitRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := run(c.args, streams{io.Discard, io.Discard}); got != c.want {
				t.Errorf("status %d, want %d", got, c.want)
			}
		})
	}
}

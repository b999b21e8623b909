package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"renkei.dev/internal/bench"
	"renkei.dev/internal/demo"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/store"
)

// benchRun is one measurement: its directory, its database and its server.
type benchRun struct {
	benchCommand
	to streams

	work        string // the directory that ends with the measurement
	scratch     *store.Scratch
	databases   []int
	restore     func()
	listen      string
	server      *exec.Cmd
	ended       chan struct{} // closed when the server has
	said        []string      // what is pinned where
	key         *ecdsa.PrivateKey
	kid         string
	certificate tls.Certificate
	profiled    bool // the profile is written
}

const (
	benchLog    = "server.log"
	readyWithin = 60 * time.Second
	endWithin   = 20 * time.Second
)

func (b *benchRun) folder() string { return filepath.Join(b.work, "bank") }

// say tells what goes on; the answer itself goes elsewhere.
func (b *benchRun) say(line string) { fmt.Fprintln(b.to.err, line) }

// prepare makes directory and database, and lets a first server make what the
// registrations go into.
func (b *benchRun) prepare(ctx context.Context) (err error) {
	if b.Dir != "" {
		if err := os.MkdirAll(b.Dir, 0o700); err != nil {
			return fault.New(fault.Unavailable, "--dir %s cannot be used (%s)", b.Dir, err)
		}
	}
	if b.work, err = os.MkdirTemp(b.Dir, "renkei-bench-"); err != nil {
		return fault.New(fault.Unavailable, "no directory for the measurement can be made (%s); name another with --dir", err)
	}
	if b.Database != "" {
		if b.scratch, err = store.OpenScratch(ctx, b.Database); err != nil {
			return fault.New(fault.Of(err), "the database given with --database cannot be used (%s)", sentence(err))
		}
		if pid, ok := bench.PostgreSQLOf(b.scratch.Backend); ok {
			b.databases = []int{pid}
		}
	}
	if b.listen, err = portsFor(); err != nil {
		return err
	}
	b.say("founding a bank of " + strconv.Itoa(bench.UsersFor(b.Workers)) + " customers")
	if err := b.launch(ctx, bench.Pins{}, ""); err != nil {
		return err
	}
	if err := b.halt(); err != nil {
		return err
	}
	return b.register(ctx)
}

// start starts the server that is measured.
func (b *benchRun) start(ctx context.Context) (bench.Config, error) {
	var pins bench.Pins
	if b.Pin {
		pins = bench.NewPins()
	}
	if err := b.launch(ctx, pins, b.Profile); err != nil {
		return bench.Config{}, err
	}
	if b.Pin {
		b.said = append(b.said, pins.Generator())
		for _, pid := range b.databases {
			said, restore := pins.Database(pid)
			if b.restore = restore; said != "" {
				b.said = append(b.said, said)
			}
		}
	}
	return b.config()
}

// launch starts the demo's server in a process of its own and waits until it serves.
// Where profile names a file, the server leaves its CPU profile there when it ends.
func (b *benchRun) launch(ctx context.Context, pins bench.Pins, profile string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"demo", "run", "--data", b.folder(), "--listen", b.listen, "--session-for", "1h", "--crowd", strconv.Itoa(bench.UsersFor(b.Workers))}
	if b.Database != "" {
		args = append(args, "--database", b.Database)
	}
	if profile != "" {
		args = append(args, "--profile", profile)
	}
	log, err := os.Create(filepath.Join(b.work, benchLog))
	if err != nil {
		return err
	}
	defer log.Close()
	b.server = exec.Command(program, args...)
	b.server.Stdout, b.server.Stderr = log, log
	b.server.SysProcAttr = apart()
	if err := pins.Start(b.server.Start); err != nil {
		b.server = nil
		return fault.New(fault.Unavailable, "the server cannot be started (%s)", err)
	}
	b.ended = make(chan struct{})
	go func(server *exec.Cmd, ended chan struct{}) {
		_ = server.Wait() // how it ended stands in its log
		close(ended)
	}(b.server, b.ended)
	return b.awaitServer(ctx)
}

func (b *benchRun) awaitServer(ctx context.Context) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	late := time.After(readyWithin)
	for {
		if _, err := os.Stat(filepath.Join(b.folder(), "demo.json")); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.ended:
			b.server = nil
			return b.explained(fault.New(fault.Unavailable, "the server ended before it was ready"))
		case <-late:
			return b.explained(fault.New(fault.Unavailable, "the server was not ready within %s", readyWithin))
		case <-look.C:
		}
	}
}

// halt ends the server in good order.
func (b *benchRun) halt() error {
	if b.server == nil {
		return nil
	}
	server := b.server
	b.server = nil
	if err := server.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-b.ended:
		return nil
	case <-time.After(endWithin):
		_ = server.Process.Kill() // it is past asking
		<-b.ended
		return fault.New(fault.Unavailable, "the server did not end within %s and was killed", endWithin)
	}
}

// clear takes everything away that the measurement made, but a whole profile.
func (b *benchRun) clear() error {
	all := []error{b.halt()}
	if b.restore != nil {
		b.restore()
	}
	if b.scratch != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		all = append(all, b.scratch.Clear(ctx))
	}
	if b.work != "" {
		all = append(all, os.RemoveAll(b.work))
	}
	if b.Profile != "" && !b.profiled {
		all = append(all, os.Remove(b.Profile)) // only part of one, or nothing
	}
	return errors.Join(all...)
}

// config is what the server says of itself in its manifest.
func (b *benchRun) config() (bench.Config, error) {
	raw, err := os.ReadFile(filepath.Join(b.folder(), "demo.json"))
	if err != nil {
		return bench.Config{}, err
	}
	var m struct {
		CA           string
		Institutions []struct{ Issuer, API string }
		Users        []struct{ LoginID, Password string }
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return bench.Config{}, err
	}
	ca, err := os.ReadFile(filepath.Join(b.folder(), m.CA))
	if err != nil {
		return bench.Config{}, err
	}
	roots, err := pki.ParseCertificates(ca)
	if err != nil {
		return bench.Config{}, err
	}
	c := bench.Config{
		Issuer: m.Institutions[0].Issuer, API: m.Institutions[0].API, Trust: pki.Pool(roots), RedirectURI: benchRedirect,
		KeyClient: "cl_" + benchKeyPartner, Key: b.key, KID: b.kid,
		CertificateClient: "cl_" + benchCertificatePartner, Certificate: b.certificate,
		Server: b.server.Process.Pid, Databases: b.databases,
	}
	for _, u := range m.Users {
		if strings.HasPrefix(u.LoginID, "crowd.") {
			c.Users = append(c.Users, bench.User(u))
		}
	}
	return c, nil
}

// portsFor finds as many free ports in a row as the demo wants.
func portsFor() (string, error) {
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		taken := []net.Listener{first}
		port := first.Addr().(*net.TCPAddr).Port
		for n := 1; n < demo.Ports; n++ {
			next, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+n)))
			if err != nil {
				break
			}
			taken = append(taken, next)
		}
		for _, l := range taken {
			l.Close()
		}
		if len(taken) == demo.Ports {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
		}
	}
	return "", fault.New(fault.Unavailable, "there are no %d free ports in a row on this machine", demo.Ports)
}

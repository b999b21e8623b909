// Package storetest starts PostgreSQL servers that belong to a test alone: on
// Unix sockets in a folder of their own, with standbys, and poolers in front.
//
// It knows nothing of our tables, and hands out nothing but addresses. Start
// with Cluster.Create.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a PostgreSQL server. Its zero value starts when it is first used;
// whoever has one calls Stop in the end.
type Cluster struct {
	once sync.Once
	err  error

	dir      string
	server   *exec.Cmd
	settings []string // name=value, beside those of every server

	mu   sync.Mutex
	made int
}

// errNoServer says that the programs are missing.
var errNoServer = errors.New("PostgreSQL is not installed below /usr/lib/postgresql")

// program returns the path of one of the server's programs, of the newest version.
func program(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", errNoServer
	}
	return found[len(found)-1], nil
}

// Start starts the server unless it runs.
func (c *Cluster) Start() error {
	c.once.Do(func() { c.err = c.begin() })
	return c.err
}

// Need starts the server, and skips the test where PostgreSQL is not installed;
// with CI in the environment it fails instead.
func (c *Cluster) Need(t testing.TB) {
	t.Helper()
	err := c.Start()
	switch {
	case err == nil:
	case errors.Is(err, errNoServer) && os.Getenv("CI") == "":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

func (c *Cluster) begin() error {
	initdb, err := program("initdb")
	if err != nil {
		return err
	}
	if err := c.folder(); err != nil {
		return err
	}
	if err := c.run(initdb, "-D", c.data(), "-U", "renkei", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return err
	}
	return c.Serve()
}

func (c *Cluster) folder() (err error) {
	if c.dir, err = os.MkdirTemp("", "renkei-pg-"); err != nil {
		return err
	}
	_, err = notRoot(c.dir)
	return err
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// run runs one of the server's programs to its end.
func (c *Cluster) run(path string, args ...string) error {
	as, err := notRoot(c.dir)
	if err != nil {
		return err
	}
	command := exec.Command(path, args...)
	command.SysProcAttr, command.Dir = as, c.dir
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, out)
	}
	return nil
}

// Serve starts the server again after Crash or Kill and waits until it answers.
func (c *Cluster) Serve() error {
	as, err := notRoot(c.dir)
	if err != nil {
		return err
	}
	server, err := program("postgres")
	if err != nil {
		return err
	}
	fsync := "off" // no test pulls the plug; benchmarks say otherwise
	if os.Getenv("RENKEI_TEST_FSYNC") != "" {
		fsync = "on"
	}
	args := []string{"-D", c.data(), "-k", c.dir, "-c", "listen_addresses=", "-c", "fsync=" + fsync, "-c", "max_connections=200"}
	for _, setting := range c.settings {
		args = append(args, "-c", setting)
	}
	c.server = exec.Command(server, args...)
	c.server.SysProcAttr, c.server.Dir = as, c.dir
	if err := c.server.Start(); err != nil {
		return err
	}
	return c.answers(30 * time.Second)
}

// answers waits until the server does.
func (c *Cluster) answers(within time.Duration) error {
	for began := time.Now(); ; {
		conn, err := pgx.Connect(context.Background(), c.URL("postgres"))
		if err == nil {
			return conn.Close(context.Background())
		}
		if time.Since(began) > within {
			return err
		}
		time.Sleep(20 * time.Millisecond) // another process starts: there is nothing to wait on
	}
}

// Crash ends the server as a crash does, and its connections with it.
func (c *Cluster) Crash() error {
	if err := c.server.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	c.server.Wait() // it says that it did not end well, as it should
	return nil
}

// Kill kills every process of the server at once (SIGKILL), as a machine that
// loses its power does.
func (c *Cluster) Kill() error {
	pid := c.server.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return err
	}
	if err := c.server.Process.Kill(); err != nil {
		return err
	}
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			syscall.Kill(n, syscall.SIGKILL) // one that has ended is no loss
		}
	}
	c.server.Wait()
	return nil
}

// notRoot lets the database, which does not run as root, own dir.
func notRoot(dir string) (*syscall.SysProcAttr, error) {
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		return as, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, os.Chown(dir, uid, gid)
}

// URL returns the address of a database of the server.
func (c *Cluster) URL(database string) string {
	return "postgres://renkei@/" + database + "?host=" + url.QueryEscape(c.dir)
}

// Create makes an empty database and returns its address.
func (c *Cluster) Create(t testing.TB) string {
	t.Helper()
	c.Need(t)
	c.mu.Lock()
	c.made++
	name := fmt.Sprintf("test%d", c.made)
	c.mu.Unlock()
	c.CreateNamed(t, name)
	return c.URL(name)
}

// CreateNamed makes an empty database under a name of the test's own.
func (c *Cluster) CreateNamed(t testing.TB, name string) {
	t.Helper()
	c.Need(t)
	c.Exec(t, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
}

// Exec runs a statement as the server's owner.
func (c *Cluster) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the server and removes everything of it.
func (c *Cluster) Stop() {
	if c.server != nil && c.server.Process != nil && c.server.ProcessState == nil {
		c.server.Process.Signal(syscall.SIGINT)
		c.server.Wait()
	}
	if c.dir != "" {
		if err := os.RemoveAll(c.dir); err != nil {
			log.Print(err)
		}
	}
}

package store_test

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// each runs a test on every database that the store speaks to: a SQLite file
// of its own, a PostgreSQL database of its own, and the same at SERIALIZABLE,
// which stands for distributed engines.
func each(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	eachWith(t, store.Config{}, f)
}

// eachWith is each with a configuration of its own.
func eachWith(t *testing.T, cfg store.Config, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	for name, url := range databases(t) {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			cfg.URL, cfg.Serializable = url(t), name == "serializable"
			f(t, open(t, cfg))
		})
	}
}

// databases names every kind of database, with what makes an empty one.
func databases(t testing.TB) map[string]func(testing.TB) string {
	all := map[string]func(testing.TB) string{
		"sqlite": func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "renkei.db") },
	}
	if err := private.start(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no private PostgreSQL: %v", err)
		}
		t.Logf("without PostgreSQL: %v", err)
		return all
	}
	all["postgres"] = private.create
	all["serializable"] = private.create
	return all
}

// open opens a store that the test closes.
func open(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	if cfg.Box == nil {
		cfg.Box = box(t)
	}
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// box seals with the key of all tests.
func box(t testing.TB) *secret.Box {
	t.Helper()
	b, err := secret.NewBox(map[uint32][]byte{1: make([]byte, secret.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// private is the test binary's own PostgreSQL, started when first asked for.
var private cluster

func TestMain(m *testing.M) {
	code := m.Run()
	private.stop()
	os.Exit(code)
}

type cluster struct {
	once sync.Once
	err  error

	dir    string
	server *exec.Cmd
	made   int
	mu     sync.Mutex
}

const binaries = "/usr/lib/postgresql/15/bin"

func (c *cluster) start() error {
	c.once.Do(func() { c.err = c.run() })
	return c.err
}

func (c *cluster) run() error {
	if _, err := os.Stat(binaries); err != nil {
		return err
	}
	var err error
	if c.dir, err = os.MkdirTemp("", "renkei-pg-"); err != nil {
		return err
	}
	as, err := notRoot(c.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(c.dir, "data")
	initdb := exec.Command(binaries+"/initdb", "-D", data, "-U", "renkei", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, c.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return c.serve()
}

// crash ends the server as a crash does, and its connections with it.
func (c *cluster) crash() error {
	if err := c.server.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	c.server.Wait() // it says that it did not end well, as it should
	return nil
}

// serve starts the server and waits until it answers.
func (c *cluster) serve() error {
	as, err := notRoot(c.dir)
	if err != nil {
		return err
	}
	fsync := "off" // no test pulls the plug; benchmarks say otherwise
	if os.Getenv("RENKEI_TEST_FSYNC") != "" {
		fsync = "on"
	}
	c.server = exec.Command(binaries+"/postgres", "-D", filepath.Join(c.dir, "data"), "-k", c.dir, "-c", "listen_addresses=", "-c", "fsync="+fsync, "-c", "max_connections=200")
	c.server.SysProcAttr, c.server.Dir = as, c.dir
	if err := c.server.Start(); err != nil {
		return err
	}
	for began := time.Now(); ; {
		conn, err := pgx.Connect(context.Background(), c.url("postgres"))
		if err == nil {
			return conn.Close(context.Background())
		}
		if time.Since(began) > 30*time.Second {
			return err
		}
		time.Sleep(20 * time.Millisecond) // another process starts: there is nothing to wait on
	}
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

func (c *cluster) url(database string) string {
	return "postgres://renkei@/" + database + "?host=" + url.QueryEscape(c.dir)
}

// create makes an empty database.
func (c *cluster) create(t testing.TB) string {
	t.Helper()
	c.mu.Lock()
	c.made++
	name := fmt.Sprintf("test%d", c.made)
	c.mu.Unlock()
	conn, err := pgx.Connect(t.Context(), c.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return c.url(name)
}

func (c *cluster) stop() {
	if c.server != nil && c.server.Process != nil {
		c.server.Process.Signal(syscall.SIGINT)
		c.server.Wait()
	}
	if c.dir != "" {
		if err := os.RemoveAll(c.dir); err != nil {
			log.Print(err)
		}
	}
}

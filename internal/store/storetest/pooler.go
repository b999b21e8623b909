package storetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pooler is a pgbouncer in front of a Cluster that lends its connections for one
// transaction each.
type Pooler struct {
	behind *Cluster
	dir    string
	server *exec.Cmd
}

const poolerPort = 6432

const poolerSettings = `[databases]
* = host=%s
[pgbouncer]
unix_socket_dir = %s
listen_port = %d
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 6
max_client_conn = 500
server_idle_timeout = 5
logfile = %s
`

// Pooler starts a pooler for the server. It skips the test where pgbouncer is not
// installed; with CI in the environment it fails instead.
func (c *Cluster) Pooler(t testing.TB) *Pooler {
	t.Helper()
	c.Need(t)
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "" {
			t.Skip("pgbouncer is not installed")
		}
		t.Fatal(err)
	}
	p := &Pooler{behind: c}
	if p.dir, err = os.MkdirTemp("", "renkei-pool-"); err != nil {
		t.Fatal(err)
	}
	settings, users, log := filepath.Join(p.dir, "pgbouncer.ini"), filepath.Join(p.dir, "users"), filepath.Join(p.dir, "log")
	if err := os.WriteFile(settings, fmt.Appendf(nil, poolerSettings, c.dir, p.dir, poolerPort, users, log), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(users, []byte("\"renkei\" \"\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	as, err := notRoot(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	p.server = exec.Command(path, "-q", settings)
	p.server.SysProcAttr, p.server.Dir = as, p.dir
	if err := p.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.server.Process.Kill() //nolint:errcheck // it may have ended by itself
		p.server.Wait()         //nolint:errcheck // it was killed
		os.RemoveAll(p.dir)
	})
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // another process starts
		config, err := pgx.ParseConfig(p.URL(c.URL("postgres")))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err == nil {
			conn.Close(context.Background())
			return p
		}
		if time.Since(began) > 10*time.Second {
			said, _ := os.ReadFile(log)
			t.Fatalf("%v\n%s", err, said)
		}
	}
}

// URL returns the pooled address of a database of the server.
func (p *Pooler) URL(direct string) string {
	return strings.Replace(direct, "?host="+url.QueryEscape(p.behind.dir), fmt.Sprintf("?host=%s&port=%d", url.QueryEscape(p.dir), poolerPort), 1)
}

// Direct returns the address around the pooler, and whether an address leads
// through it.
func (p *Pooler) Direct(pooled string) (string, bool) {
	through := fmt.Sprintf("?host=%s&port=%d", url.QueryEscape(p.dir), poolerPort)
	return strings.Replace(pooled, through, "?host="+url.QueryEscape(p.behind.dir), 1), strings.Contains(pooled, through)
}

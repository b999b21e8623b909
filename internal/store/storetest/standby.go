package storetest

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby makes a standby of the server, and lets no commit succeed any more that
// the standby does not have too. The caller stops it.
func (c *Cluster) Standby(t testing.TB) *Cluster {
	t.Helper()
	c.Need(t)
	s := &Cluster{settings: []string{"primary_conninfo=host=" + c.dir + " user=renkei application_name=standby"}}
	s.once.Do(func() {}) // it begins as a copy
	backup, err := program("pg_basebackup")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.folder(); err != nil {
		t.Fatal(err)
	}
	if err := s.run(backup, "-h", c.dir, "-U", "renkei", "-D", s.data(), "-X", "stream", "-c", "fast", "--no-sync"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.data(), "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	c.Exec(t, `ALTER SYSTEM SET synchronous_standby_names = 'standby'`)
	c.Exec(t, `SELECT pg_reload_conf()`)
	conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // another process follows
		var synchronous bool
		err := conn.QueryRow(t.Context(), `SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'`).Scan(&synchronous)
		if err == nil && synchronous {
			return s
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("the standby does not follow: %v", err)
		}
	}
}

// Promote makes a standby the primary, and returns when it is.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	c.Exec(t, `SELECT pg_promote(true, 30)`)
}

// PairURL returns the address of a database that is at one of two servers: where it
// can be written to.
func (c *Cluster) PairURL(other *Cluster, database string) string {
	return "postgres://renkei@/" + database + "?host=" + url.QueryEscape(c.dir+","+other.dir) + "&target_session_attrs=read-write"
}

package store_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/store"
)

// wire is a network between a server and its PostgreSQL, of which a test decides
// how bad it is.
type wire struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
	url   string // of the database, through the wire
}

// throughWire returns the way to a database through a wire.
func throughWire(t testing.TB, direct string) *wire {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "database", "127.0.0.1:0",
		bridge(t, filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")))
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return &wire{t, proxy, fmt.Sprintf("postgres://renkei@%s%s?sslmode=disable", proxy.Listen, u.Path)}
}

// bridge leads from a port to a socket file: the private PostgreSQL has no port.
func bridge(t testing.TB, socket string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer from.Close()
				to, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer to.Close()
				open.Go(func() { io.Copy(to, from); to.Close() })
				io.Copy(from, to)
			})
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// spoil makes the wire bad in one way until the returned mend.
func (w *wire) spoil(kind, direction string, attributes string) (mend func()) {
	w.t.Helper()
	name := kind + "-" + direction
	_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(
		fmt.Sprintf(`{"name": %q, "type": %q, "stream": %q, "attributes": {%s}}`, name, kind, direction, attributes)))
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := w.proxy.Toxics.RemoveToxic(context.Background(), name); err != nil {
			w.t.Error(err)
		}
	}
}

// D04: a line that is slow, silent or cut costs nobody more than their time, and
// all goes on by itself when it is whole again.
func TestABadLineKeepsDeadlinesAndHealsByItself(t *testing.T) {
	private.Need(t)
	direct := private.Create(t)
	whole := open(t, store.Config{URL: direct, Passive: true})
	w := throughWire(t, direct)
	db := open(t, store.Config{URL: w.url, Passive: true, MaxConns: 4})
	in := db.Institution("demo")
	const patience = 300 * time.Millisecond
	n := 0
	within := func(what string, do func(ctx context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		began := time.Now()
		err := do(ctx)
		if fault.Of(err) != fault.Unavailable || err == nil {
			t.Errorf("%s: %v", what, err)
		}
		if took := time.Since(began); took > patience+2*time.Second {
			t.Errorf("%s: it took %v", what, took)
		}
	}
	for _, bad := range []struct{ what, kind, direction, attributes string }{
		{"slow", "latency", "downstream", `"latency": 3000`},
		{"silent towards the server", "timeout", "upstream", `"timeout": 0`},
		{"silent from the server", "timeout", "downstream", `"timeout": 0`},
		{"reset", "reset_peer", "downstream", `"timeout": 0`},
		{"reset on the way there", "reset_peer", "upstream", `"timeout": 0`},
		{"cut in the middle of an answer", "limit_data", "downstream", `"bytes": 10`},
	} {
		t.Run(bad.what, func(t *testing.T) {
			mend := w.spoil(bad.kind, bad.direction, bad.attributes)
			within("commit", func(ctx context.Context) error { n++; return in.Commit(ctx, denial(fmt.Sprintf("act_%d_", n))) })
			within("look up", func(ctx context.Context) error {
				err := in.Row(ctx, `SELECT 1`, nil, new(int))
				if err != nil && fault.Of(err) != fault.Unavailable {
					return fault.Wrap(fault.Unavailable, "look up", err) // a raw error of the driver
				}
				return err
			})
			within("ping", db.Ping)
			mend()
			healed(t, db)
			if err := in.Commit(t.Context(), denial("healed")); err != nil {
				t.Errorf("after it was mended: %v", err)
			}
		})
	}
	// What was told to be unknown happened once at most.
	for i := 1; i <= n; i++ {
		var rows int
		if err := whole.Institution("demo").Row(t.Context(), `SELECT COUNT(*) FROM audit WHERE entry LIKE $1`, []any{fmt.Sprintf("%%act_%d_%%", i)}, &rows); err != nil || rows > 1 {
			t.Errorf("act %d stands %d times (%v)", i, rows, err)
		}
	}
	if err := whole.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, whole); r.Bad != nil {
		t.Error(r.Bad)
	}
}

// healed waits until the database is ready again, which must not take long.
func healed(t *testing.T, db *store.DB) {
	t.Helper()
	for began := time.Now(); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := db.Ping(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("it does not heal: %v", err)
		}
	}
}

// Without a deadline of its own, a request through a silent line ends too.
func TestALookUpOnASilentLineEnds(t *testing.T) {
	private.Need(t)
	w := throughWire(t, private.Create(t))
	db := open(t, store.Config{URL: w.url, Passive: true})
	mend := w.spoil("timeout", "downstream", `"timeout": 0`)
	defer mend()
	began := time.Now()
	_, err := db.Institution("demo").Consent(t.Context(), "cns_none")
	if fault.Of(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Whatever the number of connections, who waits for one keeps the own deadline,
// is told so, and the next is served when they are free again. Commits that need no
// answer on the way have connections that nobody else takes.
func TestAnExhaustedPoolKeepsDeadlinesAndRecovers(t *testing.T) {
	private.Need(t)
	db := open(t, store.Config{URL: private.Create(t), Passive: true, MaxConns: 6}) // two of them are the writers'
	in := db.Institution("demo")
	var taken, held sync.WaitGroup
	let := make(chan struct{})
	taken.Add(4)
	for range 4 {
		held.Go(func() {
			err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
				err := x.QueryRow(ctx, `SELECT 1`).Scan(new(int)) // its connection is kept from here on
				taken.Done()
				<-let
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	taken.Wait()
	for what, do := range map[string]func(context.Context) error{
		"commit": func(ctx context.Context) error {
			return in.Write(ctx, func(ctx context.Context, x store.Tx) error {
				if err := x.QueryRow(ctx, `SELECT 1`).Scan(new(int)); err != nil {
					return err
				}
				return in.Record(ctx, x, denial("late").Act())
			})
		},
		"ping": db.Ping,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		if err := do(ctx); fault.Of(err) != fault.Unavailable || time.Since(began) > 3*time.Second {
			t.Errorf("%s after %v: %v", what, time.Since(began), err)
		}
		cancel()
	}
	if err := in.Commit(t.Context(), denial("meanwhile")); err != nil {
		t.Errorf("a commit that needs none of them: %v", err)
	}
	close(let)
	held.Wait()
	if err := in.Commit(t.Context(), denial("in time")); err != nil {
		t.Error(err)
	}
	if db.Load().Waits == 0 {
		t.Error("nobody is told that connections were waited for")
	}
	if got := len(numbers(t, db)); got != 2 {
		t.Errorf("%d acts, want 2: who gave up was committed, or who was served is lost", got)
	}
}

// The line breaks after every so many bytes of answers or of requests, wherever
// that is in the story: what was done and not answered is not done twice.
func TestALineThatBreaksAgainAndAgainTearsNothing(t *testing.T) {
	private.Need(t)
	direct := private.Create(t)
	whole, bank := open(t, store.Config{URL: direct, Passive: true}), openBank(t)
	for direction, after := range map[string][]int{"downstream": {7000, 8000, 9000, 11000}, "upstream": {12000, 15000, 18000, 22000}} {
		for _, bytes := range after {
			t.Run(fmt.Sprintf("%d bytes %s", bytes, direction), func(t *testing.T) {
				w := throughWire(t, direct)
				via := open(t, store.Config{URL: w.url, Passive: true, MaxConns: 2})
				s := storyOf(t, whole, bank, fmt.Sprintf("%s-%d", direction, bytes), &line{})
				s.via, s.careful = via, true // each try at a PIN that is not answered counts
				s.start()
				mend := w.spoil("limit_data", direction, fmt.Sprintf(`"bytes": %d`, bytes))
				s.tell()
				if len(s.broken) == 0 {
					t.Error("the line never broke")
				}
				mend()
				healed(t, via)
			})
		}
	}
	if r := verify(t, whole); r.Bad != nil || r.Sealed == 0 {
		t.Errorf("%+v, bad %v", r, r.Bad)
	}
}

func TestWhatWasReadFromABrokenLineAndIsGoneIsNoAnswer(t *testing.T) {
	private.Need(t)
	db := open(t, store.Config{URL: private.Create(t)})
	if err := db.AgainWithoutRows(t.Context()); fault.Of(err) != fault.Unavailable || err == nil {
		t.Errorf("got %v", err)
	}
}

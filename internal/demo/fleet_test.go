package demo_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/attack"
	"renkei.dev/internal/config"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/demo"
)

// fleet is the demo's bank as several nodes on one PostgreSQL database, behind
// what a balancer does: each connection goes to the next node that is in service.
type fleet struct {
	t        *testing.T
	d        *running // its data; it does not run itself
	settings config.File
	material config.Material
	bank     *sandbox.Bank
	database string // of nodes that are processes, and the ports of their origins
	port     []int

	mu     sync.Mutex
	nodes  []*node
	turn   int
	target attack.Target // as whom it can be attacked
}

// node is one server, in this process or in one of its own.
type node struct {
	ways   map[string]string // from the port of an origin to where the node listens
	stop   func()
	app    *app.App // nil for another process's
	down   bool
	served int            // connections, which are requests where nobody keeps them alive
	open   sync.WaitGroup // those that still stand
}

// newFleet makes a demo's data in a database and starts so many nodes on it.
func newFleet(t *testing.T, database string, n int) *fleet {
	t.Helper()
	return newFleetBehind(t, database, n, nil)
}

// newFleetBehind is newFleet with a change to the settings of the nodes' database.
func newFleetBehind(t *testing.T, database string, n int, change func(*config.Database)) *fleet {
	t.Helper()
	d := startDemoOn(t, database)
	target, err := attack.ReadTarget(filepath.Join(d.folder, "attack.json"))
	if err != nil {
		t.Fatal(err)
	}
	d.stop()
	f := &fleet{t: t, d: d, nodes: make([]*node, n), target: target}
	if f.settings, f.material, err = demo.Settings(d.folder, time.Now()); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&f.settings.Database)
	}
	if f.bank, err = sandbox.Open(t.Context(), sandbox.Config{File: filepath.Join(d.folder, "bank.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.bank.Close() })
	for i := range n {
		f.start(i)
	}
	t.Cleanup(func() {
		for _, n := range f.nodes {
			if !n.down {
				n.stop()
			}
		}
	})
	return f
}

// start starts a node and puts it into service.
func (f *fleet) start(i int) {
	f.t.Helper()
	n := &node{ways: map[string]string{}}
	settings := f.settings
	settings.Node = i
	settings.Database.Checkpoints = ""
	var err error
	n.app, err = app.Open(f.t.Context(), app.Config{
		Settings: settings, Material: f.material, Log: slog.New(slog.NewTextHandler(f.d.log, nil)).With("node", i),
		Bank: func(config.Institution) (corebank.Connector, error) { return f.bank, nil },
		Listen: func(_ context.Context, address string) (net.Listener, error) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err == nil {
				n.ways[portOf(address)] = l.Addr().String()
			}
			return l, err
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.app.Serve(ctx) }()
	n.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("node %d ended with %v", i, err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[i] = n
}

// stop takes a node out of service, waits until nobody is connected to it any more,
// as a balancer does, and ends it.
func (f *fleet) stop(i int) {
	f.mu.Lock()
	n := f.nodes[i]
	n.down = true
	f.mu.Unlock()
	n.open.Wait()
	n.stop()
}

// next picks the node whose turn it is.
func (f *fleet) next() *node {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.nodes {
		n := f.nodes[f.turn%len(f.nodes)]
		f.turn++
		if n != nil && !n.down {
			n.served++
			n.open.Add(1)
			return n
		}
	}
	return nil
}

var errNoNode = errors.New("no node is in service")

// dial connects to the next node, whatever the name; the port tells which site of it.
func (f *fleet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n := f.next()
	if n == nil {
		return nil, errNoNode
	}
	conn, err := n.dial(ctx, network, address)
	if err != nil {
		n.open.Done()
		return nil, err
	}
	return &counted{Conn: conn, closed: sync.OnceFunc(n.open.Done)}, nil
}

// counted is a connection that tells when it is closed.
type counted struct {
	net.Conn
	closed func()
}

func (c *counted) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

func (n *node) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, n.ways[portOf(address)])
}

func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err) // all addresses of a demo have one
	}
	return port
}

// browser opens one whose every request goes to the next node.
func (f *fleet) browser(holder string) *browser {
	f.t.Helper()
	b := f.d.openBrowser(f.t, holder)
	wire := b.client.Transport.(*http.Transport)
	wire.DialContext, wire.DisableKeepAlives, wire.ForceAttemptHTTP2 = f.dial, true, false
	return b
}

// served is what each node was asked for so far.
func (f *fleet) served() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]int, len(f.nodes))
	for i, n := range f.nodes {
		all[i] = n.served
	}
	return all
}

// Package demo is the whole bank on one machine: `renkei demo` makes everything
// that it needs in a data directory, starts the bank with its sandbox core and
// two API partners, and shows a start page that says what to open and as whom.
//
// Nothing in it is for real use: its keys and certificates bear a mark that
// `renkei serve` refuses. It knows neither protocol nor journey; app does the
// wiring. Start with Run; folder.go is the data directory, world.go the bank,
// partners.go the partners, manifest.go and start.go what scripts and people
// are told.
package demo

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/config"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
	"renkei.dev/internal/web"
)

// DefaultPort is the first of the demo's ports, unless --listen says otherwise.
const DefaultPort = 9440

const stopWithin = 5 * time.Second

// Config is how a demo is run.
type Config struct {
	Folder   string        // the data directory
	Listen   string        // loopback address and first port; empty: as before, or DefaultPort
	Database string        // postgres://…; empty: SQLite in the data directory
	IdleFor  time.Duration // how long a page of the journey is good; 0: as at a bank
	Reset    bool          // forget everything but ports and certificates first
	Crowd    int           // so many companies more, for measurements
	// SessionFor is how long a login serves further linkings of its browser; 0: not at all.
	SessionFor time.Duration
	Now        func() time.Time // nil: the clock of the machine
	Log        *slog.Logger
	Ready      func(startPage string) // called once everything serves
}

// Run makes the data directory ready, serves until ctx ends, and returns nil
// then. Its errors say in one sentence what to do.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	return d.serve(ctx)
}

// demo is one running demo.
type demo struct {
	cfg      Config
	folder   folder
	places   places
	database string // postgres://…; empty: SQLite in the folder
	world    sandbox.World
	issued   issued
	bank     *sandbox.Bank
	app      *app.App
	extra    []web.Listener // partners and start page

	initialToken string // by which whoever tries the demo registers clients
	closers      []func() error
}

func open(ctx context.Context, cfg Config) (*demo, error) {
	d := &demo{cfg: cfg, folder: folder(cfg.Folder), world: sandbox.Fictional()}
	d.world.Companies = append(d.world.Companies, sandbox.Crowd(cfg.Crowd)...)
	if err := d.open(ctx); err != nil {
		if d.app != nil {
			err = errors.Join(err, d.app.Close())
		}
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *demo) open(ctx context.Context) error {
	var before note
	if d.cfg.Reset {
		var err error
		if before, err = d.reset(ctx); err != nil {
			return err
		}
	}
	known, fresh, err := d.folder.open()
	if err != nil {
		return err
	}
	if fresh {
		known.Port = before.Port // a demo that begins anew stays where it was
	}
	if d.places, err = choosePlaces(d.cfg.Listen, known, fresh); err != nil {
		return err
	}
	if d.database, err = chooseDatabase(d.cfg.Database, known, fresh); err != nil {
		return err
	}
	listeners, err := d.places.listen(ctx)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		d.closers = append(d.closers, l.Close)
	}
	// Only now, so that a taken port leaves no directory tied to it, and a demo that
	// runs on these data keeps the file that says so.
	if err := d.folder.remove(manifestFile); err != nil {
		return err
	}
	known.Port, known.Database = d.places.port, d.database
	if err := d.folder.keep(known); err != nil {
		return err
	}
	if d.issued, err = d.folder.issue(d.world, d.cfg.Now()); err != nil {
		return err
	}
	if err := d.folder.brand(); err != nil {
		return err
	}
	d.bank, err = sandbox.Open(ctx, sandbox.Config{File: d.folder.path(bankFile), World: d.world, Now: d.cfg.Now})
	if err != nil {
		return fault.New(fault.Unavailable, "the demo's bank cannot use %s (%s); start anew with --reset", d.folder.path(bankFile), short(err))
	}
	d.closers = append(d.closers, d.bank.Close)
	d.app, err = app.Open(ctx, app.Config{
		Settings: d.settings(), Material: d.material(),
		Bank:   func(config.Institution) (corebank.Connector, error) { return d.bank, nil },
		Listen: func(_ context.Context, address string) (net.Listener, error) { return listeners[address], nil },
		Now:    d.cfg.Now, Log: d.cfg.Log,
	})
	if err != nil {
		return d.explained(err)
	}
	if !known.Seeded { // later, what people registered stays
		if err := d.seed(ctx); err != nil {
			return err
		}
		known.Seeded = true
		if err := d.folder.keep(known); err != nil {
			return err
		}
	}
	if err := d.openPartners(ctx, listeners); err != nil {
		return err
	}
	if err := d.openSecond(ctx); err != nil {
		return err
	}
	if err := d.openRegistration(ctx); err != nil {
		return err
	}
	return d.openStart(listeners)
}

// explained says what to do about a database that cannot be opened.
func (d *demo) explained(err error) error {
	switch {
	case d.database != "":
		return fault.New(fault.Of(err), "the demo cannot use the database given with --database (%s); new data want an empty one", err)
	case fault.Of(err) == fault.Invalid, fault.Of(err) == fault.Internal:
		return fault.New(fault.Of(err), "the demo cannot use its data in %s (%s); start anew with --reset", d.folder, err)
	}
	return err
}

// reset forgets everything but certificates and looks. A database of PostgreSQL is
// emptied where it is this demo's: its sealing key shows that. It returns what the
// data said of themselves. Errors: fault.Unavailable, with nothing lost, while a
// demo runs on them.
func (d *demo) reset(ctx context.Context) (note, error) {
	known, err := d.folder.note()
	switch {
	case err == nil:
		if err := d.atRest(ctx, known); err != nil {
			return note{}, err
		}
		if known.Database != "" {
			err = d.clear(ctx, known)
		}
	case fault.Of(err) != fault.Unavailable:
		err = nil // nothing is there, or nothing that can be read
	}
	if err != nil {
		return note{}, err
	}
	return known, d.folder.reset()
}

// atRest refuses data whose ports are taken: a demo may be running on them.
func (d *demo) atRest(ctx context.Context, known note) error {
	wanted, err := choosePlaces(d.cfg.Listen, known, true)
	if err != nil {
		return err
	}
	listeners, err := places{host: wanted.host, port: known.Port}.listen(ctx)
	for _, l := range listeners {
		l.Close()
	}
	return err
}

func (d *demo) clear(ctx context.Context, known note) error {
	key, err := d.folder.randomKey("sealing.key")
	if err != nil {
		return err
	}
	box, err := secret.NewBox(map[uint32][]byte{1: key})
	if err != nil {
		return err
	}
	err = store.Clear(ctx, store.Config{URL: known.Database, Box: box, Log: d.cfg.Log})
	if err != nil && known.Seeded {
		return fault.New(fault.Of(err), "the demo's database cannot be emptied (%s); make it reachable, or leave it as it is and begin in another directory with --data", err)
	}
	return nil
}

func (d *demo) serve(ctx context.Context) error {
	defer d.close()
	target, err := d.attackTarget()
	if err != nil {
		return err
	}
	if err := d.folder.write(attackFile, target); err != nil {
		return err
	}
	if err := d.folder.write(manifestFile, d.manifest()); err != nil { // last: it says that all is ready
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- d.app.Serve(ctx) }()
	go func() { ended <- web.Serve(ctx, d.cfg.Log, stopWithin, d.extra...) }()
	if d.cfg.Ready != nil {
		d.cfg.Ready(d.places.start())
	}
	first := <-ended
	stop()
	return errors.Join(first, <-ended, d.folder.remove(manifestFile), d.folder.remove(attackFile))
}

func (d *demo) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		if err := d.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			d.cfg.Log.Warn("closing", "error", err)
		}
	}
}

// places are the demo's ports, one after the other.
type places struct {
	host string
	port int
}

// The hosts, by their distance from the first port.
const (
	loginAt = iota
	mutualTLSAt
	apiAt
	certificateAt
	partnerAAt
	partnerBAt
	startAt
	adminAt
	portCount
)

// Ports is how many ports in a row a demo listens on.
const Ports = portCount

func (p places) address(at int) string { return net.JoinHostPort(p.host, strconv.Itoa(p.port+at)) }

func (p places) origin(name string, at int) string {
	return "https://" + net.JoinHostPort(name, strconv.Itoa(p.port+at))
}

func (p places) start() string { return "http://localhost:" + strconv.Itoa(p.port+startAt) + "/" }
func (p places) admin() string { return "http://localhost:" + strconv.Itoa(p.port+adminAt) }

// choosePlaces returns the ports to use: those that the data were made for.
func choosePlaces(listen string, known note, fresh bool) (places, error) {
	p := places{host: "127.0.0.1", port: cmp.Or(known.Port, DefaultPort)}
	if listen == "" {
		return p, nil
	}
	host, port, err := net.SplitHostPort(listen)
	n, numeral := strconv.Atoi(port)
	if err != nil || numeral != nil || n < 1 || n > 65535-portCount {
		return p, fault.New(fault.Invalid, "--listen wants a loopback address and a port, such as 127.0.0.1:%d", DefaultPort)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return p, fault.New(fault.Refused, "the demo listens on this machine alone; --listen wants a loopback address such as 127.0.0.1:%d", n)
	}
	if !fresh && n != known.Port {
		return p, fault.New(fault.Refused,
			"these data were made for port %d, which browsers and partners keep; begin anew at port %d with --reset, or name another directory with --data", known.Port, n)
	}
	return places{host: host, port: n}, nil
}

// chooseDatabase returns the database to use: the one that the data began in.
func chooseDatabase(wanted string, known note, fresh bool) (string, error) {
	switch {
	case fresh, !known.Seeded && wanted != "": // a first start that failed binds nothing
		return wanted, nil
	case wanted != "" && wanted != known.Database:
		return "", fault.New(fault.Refused, "these data are in another database; begin anew with --reset, or name another directory with --data")
	}
	return known.Database, nil
}

// listen opens every port, by its address.
func (p places) listen(ctx context.Context) (map[string]net.Listener, error) {
	all := map[string]net.Listener{}
	var l net.ListenConfig
	for at := range portCount {
		n, err := l.Listen(ctx, "tcp", p.address(at))
		if err == nil {
			all[p.address(at)] = n
			continue
		}
		for _, opened := range all {
			opened.Close()
		}
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return nil, fault.New(fault.Unavailable,
				"port %d is taken: another demo may be running, or another program; stop it, or choose other ports for new data with --data and --listen", p.port+at)
		case errors.Is(err, os.ErrPermission):
			return nil, fault.New(fault.Refused, "this user may not listen at port %d; choose one above 1023 with --listen", p.port+at)
		}
		return nil, fault.Wrap(fault.Unavailable, "listen at "+p.address(at), err)
	}
	return all, nil
}

// Package app wires everything to everything: it builds the services of each
// institution over its part of the store, puts their edges behind origins and
// listeners, and stops them in good order. It is the only package that imports
// all others.
//
// It decides nothing that a specification or the manual speaks of. Start with
// Open; institution.go is the wiring of one institution, seam.go where the two
// engines meet, hosts.go which name is answered by whom.
package app

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"renkei.dev/internal/config"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/hsm"
	"renkei.dev/internal/metrics"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
	"renkei.dev/internal/web"
)

// Config is what a server is made of.
type Config struct {
	Settings config.File
	Material config.Material
	// Bank opens the connector of an institution; nil: as its settings say.
	Bank func(config.Institution) (corebank.Connector, error)
	// Listen opens a listener; nil: net.Listen.
	Listen func(ctx context.Context, address string) (net.Listener, error)
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: slog.Default()
}

// gcPercent is by how much the heap may grow over what is alive.
const gcPercent = 300

// App is a server that is ready to serve.
type App struct {
	Institutions []*Institution // in the order of the settings

	cfg       Config
	db        *store.DB
	metrics   *metrics.Metrics
	closers   []io.Closer // connectors and HSM
	hsm       hsm.Token   // nil: none
	listeners []web.Listener
	proxies   *web.Proxies  // nil: none
	stopping  chan struct{} // closed when a stop began
}

// Open opens the database, builds every institution and opens all listeners.
// Errors: fault.Invalid for settings that cannot serve, fault.Unavailable for a
// database that does not answer or a port that is taken.
func Open(ctx context.Context, cfg Config) (*App, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if os.Getenv("GOGC") == "" {
		// What is alive is little and what a request leaves behind much: collecting
		// at twice the living size cost a tenth of all CPU (operations/performance.md).
		debug.SetGCPercent(gcPercent)
	}
	if cfg.Listen == nil {
		cfg.Listen = listen
	}
	box, err := secret.NewBox(cfg.Material.SealingKeys)
	if err != nil {
		return nil, err
	}
	ids, err := store.NewIDs(cfg.Settings.Node, cfg.Now)
	if err != nil {
		return nil, err
	}
	meter := metrics.New()
	opening := StoreConfig(cfg.Settings, cfg.Material, box, cfg.Log)
	opening.Meter = meter
	db, err := store.Open(ctx, opening)
	if err != nil {
		return nil, err
	}
	meter.Watch(db, cfg.Now)
	a := &App{cfg: cfg, db: db, metrics: meter, proxies: proxiesOf(cfg), stopping: make(chan struct{})}
	if cfg.Material.HSM != nil {
		if a.hsm, err = OpenHSM(cfg.Material); err != nil {
			a.Close()
			return nil, err
		}
		a.closers = append(a.closers, a.hsm)
	}
	if err := a.build(ctx, box, ids); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// StoreConfig returns how the settings want the database opened.
func StoreConfig(f config.File, m config.Material, box *secret.Box, log *slog.Logger) store.Config {
	d := f.Database
	return store.Config{
		URL: cmp.Or(m.DatabaseURL, d.URL), DirectURL: cmp.Or(m.DirectURL, d.DirectURL), Box: box, Log: log,
		Pooled: d.Pooled, Serializable: d.Serializable, Silent: d.Silent, MaxConns: d.MaxConns, Node: f.Node, CheckpointFile: d.Checkpoints,
	}
}

func (a *App) build(ctx context.Context, box *secret.Box, ids *store.IDs) error {
	for i, settings := range a.cfg.Settings.Institutions {
		in, err := a.institution(ctx, settings, a.cfg.Material.Institutions[i], box, ids)
		if err != nil {
			return fault.Wrap(fault.Of(err), "set up institution "+settings.Name, err)
		}
		a.Institutions = append(a.Institutions, in)
	}
	return a.listen(ctx)
}

// Serve answers until ctx ends, then for leave_for only says that it is not ready
// any more, so that whoever distributes requests leaves it out, and then lets the
// requests that run finish. It returns nil after such an end. The App is closed
// then.
func (a *App) Serve(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var chores sync.WaitGroup
	chores.Go(func() { a.warnOfKeys(background) })
	for _, in := range a.Institutions {
		chores.Go(func() { in.tidy(background, a.cfg.Log) })
	}
	serving, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	leaving := context.AfterFunc(ctx, func() {
		close(a.stopping)
		last := time.NewTimer(a.cfg.Settings.LeaveFor)
		defer last.Stop()
		select {
		case <-last.C:
			leave()
		case <-serving.Done():
		}
	})
	defer leaving()
	err := web.Serve(serving, a.cfg.Log, a.cfg.Settings.StopWithin, a.listeners...)
	stop()
	chores.Wait()
	for _, in := range a.Institutions {
		in.Linkage.GiveSlotsBack()
	}
	return errors.Join(err, a.Close())
}

// Close lets go of everything that Open opened, for an App that never served.
func (a *App) Close() error {
	for _, l := range a.listeners {
		l.Net.Close() // a second close is refused, and harmless
	}
	var all []error
	for _, b := range a.closers {
		all = append(all, b.Close())
	}
	return errors.Join(append(all, a.db.Close())...)
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	var l net.ListenConfig
	n, err := l.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "listen at "+address, err)
	}
	return n, nil
}

package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"renkei.dev/internal/store"
)

// Database is what is asked at every scrape.
type Database interface {
	Load() store.Load
	Ping(ctx context.Context) error
	Unsealed(ctx context.Context) (rows int64, since time.Time, err error)
}

// Watch asks a database at every scrape how it stands.
func (m *Metrics) Watch(db Database, now func() time.Time) {
	m.registry.MustRegister(&database{db, now})
}

// askWithin bounds what one scrape waits for the database.
const askWithin = 2 * time.Second

type database struct {
	db  Database
	now func() time.Time
}

func described(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

var (
	up         = described("renkei_database_up", "1 when the database can be read and written, 0 when not.")
	inUse      = described("renkei_database_connections_in_use", "Connections to the database that are used now; of SQLite, those that read.")
	most       = described("renkei_database_connections_most", "The most connections that there can be.")
	queued     = described("renkei_database_commits_queued", "Commits that wait for SQLite's one writer.")
	waits      = described("renkei_database_connection_waits_total", "Times that a connection to PostgreSQL had to be waited for.")
	waited     = described("renkei_database_connection_wait_seconds_total", "Time for which connections to PostgreSQL were waited for.")
	unsealed   = described("renkei_audit_unsealed_rows", "Rows of the audit log that wait to be sealed, up to 100,000.")
	sealerLags = described("renkei_audit_seal_lag_seconds", "Age of the oldest row of the audit log that is not sealed; 0 when all are.")
)

func (d *database) Describe(all chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{up, inUse, most, queued, waits, waited, unsealed, sealerLags} {
		all <- one
	}
}

func (d *database) Collect(all chan<- prometheus.Metric) {
	gauge := func(what *prometheus.Desc, v float64) {
		all <- prometheus.MustNewConstMetric(what, prometheus.GaugeValue, v)
	}
	counter := func(what *prometheus.Desc, v float64) {
		all <- prometheus.MustNewConstMetric(what, prometheus.CounterValue, v)
	}
	l := d.db.Load()
	gauge(inUse, float64(l.InUse))
	gauge(most, float64(l.Most))
	gauge(queued, float64(l.Queued))
	counter(waits, float64(l.Waits))
	counter(waited, l.WaitedFor.Seconds())

	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	if d.db.Ping(ctx) != nil {
		gauge(up, 0)
		return
	}
	gauge(up, 1)
	rows, since, err := d.db.Unsealed(ctx)
	if err != nil {
		return // the next scrape tells, or that the database is down
	}
	gauge(unsealed, float64(rows))
	lag := time.Duration(0)
	if !since.IsZero() {
		lag = max(0, d.now().Sub(since))
	}
	gauge(sealerLags, lag.Seconds())
}

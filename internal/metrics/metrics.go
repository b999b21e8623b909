// Package metrics counts what a server does, for an operator's monitoring
// (Prometheus).
//
// It decides nothing, and knows no customer, account, partner, secret or address:
// labels are an institution's name, patterns of routes, tables, methods of the
// bank's connector and words of closed lists. docs/operations/metrics.md says
// what each figure means and when to worry. Start with New.
package metrics

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the figures of one process. It is a store.Meter.
type Metrics struct {
	registry *prometheus.Registry

	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec

	commits      [2]prometheus.Counter  // failed, done
	transactions [2]prometheus.Observer // failed, done
	groups       prometheus.Histogram

	removed *prometheus.CounterVec
	backlog *prometheus.GaugeVec

	sealed   prometheus.Counter
	unsealed prometheus.Counter // failures

	calls    *prometheus.CounterVec
	callTook *prometheus.HistogramVec
}

// Steps of the histograms, in seconds. What is fast is told apart finely.
var (
	requestSteps = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
	commitSteps  = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}
	callSteps    = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}
	groupSteps   = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}
)

// New returns the figures of a process that has just begun.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histograms := func(name, help string, steps []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: steps}, labels)
		m.registry.MustRegister(v)
		return v
	}
	m.requests = counters("renkei_http_requests_total", "Requests answered.", "institution", "site", "endpoint", "outcome")
	m.took = histograms("renkei_http_request_seconds", "Time from a request to the end of its answer.", requestSteps, "site", "endpoint")
	commits := counters("renkei_store_commits_total", "Commits, by what became of their transaction.", "outcome")
	m.commits = [2]prometheus.Counter{commits.WithLabelValues("failed"), commits.WithLabelValues("done")}
	transactions := histograms("renkei_store_transaction_seconds", "Time of a transaction, which may carry several commits.", commitSteps, "outcome")
	m.transactions = [2]prometheus.Observer{transactions.WithLabelValues("failed"), transactions.WithLabelValues("done")}
	m.groups = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "renkei_store_transaction_commits", Help: "Commits that shared a transaction.", Buckets: groupSteps,
	})
	m.removed = counters("renkei_retention_removed_rows_total", "Rows removed because their time was over.", "institution", "table")
	m.backlog = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "renkei_retention_backlog_rows", Help: "Rows whose time is over and that wait to be removed, up to 100,000.",
	}, []string{"institution", "table"})
	m.sealed = prometheus.NewCounter(prometheus.CounterOpts{Name: "renkei_audit_sealed_rows_total", Help: "Rows of the audit log that this process sealed."})
	m.unsealed = prometheus.NewCounter(prometheus.CounterOpts{Name: "renkei_audit_seal_failures_total", Help: "Times that this process could not seal the audit log."})
	m.calls = counters("renkei_corebank_calls_total", "Calls of the bank's own systems.", "institution", "method", "outcome")
	m.callTook = histograms("renkei_corebank_call_seconds", "Time of a call of the bank's own systems.", callSteps, "institution", "method")
	m.registry.MustRegister(m.groups, m.backlog, m.sealed, m.unsealed,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return m
}

// Handler answers a scrape. It belongs on a listener that the outside does not
// reach.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 2, Timeout: 10 * time.Second})
}

// figures are those of one kind of answer.
type figures struct {
	count prometheus.Counter
	took  prometheus.Observer
}

// answered is who answered, and how.
type answered struct{ endpoint, outcome string }

// Site returns what is told of every request to a site of an institution. The
// endpoint is the pattern of the route that answered, "other" where none did.
func (m *Metrics) Site(institution, site string) func(r *http.Request, status int, took time.Duration) {
	var known sync.Map // answered → figures; as many as routes and outcomes
	return func(r *http.Request, status int, took time.Duration) {
		a := answered{r.Pattern, outcomeOf(status)}
		if a.endpoint == "" {
			a.endpoint = "other"
		}
		f, ok := known.Load(a)
		if !ok {
			f, _ = known.LoadOrStore(a, figures{
				m.requests.WithLabelValues(institution, site, a.endpoint, a.outcome), m.took.WithLabelValues(site, a.endpoint),
			})
		}
		f.(figures).count.Inc()
		f.(figures).took.Observe(took.Seconds())
	}
}

// outcomeOf tells the kind of an answer by its status.
func outcomeOf(status int) string {
	switch {
	case status == 0:
		return "cut_off" // nothing was answered
	case status < 400:
		return "done"
	case status == http.StatusTooManyRequests:
		return "limited"
	case status < 500:
		return "refused"
	case status == http.StatusServiceUnavailable:
		return "unavailable"
	}
	return "failed"
}

// Committed counts a transaction.
func (m *Metrics) Committed(commits int, took time.Duration, done bool) {
	if commits == 0 {
		return
	}
	n := 0
	if done {
		n = 1
	}
	m.commits[n].Add(float64(commits))
	m.transactions[n].Observe(took.Seconds())
	m.groups.Observe(float64(commits))
}

// Forgot counts rows that were removed.
func (m *Metrics) Forgot(institution, table string, rows, left int64) {
	m.removed.WithLabelValues(institution, table).Add(float64(rows))
	m.backlog.WithLabelValues(institution, table).Set(float64(left))
}

// Sealed counts what the sealer did.
func (m *Metrics) Sealed(rows int, err error) {
	if err != nil {
		m.unsealed.Inc()
		return
	}
	m.sealed.Add(float64(rows))
}

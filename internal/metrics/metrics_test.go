package metrics_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/metrics"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// bank answers every question with an error.
type bank struct {
	corebank.Connector
	err error
}

func (b bank) CheckPIN(context.Context, corebank.AccountID, corebank.InquiryPIN) error { return b.err }

func (b bank) CheckPassword(context.Context, corebank.LoginID, secret.Value) (corebank.User, error) {
	return corebank.User{ID: "usr_hanako"}, b.err
}

// database is one whose ways are as a test says.
type database struct {
	down  bool
	since time.Time
}

func (d *database) Load() store.Load { return store.Load{InUse: 3, Most: 16} }

func (d *database) Ping(context.Context) error {
	if d.down {
		return fault.New(fault.Unavailable, "the connection is gone")
	}
	return nil
}

func (d *database) Unsealed(context.Context) (int64, time.Time, error) { return 7, d.since, nil }

var noon = time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)

// all are figures of everything that there is to tell.
func all() (*metrics.Metrics, *database) {
	m, db := metrics.New(), &database{since: noon.Add(-90 * time.Second)}
	m.Watch(db, func() time.Time { return noon })
	m.Site("ume", "api")(&http.Request{Pattern: "GET /x/{y}"}, 200, time.Millisecond)
	m.Committed(5, 2*time.Millisecond, true)
	m.Committed(2, 2*time.Millisecond, false)
	m.Forgot("ume", "replays", 1000, 500)
	m.Sealed(10, nil)
	m.Sealed(0, fault.New(fault.Unavailable, "the disk is full"))
	m.Bank("ume", bank{}).CheckPIN(context.Background(), "001-1-1000101", corebank.InquiryPIN{Value: secret.Of("2468")})
	m.Bank("ume", bank{err: corebank.WrongSecret{}}).CheckPassword(context.Background(), "hanako", secret.Of("sesame"))
	m.Bank("ume", bank{err: corebank.Closed{}}).CheckPIN(context.Background(), "001-1-1000101", corebank.InquiryPIN{})
	m.Bank("ume", bank{err: corebank.Unavailable{}}).CheckPIN(context.Background(), "001-1-1000101", corebank.InquiryPIN{})
	return m, db
}

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestEveryFigureIsTold(t *testing.T) {
	m, _ := all()
	body := scrape(t, m)
	for _, want := range []string{
		`renkei_http_requests_total{endpoint="GET /x/{y}",institution="ume",outcome="done",site="api"} 1`,
		`renkei_store_commits_total{outcome="done"} 5`,
		`renkei_store_commits_total{outcome="failed"} 2`,
		`renkei_store_transaction_seconds_count{outcome="done"} 1`,
		`renkei_store_transaction_commits_sum 7`,
		`renkei_retention_removed_rows_total{institution="ume",table="replays"} 1000`,
		`renkei_retention_backlog_rows{institution="ume",table="replays"} 500`,
		`renkei_audit_sealed_rows_total 10`,
		`renkei_audit_seal_failures_total 1`,
		`renkei_audit_unsealed_rows 7`,
		`renkei_audit_seal_lag_seconds 90`,
		`renkei_database_up 1`,
		`renkei_database_connections_in_use 3`,
		`renkei_corebank_calls_total{institution="ume",method="CheckPIN",outcome="done"} 1`,
		`renkei_corebank_calls_total{institution="ume",method="CheckPIN",outcome="closed"} 1`,
		`renkei_corebank_calls_total{institution="ume",method="CheckPIN",outcome="unavailable"} 1`,
		`renkei_corebank_calls_total{institution="ume",method="CheckPassword",outcome="wrong"} 1`,
		`renkei_corebank_call_seconds_count{institution="ume",method="CheckPIN"} 3`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	for _, private := range []string{"1000101", "hanako", "2468", "sesame"} {
		if strings.Contains(body, private) {
			t.Errorf("the figures say %q", private)
		}
	}
}

func TestADatabaseThatIsDownIsToldAndTheRestToo(t *testing.T) {
	m, db := all()
	db.down = true
	body := scrape(t, m)
	if !strings.Contains(body, "renkei_database_up 0\n") || !strings.Contains(body, "renkei_database_connections_most 16\n") {
		t.Error(body)
	}
	if strings.Contains(body, "renkei_audit_unsealed_rows ") {
		t.Error("figures of a database that was not reached")
	}
}

// The operator's page and what is told are the same list.
func TestTheOperatorsPageExplainsEveryFigureAndNoOther(t *testing.T) {
	m, _ := all()
	var told, explained []string
	for _, f := range regexp.MustCompile(`(?m)^# TYPE (renkei_\w+) `).FindAllStringSubmatch(scrape(t, m), -1) {
		told = append(told, f[1])
	}
	page, err := os.ReadFile("../../docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range regexp.MustCompile("(?m)^\\| `(renkei_\\w+)`").FindAllStringSubmatch(string(page), -1) {
		explained = append(explained, f[1])
	}
	slices.Sort(explained)
	if !slices.Equal(told, explained) {
		t.Errorf("told:\n%s\nexplained:\n%s", strings.Join(told, "\n"), strings.Join(explained, "\n"))
	}
}

func BenchmarkARequest(b *testing.B) {
	seen := metrics.New().Site("ume", "api")
	r := &http.Request{Pattern: "POST /token"}
	b.ReportAllocs()
	for b.Loop() {
		seen(r, 200, time.Millisecond)
	}
}

func BenchmarkACommit(b *testing.B) {
	m := metrics.New()
	b.ReportAllocs()
	for b.Loop() {
		m.Committed(8, time.Millisecond, true)
	}
}

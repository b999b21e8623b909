// Package bench measures what a running server carries: it plays API partners,
// resource servers and customers over HTTP, checks every answer, and accounts for
// the CPU time of the processes that answered.
//
// It knows nothing of the inside, neither packages nor tables, but for how tokens
// are signed (jose); addresses come from the server's own metadata. Whoever calls
// it starts the server and registers the clients. Start with Run, then a file for
// each part: workloads.go what is done, partner.go how a partner asks, browser.go
// how a customer answers, usage.go what it cost.
package bench

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Config is what is measured. All fields are needed unless said otherwise.
type Config struct {
	Issuer      string // its metadata says where everything else is
	API         string // origin of the account API
	Trust       *x509.CertPool
	RedirectURI string // of both clients; nobody need answer there

	// KeyClient authenticates by private_key_jwt under KID and proves calls by DPoP.
	KeyClient string
	Key       crypto.Signer
	KID       string
	// CertificateClient authenticates, and calls, by mutual TLS.
	CertificateClient string
	Certificate       tls.Certificate
	// Users are customers of whom each worker takes two for itself.
	Users []User

	Workloads []Workload    // empty: all
	Workers   int           // closed loops at once
	For       time.Duration // of each workload
	WarmUp    time.Duration // before it, uncounted

	Server    int   // process id of the server
	Databases []int // and of the database; empty: within the server's, or elsewhere

	Progress func(string) // told what begins; nil: nobody
}

// User is a customer who logs in by password.
type User struct{ LoginID, Password string }

// UsersFor is how many users so many workers need.
func UsersFor(workers int) int { return 2 * workers }

// Workload is one kind of request, or of several that belong together.
type Workload string

// The workloads, in the order in which they run.
const (
	Push               Workload = "par"
	CodeFlow           Workload = "code_flow"
	Refresh            Workload = "refresh"
	ClientCredentials  Workload = "client_credentials"
	Introspection      Workload = "introspection"
	BalanceDPoP        Workload = "balance_dpop"
	BalanceCertificate Workload = "balance_mtls"
)

// Workloads are all of them.
var Workloads = []Workload{Push, CodeFlow, Refresh, ClientCredentials, Introspection, BalanceDPoP, BalanceCertificate}

// Result is what one workload came to. CPU is the server's and the database's
// together, in microseconds for one operation; latencies are those of the round
// trips of one operation, without the generator's own signing.
type Result struct {
	Workload     Workload `json:"workload"`
	OpsPerSecond float64  `json:"opsPerSecond"`
	CPUMicros    float64  `json:"cpuMicros"`
	P50Millis    float64  `json:"p50Millis"`
	P99Millis    float64  `json:"p99Millis"`
	RSSBytes     int64    `json:"rssBytes"` // of the server, at the end of the workload

	ServerMicros  float64 `json:"-"` // the server's share of CPUMicros
	GeneratorCPU  float64 `json:"-"` // cores that the generator was busy on; near its own says that it was the limit
	OperationsRun int     `json:"-"`
}

// Run measures the workloads one after the other. An answer that is not the right
// one ends it with an error that says what was answered.
func Run(ctx context.Context, c Config, done func(Result)) error {
	if len(c.Workloads) == 0 {
		c.Workloads = Workloads
	}
	if len(c.Users) < UsersFor(c.Workers) {
		return fmt.Errorf("%d workers need %d users", c.Workers, UsersFor(c.Workers))
	}
	at, err := discover(ctx, c)
	if err != nil {
		return err
	}
	for _, w := range Workloads {
		if !slices.Contains(c.Workloads, w) {
			continue
		}
		r, err := c.measure(ctx, at, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w, err)
		}
		done(r)
	}
	return nil
}

func (c Config) tell(format string, args ...any) {
	if c.Progress != nil {
		c.Progress(fmt.Sprintf(format, args...))
	}
}

// measure runs one workload: every worker gets ready, all warm up, then the clock
// runs, and at last each checks that what must be refused is.
func (c Config) measure(ctx context.Context, at endpoints, w Workload) (Result, error) {
	c.tell("%s: getting ready", w)
	workers := make([]*worker, c.Workers)
	err := atOnce(len(workers), func(i int) (err error) {
		workers[i], err = c.newWorker(ctx, at, w, i)
		return err
	})
	defer func() {
		for _, one := range workers {
			if one != nil {
				one.close()
			}
		}
	}()
	if err != nil {
		return Result{}, fmt.Errorf("getting ready: %w", err)
	}
	c.tell("%s: measuring for %v", w, c.WarmUp+c.For)
	if _, err := loop(ctx, workers, c.WarmUp); err != nil {
		return Result{}, err
	}
	before := usageOf(c.Server, c.Databases)
	began := time.Now()
	took, err := loop(ctx, workers, c.For)
	elapsed := time.Since(began)
	used := usageOf(c.Server, c.Databases).since(before)
	if err != nil {
		return Result{}, err
	}
	if err := atOnce(len(workers), func(i int) error { return workers[i].refusals(ctx) }); err != nil {
		return Result{}, err
	}
	return resultOf(w, took, elapsed, used)
}

func resultOf(w Workload, took []time.Duration, elapsed time.Duration, used usage) (Result, error) {
	n := len(took)
	if n == 0 {
		return Result{}, errors.New("no operation ended in time; try a longer --for")
	}
	slices.Sort(took)
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	rank := func(share float64) float64 {
		return float64(took[min(n-1, int(share*float64(n)))].Microseconds()) / 1000
	}
	return Result{
		Workload: w, OpsPerSecond: float64(n) / elapsed.Seconds(), CPUMicros: each(used.server + used.databases),
		P50Millis: rank(0.5), P99Millis: rank(0.99), RSSBytes: used.rss,
		ServerMicros: each(used.server), GeneratorCPU: used.self.Seconds() / elapsed.Seconds(), OperationsRun: n,
	}, nil
}

// loop lets all workers work for a time, and returns how long each operation took.
func loop(ctx context.Context, workers []*worker, span time.Duration) ([]time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	end := time.Now().Add(span)
	took := make([][]time.Duration, len(workers))
	err := atOnce(len(workers), func(i int) error {
		for time.Now().Before(end) && ctx.Err() == nil {
			workers[i].spent = 0
			if err := workers[i].operate(ctx); err != nil {
				if ctx.Err() != nil {
					return nil // another worker's failure is the one to tell
				}
				stop()
				return err
			}
			took[i] = append(took[i], workers[i].spent)
		}
		return nil
	})
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return slices.Concat(took...), err
}

// atOnce calls f for 0 to n-1 side by side and returns the first error.
func atOnce(n int, f func(int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/bench"
	"renkei.dev/internal/demo"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/store"
)

type benchCommand struct {
	Live     int           `help:"Live consents in the store before the measurement; a million take a minute or two to write." placeholder:"N"`
	Database string        `help:"An empty PostgreSQL database, which is filled and cleared again, instead of SQLite." placeholder:"postgres://…"`
	Dir      string        `help:"Where the SQLite file goes, since its disk is measured too (default: the directory for temporary files)." placeholder:"DIR" type:"path"`
	Workers  int           `default:"32" help:"Requests at once, each over connections of its own (default: 32)." placeholder:"N"`
	For      time.Duration `default:"10s" help:"How long each workload is measured (default: 10s, at most 5m)." placeholder:"10s"`
	Only     []string      `help:"Only these workloads: ${workloads}." placeholder:"NAME,…"`
	JSON     bool          `name:"json" help:"Write the results as JSON."`
	Profile  string        `help:"Record a CPU profile of the measured server, to build with: go build -pgo=FILE. The file must not exist." placeholder:"FILE" type:"path"`
	Pin      bool          `default:"true" negatable:"" help:"Keep server and database on one core and the generator on the others (Linux)."`
}

// Help returns examples.
func (benchCommand) Help() string {
	return `A server of its own is started for the measurement, with the demo's sandbox bank,
and ends with it. Every answer is checked; the first wrong one ends the measurement
with exit status 1.

Examples:
  renkei bench                                      every workload, on SQLite
  renkei bench --dir /var/lib/renkei --live 100000  on the disk that will carry it
  renkei bench --database postgres://renkei@db/bench --workers 64 --for 30s
  renkei bench --only refresh,balance_mtls --json
  renkei bench --profile renkei.pgo                 to build with: go build -pgo=renkei.pgo`
}

func workloadNames() string {
	var names []string
	for _, w := range bench.Workloads {
		names = append(names, string(w))
	}
	return strings.Join(names, ", ")
}

const (
	maxWorkers = 1000
	maxLive    = 10_000_000
	maxFor     = 5 * time.Minute // an access token lives for fifteen
	benchIdle  = 2 * time.Second // of warming up
)

// check says everything that is wrong with what was asked, and which workloads
// are meant.
func (c benchCommand) check() ([]bench.Workload, error) {
	var wrong []string
	if c.Workers < 1 || c.Workers > maxWorkers {
		wrong = append(wrong, fmt.Sprintf("--workers wants 1 to %d", maxWorkers))
	}
	if c.Live < 0 || c.Live > maxLive {
		wrong = append(wrong, fmt.Sprintf("--live wants 0 to %d", maxLive))
	}
	if c.For < 100*time.Millisecond || c.For > maxFor {
		wrong = append(wrong, "--for wants a time from 100ms to 5m")
	}
	if c.Database != "" && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		wrong = append(wrong, "--database wants an address that begins with postgres://")
	}
	if c.Database != "" && c.Dir != "" {
		wrong = append(wrong, "--dir is for SQLite; leave it out with --database")
	}
	var only []bench.Workload
	for _, name := range c.Only {
		known := false
		for _, w := range bench.Workloads {
			known = known || string(w) == name
		}
		if !known {
			wrong = append(wrong, fmt.Sprintf("--only does not know %q; there are %s", name, workloadNames()))
		}
		only = append(only, bench.Workload(name))
	}
	if len(wrong) > 0 {
		return nil, fault.New(fault.Invalid, "%s", strings.Join(wrong, "\n"))
	}
	return only, nil
}

// Run measures.
func (c benchCommand) Run(ctx context.Context, to streams) (err error) {
	only, err := c.check()
	if err != nil {
		return err
	}
	b := &benchRun{benchCommand: c, to: to}
	if c.Profile != "" {
		if err := makeProfile(c.Profile); err != nil {
			return err
		}
	}
	defer func() {
		if e := b.clear(); err == nil {
			err = e
		}
	}()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	cfg, err := b.start(ctx)
	if err != nil {
		return err
	}
	cfg.Workloads, cfg.Workers, cfg.For, cfg.WarmUp, cfg.Progress = only, c.Workers, c.For, min(benchIdle, c.For), b.say
	var results []bench.Result
	err = bench.Run(ctx, cfg, func(r bench.Result) {
		results = append(results, r)
		b.say(fmt.Sprintf("%s: %.0f operations a second", r.Workload, r.OpsPerSecond))
	})
	if err != nil {
		return b.explained(err)
	}
	if c.JSON {
		err = json.NewEncoder(to.out).Encode(results)
	} else {
		err = b.table(results)
	}
	if err != nil || c.Profile == "" {
		return err
	}
	return b.finishProfile()
}

func (b *benchRun) table(results []bench.Result) error {
	w := tabwriter.NewWriter(b.to.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "workload\top/s\tCPU µs/op\tserver's\tp50 ms\tp99 ms\tRSS MiB\tgenerator\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.0f\t%.0f %%\t\n", r.Workload, r.OpsPerSecond, r.CPUMicros, r.ServerMicros,
			r.P50Millis, r.P99Millis, float64(r.RSSBytes)/(1<<20), 100*r.GeneratorCPU)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(b.to.out, "\n%s; %s; %d live consents; %d workers.\nCPU is the server's and the database's together: a core carries 1,000,000 of it a second.\n",
		cmp.Or(strings.Join(b.said, "; "), "not pinned"), b.databaseName(), b.Live, b.Workers)
	if len(b.databases) == 0 && b.Database != "" {
		fmt.Fprintln(b.to.out, "The database runs elsewhere: its CPU is not among the figures.")
	}
	return nil
}

func (c benchCommand) databaseName() string {
	if c.Database != "" {
		return "PostgreSQL"
	}
	return "SQLite"
}

// The clients of a measurement.
const (
	benchKeyPartner         = "bench-key"
	benchCertificatePartner = "bench-mtls"
	benchRedirect           = "https://partner.example/callback" // where nobody answers
)

// registration is the metadata file of one of them.
func registration(id string, client map[string]any) ([]byte, error) {
	client["client_id"], client["client_name"] = "cl_"+id, id
	client["redirect_uris"] = []string{benchRedirect}
	client["grant_types"] = []string{"authorization_code", "refresh_token", "client_credentials"}
	client["scope"] = "openid account.balance partner"
	return json.Marshal(map[string]any{
		"partner": map[string]any{
			"id": id, "service": "計測見本サービス", "corporation": "計測見本株式会社", "registration_number": "関東財務局長（電代）第9099号",
			"contact":   map[string]string{"desk": "計測見本 窓口", "phone": "03-0000-9099", "mail": "desk@partner.example", "url": "https://partner.example/"},
			"functions": []string{"balance"}, "required_functions": []string{"balance"}, "history_days": 90, "contract_from": "2026-01-01",
		},
		"client": client,
	})
}

// register makes both clients known and fills the store, while no server runs.
func (b *benchRun) register(ctx context.Context) error {
	var err error
	if b.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if b.kid, err = jose.Thumbprint(b.key.Public()); err != nil {
		return err
	}
	now := time.Now()
	ring, err := jose.NewRing([]jose.Key{{KID: b.kid, Algorithm: jose.ES256, State: jose.Active, ExpiresAt: now.AddDate(1, 0, 0), Private: b.key}}, now)
	if err != nil {
		return err
	}
	if b.certificate, err = demo.PartnerCertificate(b.folder()); err != nil {
		return err
	}
	desk, err := target{Data: b.folder()}.open(ctx)
	if err != nil {
		return err
	}
	defer desk.Close()
	for id, client := range map[string]map[string]any{
		benchKeyPartner: {"token_endpoint_auth_method": "private_key_jwt", "jwks": json.RawMessage(ring.JWKS()), "dpop_bound_access_tokens": true},
		benchCertificatePartner: {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": pki.Subject(b.certificate.Leaf),
			"tls_client_certificate_bound_access_tokens": true},
	} {
		metadata, err := registration(id, client)
		if err != nil {
			return err
		}
		if _, _, err := app.RegisterPartner(ctx, desk.Store, desk.Issuer, metadata, operator(), now); err != nil {
			return err
		}
	}
	return b.fill(ctx, desk.Store)
}

// fill puts the live consents into the store.
func (b *benchRun) fill(ctx context.Context, in *store.Institution) error {
	if b.Live == 0 {
		return nil
	}
	ids, err := store.NewIDs(1, time.Now) // not the server's own node
	if err != nil {
		return err
	}
	last := time.Now()
	b.say(fmt.Sprintf("writing %d live consents", b.Live))
	return in.PlantConsents(ctx, store.Planted{
		Partner: partner.ID(benchKeyPartner), Client: oauth.ClientID("cl_" + benchKeyPartner), N: b.Live, IDs: ids,
		Done: func(n int) {
			if time.Since(last) > 2*time.Second || n == b.Live {
				last = time.Now()
				b.say(fmt.Sprintf("written: %d of %d", n, b.Live))
			}
		},
	})
}

// explained adds the end of the server's log to a failure, where there is any.
func (b *benchRun) explained(err error) error {
	raw, e := os.ReadFile(filepath.Join(b.work, benchLog))
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	if e != nil || len(raw) == 0 {
		return err
	}
	return fmt.Errorf("%w\nThe server's log ends with:\n%s", err, bytes.Join(lines[max(0, len(lines)-3):], []byte("\n")))
}

package demo_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/store"
	"renkei.dev/internal/store/storetest"
)

// load is partners at work on every node, and what they were told.
type load struct {
	t  *testing.T
	mu sync.Mutex

	issued  map[string]bool // tokens that were acknowledged, and whether they are revoked
	unknown map[string]bool // tokens whose revocation was not acknowledged
	last    []time.Time     // of the last success, by node
	gap     []time.Duration // the longest time without one
	done    []atomic.Int64
	failed  atomic.Int64
	why     atomic.Value // what the first failure was

	halt    context.CancelFunc
	workers sync.WaitGroup
}

// startLoad lets partners ask for tokens and revoke every second one, each of ways
// by so many workers.
func startLoad(t *testing.T, workers int, ways ...*software) *load {
	ctx, halt := context.WithCancel(t.Context())
	l := &load{
		t: t, issued: map[string]bool{}, unknown: map[string]bool{}, halt: halt,
		last: make([]time.Time, len(ways)), gap: make([]time.Duration, len(ways)), done: make([]atomic.Int64, len(ways)),
	}
	for i, s := range ways {
		for range workers {
			l.workers.Go(func() {
				for ctx.Err() == nil {
					l.turn(ctx, s, i)
				}
			})
		}
	}
	return l
}

func (l *load) turn(ctx context.Context, s *software, node int) {
	answer, err := s.call(ctx, http.MethodPost, s.token(), "", credentials())
	if !l.succeeded(ctx, node, answer, err) {
		return
	}
	token := answer.AccessToken
	l.mu.Lock()
	l.issued[token] = false
	revokes := len(l.issued)%2 == 0
	l.mu.Unlock()
	if !revokes {
		return
	}
	answer, err = s.call(ctx, http.MethodPost, s.issuer+"/revoke", "", url.Values{"token": {token}})
	revoked := l.succeeded(ctx, node, answer, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.issued[token] = revoked; !revoked {
		l.unknown[token] = true
	}
}

// succeeded notes what became of a request. Failing is allowed, but only as what
// fails; nobody may be told that they sent something wrong.
func (l *load) succeeded(ctx context.Context, node int, answer reply, err error) bool {
	if err != nil || answer.status >= 500 {
		if ctx.Err() == nil {
			l.failed.Add(1)
			l.why.CompareAndSwap(nil, fmt.Sprint(answer, err))
			time.Sleep(5 * time.Millisecond) // as a partner would, and to leave the machine to the database
		}
		return false
	}
	if answer.status != http.StatusOK {
		l.t.Errorf("node %d answers %v", node, answer)
		return false
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last[node].IsZero() {
		l.gap[node] = max(l.gap[node], now.Sub(l.last[node]))
	}
	l.last[node] = now
	l.done[node].Add(1)
	return true
}

// everyNode waits until each node has answered so many more.
func (l *load) everyNode(n int64) {
	l.t.Helper()
	for i := range l.done {
		from := l.done[i].Load()
		for began := time.Now(); l.done[i].Load() < from+n; time.Sleep(5 * time.Millisecond) {
			if time.Since(began) > 30*time.Second {
				l.t.Fatalf("node %d answered %d requests in 30 s", i, l.done[i].Load()-from)
			}
		}
	}
}

func (l *load) end() { l.halt(); l.workers.Wait() }

// kept looks with a server's own eyes what became of every token.
func (l *load) kept(s *software) (live, dead int) {
	l.t.Helper()
	for token, revoked := range l.issued {
		if l.unknown[token] {
			continue
		}
		answer := s.must(http.StatusOK, http.MethodPost, s.issuer+"/introspect", "", url.Values{"token": {token}})
		if active := strings.Contains(answer.body, `"active":true`); active == revoked {
			l.t.Errorf("a token that was acknowledged as revoked %v is active %v", revoked, active)
		}
		if revoked {
			dead++
		} else {
			live++
		}
	}
	return live, dead
}

func TestWhenThePrimaryIsKilledNothingAcknowledgedIsLost(t *testing.T) {
	var primary storetest.Cluster
	t.Cleanup(primary.Stop)
	primary.Need(t)
	primary.CreateNamed(t, "bank")
	standby := primary.Standby(t)
	t.Cleanup(standby.Stop)
	f := newFleet(t, primary.PairURL(standby, "bank"), 3)
	s := f.register("failover")
	customer := f.linked(t, s)

	l := startLoad(t, 3, s.at(f.nodes[0]), s.at(f.nodes[1]), s.at(f.nodes[2]))
	state := f.toggle(t, l, customer)
	l.everyNode(60)
	killed := time.Now()
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	standby.Promote(t)
	promoted := time.Since(killed)
	l.everyNode(60)
	l.end()
	acknowledged := state()

	consent, err := f.services().Store.Consent(t.Context(), customer.consent)
	if err != nil || acknowledged != "" && consent.State != acknowledged {
		t.Errorf("the consent is %s, and was acknowledged as %s; %v", consent.State, acknowledged, err)
	}
	live, dead := l.kept(s.at(f.nodes[0]))
	f.audited(t, "oauth.token_issued", live+dead)
	f.stop(1) // and a node starts again with the same address
	f.start(1)
	s.at(f.nodes[1]).must(http.StatusOK, http.MethodPost, s.token(), "", credentials())
	t.Logf("promoted after %v; longest time without an answer by node: %v; %d tokens and %d revocations acknowledged and kept, %d requests failed",
		promoted.Round(time.Millisecond), l.gap, live, dead, l.failed.Load())
}

// toggle suspends and resumes a consent for as long as the load goes on. The
// returned function tells its last acknowledged state; empty: it is not known.
func (f *fleet) toggle(t *testing.T, l *load, customer linked) func() linkage.ConsentState {
	var last linkage.ConsentState
	var ended sync.WaitGroup
	ctx, halt := context.WithCancel(t.Context())
	ended.Go(func() {
		to := linkage.Suspended
		for ctx.Err() == nil {
			change := f.services().Linkage.SuspendConsent
			if to == linkage.Active {
				change = f.services().Linkage.ResumeConsent
			}
			if err := change(t.Context(), customer.consent, staff, "a test"); err != nil {
				last = "" // who is not answered looks, as a person would
				if c, err := f.services().Store.Consent(t.Context(), customer.consent); err == nil {
					to = opposite(c.State)
				}
				time.Sleep(5 * time.Millisecond)
				continue
			}
			last, to = to, opposite(to)
		}
	})
	return func() linkage.ConsentState { halt(); ended.Wait(); return last }
}

func opposite(s linkage.ConsentState) linkage.ConsentState {
	if s == linkage.Active {
		return linkage.Suspended
	}
	return linkage.Active
}

// audited verifies the log, and that it has at least so many acts of a name.
func (f *fleet) audited(t *testing.T, act string, least int) {
	t.Helper()
	log := f.d.desk(t).DB.AuditLog()
	report, err := log.Verify(t.Context())
	if err != nil || report.Bad != nil {
		t.Errorf("the log does not verify: %v, %v", report.Bad, err)
	}
	var kept strings.Builder
	if err := log.Export(t.Context(), store.Which{}, &kept); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(kept.String(), fmt.Sprintf(`"name":%q`, act)); n < least {
		t.Errorf("%d acts %s for %d acknowledged tokens", n, act, least)
	}
}

package demo_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"renkei.dev/internal/app"
	"renkei.dev/internal/audit"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// stopsWithin is how long a node may go on after a stop was acknowledged
// (protocol.md §4 item 11; journey.md rule 10).
const stopsWithin = time.Second

var staff = audit.Actor{Kind: audit.Operator, ID: "test"}

// stopping is one way to stop what a partner may do, how it is lifted, and the call
// by which each node shows whether it knows.
type stopping struct {
	stop, resume func(t *testing.T) // resume is nil for what is final
	method       string
	target       string
	token        string
	form         url.Values
}

func TestAStopHoldsOnEveryNodeWithinASecond(t *testing.T) {
	private.Need(t)
	database := private.Create(t)
	f := newFleet(t, database, 3)
	s := f.register("stops")
	for _, round := range []struct {
		name string
		deaf bool
	}{{"with news", false}, {"with the connections for news cut again and again", true}} {
		t.Run(round.name, func(t *testing.T) {
			if round.deaf {
				defer cutNews(t, database)()
			}
			for name, what := range map[string]func(*testing.T) stopping{
				"a partner":                           func(t *testing.T) stopping { return f.partnerStopped(s, f.linked(t, s)) },
				"a client":                            func(*testing.T) stopping { return f.clientOver(s) },
				"a consent":                           func(t *testing.T) stopping { return f.consentHeld(s, f.linked(t, s)) },
				"a consent that the customer cancels": func(t *testing.T) stopping { return f.consentEnded(s, f.linked(t, s)) },
				"a grant that the partner revokes":    func(t *testing.T) stopping { return f.tokenRevoked(s, f.linked(t, s)) },
			} {
				t.Run(name, func(t *testing.T) { f.holds(t, s, what(t)) })
			}
		})
	}
}

// cutNews ends every connection by which a node hears, until the returned stop.
func cutNews(t *testing.T, database string) (stop func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		defer conn.Close(context.Background())
		for ctx.Err() == nil {
			conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'renkei news'`) //nolint:errcheck // the next one follows
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() { cancel(); ended.Wait() }
}

// holds stops something and looks how long each node goes on, then lifts the stop.
func (f *fleet) holds(t *testing.T, s *software, what stopping) {
	t.Helper()
	works := func(node *software) bool {
		answer, err := node.call(t.Context(), what.method, what.target, what.token, what.form)
		if err != nil || answer.status >= 500 {
			t.Errorf("%v, %v", answer, err)
		}
		return err == nil && answer.status == http.StatusOK
	}
	var nodes []*software
	for i, n := range f.nodes {
		nodes = append(nodes, s.at(n))
		if answer, err := nodes[i].call(t.Context(), what.method, what.target, what.token, what.form); err != nil || answer.status != http.StatusOK {
			t.Fatalf("node %d refuses before: %v, %v", i, answer, err)
		}
	}
	until := func(want bool) {
		t.Helper()
		began := time.Now()
		var all sync.WaitGroup
		for i, n := range nodes {
			all.Go(func() {
				for {
					asked := time.Since(began) // what was asked later than a second must hold
					if works(n) == want {
						t.Logf("node %d: works %v after %v", i, want, time.Since(began))
						return
					}
					if asked > stopsWithin {
						t.Errorf("node %d: after %v it still works %v", i, asked, !want)
						return
					}
				}
			})
		}
		all.Wait()
	}
	what.stop(t)
	until(false)
	if what.resume != nil {
		what.resume(t)
		until(true)
	}
}

func (f *fleet) partnerStopped(s *software, l linked) stopping {
	becomes := func(from, to partner.Status) func(*testing.T) {
		return func(t *testing.T) {
			err := f.d.desk(t).Store.Commit(t.Context(), partner.StatusChanged{
				Partner: partner.ID(s.partner), From: from, To: to, Reason: "a test", By: staff, At: time.Now(),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	what := s.reading(l)
	what.stop, what.resume = becomes(partner.Active, partner.Stopped), becomes(partner.Stopped, partner.Active)
	return what
}

func (f *fleet) clientOver(s *software) stopping {
	becomes := func(sunset string) func(*testing.T) {
		return func(t *testing.T) {
			desk := f.d.desk(t)
			c, err := desk.Store.Client(t.Context(), oauth.ClientID(s.id))
			if err != nil {
				t.Fatal(err)
			}
			c.SunsetOn = sunset
			if err := desk.Store.Commit(t.Context(), oauth.ClientChanged{Client: c, Version: c.Version, By: staff, At: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return stopping{
		stop: becomes("2026-04-02"), resume: becomes(""),
		method: http.MethodPost, target: s.token(), form: credentials(),
	}
}

// linked is a linkage of one customer.
type linked struct {
	reply
	consent linkage.ConsentID
}

// linked links a customer and looks for the consent that this gave.
func (f *fleet) linked(t *testing.T, s *software) linked {
	t.Helper()
	l := linked{reply: s.link(f.browser(""), "ok.pw")}
	for _, company := range f.bank.Companies {
		for _, m := range company.Members {
			if m.LoginID != "ok.pw" {
				continue
			}
			all, err := f.services().Store.ConsentsTo(t.Context(), m.User.ID, partner.ID(s.partner))
			if err != nil || len(all) == 0 {
				t.Fatalf("%d consents, %v", len(all), err)
			}
			l.consent = all[0].ID
		}
	}
	return l
}

// services are those of the first node.
func (f *fleet) services() *app.Institution { return f.nodes[0].app.Institutions[0] }

func (s *software) reading(l linked) stopping {
	return stopping{method: http.MethodGet, target: s.accounts(), token: l.AccessToken}
}

func (f *fleet) consentHeld(s *software, l linked) stopping {
	what := s.reading(l)
	does := func(change func(context.Context, linkage.ConsentID, audit.Actor, string) error) func(*testing.T) {
		return func(t *testing.T) {
			if err := change(t.Context(), l.consent, staff, "a test"); err != nil {
				t.Fatal(err)
			}
		}
	}
	what.stop, what.resume = does(f.services().Linkage.SuspendConsent), does(f.services().Linkage.ResumeConsent)
	return what
}

func (f *fleet) consentEnded(s *software, l linked) stopping {
	what := s.reading(l)
	what.stop = func(t *testing.T) {
		if err := f.services().Linkage.EndConsent(t.Context(), l.consent, linkage.EndedByCustomer, staff, "a test"); err != nil {
			t.Fatal(err)
		}
	}
	return what
}

func (f *fleet) tokenRevoked(s *software, l linked) stopping {
	what := s.reading(l)
	what.stop = func(*testing.T) {
		s.must(http.StatusOK, http.MethodPost, s.issuer+"/revoke", "", url.Values{"token": {l.RefreshToken}})
	}
	return what
}

package store_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/store"
)

// flows is one server of journeys and protocol over a database, which counts how
// often it goes there.
type flows struct {
	*protocolWorld
	desk           *desk
	setup          oauth.Config
	reads, commits atomic.Int64
}

func newFlows(t testing.TB, db *store.DB, users int) *flows {
	t.Helper()
	world := sandbox.Fictional()
	world.Companies = append(world.Companies, sandbox.Crowd(users)...)
	bank, err := sandbox.Open(t.Context(), sandbox.Config{
		File: filepath.Join(t.TempDir(), "bank.db"), World: world, Now: func() time.Time { return oauthtest.Began },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bank.Close() })
	f := &flows{}
	in := db.Watched(func(p store.Point) error {
		switch p {
		case store.Reading:
			f.reads.Add(1)
		case store.Committed:
			f.commits.Add(1)
		}
		return nil
	}).Institution("demo")
	ids, err := store.NewIDs(1, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	f.protocolWorld = &protocolWorld{t: t, in: in, World: oauthtest.New(t, in, func(c *oauth.Config) { c.NextID = ids.Next; f.setup = *c })}
	f.client = f.Register(t, "cl_kaikei", nil)
	f.desk = &desk{t: t, bank: bank, in: in, svc: &linkage.Service{
		Institution: "demo", Key: make([]byte, 32), Store: in, Bank: &fastBank{Bank: bank, calls: map[string]int{}}, Partners: f.Partners,
		Protocol: joined{f.Engine}, Box: box(t), Rules: testRules(), NextID: ids.Next, Now: f.Now,
		Alias: func(p partner.ID, a corebank.AccountID) string { return string(p) + " " + string(a) },
	}}
	f.desk.svc.Rules.SessionFor = time.Hour
	f.desk.seed()
	return f
}

// another puts another server in the place of this one.
func (f *flows) another() {
	f.t.Helper()
	engine, err := oauth.New(f.setup)
	if err != nil {
		f.t.Fatal(err)
	}
	was := f.desk.svc
	f.Engine = engine
	f.desk.svc = &linkage.Service{
		Institution: was.Institution, Key: was.Key, Store: was.Store, Bank: was.Bank, Partners: was.Partners,
		Protocol: joined{engine}, Box: was.Box, Rules: was.Rules, NextID: was.NextID, Now: was.Now, Alias: was.Alias,
	}
}

// twoNodes returns what goes from one of two servers to the other, which have seen
// a flow each.
func (f *flow) twoNodes(t *testing.T) func() {
	type node struct {
		engine *oauth.Engine
		svc    *linkage.Service
	}
	here := node{f.Engine, f.flows.desk.svc}
	f.another()
	there := node{f.Engine, f.flows.desk.svc}
	if err := f.run("crowd.0001", nil); err != nil {
		t.Fatal(err)
	}
	return func() {
		f.Engine, f.flows.desk.svc = here.engine, here.svc
		here, there = there, here
	}
}

// flow is one user's browser and its partner's software, and how often the server
// went to the database at each step.
type flow struct {
	*flows
	*browser
	software *oauthtest.Software
	steps    map[string]went
}

type went struct{ reads, commits int64 }

func (f *flows) flow() *flow {
	return &flow{flows: f, browser: &browser{desk: f.desk}, software: f.client.Again()}
}

// step takes one step; what stands in the map before is what a step may take.
func (f *flow) step(name string, take func() error) error {
	reads, commits := f.reads.Load(), f.commits.Load()
	err := take()
	if f.steps != nil {
		f.steps[name] = went{f.reads.Load() - reads, f.commits.Load() - commits}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// run goes from a request of the partner to its tokens; between is what happens
// before every step. A browser without a session logs in.
func (f *flow) run(user string, between func()) error {
	s, ctx, b := f.software, f.protocolWorld.t.Context(), f.browser
	var uri string
	var tokens oauth.Tokens
	type stage struct {
		name string
		take func() error
	}
	load := func() (err error) { b.at, err = b.svc.Load(ctx, b.visit()); return err }
	stages := []stage{
		{"PAR", func() error {
			p, err := f.Engine.Push(ctx, f.call(s, oauth.PAREndpoint, asking(s)))
			uri = p.RequestURI.Reveal()
			return err
		}},
		{"authorize", func() error {
			i, err := f.flows.protocolWorld.begin(s, uri)
			if err != nil {
				return err
			}
			o, err := b.svc.Start(ctx, linkage.Asked{
				Handle: string(i.Handle), Client: string(i.Client), Partner: i.Partner, Functions: i.Asked.Functions, HistoryDays: i.Asked.HistoryDays,
			}, b.visit())
			b.id, b.cookie = o.Journey, o.Cookie
			return err
		}},
		{"consent page", load},
		{"allow", func() error {
			if b.at.Consent == nil {
				return fmt.Errorf("it stands at %s, %+v", b.at.Step, b.at.Ended)
			}
			r, err := b.allow()(ctx, b.visit())
			b.take(r)
			return err
		}},
		{"hand-over page", load},
		{"token", func() (err error) {
			if b.at.Handover == nil || b.at.Handover.Way == nil {
				return fmt.Errorf("there is no way back: %s, %+v", b.at.Step, b.at.Errors)
			}
			code := parameter(f.protocolWorld.t, oauth.Redirect{URL: b.at.Handover.Way.URL}, "code")
			tokens, err = f.redeem(s, code)
			return err
		}},
	}
	for _, one := range stages {
		if between != nil {
			between()
		}
		if err := f.step(one.name, one.take); err != nil {
			return err
		}
		if one.name == "authorize" && b.signed.IsEmpty() {
			if err := load(); err != nil {
				return err
			}
			r, err := b.logIn(user)(ctx, b.visit())
			if err != nil {
				return err
			}
			b.take(r)
		}
	}
	if tokens.Access.IsEmpty() {
		return fmt.Errorf("there is no token")
	}
	f.software = s.Again()
	return nil
}

// docs/decisions/0077: with a session, each request of a code flow asks the database
// once for what its page shows, and commits once; not before the first press.
func TestACodeFlowWithASessionAsksTheDatabaseOnceForEachPage(t *testing.T) {
	for _, node := range []struct {
		name  string
		nodes int // that take turns; 0: every request comes to a new one
		most  map[string]went
	}{
		{"at one node", 1, map[string]went{
			"PAR": {0, 1}, "authorize": {3, 0}, "consent page": {1, 0}, "allow": {1, 1}, "hand-over page": {1, 0}, "token": {2, 1},
		}},
		{"at two nodes in turn", 2, map[string]went{
			"PAR": {0, 1}, "authorize": {3, 0}, "consent page": {1, 0}, "allow": {1, 1}, "hand-over page": {1, 0}, "token": {2, 1},
		}},
		{"every request at another node", 0, map[string]went{
			"PAR": {1, 1}, "authorize": {4, 0}, "consent page": {1, 0}, "allow": {3, 1}, "hand-over page": {1, 0}, "token": {3, 1},
		}},
	} {
		t.Run(node.name, func(t *testing.T) {
			each(t, func(t *testing.T, db *store.DB) {
				f := newFlows(t, db, 1).flow()
				for range 2 { // the login, and the first linkage to renew
					if err := f.run("crowd.0001", nil); err != nil {
						t.Fatal(err)
					}
				}
				var between func()
				if node.nodes != 1 {
					between = f.another
				}
				if node.nodes == 2 {
					between = f.twoNodes(t)
				}
				f.steps = map[string]went{}
				if err := f.run("crowd.0001", between); err != nil {
					t.Fatal(err)
				}
				if len(f.at.Handover.Receipt.Accounts) == 0 || !f.at.Handover.Receipt.Renewed {
					t.Errorf("the receipt is %+v", f.at.Handover.Receipt)
				}
				for step, most := range node.most {
					if got := f.steps[step]; got.reads > most.reads || got.commits > most.commits {
						t.Errorf("%s: %d look-ups and %d commits instead of %d and %d", step, got.reads, got.commits, most.reads, most.commits)
					}
				}
			})
		})
	}
}

// BenchmarkCodeFlow is a request to its tokens in browsers that are signed in, each
// of a user of their own who renews what is linked: what engines and database cost,
// without HTTP and pages.
func BenchmarkCodeFlow(b *testing.B) {
	for name, url := range databases(b) {
		if name == "serializable" {
			continue
		}
		for _, workers := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) {
				all := newFlows(b, open(b, store.Config{URL: url(b)}), workers)
				line := make([]*flow, workers)
				for i := range line {
					line[i] = all.flow()
					for range 2 {
						if err := line[i].run(fmt.Sprintf("crowd.%04d", i+1), nil); err != nil {
							b.Fatal(err)
						}
					}
				}
				reads, commits := all.reads.Load(), all.commits.Load()
				var n atomic.Int64
				var working sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for _, f := range line {
					working.Go(func() {
						for n.Add(1) <= int64(b.N) {
							if err := f.run("", nil); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				working.Wait()
				b.ReportMetric(float64(all.reads.Load()-reads)/float64(b.N), "look-ups/op")
				b.ReportMetric(float64(all.commits.Load()-commits)/float64(b.N), "commits/op")
			})
		}
	}
}

package store_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/jackc/pgx/v5"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/store"
)

// verb is what somebody does with a grant or an assertion.
type verb string

const (
	redeems     verb = "redeem the code"
	refreshes   verb = "refresh"
	opens       verb = "open the API"
	revokes     verb = "revoke the grant"
	usesItsName verb = "use the jti"
)

type doing struct {
	verb verb
	of   int // which grant or assertion; partitions the history
}

// outcome is what one was told; unknown when the connection failed.
type outcome string

const (
	granted outcome = "granted"
	refused outcome = "refused"
	unknown outcome = "unknown"
)

// standingOf is the whole state of a grant, or of an assertion.
type standingOf struct{ spent, over bool }

// one is what a single server without concurrency would do: the states that may
// follow, none when it would not have said that.
func (s standingOf) one(v verb, told outcome) []any {
	after, want := s, refused
	switch v {
	case redeems:
		switch {
		case !s.spent:
			after, want = standingOf{spent: true}, granted
		default:
			after.over = true // used twice: what it gave is gone (protocol.md §4 item 2)
		}
	case revokes: // RFC 7009 §2.2: nobody is told whether there was anything
		after.over, want = true, granted
	case refreshes, opens:
		if s.spent && !s.over {
			want = granted
		}
	case usesItsName:
		if !s.spent {
			after, want = standingOf{spent: true}, granted
		}
	}
	switch told {
	case want:
		return []any{after}
	case unknown: // it may have happened, or may not
		return []any{s, after}
	}
	return nil
}

var oneServer = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{standingOf{}} },
	Step: func(state, input, output any) []any {
		return state.(standingOf).one(input.(doing).verb, output.(outcome))
	},
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[int][]porcupine.Operation{}
		for _, o := range history {
			n := o.Input.(doing).of
			by[n] = append(by[n], o)
		}
		var all [][]porcupine.Operation
		for _, part := range by {
			all = append(all, part)
		}
		return all
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%s → %s", input.(doing).verb, output) },
}).ToModel()

// history records what many do at the same time.
type history struct {
	began time.Time
	mu    sync.Mutex
	all   []porcupine.Operation
}

func (h *history) record(who int, d doing, f func() error) outcome {
	call := time.Since(h.began).Nanoseconds()
	err := f()
	told, returned := granted, time.Since(h.began).Nanoseconds()
	switch {
	case err == nil:
	case fault.Of(err) == fault.Unavailable:
		told, returned = unknown, math.MaxInt64 // it may happen later still
	default:
		told = refused
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, porcupine.Operation{ClientId: who, Input: d, Call: call, Output: told, Return: returned})
	return told
}

// count is how many operations had an outcome so far.
func (h *history) count(o outcome) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, op := range h.all {
		if op.Output == o {
			n++
		}
	}
	return n
}

func (h *history) check(t *testing.T) {
	t.Helper()
	result := porcupine.CheckOperationsTimeout(oneServer, h.all, 30*time.Second)
	if result == porcupine.Ok {
		return
	}
	t.Errorf("the history is %s", result)
	for _, part := range oneServer.Partition(h.all) {
		if !porcupine.CheckOperations(oneServer, part) {
			for _, o := range part {
				t.Logf("%d: %s of %d, %d…%d: %s", o.ClientId, o.Input.(doing).verb, o.Input.(doing).of, o.Call, o.Return, o.Output)
			}
			break
		}
	}
}

func TestTheCheckerRejectsWhatNoServerMayDo(t *testing.T) {
	at := func(v verb, told outcome, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: doing{v, 1}, Output: told, Call: call, Return: end}
	}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		right   bool
	}{
		"a code twice":                      {[]porcupine.Operation{at(redeems, granted, 0, 10), at(redeems, granted, 5, 15)}, false},
		"a refresh after a revocation":      {[]porcupine.Operation{at(redeems, granted, 0, 1), at(revokes, granted, 2, 3), at(refreshes, granted, 4, 5)}, false},
		"a refresh during a revocation":     {[]porcupine.Operation{at(redeems, granted, 0, 1), at(revokes, granted, 2, 5), at(refreshes, granted, 3, 6)}, true},
		"an API after the code came twice":  {[]porcupine.Operation{at(redeems, granted, 0, 1), at(redeems, refused, 2, 3), at(opens, granted, 4, 5)}, false},
		"a code that nobody redeems":        {[]porcupine.Operation{at(redeems, refused, 0, 1)}, false},
		"dead without a reason":             {[]porcupine.Operation{at(redeems, granted, 0, 1), at(opens, refused, 2, 3)}, false},
		"alive again":                       {[]porcupine.Operation{at(redeems, granted, 0, 1), at(revokes, unknown, 2, math.MaxInt64), at(opens, refused, 4, 5), at(opens, granted, 6, 7)}, false},
		"a revocation that came later":      {[]porcupine.Operation{at(redeems, granted, 0, 1), at(revokes, unknown, 2, math.MaxInt64), at(opens, granted, 4, 5), at(opens, refused, 6, 7)}, true},
		"a redemption that nobody heard of": {[]porcupine.Operation{at(redeems, unknown, 0, math.MaxInt64), at(redeems, refused, 2, 3)}, true},
		"a jti twice":                       {[]porcupine.Operation{at(usesItsName, granted, 0, 10), at(usesItsName, granted, 5, 15)}, false},
		"a jti that everybody is refused":   {[]porcupine.Operation{at(usesItsName, refused, 0, 10), at(usesItsName, refused, 5, 15)}, false},
	} {
		if porcupine.CheckOperations(oneServer, c.history) != c.right {
			t.Errorf("%s: taken for %v", name, !c.right)
		}
	}
}

// nodesOf are three engines on one database, each with connections of its own.
func nodesOf(t *testing.T, url string) []*protocolWorld {
	t.Helper()
	var all []*protocolWorld
	for i := range 3 {
		ids, err := store.NewIDs(i, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		in := open(t, store.Config{URL: url, Node: i}).Institution("demo")
		w := &protocolWorld{World: oauthtest.New(t, in, func(c *oauth.Config) { c.NextID = ids.Next }), t: t, in: in}
		if i == 0 {
			w.client = w.Register(t, "cl_kaikei", nil)
		} else {
			w.client = all[0].client
		}
		all = append(all, w)
	}
	return all
}

const (
	grantsOfAHistory     = 24
	assertionsOfAHistory = 12
)

// historiesAtMost is how often a history is begun anew that showed too little: with
// connections that break under many who share them, most may be left with nothing
// that is known. Every one of them has to be linearizable.
const historiesAtMost = 5

func TestWhatThreeNodesAnswerAtOnceIsWhatOneWouldAnswer(t *testing.T) {
	private.Need(t)
	for _, faulty := range []bool{false, true} {
		t.Run(fmt.Sprintf("connections that break: %v", faulty), func(t *testing.T) {
			for range historiesAtMost {
				h := recorded(t, faulty)
				h.check(t)
				t.Logf("%d operations: %d granted, %d refused, %d unknown", len(h.all), h.count(granted), h.count(refused), h.count(unknown))
				if h.count(refused) > 0 && h.count(granted) >= grantsOfAHistory && (h.count(unknown) > 0) == faulty {
					return
				}
				if !faulty {
					break
				}
			}
			t.Error("this shows less than it should")
		})
	}
}

// recorded is one history of three nodes on a database of their own.
func recorded(t *testing.T, faulty bool) *history {
	t.Helper()
	url := private.Create(t)
	nodes := nodesOf(t, url)
	codes := map[*oauthtest.Software]string{}
	for range grantsOfAHistory {
		client := nodes[0].client.Again()
		codes[client], _ = nodes[0].code(client, asking(client))
	}
	h := &history{began: time.Now()}
	if faulty {
		// A connection is ended only after something came through since the last
		// one, so that a slow machine is not left with nothing that is known.
		defer breakConnections(t, url, func() int { return h.count(granted) + h.count(refused) })()
	}
	var all sync.WaitGroup
	n := 0
	for client, code := range codes {
		h.grant(t, &all, nodes, n, client, code)
		n++
	}
	for i := range assertionsOfAHistory {
		h.assertion(t, &all, nodes, grantsOfAHistory+i)
	}
	all.Wait()
	return h
}

// grant lets one or two redeem a code, and others use what it gave, on every node.
func (h *history) grant(t *testing.T, all *sync.WaitGroup, nodes []*protocolWorld, n int, client *oauthtest.Software, code string) {
	given := make(chan oauth.Tokens, 2)
	redeem := func(w *protocolWorld) {
		var tokens oauth.Tokens
		told := h.record(n, doing{redeems, n}, func() (err error) { tokens, err = w.redeem(client, code); return err })
		if told == granted {
			given <- tokens
		}
	}
	all.Go(func() { redeem(nodes[n%3]) })
	if n%3 == 0 {
		all.Go(func() { redeem(nodes[(n+1)%3]) })
	}
	all.Go(func() {
		var tokens oauth.Tokens
		select {
		case tokens = <-given:
		case <-time.After(2 * time.Second):
			return // nobody was told of any
		}
		var users sync.WaitGroup
		for i, w := range nodes {
			users.Go(func() {
				for range 3 {
					access := tokens.Access.Reveal()
					h.record(n, doing{refreshes, n}, func() error {
						fresh, err := w.refresh(client, tokens.Refresh.Reveal())
						if err == nil {
							access = fresh.Access.Reveal()
						}
						return err
					})
					h.record(n, doing{opens, n}, func() error { _, err := w.open(client, access); return err })
				}
			})
			if i == n%3 {
				users.Go(func() {
					time.Sleep(rand.N(30 * time.Millisecond)) // somewhere among the others
					if n%2 == 0 {
						redeem(w)
						return
					}
					h.record(n, doing{revokes, n}, func() error {
						return w.Engine.Revoke(t.Context(), w.call(client, oauth.RevokeEndpoint, url.Values{"token": {tokens.Refresh.Reveal()}}))
					})
				})
			}
		}
		users.Wait()
	})
}

// assertion lets every node take the same assertion twice, each with a proof of its own.
func (h *history) assertion(t *testing.T, all *sync.WaitGroup, nodes []*protocolWorld, n int) {
	assertion := nodes[0].client.Assertion(nil)
	for i := range 6 {
		w := nodes[i%3]
		all.Go(func() {
			c := w.call(w.client, oauth.TokenEndpoint, url.Values{
				"grant_type": {"client_credentials"}, "scope": {"partner"}, "client_assertion": {assertion},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			})
			h.record(n, doing{usesItsName, n}, func() error { _, err := w.Engine.Token(t.Context(), c); return err })
		})
	}
}

// breakConnections ends one connection of the nodes after the other, whatever it is
// doing, until the returned stop.
func breakConnections(t *testing.T, url string, known func() int) (stop func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	var broken atomic.Int64
	ended.Go(func() {
		defer conn.Close(context.Background())
		for before := -1; ctx.Err() == nil; time.Sleep(2 * time.Millisecond) {
			if now := known(); now == before {
				continue
			} else {
				before = now
			}
			tag, err := conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE application_name = 'renkei' AND datname = current_database() ORDER BY state = 'active' DESC, random() LIMIT 1`)
			if err == nil {
				broken.Add(tag.RowsAffected())
			}
		}
	})
	return func() { cancel(); ended.Wait(); t.Logf("%d connections were ended", broken.Load()) }
}

package store_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/store"
)

// D05: the n-th check of a secret is answered in every way that a bank can fail,
// for every n. The customer goes on, and is never checked without a try that was
// taken before.
func TestWhateverTheBankAnswersTheJourneyGoesOn(t *testing.T) {
	for name, url := range databases(t) {
		if name == "serializable" {
			continue // the bank is the same
		}
		t.Run(name, func(t *testing.T) {
			db, bank := open(t, store.Config{URL: quick(t, url(t)), Passive: true}), openBank(t)
			for how, reply := range map[string]error{
				"it surely did not check": corebank.Unavailable{Unchecked: true, Cause: errors.New("no connection")},
				"it may have checked":     corebank.Unavailable{Cause: errors.New("no answer")},
				"it answers nonsense":     errors.New("unexpected end of JSON input"),
				"it answers half":         fault.Wrap(fault.Unavailable, "read the answer", errors.New("unexpected EOF")),
			} {
				for n, passed := 1, false; !passed; n++ {
					s := storyOf(t, db, bank, fmt.Sprintf("%s-%d", how, n), &line{})
					s.careful = true // a try that may have been checked counts
					asked := 0
					bank.replies(func() error {
						if asked++; asked == n {
							return reply
						}
						return nil
					})
					s.tell()
					if passed = asked < n; t.Failed() {
						t.Fatalf("%s at check %d: %q", how, n, s.broken)
					}
				}
				bank.replies(nil)
			}
			if r := verify(t, db); r.Bad != nil || r.Sealed == 0 {
				t.Errorf("%+v, bad %v", r, r.Bad)
			}
		})
	}
}

// D06: clocks of nodes differ by half a minute, and one jumps.
func TestNodesWhoseClocksDifferServeOneAnother(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		s := storyOf(t, db, openBank(t), "demo", &line{})
		here := s.Engine
		ahead := s.setup
		ahead.Now = func() time.Time { return s.Now().Add(30 * time.Second) }
		there, err := oauth.New(ahead)
		if err != nil {
			t.Fatal(err)
		}
		token := func(e *oauth.Engine, nonceOf *oauth.Engine, form url.Values) (oauth.Tokens, error) {
			s.Engine = nonceOf
			c := s.call(s.client, oauth.TokenEndpoint, form)
			s.Engine = here
			return e.Token(t.Context(), c)
		}
		code, _ := s.code(s.client, asking(s.client))
		got, err := token(there, here, s.redeeming(s.client, code))
		if err != nil {
			t.Fatalf("a node ahead: %v", err)
		}
		refreshing := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh.Reveal()}}
		more, err := token(here, there, refreshing)
		if err != nil {
			t.Fatalf("a node behind, with a nonce from the one ahead: %v", err)
		}
		for name, e := range map[string]*oauth.Engine{"behind": here, "ahead": there} {
			if _, err := e.Access(t.Context(), s.opening(s.client, more.Access.Reveal())); err != nil {
				t.Errorf("a token at the node %s: %v", name, err)
			}
		}
		// A clock that jumps ahead makes tokens old, and back again young: the rows
		// say until when, and nothing is forgotten.
		s.Wait(2 * time.Hour)
		_, err = s.protocolWorld.open(s.client, more.Access.Reveal())
		wantFailure(t, err, oauth.InvalidToken)
		s.Wait(-2 * time.Hour)
		if _, err := s.protocolWorld.open(s.client, more.Access.Reveal()); err != nil {
			t.Errorf("after the clock was set right: %v", err)
		}
		// A used proof stays used, though the clock goes back.
		one := s.opening(s.client, more.Access.Reveal())
		if _, err := here.Access(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		s.Wait(-20 * time.Second)
		_, err = here.Access(t.Context(), one)
		wantFailure(t, err, oauth.InvalidDPoPProof)
	})
}

// D09, in small: after thousands of operations no more goroutines, files and
// memory are held than after hundreds.
func TestThousandsOfOperationsLeaveNothingBehind(t *testing.T) {
	for name, url := range databases(t) {
		if name == "serializable" {
			continue // it holds what PostgreSQL holds
		}
		t.Run(name, func(t *testing.T) {
			db, bank := open(t, store.Config{URL: quick(t, url(t))}), openBank(t)
			stories := func(from, to int) {
				t.Helper()
				for n := from; n < to; n++ {
					storyOf(t, db, bank, fmt.Sprintf("soak-%d", n), &line{}).tell()
				}
			}
			stories(0, 15)
			goroutines, files, heap := held(t)
			stories(15, 75)
			g, f, h := held(t)
			t.Logf("goroutines %d → %d, files %d → %d, heap %d → %d KiB", goroutines, g, files, f, heap>>10, h>>10)
			if g > goroutines+8 || f > files+8 || h > heap+8<<20 {
				t.Errorf("goroutines %d → %d, files %d → %d, heap %d → %d KiB", goroutines, g, files, f, heap>>10, h>>10)
			}
		})
	}
}

// held counts what the process holds now.
func held(t *testing.T) (goroutines, files int, heap uint64) {
	t.Helper()
	runtime.GC()
	runtime.GC() // what finalizers let go of
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), len(open), m.HeapAlloc
}

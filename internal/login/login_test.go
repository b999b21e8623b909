package login

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"renkei.dev/internal/corebank"
)

var rule9 = Limit{Tries: 5, First: 30 * time.Minute, Longest: 24 * time.Hour}

var start = time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)

func TestStopsOfTheLoginGrowUntilARightPassword(t *testing.T) {
	c, now := New(Key{Way: ByID, Subject: "x"}), start
	for i, want := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour, 24 * time.Hour, 24 * time.Hour} {
		for try := range 5 {
			next, ticket, ok := c.Take(now, now.Add(time.Minute), rule9)
			if !ok {
				t.Fatalf("stop %d: try %d is refused", i, try)
			}
			c = next.Settle(ticket, Wrong, -1, rule9)
		}
		until, stopped := c.Stopped(now, rule9)
		if !stopped || until.Sub(now) != want {
			t.Fatalf("stop %d is for %v, not %v", i, until.Sub(now), want)
		}
		if _, _, ok := c.Take(until.Add(-time.Microsecond), until.Add(-time.Microsecond).Add(time.Minute), rule9); ok {
			t.Fatalf("stop %d: a try is taken while stopped", i)
		}
		now = until
	}
	c, ticket, _ := c.Take(now, now.Add(time.Minute), rule9)
	if c = c.Settle(ticket, Right, -1, rule9); c != New(c.Key) {
		t.Errorf("after a right password %+v is left", c)
	}
}

// A server that dies between claim and commit leaves its try counted, and the
// stop that it began begun.
func TestATryThatIsNeverSettledStaysCounted(t *testing.T) {
	c := New(Key{})
	for range 5 {
		c, _, _ = c.Take(start, start.Add(time.Minute), rule9)
	}
	if until, stopped := c.Stopped(start, rule9); !stopped || until.Sub(start) != 30*time.Minute {
		t.Errorf("stopped: %v until %v", stopped, until)
	}
}

func TestATryIsGivenBackOnlyIfNothingWasChecked(t *testing.T) {
	c := New(Key{})
	for range 4 {
		c, _, _ = c.Take(start, start.Add(time.Minute), rule9)
	}
	c, ticket, _ := c.Take(start, start.Add(time.Minute), rule9)
	if back := c.Settle(ticket, Unchecked, -1, rule9); back.Left(start, rule9) != 1 || back.Stops != 0 {
		t.Errorf("given back: %+v", back)
	}
	if same := c.Settle(ticket, Unknown, -1, rule9); same != c {
		t.Errorf("an unknown fate changes %+v", same)
	}
}

// journey.md rule 4: at most 3 here, and always fewer than the core allows.
func TestAPINIsNeverTriedForTheLastTimeHere(t *testing.T) {
	l := Limit{Tries: 3, Spare: 1}
	rapid.Check(t, func(t *rapid.T) {
		core := rapid.IntRange(1, 10).Draw(t, "the core allows")
		c, open, coreWrong := New(Key{}), []Ticket{}, 0
		for range 40 {
			if rapid.Bool().Draw(t, "press") {
				next, ticket, ok := c.Take(start, start.Add(time.Minute), l)
				if ok {
					c, open = next, append(open, ticket)
				}
			} else if len(open) > 0 {
				coreWrong++
				c = c.Settle(open[0], Wrong, max(0, core-coreWrong), l)
				open = open[1:]
			}
			if coreWrong+len(open) > 3 {
				t.Fatalf("%d wrong and %d in flight", coreWrong, len(open))
			}
			if len(open) == 0 && coreWrong > 0 && core-coreWrong <= 1 && c.Left(start, l) > 0 {
				t.Fatalf("the core allows %d more, and %d are still tried", core-coreWrong, c.Left(start, l))
			}
		}
	})
}

func TestFatesAreReadFromWhatTheBankSays(t *testing.T) {
	cases := []struct {
		err  error
		fate Fate
		left int
	}{
		{nil, Right, -1},
		{corebank.WrongSecret{Remaining: 2}, Wrong, 2},
		{corebank.Locked{}, Locked, 0},
		{corebank.Closed{}, Unchecked, -1},
		{corebank.Unavailable{Unchecked: true}, Unchecked, -1},
		{corebank.Unavailable{}, Unknown, -1},
		{errors.New("anything"), Unknown, -1},
	}
	for _, c := range cases {
		if fate, left := FateOf(c.err); fate != c.fate || left != c.left {
			t.Errorf("%v is read as %v, %d", c.err, fate, left)
		}
	}
}

// journey.md rule 2: in the demo's weights everything new together does not ask.
func TestWhatIsMerelyNewDoesNotAsk(t *testing.T) {
	w := Weights{NewDevice: 15, NewNetwork: 15, FirstPartner: 10, UnusualHour: 10, Hasty: 5, PerFailure: 5, Flagged: 100, AsksFrom: 70}
	if v := w.Judge(Facts{NewDevice: true, NewNetwork: true, FirstPartner: true, UnusualHour: true}); v.Asks || v.Score != 50 || len(v.Because) != 4 {
		t.Errorf("all new: %+v", v)
	}
	if v := w.Judge(Facts{Flagged: true}); !v.Asks || v.Because[0].Fact != "flagged" {
		t.Errorf("flagged: %+v", v)
	}
	if v := (Weights{Flagged: 100}).Judge(Facts{Flagged: true}); v.Asks {
		t.Error("an institution without a threshold asks")
	}
}

func TestFactsComparesWithWhatWasSeen(t *testing.T) {
	seen := []Sighting{{Trait: Device, Value: "d"}, {Trait: Hour, Value: "23"}, {Trait: Network, Value: "n"}}
	f := FactsOf(seen, []Sighting{{Trait: Device, Value: "d"}, {Trait: Hour, Value: "01"}, {Trait: Network, Value: "m"}, {Trait: Partner, Value: "p"}})
	if f.NewDevice || f.UnusualHour || !f.NewNetwork || !f.FirstPartner {
		t.Errorf("%+v", f)
	}
	if f := FactsOf(seen, []Sighting{{Trait: Hour, Value: "04"}}); !f.UnusualHour {
		t.Error("four hours later is usual")
	}
}

func TestATypedIDCountsAsOneHoweverItIsTyped(t *testing.T) {
	a, _ := CleanID("ｏｋ.ＰＷ ")
	b, _ := CleanID("ok.pw")
	if FoldID(a) != FoldID(b) {
		t.Errorf("%q and %q count apart", a, b)
	}
	if _, ok := CleanID(" 　"); ok {
		t.Error("spaces are an id")
	}
	if !Wide("passＷord") || Wide("password") {
		t.Error("full-width letters are not told")
	}
}

func TestAllOfACustomersIPv6CountsAsOneAddress(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.9": "192.0.2.9",
		"2001:db8:1:2::3": "2001:db8:1:2::/64", "2001:db8:1:2:ffff::1": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := AddressOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s counts as %s", a, got)
		}
	}
}

func TestANetworkIsWiderThanAnAddress(t *testing.T) {
	for a, want := range map[string]string{"192.0.2.7": "192.0.2.0/24", "::ffff:192.0.2.9": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48"} {
		if got := NetworkOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s is in %s", a, got)
		}
	}
	if NetworkOf(netip.Addr{}) != "unknown" {
		t.Error("no address has a network")
	}
}

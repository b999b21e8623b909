package login

import (
	"errors"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

// Way is what a counter counts wrong secrets of. Ways are part of what is
// stored: they are never renamed.
type Way string

// The ways. Each has a counter of its own, so that nobody at one door stops
// another (rule 9).
const (
	ByID          Way = "id"          // subject: the typed id, folded and keyed, whether it exists or not
	ByCertificate Way = "certificate" // subject: the user
	ByAnswer      Way = "answer"      // subject: the user
	ByPIN         Way = "pin"         // subject: the account
)

// Key names a counter.
type Key struct {
	Way     Way
	Subject string
}

// Counter counts tries since the last right secret. A try is taken before the
// bank is asked, so that a server that dies meanwhile leaves it counted, and any
// number of parallel tries never asks more often than is allowed.
type Counter struct {
	Key          Key
	Version      int64 // 0: nothing was counted yet
	Taken        int   // tries since the last right secret, those in flight included
	Wrong        int   // of them, those that the bank called wrong
	Cap          int   // Taken may not go beyond, by what the core said; -1: it did not say
	Stops        int   // stops since the last right secret
	StoppedUntil time.Time

	// Of counters without stops, whose limit no time lifts: a right secret forgets
	// only what had ended before it was asked for, since what was under way at
	// the same time may have come to the bank after it.
	Era         int64 // right secrets so far
	Flying      int   // of Taken, those in flight
	FlyingUntil time.Time
}

// Limit is how many wrong secrets in a row a counter allows.
type Limit struct {
	Tries   int
	First   time.Duration // length of the first stop; 0: stopped until somebody unlocks it
	Longest time.Duration
	Spare   int // tries that are always left to the core
}

// Limit returns the limit that the rule sets.
func (r StopRule) Limit() Limit { return Limit{Tries: r.Tries, First: r.First, Longest: r.Longest} }

// Ticket is one try that was taken; it settles that very try.
type Ticket struct {
	Key  Key
	Left int       // tries that were left after it was taken
	stop time.Time // the stop that taking it began

	free  bool  // it took no try
	era   int64 // of the counter
	ended int   // tries that had ended before
	wrong int   // of them, wrong ones
}

// Fate is how a try ended.
type Fate int

// The fates of a try.
const (
	Unknown   Fate = iota // the bank may have checked it: it stays counted
	Wrong                 // the bank called it wrong
	Right                 // the bank called it right: all is forgotten
	Unchecked             // the bank surely did not check it: it is given back
	Locked                // the bank checks no more
)

// FateOf reads the fate of a try from what the bank answered, and how many
// tries the bank still allows, -1 if it did not say.
func FateOf(err error) (Fate, int) {
	if err == nil {
		return Right, -1
	}
	if wrong, ok := errors.AsType[corebank.WrongSecret](err); ok {
		return Wrong, wrong.Remaining
	}
	if _, ok := errors.AsType[corebank.Locked](err); ok {
		return Locked, 0
	}
	if corebank.SurelyUnchecked(err) {
		return Unchecked, -1
	}
	return Unknown, -1
}

// New returns a counter that has counted nothing.
func New(k Key) Counter { return Counter{Key: k, Cap: -1} }

// Stopped tells whether no try is allowed at now, and until when; a zero time is
// until somebody unlocks it.
func (c Counter) Stopped(now time.Time, l Limit) (time.Time, bool) {
	if now.Before(c.StoppedUntil) {
		return c.StoppedUntil, true
	}
	return time.Time{}, c.Left(now, l) == 0
}

// Left returns how many tries are allowed at now.
func (c Counter) Left(now time.Time, l Limit) int {
	switch {
	case now.Before(c.StoppedUntil):
		return 0
	case !c.StoppedUntil.IsZero(): // the stop is over
		return l.Tries
	}
	allowed := l.Tries
	if c.Cap >= 0 {
		allowed = min(allowed, c.Cap)
	}
	return max(0, allowed-c.Taken)
}

// UnderWay tells whether a try was taken that has not ended yet, or never will.
func (c Counter) UnderWay() bool { return c.Taken > c.Wrong }

// InFlight returns how many tries of a counter without stops have not ended at
// now. One whose server died counts until its time is over.
func (c Counter) InFlight(now time.Time) int {
	if now.Before(c.FlyingUntil) {
		return c.Flying
	}
	return 0
}

// Look returns a ticket that takes no try: for a secret that was right before,
// whose use is held back in other ways, and that counts only if it is wrong.
func (c Counter) Look(now time.Time) Ticket {
	return Ticket{Key: c.Key, free: true, era: c.Era, ended: c.Taken - c.InFlight(now), wrong: c.Wrong}
}

// Take returns the counter with one more try, and false when none is allowed.
// The try that exhausts a limit with stops begins the stop itself. By until the
// try has ended, or its server died.
func (c Counter) Take(now, until time.Time, l Limit) (Counter, Ticket, bool) {
	if c.Left(now, l) == 0 {
		return c, Ticket{}, false
	}
	if !c.StoppedUntil.IsZero() {
		c.StoppedUntil, c.Taken, c.Wrong, c.Cap = time.Time{}, 0, 0, -1
	}
	t := c.Look(now)
	t.free = false
	if l.First == 0 {
		c.Flying = c.InFlight(now) + 1
		if until.After(c.FlyingUntil) {
			c.FlyingUntil = until.Truncate(time.Microsecond)
		}
	}
	c.Taken++
	if l.First > 0 && c.Left(now, l) == 0 {
		c.Stops++
		c.StoppedUntil = now.Add(stopFor(c.Stops, l)).Truncate(time.Microsecond)
		t.stop = c.StoppedUntil
	}
	t.Left = c.Left(now, l)
	return c, t, true
}

// stopFor returns the length of the nth stop: 30 minutes, 1, 2, 4 … 24 hours.
func stopFor(n int, l Limit) time.Duration {
	d := l.First
	for ; n > 1 && d < l.Longest; n-- {
		d *= 2
	}
	return min(d, max(l.First, l.Longest))
}

// Settle returns the counter after a try of it ended. coreLeft is how many tries
// the core still allows, -1 if it did not say.
func (c Counter) Settle(t Ticket, f Fate, coreLeft int, l Limit) Counter {
	if l.First == 0 && !t.free {
		c.Flying = max(0, c.Flying-1)
	}
	switch f {
	case Right:
		if l.First == 0 {
			return c.forgiven(t)
		}
		return Counter{Key: c.Key, Version: c.Version, Cap: -1}
	case Wrong:
		c.Wrong++
		if t.free {
			c.Taken++
		}
		if l.Spare > 0 && coreLeft >= 0 {
			// What the core still allows is counted from the wrong ones that it
			// answered: those in flight are not in its figure yet.
			c.cap(max(0, c.Wrong+coreLeft-l.Spare))
		}
	case Locked:
		if l.First == 0 {
			c.cap(0)
		}
	case Unchecked:
		if !t.free {
			c.Taken = max(0, c.Taken-1)
		}
		if !t.stop.IsZero() && c.StoppedUntil.Equal(t.stop) {
			c.Stops--
			c.StoppedUntil = time.Time{}
		}
	}
	return c
}

// forgiven is the counter after a right secret: what had ended before its ticket
// is forgotten. Where another right one came between, that one has done so.
func (c Counter) forgiven(t Ticket) Counter {
	ended, wrong := 0, 0
	if t.era == c.Era {
		ended, wrong = t.ended, t.wrong
	}
	if !t.free {
		ended++
	}
	c.Taken = max(0, c.Taken-ended)
	c.Wrong = min(c.Taken, max(0, c.Wrong-wrong))
	c.Cap, c.Stops, c.StoppedUntil = -1, 0, time.Time{}
	c.Era++
	return c
}

// Cleared is the counter after somebody unlocked it. What is in flight stays
// counted.
func (c Counter) Cleared(now time.Time) Counter {
	n := c.InFlight(now)
	return Counter{Key: c.Key, Version: c.Version, Cap: -1, Taken: n, Era: c.Era + 1, Flying: n, FlyingUntil: c.FlyingUntil}
}

func (c *Counter) cap(n int) {
	if c.Cap < 0 || n < c.Cap {
		c.Cap = n
	}
}

// Counted is one counter as it was and as it becomes: a part of the change that
// it belongs to, which no longer holds when the counter is not From's version.
type Counted struct{ From, To Counter }

// Rate is one press of an address in its minute: a part of the change that it
// belongs to, which fails with RateExceeded when the minute's are used up.
type Rate struct {
	Subject string // the address, keyed
	Minute  time.Time
	Limit   int
}

// RateExceeded says that an address pressed too often within a minute.
type RateExceeded struct{ Subject string }

func (RateExceeded) Error() string { return "too many presses of one address" }

// Unwrap returns fault.Conflict: the change that the press belongs to does not
// hold.
func (RateExceeded) Unwrap() error { return fault.Conflict }

// Unlocked lifts what a counter stopped.
type Unlocked struct {
	Counted
	Done audit.Act
}

// Act returns the act of lifting the stop.
func (c Unlocked) Act() audit.Act { return c.Done }

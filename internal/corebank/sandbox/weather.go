package sandbox

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"renkei.dev/internal/corebank"
)

// weather is how the whole bank behaves now, beside each company's Habit.
type weather struct {
	mu sync.Mutex
	sky
}

// sky is the weather of one moment.
type sky struct {
	closed time.Time // closed until then
	reason string
	down   bool
	delay  time.Duration
}

func (w *weather) look() sky {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sky
}

// CloseUntil closes the bank until t for a reason, in Japanese; a time that has
// passed opens it.
func (b *Bank) CloseUntil(t time.Time, reason string) {
	b.weather.mu.Lock()
	defer b.weather.mu.Unlock()
	b.weather.closed, b.weather.reason = t, reason
}

// SetDown makes the bank not answer, or answer again.
func (b *Bank) SetDown(down bool) {
	b.weather.mu.Lock()
	defer b.weather.mu.Unlock()
	b.weather.down = down
}

// Slow makes every answer take so long.
func (b *Bank) Slow(delay time.Duration) {
	b.weather.mu.Lock()
	defer b.weather.mu.Unlock()
	b.weather.delay = delay
}

// Hours says whether the bank is open.
func (b *Bank) Hours(context.Context) (corebank.Hours, error) {
	return b.weather.look().hours(b.now)
}

func (s sky) hours(now func() time.Time) (corebank.Hours, error) {
	if s.down {
		return corebank.Hours{}, corebank.Unavailable{Unchecked: true, Cause: errOffline}
	}
	if !s.closed.IsZero() && now().Before(s.closed) {
		return corebank.Hours{OpensAt: s.closed, Reason: s.reason}, nil
	}
	return corebank.Hours{Open: true}, nil
}

var errOffline = errors.New("the sandbox bank is switched off")

// wait stands before every answer: it takes the company's time and refuses
// where the bank or the company's habit says so. core tells that the answer is
// the core's, not internet banking's.
func (b *Bank) wait(ctx context.Context, c *Company, core bool) error {
	sky := b.weather.look()
	hours, err := sky.hours(b.now)
	if err != nil {
		return err
	}
	if !hours.Open {
		return corebank.Closed{OpensAt: hours.OpensAt, Reason: hours.Reason}
	}
	var habit Habit
	if c != nil {
		habit = c.Habit
	}
	if delay := max(habit.Delay, sky.delay); delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return corebank.Unavailable{Unchecked: true, Cause: ctx.Err()}
		}
	}
	switch {
	case habit.Closed:
		return corebank.Closed{OpensAt: b.nextMorning(), Reason: "夜間のため"}
	case habit.AllDown || habit.Down && core:
		return corebank.Unavailable{Unchecked: true, Cause: errOffline}
	}
	return nil
}

// nextMorning is the coming seven o'clock in Japan.
func (b *Bank) nextMorning() time.Time {
	now := b.now().In(corebank.Japan)
	y, m, d := now.Date()
	morning := time.Date(y, m, d, 7, 0, 0, 0, corebank.Japan)
	if !now.Before(morning) {
		morning = morning.AddDate(0, 0, 1)
	}
	return morning.UTC()
}

// calls counts how often each method was called, in all and for each id.
type calls struct {
	mu sync.Mutex
	n  map[call]int
}

// call is a method, and what it was asked of; of nothing it stands for all.
type call struct{ method, id string }

func (c *calls) count(method, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[call]int{}
	}
	c.n[call{method, ""}]++
	if id != "" {
		c.n[call{method, id}]++
	}
}

// Calls returns how often the bank was asked since it was opened, by method
// ("CheckPIN") and by method and id ("CheckPIN 001-1-1000101"): tests see by it
// that a press asked once. Questions that concern no secret are not counted.
func (b *Bank) Calls() map[string]int {
	b.calls.mu.Lock()
	defer b.calls.mu.Unlock()
	all := make(map[string]int, len(b.calls.n))
	for c, n := range b.calls.n {
		all[strings.TrimSuffix(c.method+" "+c.id, " ")] = n
	}
	return all
}

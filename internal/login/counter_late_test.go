package login

import (
	"testing"
	"time"
)

// A partner's inquiry with the right PIN may end while wrong ones are still under
// way: the core counts those after it, so they must count here too, or the next
// tries would cost the customer the last one at the branch.
func TestWrongTriesThatEndAfterARightOneStillCount(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	limit := Limit{Tries: 3, Spare: 1}
	c := New(Key{ByPIN, "001-1-1000101"})
	var tickets []Ticket
	for range 3 {
		next, ticket, ok := c.Take(now, now.Add(time.Minute), limit)
		if !ok {
			t.Fatal("a try was refused too early")
		}
		c, tickets = next, append(tickets, ticket)
	}
	c = c.Settle(c.Look(now), Right, -1, limit)
	for i, ticket := range tickets {
		c = c.Settle(ticket, Wrong, 4-i, limit) // of the core's five
	}
	if left := c.Left(now, limit); left != 0 {
		t.Errorf("%d tries are left after three wrong ones", left)
	}
}

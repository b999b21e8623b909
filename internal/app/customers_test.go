package app

import (
	"context"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

// oneUser is a bank that knows one user.
type oneUser struct {
	corebank.Connector
	standing corebank.Standing
	fails    error
	asked    int
}

func (b *oneUser) User(context.Context, corebank.UserID) (corebank.User, error) {
	b.asked++
	return corebank.User{Standing: b.standing}, b.fails
}

func TestACustomerWhomTheBankStopsIsOutWithinASecond(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	b := &oneUser{standing: corebank.InGoodStanding}
	k := &customersKept{bank: b, now: func() time.Time { return now }}
	for range 5 {
		if err := k.Check(t.Context(), "usr_hanako"); err != nil {
			t.Fatal(err)
		}
	}
	if b.asked != 1 {
		t.Errorf("the bank was asked %d times in one moment", b.asked)
	}
	for _, standing := range []corebank.Standing{corebank.Stopped, corebank.ContractEnded} {
		b.standing = standing
		now = now.Add(time.Second)
		if err := k.Check(t.Context(), "usr_hanako"); fault.Of(err) != fault.Refused {
			t.Errorf("%s: %v", standing, err)
		}
	}
	for _, standing := range []corebank.Standing{corebank.InGoodStanding, corebank.MustChange} {
		b.standing = standing
		now = now.Add(time.Second)
		if err := k.Check(t.Context(), "usr_hanako"); err != nil {
			t.Errorf("%s: %v", standing, err)
		}
	}
	now = now.Add(time.Second)
	b.fails = fault.New(fault.NotFound, "nobody of that name")
	if err := k.Check(t.Context(), "usr_hanako"); fault.Of(err) != fault.Refused {
		t.Errorf("a user whom the bank knows no more: %v", err)
	}
	now = now.Add(time.Second)
	b.fails = fault.New(fault.Unavailable, "no answer")
	if err := k.Check(t.Context(), "usr_hanako"); fault.Of(err) != fault.Unavailable {
		t.Errorf("a silent bank: %v", err)
	}
}

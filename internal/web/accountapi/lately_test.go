package accountapi_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/web/accountapi"
)

// tired is a bank that says at once who a user is, and seconds later which
// accounts there are; meanwhile the user is stopped.
type tired struct {
	corebank.Connector
	stopped  atomic.Bool
	once     sync.Once
	answered chan struct{}
	clock    atomic.Int64 // seconds
}

func (b *tired) User(context.Context, corebank.UserID) (corebank.User, error) {
	u := corebank.User{ID: "usr_tired"}
	if b.stopped.Load() {
		u.Standing = corebank.Stopped
	}
	b.once.Do(func() { close(b.answered) })
	return u, nil
}

func (b *tired) Accounts(context.Context, corebank.UserID) ([]corebank.Account, error) {
	<-b.answered
	if b.stopped.CompareAndSwap(false, true) {
		b.clock.Add(5)
	}
	return nil, nil
}

func (b *tired) Rights(context.Context, corebank.UserID) ([]corebank.Right, error) { return nil, nil }

// protocol.md §4 item 11: what the bank said is as old as the question.
func TestAStopHoldsWhileTheBankAnswersSlowly(t *testing.T) {
	b := &tired{answered: make(chan struct{})}
	known := accountapi.Lately(b, func() time.Time { return time.Unix(b.clock.Load(), 0) })
	if u, err := known(t.Context(), "usr_tired"); err != nil || u.Standing == corebank.Stopped {
		t.Fatalf("asked before the stop: %+v, %v", u, err)
	}
	if u, err := known(t.Context(), "usr_tired"); err != nil || u.Standing != corebank.Stopped {
		t.Errorf("five seconds after the stop: %+v, %v", u, err)
	}
}

package app

import (
	"context"
	"sync"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

const (
	// customerFreshFor is how long the bank's word on a user is good, so that a stop
	// at the bank holds within a second (protocol.md §4 item 11).
	customerFreshFor = 500 * time.Millisecond
	// customersAtMost bounds what is kept; beyond it all is forgotten.
	customersAtMost = 10_000
)

// customersKept asks the bank whether a user is let in, at most twice a second for
// each.
type customersKept struct {
	bank corebank.Connector
	now  func() time.Time

	mu    sync.Mutex
	known map[corebank.UserID]keptCustomer
}

type keptCustomer struct {
	letIn  bool
	readAt time.Time
}

// Check returns nil where the bank lets the user in. Errors: fault.Refused where it
// has stopped the user or the company's contract is over, or knows them no more;
// fault.Unavailable where it does not answer.
func (k *customersKept) Check(ctx context.Context, user corebank.UserID) error {
	now := k.now()
	k.mu.Lock()
	kept, ok := k.known[user]
	k.mu.Unlock()
	if age := now.Sub(kept.readAt); !ok || age < 0 || age >= customerFreshFor {
		u, err := k.bank.User(ctx, user)
		if err != nil && fault.Of(err) != fault.NotFound {
			return err
		}
		kept = keptCustomer{err == nil && u.Standing != corebank.Stopped && u.Standing != corebank.ContractEnded, now}
		k.mu.Lock()
		if k.known == nil || len(k.known) >= customersAtMost {
			k.known = map[corebank.UserID]keptCustomer{}
		}
		k.known[user] = kept
		k.mu.Unlock()
	}
	if !kept.letIn {
		return fault.New(fault.Refused, "the bank does not let user %s in", user)
	}
	return nil
}

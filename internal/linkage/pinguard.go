package linkage

import (
	"context"
	"errors"
	"sync"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
)

const (
	slotFor  = 60 * time.Second // lease of a slot; a call begins only well before its end
	slotIdle = 2 * time.Second  // a slot that is not used for this long is given back
)

// PINSlot is the right of one node to have one call with an account's inquiry
// PIN at the core. There are never more of them than wrong PINs the core would
// forgive, so that even if all calls under way are refused at once, the customer
// keeps the last try at the branch (rule 4).
type PINSlot struct {
	Account corebank.AccountID
	Number  int
	Holder  int64
	Until   time.Time
}

// PINUnusable says that an account cannot be inquired now for want of its PIN.
// The core was not asked.
type PINUnusable struct {
	Account corebank.AccountID
	State   PINState // Unregistered, Pending or Rejected; Registered where no try is left
}

func (e PINUnusable) Error() string { return "the inquiry PIN is not usable: " + string(e.State) }

// Unwrap returns fault.Refused.
func (PINUnusable) Unwrap() error { return fault.Refused }

// PINJudged is what the core said of a PIN that is kept. It no longer holds when
// another PIN was registered meanwhile.
type PINJudged struct {
	PIN      StoredPIN
	To       PINState
	Counters []login.Counted
	Done     audit.Act
}

// Act returns the act of the change.
func (c PINJudged) Act() audit.Act { return c.Done }

// guard is one node's share of the slots.
type guard struct {
	mu     sync.Mutex
	holder int64
	held   map[corebank.AccountID]map[int]*slot
}

type slot struct {
	until time.Time
	busy  bool
	idle  *time.Timer
}

// UsePIN lends the inquiry PIN of an account to one call of the bank on behalf
// of a user. What the bank answers to call is returned as it is; after a wrong
// PIN the account is not called again, on any node, until a PIN is registered
// anew. Errors beside those of call: PINUnusable; fault.Unavailable when too
// many calls of the account are under way.
func (s *Service) UsePIN(ctx context.Context, user corebank.UserID, account corebank.AccountID, call func(context.Context, corebank.InquiryPIN) error) error {
	number, err := s.slotOf(ctx, user, account)
	if err != nil {
		return err
	}
	defer s.giveBack(account, number)
	kept, counter, err := s.usablePIN(ctx, user, account, Registered) // again: a refusal may have come while we waited
	if err != nil {
		return err
	}
	pin, err := s.openPIN(account, kept.Sealed)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Rules.BankFor)
	defer cancel()
	answer := call(ctx, pin)
	if err := s.judgePIN(context.WithoutCancel(ctx), kept, counter, answer); err != nil {
		return err
	}
	return answer
}

// usablePIN finds the PIN that serves a user for an account, in a state.
func (s *Service) usablePIN(ctx context.Context, user corebank.UserID, account corebank.AccountID, state PINState) (StoredPIN, login.Counter, error) {
	all, err := s.Store.PINs(ctx, []corebank.AccountID{account})
	if err != nil {
		return StoredPIN{}, login.Counter{}, fault.Wrap(fault.Of(err), "find an inquiry PIN", err)
	}
	kept, ok := s.pinOf(all, user, account)
	if !ok {
		return kept, login.Counter{}, PINUnusable{account, Unregistered}
	}
	if kept.State != state {
		return kept, login.Counter{}, PINUnusable{account, kept.State}
	}
	counters, err := s.Store.Counters(ctx, pinKey(account))
	if err != nil {
		return kept, login.Counter{}, fault.Wrap(fault.Of(err), "count tries of a PIN", err)
	}
	if s.slotsOf(counters[0]) == 0 {
		return kept, counters[0], PINUnusable{account, Registered}
	}
	return kept, counters[0], nil
}

// slotsOf returns how many calls may be under way: as many as the core would
// still forgive, as far as it said so, less the branch's.
func (s *Service) slotsOf(c login.Counter) int {
	l := s.pinLimit()
	if c.Cap >= 0 {
		l.Tries = c.Cap
	}
	return c.Left(s.now(), l)
}

// judgePIN keeps what the core said of the PIN itself. A right one is written
// only where wrong ones were counted before it.
func (s *Service) judgePIN(ctx context.Context, kept StoredPIN, counter login.Counter, answer error) error {
	fate, coreLeft := login.FateOf(answer)
	act := audit.Act{
		Name: PINRefusedName, At: s.now(), Actor: audit.Actor{Kind: audit.System}, Outcome: audit.Done, Object: string(kept.Account),
		Detail: map[string]string{"registered_by": string(kept.User)},
	}
	to := Rejected
	switch {
	case fate == login.Wrong || fate == login.Locked:
		act = denied(act, "wrong_pin")
	case fate == login.Right && (counter.Taken > 0 || kept.State == Pending):
		to, act.Name = Registered, PINConfirmedName
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitFor)
	defer cancel()
	for range maxRounds {
		from := counter
		if fate == login.Wrong {
			counter.Taken++
		}
		next := counter.Settle(login.Ticket{Key: from.Key}, fate, coreLeft, s.pinLimit())
		err := s.Store.Commit(ctx, PINJudged{PIN: kept, To: to, Counters: []login.Counted{{From: from, To: next}}, Done: act})
		if !isConflict(err) {
			return err
		}
		all, e := s.Store.PINs(ctx, []corebank.AccountID{kept.Account})
		if e != nil {
			return fault.Wrap(fault.Of(e), "find an inquiry PIN", e)
		}
		if !stillKept(all, kept) {
			return nil // another PIN was registered meanwhile
		}
		counters, e := s.Store.Counters(ctx, from.Key)
		if e != nil {
			return fault.Wrap(fault.Of(e), "count tries of a PIN", e)
		}
		counter = counters[0]
	}
	return fault.New(fault.Unavailable, "counters keep moving")
}

func stillKept(all []StoredPIN, kept StoredPIN) bool {
	for _, p := range all {
		if p.Account == kept.Account && p.User == kept.User && p.Version == kept.Version && p.State == kept.State {
			return true
		}
	}
	return false
}

// slotOf takes a slot, waiting for one while all are in use.
func (s *Service) slotOf(ctx context.Context, user corebank.UserID, account corebank.AccountID) (int, error) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for wait := firstPause; ; wait = min(2*wait, longestWait) {
		select {
		case <-ctx.Done():
			return 0, fault.Wrap(fault.Unavailable, "wait for calls with the same PIN", ctx.Err())
		case <-pause.C:
		}
		_, counter, err := s.usablePIN(ctx, user, account, Registered)
		if err != nil {
			return 0, err
		}
		number, err := s.takeSlot(ctx, account, s.slotsOf(counter))
		if err != nil || number > 0 {
			return number, err
		}
		pause.Reset(wait)
	}
}

// takeSlot returns a slot that this node holds or can have now, else 0.
func (s *Service) takeSlot(ctx context.Context, account corebank.AccountID, slots int) (int, error) {
	now := s.now()
	g := &s.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		g.held, g.holder = map[corebank.AccountID]map[int]*slot{}, s.NextID()
	}
	if g.held[account] == nil {
		g.held[account] = map[int]*slot{}
	}
	for n := 1; n <= slots; n++ {
		h := g.held[account][n]
		if h != nil && h.busy {
			continue
		}
		if h == nil || h.until.Before(now.Add(s.Rules.BankFor+leaseSlack)) {
			until := now.Add(slotFor + s.Rules.BankFor)
			ok, err := s.Store.TakePINSlot(ctx, PINSlot{account, n, g.holder, until}, now)
			if err != nil {
				return 0, fault.Wrap(fault.Of(err), "take a slot for a PIN", err)
			}
			if !ok {
				continue
			}
			h = &slot{until: until}
			g.held[account][n] = h
		}
		if h.idle != nil {
			h.idle.Stop()
		}
		h.busy = true
		return n, nil
	}
	return 0, nil
}

// giveBack frees a slot for the next call of this node, and after a while of not
// being used for other nodes.
func (s *Service) giveBack(account corebank.AccountID, number int) {
	g := &s.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.held[account][number]
	h.busy = false
	h.idle = time.AfterFunc(slotIdle, func() { s.dropSlot(account, number, h) })
}

func (s *Service) dropSlot(account corebank.AccountID, number int, h *slot) {
	g := &s.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	if h.busy || g.held[account][number] != h {
		return
	}
	delete(g.held[account], number)
	if len(g.held[account]) == 0 {
		delete(g.held, account)
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitFor)
	defer cancel()
	// Whether this works or not, the lease ends by itself.
	_ = s.Store.DropPINSlot(ctx, PINSlot{Account: account, Number: number, Holder: g.holder})
}

// CheckPendingPINs asks the core for up to limit PINs that it could not check
// when they were registered (申請中), the oldest first, and returns how many it
// answered. A closed or silent core leaves the rest for another time.
func (s *Service) CheckPendingPINs(ctx context.Context, limit int) (int, error) {
	pending, err := s.Store.PendingPINs(ctx, limit)
	if err != nil {
		return 0, fault.Wrap(fault.Of(err), "find PINs to be checked", err)
	}
	for n, kept := range pending {
		err := s.checkPending(ctx, kept)
		switch {
		case errors.Is(err, fault.Unavailable):
			return n, nil
		case err != nil && fault.Of(err) == fault.Internal:
			return n, err
		}
	}
	return len(pending), nil
}

func (s *Service) checkPending(ctx context.Context, kept StoredPIN) error {
	counters, err := s.Store.Counters(ctx, pinKey(kept.Account))
	if err != nil {
		return err
	}
	number, err := s.takeSlot(ctx, kept.Account, s.slotsOf(counters[0]))
	if err != nil || number == 0 {
		return err // no try is left, or all are in use: another time
	}
	defer s.giveBack(kept.Account, number)
	pin, err := s.openPIN(kept.Account, kept.Sealed)
	if err != nil {
		return err
	}
	bank, cancel := context.WithTimeout(ctx, s.Rules.BankFor)
	defer cancel()
	answer := s.Bank.CheckPIN(bank, kept.Account, pin)
	if err := s.judgePIN(context.WithoutCancel(ctx), kept, counters[0], answer); err != nil {
		return err
	}
	return answer
}

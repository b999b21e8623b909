package linkage

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
)

const (
	slotFor  = 60 * time.Second // lease of a slot; a call begins only well before its end
	slotIdle = time.Second      // a slot that is not used for this long is given back
	wakes    = 8                // at most so many are woken at once; there are hardly ever more slots
	turnFor  = 5 * time.Second  // and one that is always in use after this long, so that other nodes have their turn
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
	shares map[corebank.AccountID]*share
}

// share is what a node holds of one account's slots.
type share struct {
	mu    sync.Mutex
	users int // goroutines that look at it; under guard.mu
	held  map[int]*slot
	freed chan struct{} // wakes those who wait at this node
}

type slot struct {
	since time.Time
	until time.Time
	rests time.Time // given back for other nodes' turn until then
	busy  bool
	idle  *time.Timer
}

// UsePIN lends the inquiry PIN of an account to one call of the bank on behalf
// of a user. What the bank answers to call is returned as it is; after a wrong
// PIN the account is not called again, on any node, until a PIN is registered
// anew. Errors beside those of call: PINUnusable; fault.Unavailable when too
// many calls of the account are under way.
func (s *Service) UsePIN(ctx context.Context, user corebank.UserID, account corebank.AccountID, call func(context.Context, corebank.InquiryPIN) error) error {
	kept, counter, number, err := s.borrow(ctx, user, account)
	if err != nil {
		return err
	}
	defer s.giveBack(account, number)
	pin, err := s.openPIN(account, kept.Sealed)
	if err != nil {
		return err
	}
	bank, cancel := context.WithTimeout(ctx, s.Rules.BankFor)
	defer cancel()
	answer := call(bank, pin)
	if err := s.judgePIN(context.WithoutCancel(ctx), kept, counter, answer); err != nil {
		return err
	}
	return answer
}

// borrow takes a slot and then looks at the PIN, in this order: a refusal that
// came before the slot was free is seen. While all slots are in use it waits.
func (s *Service) borrow(ctx context.Context, user corebank.UserID, account corebank.AccountID) (StoredPIN, login.Counter, int, error) {
	sh := s.guard.look(account, s.NextID)
	defer s.guard.done(account, sh)
	for wait := firstPause; ; wait = min(2*wait, longestWait) {
		number, err := s.takeSlot(ctx, account, sh)
		if err != nil {
			return StoredPIN{}, login.Counter{}, 0, err
		}
		kept, counter, err := s.usablePIN(ctx, user, account)
		if err == nil && number > 0 && number <= s.slotsOf(counter) {
			return kept, counter, number, nil
		}
		if number > 0 {
			s.giveBack(account, number)
		}
		if err != nil {
			return kept, counter, 0, err
		}
		pause := time.NewTimer(wait)
		select {
		case <-sh.freed:
			pause.Stop()
		case <-pause.C: // other nodes wake nobody here
		case <-ctx.Done():
			pause.Stop()
			return StoredPIN{}, login.Counter{}, 0, fault.Wrap(fault.Unavailable, "wait for calls with the same PIN", ctx.Err())
		}
	}
}

// usablePIN finds the PIN that serves a user for an account. Errors: PINUnusable.
func (s *Service) usablePIN(ctx context.Context, user corebank.UserID, account corebank.AccountID) (StoredPIN, login.Counter, error) {
	all, counter, err := s.Store.PINInUse(ctx, account)
	if err != nil {
		return StoredPIN{}, login.Counter{}, fault.Wrap(fault.Of(err), "find an inquiry PIN", err)
	}
	kept, ok := s.pinOf(all, user, account)
	switch {
	case !ok:
		return kept, counter, PINUnusable{account, Unregistered}
	case kept.State != Registered:
		return kept, counter, PINUnusable{account, kept.State}
	case s.slotsOf(counter) == 0:
		return kept, counter, PINUnusable{account, Registered}
	}
	return kept, counter, nil
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
		all, now, e := s.Store.PINInUse(ctx, kept.Account)
		if e != nil {
			return fault.Wrap(fault.Of(e), "find an inquiry PIN", e)
		}
		if !stillKept(all, kept) {
			return nil // another PIN was registered meanwhile, or another call said the same
		}
		counter = now
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

// takeSlot returns a slot that this node holds or can have now, else 0.
func (s *Service) takeSlot(ctx context.Context, account corebank.AccountID, sh *share) (int, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := s.now()
	for n := 1; n <= s.Rules.MaxPINTries; n++ {
		h := sh.held[n]
		if h != nil && (h.busy || now.Before(h.rests)) {
			continue
		}
		if h == nil || h.until.Before(now.Add(s.Rules.BankFor+leaseSlack)) {
			until := now.Add(slotFor + s.Rules.BankFor)
			ok, err := s.Store.TakePINSlot(ctx, PINSlot{account, n, s.guard.holder, until}, now)
			if err != nil {
				return 0, fault.Wrap(fault.Of(err), "take a slot for a PIN", err)
			}
			if !ok {
				delete(sh.held, n)
				continue
			}
			if h == nil || !h.rests.IsZero() {
				h = &slot{since: now}
			}
			h.until = until
			sh.held[n] = h
		}
		if h.idle != nil {
			h.idle.Stop()
		}
		h.busy = true
		return n, nil
	}
	return 0, nil
}

// giveBack frees a slot for the next call of this node, and once it was not used
// for a while for other nodes.
func (s *Service) giveBack(account corebank.AccountID, number int) {
	sh := s.guard.look(account, s.NextID)
	defer s.guard.done(account, sh)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	h := sh.held[number]
	if h == nil {
		return
	}
	h.busy = false
	if h.idle == nil {
		h.idle = time.AfterFunc(slotIdle, func() { s.dropSlot(account, number, h) })
	} else {
		h.idle.Reset(slotIdle)
	}
	if now := s.now(); now.Sub(h.since) > turnFor {
		h.until, h.rests = time.Time{}, now.Add(2*longestWait)
		s.forgetSlot(account, number)
	}
	select {
	case sh.freed <- struct{}{}:
	default: // as many as could be woken are
	}
}

// GiveSlotsBack ends the leases of all slots that are not in use, for a server
// that stops: whoever serves next need not wait for their end.
func (s *Service) GiveSlotsBack() {
	s.guard.mu.Lock()
	shares := maps.Clone(s.guard.shares)
	s.guard.mu.Unlock()
	for account, sh := range shares {
		sh.mu.Lock()
		for number, h := range sh.held {
			if !h.busy {
				h.idle.Stop()
				delete(sh.held, number)
				s.forgetSlot(account, number)
			}
		}
		sh.mu.Unlock()
	}
}

func (s *Service) dropSlot(account corebank.AccountID, number int, h *slot) {
	sh := s.guard.look(account, s.NextID)
	defer s.guard.done(account, sh)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if h.busy || sh.held[number] != h {
		return
	}
	delete(sh.held, number)
	s.forgetSlot(account, number)
}

// forgetSlot gives a slot back to all nodes. Where that fails, its lease ends by
// itself.
func (s *Service) forgetSlot(account corebank.AccountID, number int) {
	ctx, cancel := context.WithTimeout(context.Background(), commitFor)
	defer cancel()
	_ = s.Store.DropPINSlot(ctx, PINSlot{Account: account, Number: number, Holder: s.guard.holder})
}

// look returns an account's share, to be given up by done.
func (g *guard) look(account corebank.AccountID, nextID func() int64) *share {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shares == nil {
		g.shares, g.holder = map[corebank.AccountID]*share{}, nextID()
	}
	sh := g.shares[account]
	if sh == nil {
		sh = &share{held: map[int]*slot{}, freed: make(chan struct{}, wakes)}
		g.shares[account] = sh
	}
	sh.users++
	return sh
}

// done forgets a share that holds nothing and that nobody looks at.
func (g *guard) done(account corebank.AccountID, sh *share) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if sh.users--; sh.users == 0 && len(sh.held) == 0 {
		delete(g.shares, account)
	}
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
	sh := s.guard.look(kept.Account, s.NextID)
	defer s.guard.done(kept.Account, sh)
	number, err := s.takeSlot(ctx, kept.Account, sh)
	if err != nil || number == 0 {
		return err // all are in use: another time
	}
	defer s.giveBack(kept.Account, number)
	all, counter, err := s.Store.PINInUse(ctx, kept.Account)
	if err != nil || !stillKept(all, kept) || number > s.slotsOf(counter) {
		return err
	}
	pin, err := s.openPIN(kept.Account, kept.Sealed)
	if err != nil {
		return err
	}
	bank, cancel := context.WithTimeout(ctx, s.Rules.BankFor)
	defer cancel()
	answer := s.Bank.CheckPIN(bank, kept.Account, pin)
	if err := s.judgePIN(context.WithoutCancel(ctx), kept, counter, answer); err != nil {
		return err
	}
	return answer
}

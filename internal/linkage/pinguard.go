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
	slotFor    = 60 * time.Second // lease of a slot; a call begins only well before its end
	slotIdle   = time.Second      // a slot that is not used for this long is given back
	wakes      = 8                // at most so many are woken at once; there are hardly ever more slots
	turnWithin = 40 * time.Second // a call waits no longer for its turn
	turnFor    = 5 * time.Second  // and one that is always in use after this long, so that other nodes have their turn
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
// another PIN was registered or another call judged it meanwhile, unless it only
// counts.
type PINJudged struct {
	PIN      StoredPIN
	To       PINState // empty: only the counters move
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
// anew. The call outlives ctx: what was begun is waited for, since only its
// answer says whether the PIN was wrong. Errors beside those of call:
// PINUnusable; fault.Unavailable when too many calls of the account are under way.
func (s *Service) UsePIN(ctx context.Context, user corebank.UserID, account corebank.AccountID, call func(context.Context, corebank.InquiryPIN) error) error {
	kept, counter, number, err := s.borrow(ctx, user, account)
	if err != nil {
		return err
	}
	pin, err := s.openPIN(account, kept.Sealed)
	if err != nil {
		s.giveBack(account, number)
		return err
	}
	return s.callWith(ctx, kept, counter, number, func(ctx context.Context) error { return call(ctx, pin) })
}

// callWith makes a call for which a slot is held, keeps what the bank said of
// the PIN, and gives the slot back. A slot whose call got no answer, or whose
// answer could not be kept, is not given back: the bank may be checking still.
func (s *Service) callWith(ctx context.Context, kept StoredPIN, counter login.Counter, number int, call func(context.Context) error) error {
	bank, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Rules.BankFor)
	defer cancel()
	answer := call(bank)
	err := s.judgePIN(context.WithoutCancel(ctx), kept, counter, answer)
	if err != nil || unanswered(bank, answer) {
		s.leaveSlot(kept.Account, number)
	} else {
		s.giveBack(kept.Account, number)
	}
	if err != nil {
		return err
	}
	return answer
}

// unanswered tells whether the bank may still be at it.
func unanswered(ctx context.Context, answer error) bool {
	if answer == nil || corebank.SurelyUnchecked(answer) {
		return false
	}
	return ctx.Err() != nil || errors.Is(answer, fault.Unavailable)
}

// borrow takes a slot and then looks at the PIN and the budget, in this order: a
// refusal that came before the slot was free is seen, and so is a try that a
// journey took. While there is no room it waits.
func (s *Service) borrow(ctx context.Context, user corebank.UserID, account corebank.AccountID) (StoredPIN, login.Counter, int, error) {
	sh := s.guard.look(account, s.NextID)
	defer s.guard.done(account, sh)
	var patience <-chan time.Time // begins with the first wait, which few calls have
	for wait := firstPause; ; wait = min(2*wait, longestWait) {
		number, err := s.takeSlot(ctx, account, sh)
		if err != nil {
			return StoredPIN{}, login.Counter{}, 0, err
		}
		kept, counter, held, err := s.usablePIN(ctx, user, account)
		if err == nil && number > 0 && s.fits(counter, held) {
			return kept, counter, number, nil
		}
		if number > 0 {
			s.yieldSlot(account, number, counter)
		}
		if err != nil {
			return kept, counter, 0, err
		}
		if patience == nil {
			over := time.NewTimer(turnWithin)
			defer over.Stop()
			patience = over.C
		}
		pause := time.NewTimer(wait)
		select {
		case <-sh.freed:
			pause.Stop()
		case <-pause.C: // other nodes wake nobody here
		case <-patience:
			pause.Stop()
			return StoredPIN{}, login.Counter{}, 0, fault.New(fault.Unavailable, "wait for calls with the same PIN")
		case <-ctx.Done():
			pause.Stop()
			return StoredPIN{}, login.Counter{}, 0, fault.Wrap(fault.Unavailable, "wait for calls with the same PIN", ctx.Err())
		}
	}
}

// usablePIN finds the PIN that serves a user for an account. Errors: PINUnusable.
func (s *Service) usablePIN(ctx context.Context, user corebank.UserID, account corebank.AccountID) (StoredPIN, login.Counter, int, error) {
	now := s.now()
	all, counter, held, err := s.Store.PINInUse(ctx, account, now)
	if err != nil {
		return StoredPIN{}, login.Counter{}, 0, fault.Wrap(fault.Of(err), "find an inquiry PIN", err)
	}
	kept, ok := s.pinOf(all, user, account)
	switch {
	case !ok:
		return kept, counter, held, PINUnusable{account, Unregistered}
	case kept.State != Registered:
		return kept, counter, held, PINUnusable{account, kept.State}
	case s.roomOf(counter) <= 0 && counter.InFlight(now) == 0:
		return kept, counter, held, PINUnusable{account, Registered}
	}
	return kept, counter, held, nil
}

// judgePIN keeps what the core said of the PIN itself. A right one is written
// only where wrong ones were counted before it.
func (s *Service) judgePIN(ctx context.Context, kept StoredPIN, counter login.Counter, answer error) error {
	fate, coreLeft := login.FateOf(answer)
	if fate == login.Right && counter.Taken == 0 && kept.State != Pending {
		return nil
	}
	act := audit.Act{
		Name: PINRefusedName, At: s.now(), Actor: audit.Actor{Kind: audit.System}, Outcome: audit.Done, Object: string(kept.Account),
		Detail: map[string]string{"registered_by": string(kept.User)},
	}
	to := Rejected
	switch {
	case fate == login.Wrong || fate == login.Locked:
		act = denied(act, "wrong_pin")
	case fate == login.Right:
		to, act.Name = Registered, PINConfirmedName
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitFor)
	defer cancel()
	ticket := counter.Look(act.At)
	for range maxRounds {
		next := counter.Settle(ticket, fate, coreLeft, s.pinLimit())
		err := s.Store.Commit(ctx, PINJudged{PIN: kept, To: to, Counters: []login.Counted{{From: counter, To: next}}, Done: act})
		if !isConflict(err) {
			return err
		}
		all, now, _, e := s.Store.PINInUse(ctx, kept.Account, s.now())
		if e != nil {
			return fault.Wrap(fault.Of(e), "find an inquiry PIN", e)
		}
		if !stillKept(all, kept) {
			to = "" // the core counted this call whatever is kept now
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
	if s.rest(account, number, sh.held[number]) {
		select {
		case sh.freed <- struct{}{}:
		default: // as many as could be woken are
		}
	}
}

// rest is giveBack without waking anybody, under the share's lock.
func (s *Service) rest(account corebank.AccountID, number int, h *slot) bool {
	if h == nil {
		return false
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
	return true
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

// yieldSlot gives a slot back after which no call was made: at once to all nodes
// where there are more of them than there is room for.
func (s *Service) yieldSlot(account corebank.AccountID, number int, c login.Counter) {
	sh := s.guard.look(account, s.NextID)
	defer s.guard.done(account, sh)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	h := sh.held[number]
	if s.rest(account, number, h) && number > s.roomOf(c) {
		h.idle.Stop()
		delete(sh.held, number)
		s.forgetSlot(account, number)
	}
}

// leaveSlot keeps a slot until the bank has surely ended a call that it did not
// answer.
func (s *Service) leaveSlot(account corebank.AccountID, number int) {
	sh := s.guard.look(account, s.NextID)
	defer s.guard.done(account, sh)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	h := sh.held[number]
	if h == nil {
		return
	}
	h.idle = time.AfterFunc(s.Rules.BankFor, func() {
		sh := s.guard.look(account, s.NextID)
		defer s.guard.done(account, sh)
		sh.mu.Lock()
		h.busy = false
		sh.mu.Unlock()
		s.dropSlot(account, number, h)
	})
	ctx, cancel := context.WithTimeout(context.Background(), commitFor)
	defer cancel()
	now := s.now()
	// Where this fails, the slot is held for longer, and no harm is done.
	_, _ = s.Store.TakePINSlot(ctx, PINSlot{account, number, s.guard.holder, now.Add(s.Rules.BankFor)}, now)
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

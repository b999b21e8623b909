package linkage

import (
	"context"
	"errors"

	"renkei.dev/internal/fault"
)

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
	all, counter, held, err := s.Store.PINInUse(ctx, kept.Account, s.now())
	if err != nil || !stillKept(all, kept) || !s.fits(counter, held) {
		s.yieldSlot(kept.Account, number, counter)
		return err
	}
	pin, err := s.openPIN(kept.Account, kept.Sealed)
	if err != nil {
		s.giveBack(kept.Account, number)
		return err
	}
	return s.callWith(ctx, kept, counter, number, func(ctx context.Context) error {
		return s.Bank.CheckPIN(ctx, kept.Account, pin)
	})
}

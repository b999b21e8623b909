package linkage

import (
	"context"
	"errors"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
)

// The budget of an inquiry PIN is what the core still forgives, less the
// branch's try. Inquiries spend it by slots (pinguard.go), journeys by tries of
// the counter (step4_pin.go), and neither asks the core before
//
//	tries taken + slots held ≤ what the core forgives.
//
// Either side first commits its own share and then looks at both in one
// snapshot, so that of two at the same time at least one sees the other; where
// that is too much, an inquiry gives way and a journey waits until it did.

// forgives returns how many wrong PINs the core forgives, as far as it said so,
// less the branch's.
func (s *Service) forgives(c login.Counter) int {
	if c.Cap >= 0 {
		return c.Cap
	}
	return s.Rules.MaxPINTries
}

// roomOf returns how many slots the tries leave.
func (s *Service) roomOf(c login.Counter) int { return s.forgives(c) - c.Taken }

// fits tells whether whoever spent a share of the budget may ask the core. Where
// nothing is counted, slots fit by their numbers.
func (s *Service) fits(c login.Counter, held int) bool {
	return c.Taken == 0 && c.Cap < 0 || held <= s.roomOf(c)
}

var errNoRoom = errors.New("others try the same PIN just now")

// awaitBudget waits until a try that was taken may be asked of the core.
// Errors: corebank.Unavailable, Unchecked, when others hold the budget for too
// long; fault.Refused when the core meanwhile forgives less than was taken.
func (s *Service) awaitBudget(patience context.Context, account corebank.AccountID) error {
	look := func() (bool, error) {
		now := s.now()
		c, held, err := s.Store.PINBudget(patience, account, now)
		switch {
		case err != nil: // a look-up that fails says nothing of the core: look again
			return false, nil
		case s.roomOf(c)+c.InFlight(now) <= 0:
			return false, fault.New(fault.Refused, "the core forgives less than was tried")
		case s.roomOf(c) < 0: // some of the tries in flight are too many, and cannot tell which
			return false, errNoRoom
		}
		return held <= s.roomOf(c), nil
	}
	ok, err := look()
	if !ok && err == nil {
		err = s.await(patience, look)
	}
	if err == nil || errors.Is(err, fault.Refused) {
		return err
	}
	return corebank.Unavailable{Unchecked: true, Cause: err}
}

package linkage

import (
	"context"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

// PINStates returns how the inquiry PIN that would serve a user stands for each
// of the accounts. The bank is not asked.
func (s *Service) PINStates(ctx context.Context, user corebank.UserID, accounts []corebank.AccountID) (map[corebank.AccountID]PINState, error) {
	kept, err := s.Store.PINs(ctx, accounts)
	if err != nil {
		return nil, fault.Wrap(fault.Of(err), "find inquiry PINs", err)
	}
	states := make(map[corebank.AccountID]PINState, len(accounts))
	for _, a := range accounts {
		states[a] = Unregistered
		if p, ok := s.pinOf(kept, user, a); ok {
			states[a] = p.State
		}
	}
	return states, nil
}

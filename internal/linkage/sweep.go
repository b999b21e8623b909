package linkage

import (
	"context"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

// unusedAfter is when a consent whose code was not redeemed ends: well after the
// code itself.
const unusedAfter = 2 * wayFor

// Leftovers are what is over and still holds something, up to a limit of each.
type Leftovers struct {
	Staged  []JourneyID // their time is over, and PINs are staged
	Unused  []ConsentID // their code was not redeemed in time
	Expired []ConsentID // their last day is over
	Ways    int         // ways back whose time is over
	PINs    []PINName   // no consent needs them, and none needed them since KeptFrom
	// PINsThrough is the last PIN that was looked at; the zero PINName: all were.
	PINsThrough PINName
}

// PINName names an inquiry PIN by its account and who registered it.
type PINName struct {
	Account corebank.AccountID
	User    corebank.UserID
}

// Discarded is what a sweep cleared away. It no longer holds when a consent of
// Unused was redeemed meanwhile.
type Discarded struct {
	Staged   []JourneyID
	Unused   []ConsentID // end, with the PINs that came with them and that only they need
	Expired  []ConsentID // end; PINs stay until KeptFrom
	Ways     int         // so many ways back are forgotten whose time is over
	PINs     []PINName   // go, where still no consent needed them since KeptFrom
	Now      time.Time
	KeptFrom time.Time
	Done     audit.Act
}

// Act returns the act of the change.
func (c Discarded) Act() audit.Act { return c.Done }

// Sweep clears away up to limit of each kind of what is over: PINs staged in
// journeys that timed out, ways back, consents whose code was not redeemed, PINs
// that nobody needs; and whatever nobody can come back to. It returns whether
// more of it may be left.
func (s *Service) Sweep(ctx context.Context, limit int) (bool, error) {
	now := s.now()
	s.memory.forget(now.Add(-keptFor))
	if err := s.Store.Forget(ctx, now.Add(-keptFor)); err != nil {
		return false, fault.Wrap(fault.Of(err), "forget what is over", err)
	}
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	left, err := s.Store.Leftovers(ctx, LeftoversAsked{
		Now: now, IdleBefore: now.Add(-s.Rules.IdleFor), BeganBefore: now.Add(-s.Rules.TotalFor),
		IssuedBefore: now.Add(-unusedAfter), KeptFrom: now.Add(-s.Rules.PINsKeptFor), PINsAfter: s.swept, Limit: limit,
	})
	if err != nil {
		return false, fault.Wrap(fault.Of(err), "find what is over", err)
	}
	if len(left.Staged)+len(left.Unused)+len(left.Expired)+len(left.PINs)+left.Ways > 0 {
		d := Discarded{
			Staged: left.Staged, Unused: left.Unused, Expired: left.Expired, Ways: left.Ways, PINs: left.PINs,
			Now: now, KeptFrom: now.Add(-s.Rules.PINsKeptFor),
			Done: audit.Act{
				Name: LeftoversDiscarded, At: now, Actor: audit.Actor{Kind: audit.System}, Outcome: audit.Done,
				Detail: map[string]string{
					"staged": numbers(left.Staged), "unused": words(left.Unused), "expired": words(left.Expired), "pins": pinNames(left.PINs),
				},
			},
		}
		if err := s.Store.Commit(ctx, d); err != nil && !isConflict(err) {
			return false, fault.Wrap(fault.Of(err), "clear away what is over", err)
		}
	}
	s.swept = left.PINsThrough
	return max(len(left.Staged), len(left.Unused), len(left.Expired), left.Ways) >= limit, nil
}

// LeftoversAsked says what is over.
type LeftoversAsked struct {
	Now          time.Time
	IdleBefore   time.Time
	BeganBefore  time.Time
	IssuedBefore time.Time
	KeptFrom     time.Time
	PINsAfter    PINName // where to go on looking through the PINs
	Limit        int
}

func numbers(ids []JourneyID) string {
	all := make([]string, 0, len(ids))
	for _, id := range ids {
		all = append(all, id.String())
	}
	return words(all)
}

func pinNames(pins []PINName) string {
	all := make([]string, 0, len(pins))
	for _, p := range pins {
		all = append(all, string(p.Account)+" of "+string(p.User))
	}
	return words(all)
}

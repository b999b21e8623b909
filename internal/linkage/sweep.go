package linkage

import (
	"context"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

// unusedAfter is when a consent whose code was not redeemed ends: well after the
// code itself.
const unusedAfter = 2 * wayFor

// Leftovers are what is over and still holds something.
type Leftovers struct {
	Staged   []JourneyID // their time is over, and PINs are staged
	Unused   []ConsentID // their code was not redeemed in time
	Expired  []ConsentID // their last day is over
	WaysOver bool        // ways back whose time is over
	Outlived bool        // journeys, presses or one-time secrets from before ForgetFrom
}

// Discarded is what a sweep cleared away. It no longer holds when a consent of
// Unused was redeemed meanwhile.
type Discarded struct {
	Staged  []JourneyID
	Unused  []ConsentID // end, with the PINs that came with them and that only they need
	Expired []ConsentID // end; PINs stay until KeptFrom
	Now     time.Time
	// Ways back are forgotten once their time is over; journeys, presses and
	// one-time secrets that began or ended before ForgetFrom; PINs that no
	// consent needs and none needed since KeptFrom.
	ForgetFrom time.Time
	KeptFrom   time.Time
	Done       audit.Act
}

// Act returns the act of the change.
func (c Discarded) Act() audit.Act { return c.Done }

// Sweep clears away up to limit of each kind of what is over: PINs staged in
// journeys that timed out, ways back, consents whose code was not redeemed, and
// whatever nobody can come back to any more. It returns whether something may be left.
func (s *Service) Sweep(ctx context.Context, limit int) (bool, error) {
	now := s.now()
	left, err := s.Store.Leftovers(ctx, LeftoversAsked{
		Now: now, IdleBefore: now.Add(-s.Rules.IdleFor), BeganBefore: now.Add(-s.Rules.TotalFor),
		IssuedBefore: now.Add(-unusedAfter), ForgetFrom: now.Add(-keptFor), Limit: limit,
	})
	if err != nil {
		return false, fault.Wrap(fault.Of(err), "find what is over", err)
	}
	if len(left.Staged)+len(left.Unused)+len(left.Expired) == 0 && !left.WaysOver && !left.Outlived {
		return false, nil
	}
	d := Discarded{
		Staged: left.Staged, Unused: left.Unused, Expired: left.Expired, Now: now,
		ForgetFrom: now.Add(-keptFor), KeptFrom: now.Add(-s.Rules.PINsKeptFor),
		Done: audit.Act{
			Name: LeftoversDiscarded, At: now, Actor: audit.Actor{Kind: audit.System}, Outcome: audit.Done,
			Detail: map[string]string{"staged": numbers(left.Staged), "unused": words(left.Unused), "expired": words(left.Expired)},
		},
	}
	if err := s.Store.Commit(ctx, d); err != nil && !isConflict(err) {
		return false, fault.Wrap(fault.Of(err), "clear away what is over", err)
	}
	return max(len(left.Staged), len(left.Unused), len(left.Expired)) >= limit, nil
}

// LeftoversAsked says what is over.
type LeftoversAsked struct {
	Now          time.Time
	IdleBefore   time.Time
	BeganBefore  time.Time
	IssuedBefore time.Time
	ForgetFrom   time.Time
	Limit        int
}

func numbers(ids []JourneyID) string {
	all := make([]string, 0, len(ids))
	for _, id := range ids {
		all = append(all, id.String())
	}
	return words(all)
}

package linkage

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"renkei.dev/internal/fault"
)

const seedBytes = 32

// Start opens a journey for what the protocol found, in the browser of v, which
// has no journey yet. It writes nothing: the journey is the cookie until its login
// succeeds or, where its browser brings a session that lasts, until the first press;
// unless that page needs a row (session.go, carried.go). Opening one request again
// opens another journey; the first to complete spends the request.
// Errors: Halted (940, 941, 942, none of which leads back to the partner).
func (s *Service) Start(ctx context.Context, a Asked, v Visit) (Opening, error) {
	now := s.now()
	p, err := s.Partners.Partner(ctx, a.Partner)
	if errors.Is(err, fault.NotFound) {
		return Opening{}, foreign()
	}
	if err != nil {
		return Opening{}, fault.Wrap(fault.Of(err), "find a journey's partner", err)
	}
	if p.Linkable(now) != nil {
		return Opening{}, Halted{Cause{Code: PartnerHalted, Reason: PartnerStopped}}
	}
	for _, f := range a.Functions {
		if !p.May(f) {
			return Opening{}, Halted{Cause{Code: RequestTooWide, Reason: NotPermitted}}
		}
	}
	pre := s.newPrelude(a, now)
	v.Journey = pre.Row.ID
	o, err := s.resume(ctx, &standing{now: now, visit: v, row: pre.Row, st: pre.State, partner: p})
	if err != nil {
		return Opening{}, fault.Wrap(fault.Of(err), "go on with a session", err)
	}
	if o != nil {
		return *o, nil
	}
	cookie, err := s.sealPrelude(pre)
	return Opening{Journey: pre.Row.ID, Step: LoginStep, Cookie: cookie}, err
}

func (s *Service) newPrelude(a Asked, now time.Time) prelude {
	return prelude{
		Row: Row{
			ID: JourneyID(s.NextID()), Number: newInquiryNumber(), Partner: a.Partner, Client: a.Client,
			Step: LoginStep, BeganAt: now, TouchedAt: now,
		},
		State:  state{Seed: random(), Asked: a, LoginID: a.LoginHint, Host: 1},
		Pepper: random(),
	}
}

func random() []byte {
	b := make([]byte, seedBytes)
	rand.Read(b) // never fails since Go 1.24
	return b
}

func isConflict(err error) bool { return errors.Is(err, fault.Conflict) }

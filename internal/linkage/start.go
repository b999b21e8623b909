package linkage

import (
	"context"
	"crypto/rand"
	"errors"

	"renkei.dev/internal/fault"
)

const seedBytes = 32

// Start opens a journey for what the protocol found. It writes nothing: the
// journey is the cookie until its login succeeds. Opening one request again
// opens another journey; the first to complete spends the request.
// Errors: Halted (940, 941, 942, none of which leads back to the partner).
func (s *Service) Start(ctx context.Context, a Asked) (Opening, error) {
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
	pre := prelude{
		Row: Row{
			ID: JourneyID(s.NextID()), Number: newInquiryNumber(), Partner: a.Partner, Client: a.Client,
			Step: LoginStep, BeganAt: now, TouchedAt: now,
		},
		State:  state{Seed: random(), Asked: a, LoginID: a.LoginHint, Host: 1},
		Pepper: random(),
	}
	cookie, err := s.sealPrelude(pre)
	return Opening{Journey: pre.Row.ID, Cookie: cookie}, err
}

func random() []byte {
	b := make([]byte, seedBytes)
	rand.Read(b) // never fails since Go 1.24
	return b
}

func isConflict(err error) bool { return errors.Is(err, fault.Conflict) }

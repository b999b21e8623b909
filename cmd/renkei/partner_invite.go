package main

import (
	"context"
	"fmt"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
)

type partnerInvite struct {
	target
	ID   string        `arg:"" help:"The partner's id."`
	Uses int           `default:"1" help:"How many clients may be registered by it."`
	For  time.Duration `default:"168h" help:"How long it is good; a year at most."`
}

// Help says what comes next.
func (partnerInvite) Help() string {
	return `The token is shown once and kept nowhere. With it the partner's engineers register clients (RFC 7591) at the
registration_endpoint of the issuer's metadata, and manage each by the token that comes back (RFC 7592).
The institution must have self_registration: true.`
}

// Run issues the token.
func (c partnerInvite) Run(ctx context.Context, to streams) error {
	desk, p, err := c.openPartner(ctx, c.ID)
	if err != nil {
		return err
	}
	defer desk.Close()
	value, err := desk.Invite(ctx, p.ID, c.Uses, c.For, operator())
	if err != nil {
		return err
	}
	fmt.Fprintf(to.err, "An initial access token for %s (%s), good for %d registration(s) until %s at %s:\n",
		p.ID, p.Service, c.Uses, time.Now().Add(c.For).Format(time.RFC3339), desk.Issuer.At(oauth.RegisterEndpoint))
	fmt.Fprintln(to.out, value.Reveal())
	return nil
}

type partnerWithdraw struct {
	target
	ID     string `arg:"" help:"The partner's id."`
	Token  int64  `arg:"" help:"The token's number, as renkei partner show prints it."`
	Reason string `required:"" help:"Why; it stands in the audit log." placeholder:"TEXT"`
}

// Help says what stays.
func (partnerWithdraw) Help() string {
	return `Clients that were registered by the token stay; renkei partner client remove removes one.`
}

// Run ends the token.
func (c partnerWithdraw) Run(ctx context.Context, to streams) error {
	desk, p, err := c.openPartner(ctx, c.ID)
	if err != nil {
		return err
	}
	defer desk.Close()
	err = desk.Store.Commit(ctx, oauth.InitialAccessTokenRevoked{ID: c.Token, Partner: p.ID, By: operator(), At: time.Now(), Reason: c.Reason})
	if err != nil && fault.Of(err) == fault.Conflict {
		return fault.New(fault.Conflict, "partner %s has no initial access token %d that could still be used; `renkei partner show` names those that can", p.ID, c.Token)
	}
	if err == nil {
		fmt.Fprintf(to.out, "Initial access token %d of %s registers nobody any more. Clients that it registered stay.\n", c.Token, p.ID)
	}
	return err
}

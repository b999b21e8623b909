package app

import (
	"context"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// Invite issues an initial access token to a partner, beside a server that may be
// running. It is returned this once and kept nowhere. Errors: as
// oauth.Issuer.IssueInitialAccessToken.
func (d *Desk) Invite(ctx context.Context, p partner.ID, uses int, goodFor time.Duration, by audit.Actor) (secret.Value, error) {
	return invite(ctx, d.Store, d.Issuer, p, uses, goodFor, by, time.Now)
}

// Invite is Desk.Invite of a running institution.
func (in *Institution) Invite(ctx context.Context, p partner.ID, uses int, goodFor time.Duration, by audit.Actor) (secret.Value, error) {
	return invite(ctx, in.Store, in.Engine.Issuer(), p, uses, goodFor, by, in.Linkage.Now)
}

func invite(ctx context.Context, kept *store.Institution, issuer oauth.Issuer, p partner.ID, uses int, goodFor time.Duration, by audit.Actor, now func() time.Time) (secret.Value, error) {
	ids, err := store.NewIDs(0, now) // nothing else makes tokens of this kind
	if err != nil {
		return secret.Value{}, err
	}
	value, change, err := issuer.IssueInitialAccessToken(p, uses, goodFor, by, now(), ids.Next)
	if err != nil {
		return secret.Value{}, err
	}
	return value, kept.Commit(ctx, change)
}

package store

import (
	"context"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/login"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// Commit makes all changes durable, each with its act in the audit log, or
// none of them. It is fault.Conflict when one of them no longer holds,
// fault.Unavailable when the database cannot work or ctx ends before the
// changes were taken; once they were taken, it waits for what becomes of them.
func (in *Institution) Commit(ctx context.Context, changes ...audit.Change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Unavailable, "commit", err)
	}
	topics := in.topicsOf(changes)
	err := in.db.engine.commit(ctx, func(ctx context.Context, t tx) error {
		for _, change := range changes {
			if err := in.apply(ctx, t, change); err != nil {
				return failed(err, "commit")
			}
			if err := in.record(ctx, t, change.Act()); err != nil {
				return err
			}
		}
		for _, topic := range topics {
			if err := t.Announce(ctx, topic); err != nil {
				return failed(err, "commit")
			}
		}
		return nil
	})
	for _, topic := range topics {
		in.db.news.changed(topic) // after a failure too, since the outcome may be unknown
	}
	if err == nil {
		in.db.sealer.wrote(len(changes))
	}
	return err
}

// write makes durable what leaves no act in the log, such as the memory of used
// proofs, under the same rules as Commit.
func (in *Institution) write(ctx context.Context, w work) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Unavailable, "write", err)
	}
	return in.db.engine.commit(ctx, func(ctx context.Context, t tx) error { return failed(w(ctx, t), "write") })
}

// apply is the one place where a change turns into rows. Every case is one
// method, in the file of the package that the change comes from; its condition
// stands in the statement itself, so that a lost race touches no row.
func (in *Institution) apply(ctx context.Context, t tx, change audit.Change) error {
	switch c := change.(type) {
	case audit.Denial:
		return nil // its act is all there is
	case partner.Registered:
		return in.applyPartnerRegistered(ctx, t, c)
	case partner.StatusChanged:
		return in.applyPartnerStatus(ctx, t, c)
	case oauth.RequestPushed:
		return in.applyRequestPushed(ctx, t, c)
	case oauth.CodeIssued:
		return in.applyCodeIssued(ctx, t, c)
	case oauth.RequestDenied:
		return in.applyRequestDenied(ctx, t, c)
	case oauth.CodeRedeemed:
		return in.applyCodeRedeemed(ctx, t, c)
	case oauth.CodeReused:
		return in.applyCodeReused(ctx, t, c)
	case oauth.TokenRefreshed:
		return in.applyTokenRefreshed(ctx, t, c)
	case oauth.TokenIssued:
		return in.applyTokenIssued(ctx, t, c)
	case oauth.AccessTokenRevoked:
		return in.applyAccessTokenRevoked(ctx, t, c)
	case oauth.GrantRevoked:
		return in.applyGrantRevoked(ctx, t, c)
	case oauth.AssertionUsed:
		return in.remember(ctx, t, c.Seen)
	case oauth.ClientRegistered:
		return in.applyClientRegistered(ctx, t, c)
	case oauth.ClientChanged:
		return in.applyClientChanged(ctx, t, c)
	case oauth.KeyAdded:
		return in.applyKeyAdded(ctx, t, c)
	case oauth.KeyActivated:
		return in.applyKeyActivated(ctx, t, c)
	case oauth.KeyRetired:
		return in.retireKey(ctx, t, c)
	case oauth.KeyRemoved:
		return in.applyKeyRemoved(ctx, t, c)
	case oauth.ClientRemoved:
		return in.applyClientRemoved(ctx, t, c)
	case oauth.InitialAccessTokenIssued:
		return in.applyInitialTokenIssued(ctx, t, c)
	case oauth.InitialAccessTokenRevoked:
		return in.applyInitialTokenRevoked(ctx, t, c)
	case linkage.LoginClaimed:
		return in.applyLoginClaimed(ctx, t, c)
	case linkage.LoginSettled:
		return in.applyLoginSettled(ctx, t, c)
	case linkage.JourneyBegun:
		return in.applyJourneyBegun(ctx, t, c)
	case linkage.SessionEnded:
		return in.applySessionEnded(ctx, t, c)
	case linkage.JourneyClaimed:
		return in.applyJourneyClaimed(ctx, t, c)
	case linkage.JourneyMoved:
		return in.applyJourneyMoved(ctx, t, c)
	case linkage.JourneyTouched:
		return in.applyJourneyTouched(ctx, t, c)
	case linkage.CertificateTaken:
		return in.applyCertificateTaken(ctx, t, c)
	case linkage.PINJudged:
		return in.applyPINJudged(ctx, t, c)
	case linkage.PINsSeeded:
		return in.applyPINsSeeded(ctx, t, c)
	case linkage.ConsentEnded:
		return in.applyConsentEnded(ctx, t, c)
	case linkage.ConsentHeld:
		return in.applyConsentHeld(ctx, t, c)
	case linkage.Discarded:
		return in.applyDiscarded(ctx, t, c)
	case login.Unlocked:
		return in.applyUnlocked(ctx, t, c)
	default:
		return fault.New(fault.Internal, "there is no way to store a %T", c)
	}
}

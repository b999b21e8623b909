package store

import (
	"context"
	"encoding/json"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
)

// remember makes sure that no assertion or proof comes a second time, on any
// node: the row is the memory.
func (in *Institution) remember(ctx context.Context, t tx, seen []oauth.Replay) error {
	for _, r := range seen {
		if err := t.ApplyOr(ctx, oauth.Replayed{What: r.What}, addReplay, in.id, micros(r.Until), r.Digest[:]); err != nil {
			return err
		}
	}
	return nil
}

var addReplay = mustBy(`INSERT INTO replays (institution, until, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
	"text", "bigint", "bytea")

func (in *Institution) applyRequestPushed(ctx context.Context, t tx, c oauth.RequestPushed) error {
	request, err := asJSON(c.Request, "keep a pushed request")
	if err != nil {
		return err
	}
	if err := in.remember(ctx, t, c.Seen); err != nil {
		return err
	}
	if c.Request.CodeChallenge == "" {
		return t.Apply(ctx, addRequest, c.Key.ID, in.id, c.Key.Digest[:], request, micros(c.ExpiresAt))
	}
	return t.ApplyOr(ctx, oauth.Replayed{What: oauth.ChallengeReplay}, addChallenging,
		c.Key.ID, in.id, c.Key.Digest[:], request, micros(c.ExpiresAt), c.Challenge[:])
}

var (
	addRequest = doBy(`INSERT INTO pushed_requests (id, institution, digest, request, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		"bigint", "text", "bytea", "text", "bigint")

	// addChallenging is addRequest beside a challenge that led to no code yet.
	addChallenging = mustBy(`INSERT INTO pushed_requests (id, institution, digest, request, expires_at) SELECT $1, $2, $3, $4, $5
		WHERE NOT EXISTS (SELECT 1 FROM used_challenges u WHERE u.institution = $2 AND u.digest = $6)`,
		"bigint", "text", "bytea", "text", "bigint", "bytea")
)

func asJSON(v any, doing string) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fault.Wrap(fault.Internal, doing, err)
	}
	return string(b), nil
}

// spendRequest ends a pushed request, once.
func (in *Institution) spendRequest(ctx context.Context, t tx, k oauth.Key, at time.Time) error {
	return t.Apply(ctx, spendRequest, k.ID, in.id, k.Digest[:], micros(at))
}

var spendRequest = mustBy(`UPDATE pushed_requests SET spent_at = $4 WHERE id = $1 AND institution = $2 AND digest = $3 AND spent_at IS NULL`,
	"bigint", "text", "bytea", "bigint")

func (in *Institution) applyCodeIssued(ctx context.Context, t tx, c oauth.CodeIssued) error {
	terms, err := asJSON(c.Grant, "issue a code")
	if err != nil {
		return err
	}
	if err := in.spendRequest(ctx, t, c.Request, c.At); err != nil {
		return err
	}
	if c.Grant.Request.CodeChallenge != "" {
		err := t.ApplyOr(ctx, oauth.Replayed{What: oauth.ChallengeReplay}, useChallenge, in.id, c.Challenge[:], micros(c.At))
		if err != nil {
			return err
		}
	}
	return t.Apply(ctx, addCode, c.Code.ID, in.id, c.Code.Digest[:], string(c.Client), c.Consent, c.Replaces,
		string(c.Grant.ID), oneIf(c.Existing), terms, micros(c.ExpiresAt))
}

var (
	useChallenge = mustBy(`INSERT INTO used_challenges (institution, digest, used_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		"text", "bytea", "bigint")

	addCode = doBy(`INSERT INTO codes (id, institution, digest, client_id, consent_id, replaces, grant_id, grant_there, terms, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		"bigint", "text", "bytea", "text", "text", "text", "text", "bigint", "text", "bigint")
)

func (in *Institution) applyRequestDenied(ctx context.Context, t tx, c oauth.RequestDenied) error {
	return in.spendRequest(ctx, t, c.Request, c.At)
}

func (in *Institution) applyCodeRedeemed(ctx context.Context, t tx, c oauth.CodeRedeemed) error {
	const doing = "redeem a code"
	terms, err := asJSON(c.Grant, doing)
	if err != nil {
		return err
	}
	row, ok := c.Grant.ID.Row()
	if !ok {
		return fault.New(fault.Internal, "%s: grant %q has no row", doing, c.Grant.ID)
	}
	if err := in.remember(ctx, t, c.Seen); err != nil {
		return err
	}
	now := micros(c.At)
	if err := t.Apply(ctx, spendCode, c.Code.ID, in.id, c.Code.Digest[:], now); err != nil {
		return err
	}
	if err := t.Apply(ctx, activateConsent, in.id, c.Consent, now); err != nil {
		return err
	}
	if c.Replaces != "" {
		if err := t.Apply(ctx, endConsent, in.id, c.Replaces, string(linkage.EndedByRenewal), now); err != nil {
			return err
		}
		if err := t.Apply(ctx, dropOutgrownPINs, in.id, c.Replaces, now, c.Consent); err != nil {
			return err
		}
	}
	if c.Existing {
		err = t.Apply(ctx, moveGrant, row, in.id, string(c.Grant.ID), string(c.Client), c.Consent, terms)
	} else {
		err = t.Apply(ctx, addGrant, row, in.id, string(c.Grant.ID), string(c.Client), c.Consent, terms)
	}
	if err != nil {
		return err
	}
	if err := in.addAccessToken(ctx, t, c.Access, c.Client, &c.Consent, c.Grant.ID); err != nil {
		return err
	}
	if c.Refresh == nil {
		return nil
	}
	return t.Apply(ctx, addRefreshToken, c.Refresh.ID, in.id, c.Refresh.Digest[:], string(c.Client), c.Consent, row)
}

// Where a consent is found by its id, state || ” keeps PostgreSQL from taking an
// index of all consents in a state for the better way while there are few of them.
var (
	spendCode = mustBy(`UPDATE codes SET spent_at = $4 WHERE id = $1 AND institution = $2 AND digest = $3 AND spent_at IS NULL AND expires_at > $4`,
		"bigint", "text", "bytea", "bigint")

	activateConsent = mustBy(`UPDATE consents SET state = 'active' WHERE institution = $1 AND id = $2 AND state || '' = 'issued' AND ends_at > $3`,
		"text", "text", "bigint")

	addGrant = doBy(`INSERT INTO grants (id, institution, grant_id, client_id, consent_id, terms) VALUES ($1, $2, $3, $4, $5, $6)`,
		"bigint", "text", "text", "text", "text", "text")

	moveGrant = mustBy(`UPDATE grants SET consent_id = $5, terms = $6 WHERE id = $1 AND institution = $2 AND grant_id = $3 AND client_id = $4`,
		"bigint", "text", "text", "text", "text", "text")

	addRefreshToken = doBy(`INSERT INTO refresh_tokens (id, institution, digest, client_id, consent_id, grant_row) VALUES ($1, $2, $3, $4, $5, $6)`,
		"bigint", "text", "bytea", "text", "text", "bigint")
)

func (in *Institution) addAccessToken(ctx context.Context, t tx, a oauth.NewAccessToken, client oauth.ClientID, consent *string, grant oauth.GrantID) error {
	return t.Apply(ctx, addAccessToken, a.Key.ID, in.id, a.Key.Digest[:], string(client), consent, string(grant), string(a.Confirmation.Method), a.Confirmation.Thumbprint,
		a.Scope, functionsJSON(a.Functions), a.Audience, micros(a.AuthTime), a.ACR, micros(a.ExpiresAt))
}

var addAccessToken = doBy(`INSERT INTO access_tokens (id, institution, digest, client_id, consent_id, grant_id, bound_by, thumbprint, scope, functions, audience, auth_time, acr, expires_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
	"bigint", "text", "bytea", "text", "text", "text", "text", "text", "text", "text", "text", "bigint", "text", "bigint")

// endConsent ends a consent, and with it all its tokens and the PINs that only it
// needs; one that has ended stays as it ended.
func (in *Institution) endConsent(ctx context.Context, t tx, id string, why linkage.EndReason, at time.Time) error {
	if err := t.Apply(ctx, endConsent, in.id, id, string(why), micros(at)); err != nil {
		return err
	}
	return in.dropUnneededPINs(ctx, t, linkage.ConsentID(id), at)
}

var endConsent = doBy(`UPDATE consents SET state = 'ended', end_reason = $3, ended_at = $4 WHERE institution = $1 AND id = $2 AND state || '' <> 'ended'`,
	"text", "text", "text", "bigint")

func (in *Institution) applyCodeReused(ctx context.Context, t tx, c oauth.CodeReused) error {
	if err := in.remember(ctx, t, c.Seen); err != nil {
		return err
	}
	return in.endConsent(ctx, t, c.Consent, linkage.EndedByReuse, c.At)
}

// applyTokenRefreshed adds the token only beside a refresh token and a consent
// that are alive in the same statement.
func (in *Institution) applyTokenRefreshed(ctx context.Context, t tx, c oauth.TokenRefreshed) error {
	if err := in.remember(ctx, t, c.Seen); err != nil {
		return err
	}
	a := c.Access
	return t.Apply(ctx, addRefreshed, a.Key.ID, in.id, a.Key.Digest[:], string(c.Grant), string(a.Confirmation.Method), a.Confirmation.Thumbprint, a.Scope,
		functionsJSON(a.Functions), a.Audience, micros(a.AuthTime), micros(a.ExpiresAt), c.Refresh.ID, c.Refresh.Digest[:], micros(c.At), a.ACR)
}

var addRefreshed = mustBy(`INSERT INTO access_tokens (id, institution, digest, client_id, consent_id, grant_id, bound_by, thumbprint, scope, functions, audience, auth_time, acr, expires_at)
	SELECT $1, r.institution, $3, r.client_id, r.consent_id, $4, $5, $6, $7, $8, $9, $10, $15, $11
	FROM refresh_tokens r JOIN consents c ON c.institution = r.institution AND c.id = r.consent_id
	WHERE r.id = $12 AND r.institution = $2 AND r.digest = $13 AND r.revoked_at IS NULL AND c.state = 'active' AND c.ends_at > $14`,
	"bigint", "text", "bytea", "text", "text", "text", "text", "text", "text", "bigint", "bigint", "bigint", "bytea", "bigint", "text")

func (in *Institution) applyTokenIssued(ctx context.Context, t tx, c oauth.TokenIssued) error {
	if err := in.remember(ctx, t, c.Seen); err != nil {
		return err
	}
	return in.addAccessToken(ctx, t, c.Access, c.Client, nil, "")
}

func (in *Institution) applyAccessTokenRevoked(ctx context.Context, t tx, c oauth.AccessTokenRevoked) error {
	if err := in.remember(ctx, t, c.Seen); err != nil {
		return err
	}
	return t.Do(ctx, `UPDATE access_tokens SET revoked_at = $4 WHERE id = $1 AND institution = $2 AND digest = $3 AND revoked_at IS NULL`,
		c.Key.ID, in.id, c.Key.Digest[:], micros(c.At))
}

func (in *Institution) applyGrantRevoked(ctx context.Context, t tx, c oauth.GrantRevoked) error {
	if err := in.remember(ctx, t, c.Seen); err != nil {
		return err
	}
	return in.endConsent(ctx, t, c.Consent, linkage.EndedByPartner, c.At)
}

// How long what is over stays on record.
const (
	requestsKeptFor   = 24 * time.Hour
	codesKeptFor      = 30 * 24 * time.Hour // a reuse within them still ends what a code gave
	tokensKeptFor     = 48 * time.Hour      // no access token lives that long
	challengesKeptFor = 30 * 24 * time.Hour
)

// ForgetOAuth deletes what the protocol no longer needs: ranges of old ids, and
// the replays that could not be accepted any more. It is for a job that runs
// every minute or so.
func (in *Institution) ForgetOAuth(ctx context.Context, now time.Time) error {
	for _, gone := range []struct {
		old
		end int64
	}{
		{byTime("replays", "until, digest", "until"), micros(now)},
		{byID("pushed_requests"), idAt(now.Add(-requestsKeptFor))},
		{byID("codes"), idAt(now.Add(-codesKeptFor))},
		{byID("access_tokens"), idAt(now.Add(-tokensKeptFor))},
		{byTime("used_challenges", "digest", "used_at"), micros(now.Add(-challengesKeptFor))},
	} {
		if err := in.forget(ctx, gone.old, gone.end); err != nil {
			return err
		}
	}
	return nil
}

// idAt returns the smallest id that could have been made at t.
func idAt(t time.Time) int64 {
	return max(0, t.UnixMilli()-epoch) << (nodeBits + sequenceBits)
}

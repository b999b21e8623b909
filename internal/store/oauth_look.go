package store

import (
	"context"
	"encoding/json"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// PushedRequest returns a request, spent or expired ones too. Errors: fault.NotFound.
func (in *Institution) PushedRequest(ctx context.Context, k oauth.Key) (oauth.PushedRequest, error) {
	const doing = "find a pushed request"
	var request string
	var expires int64
	var spent *int64
	err := in.read.QueryRow(ctx,
		`SELECT request, expires_at, spent_at FROM pushed_requests WHERE id = $1 AND institution = $2 AND digest = $3`,
		k.ID, in.id, k.Digest[:]).Scan(&request, &expires, &spent)
	if err != nil {
		return oauth.PushedRequest{}, found(err, doing)
	}
	p := oauth.PushedRequest{Key: k, ExpiresAt: fromMicros(expires), Spent: spent != nil}
	if err := json.Unmarshal([]byte(request), &p.Request); err != nil {
		return oauth.PushedRequest{}, fault.Wrap(fault.Internal, doing, err)
	}
	return p, nil
}

// ChallengeUsed tells whether a code challenge led to a code before.
func (in *Institution) ChallengeUsed(ctx context.Context, challenge secret.Digest) (bool, error) {
	var n int64
	err := in.read.QueryRow(ctx, `SELECT COUNT(*) FROM used_challenges WHERE institution = $1 AND digest = $2`, in.id, challenge[:]).Scan(&n)
	return n > 0, failed(err, "look for a used challenge")
}

// standingColumns are those of a consent that the protocol reads, NULL without one.
const standingColumns = `c.id, c.state, c.end_reason, c.partner_id, c.client_id, c.user_id, c.company_id,
	c.functions, c.accounts, c.history_days, c.given_at, c.ends_at`

// standing is where standingColumns are read to.
type standing struct {
	id, state, reason, partner, client, user, company, functions, accounts *string
	days, given, ends                                                      *int64
}

func (s *standing) columns() []any {
	return []any{&s.id, &s.state, &s.reason, &s.partner, &s.client, &s.user, &s.company,
		&s.functions, &s.accounts, &s.days, &s.given, &s.ends}
}

// read returns the consent; nil without one.
func (s *standing) read() (*oauth.Standing, error) {
	if s.id == nil {
		return nil, nil
	}
	out := oauth.Standing{
		Consent: *s.id, State: textOf(s.state), EndReason: textOf(s.reason), Partner: partner.ID(textOf(s.partner)),
		Client: oauth.ClientID(textOf(s.client)), User: corebank.UserID(textOf(s.user)), Company: corebank.CompanyID(textOf(s.company)),
		GivenAt: timeOf(s.given),
		Extent:  oauth.Extent{EndsAt: timeOf(s.ends)},
	}
	if s.days != nil {
		out.Extent.HistoryDays = int(*s.days)
	}
	if err := json.Unmarshal([]byte(textOf(s.functions)), &out.Extent.Functions); err != nil {
		return nil, fault.Wrap(fault.Internal, "read the functions of consent "+*s.id, err)
	}
	if err := json.Unmarshal([]byte(textOf(s.accounts)), &out.Extent.Accounts); err != nil {
		return nil, fault.Wrap(fault.Internal, "read the accounts of consent "+*s.id, err)
	}
	return &out, nil
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func timeOf(us *int64) time.Time {
	if us == nil {
		return time.Time{}
	}
	return fromMicros(*us)
}

// joined reads a row whose last columns are those of its consent.
func joined(r row, doing string, dest ...any) (*oauth.Standing, error) {
	var s standing
	if err := found(r.Scan(append(dest, s.columns()...)...), doing); err != nil {
		return nil, err
	}
	return s.read()
}

// Code returns a code with its consent, spent or expired ones too. Errors:
// fault.NotFound.
func (in *Institution) Code(ctx context.Context, k oauth.Key) (oauth.Authorized, error) {
	const doing = "find a code"
	var client, replaces, terms string
	var there, expires int64
	var spent *int64
	s, err := joined(in.read.QueryRow(ctx, `SELECT t.client_id, t.replaces, t.terms, t.grant_there, t.expires_at, t.spent_at, `+standingColumns+`
		FROM codes t JOIN consents c ON c.institution = t.institution AND c.id = t.consent_id
		WHERE t.id = $1 AND t.institution = $2 AND t.digest = $3`, k.ID, in.id, k.Digest[:]),
		doing, &client, &replaces, &terms, &there, &expires, &spent)
	if err != nil {
		return oauth.Authorized{}, err
	}
	a := oauth.Authorized{
		Key: k, Client: oauth.ClientID(client), Replaces: replaces, Existing: there == 1,
		ExpiresAt: fromMicros(expires), Spent: spent != nil, Standing: *s,
	}
	return a, readTerms(terms, &a.Grant, doing)
}

func readTerms(terms string, g *oauth.Grant, doing string) error {
	if err := json.Unmarshal([]byte(terms), g); err != nil {
		return fault.Wrap(fault.Internal, doing, err)
	}
	return nil
}

// RefreshToken returns a refresh token with its grant and consent, revoked ones
// too. Errors: fault.NotFound.
func (in *Institution) RefreshToken(ctx context.Context, k oauth.Key) (oauth.RefreshToken, error) {
	const doing = "find a refresh token"
	var client, terms string
	var revoked *int64
	s, err := joined(in.read.QueryRow(ctx, `SELECT t.client_id, t.revoked_at, g.terms, `+standingColumns+`
		FROM refresh_tokens t
		JOIN grants g ON g.institution = t.institution AND g.id = t.grant_row
		JOIN consents c ON c.institution = t.institution AND c.id = t.consent_id
		WHERE t.id = $1 AND t.institution = $2 AND t.digest = $3`, k.ID, in.id, k.Digest[:]),
		doing, &client, &revoked, &terms)
	if err != nil {
		return oauth.RefreshToken{}, err
	}
	r := oauth.RefreshToken{Key: k, Client: oauth.ClientID(client), Revoked: revoked != nil, Standing: *s}
	return r, readTerms(terms, &r.Grant, doing)
}

// AccessToken returns an access token with its consent, expired and revoked ones
// too. Errors: fault.NotFound.
func (in *Institution) AccessToken(ctx context.Context, k oauth.Key) (oauth.AccessToken, error) {
	var client, grant, boundBy, thumbprint, scope, functions, audience, acr string
	var authTime, expires int64
	var revoked *int64
	s, err := joined(in.read.QueryRow(ctx, `SELECT t.client_id, t.grant_id, t.bound_by, t.thumbprint, t.scope, t.functions, t.audience,
			t.auth_time, t.acr, t.expires_at, t.revoked_at, `+standingColumns+`
		FROM access_tokens t LEFT JOIN consents c ON c.institution = t.institution AND c.id = t.consent_id
		WHERE t.id = $1 AND t.institution = $2 AND t.digest = $3`, k.ID, in.id, k.Digest[:]),
		"find an access token", &client, &grant, &boundBy, &thumbprint, &scope, &functions, &audience, &authTime, &acr, &expires, &revoked)
	if err != nil {
		return oauth.AccessToken{}, err
	}
	a := oauth.AccessToken{
		Key: k, Client: oauth.ClientID(client), Grant: oauth.GrantID(grant), Scope: scope, Audience: audience,
		Confirmation: oauth.Confirmation{Method: oauth.BindingMethod(boundBy), Thumbprint: thumbprint},
		AuthTime:     fromMicros(authTime), ACR: acr, ExpiresAt: fromMicros(expires), Revoked: revoked != nil, Standing: s,
	}
	if err := json.Unmarshal([]byte(functions), &a.Functions); err != nil {
		return oauth.AccessToken{}, fault.Wrap(fault.Internal, "read the functions of an access token", err)
	}
	return a, nil
}

// UseAccessToken is AccessToken and remembers the proof when the token is bound
// to its key and alive, as is its consent. A proof seen before is
// oauth.Replayed: two calls with one proof both read the token, and one of them
// loses the race for the row. Errors: also fault.NotFound.
func (in *Institution) UseAccessToken(ctx context.Context, k oauth.Key, u oauth.ProofUse) (oauth.AccessToken, error) {
	a, err := in.AccessToken(ctx, k)
	if err != nil {
		return oauth.AccessToken{}, err
	}
	bound := a.Confirmation.Method == oauth.BoundByDPoP && a.Confirmation.Thumbprint == u.Thumbprint
	alive := !a.Revoked && u.At.Before(a.ExpiresAt) &&
		(a.Standing == nil || a.Standing.State == oauth.ConsentActive && u.At.Before(a.Standing.Extent.EndsAt))
	if !bound || !alive {
		return a, nil
	}
	return a, in.write(ctx, func(ctx context.Context, t tx) error { return in.remember(ctx, t, []oauth.Replay{u.Proof}) })
}

// Grant returns a client's grant as it stands. Errors: fault.NotFound.
func (in *Institution) Grant(ctx context.Context, c oauth.ClientID, g oauth.GrantID) (oauth.Grant, oauth.Standing, error) {
	const doing = "find a grant"
	id, ok := g.Row()
	if !ok {
		return oauth.Grant{}, oauth.Standing{}, fault.Wrap(fault.NotFound, doing, nil)
	}
	var terms string
	s, err := joined(in.read.QueryRow(ctx, `SELECT t.terms, `+standingColumns+`
		FROM grants t JOIN consents c ON c.institution = t.institution AND c.id = t.consent_id
		WHERE t.id = $1 AND t.institution = $2 AND t.grant_id = $3 AND t.client_id = $4`, id, in.id, string(g), string(c)),
		doing, &terms)
	if err != nil {
		return oauth.Grant{}, oauth.Standing{}, err
	}
	var grant oauth.Grant
	return grant, *s, readTerms(terms, &grant, doing)
}

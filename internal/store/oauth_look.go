package store

import (
	"context"
	"encoding/json"
	"strings"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// PushedRequest returns a request, spent or expired ones too. Errors: fault.NotFound.
func (in *Institution) PushedRequest(ctx context.Context, k oauth.Key) (oauth.PushedRequest, error) {
	const doing = "find a pushed request"
	var request string
	var expires, spent int64
	err := find(ctx, in.read, pushedByKey, []any{&request, &expires, &spent}, k.ID, in.id, k.Digest[:])
	if err != nil {
		return oauth.PushedRequest{}, found(err, doing)
	}
	p := oauth.PushedRequest{Key: k, ExpiresAt: fromMicros(expires), Spent: spent != 0}
	if err := json.Unmarshal([]byte(request), &p.Request); err != nil {
		return oauth.PushedRequest{}, fault.Wrap(fault.Internal, doing, err)
	}
	return p, nil
}

// standingColumns are those of a consent that the protocol reads; an empty id
// stands for none.
const standingColumns = `COALESCE(c.id, ''), COALESCE(c.state, ''), COALESCE(c.end_reason, ''), COALESCE(c.partner_id, ''),
	COALESCE(c.client_id, ''), COALESCE(c.user_id, ''), COALESCE(c.company_id, ''), COALESCE(c.functions, ''),
	COALESCE(c.accounts, ''), COALESCE(c.history_days, 0), COALESCE(c.given_at, 0), COALESCE(c.ends_at, 0)`

// standing is where standingColumns are read to.
type standing struct {
	id, state, reason, partner, client, user, company, functions, accounts string
	days, given, ends                                                      int64
}

func (s *standing) columns(before ...any) []any {
	return append(before, &s.id, &s.state, &s.reason, &s.partner, &s.client, &s.user, &s.company,
		&s.functions, &s.accounts, &s.days, &s.given, &s.ends)
}

// read returns the consent; nil without one.
func (s *standing) read() (*oauth.Standing, error) {
	if s.id == "" {
		return nil, nil
	}
	out := oauth.Standing{
		Consent: s.id, State: s.state, EndReason: s.reason, Partner: partner.ID(s.partner),
		Client: oauth.ClientID(s.client), User: corebank.UserID(s.user), Company: corebank.CompanyID(s.company),
		GivenAt: fromMicros(s.given),
		Extent:  oauth.Extent{EndsAt: fromMicros(s.ends), HistoryDays: int(s.days)},
	}
	var err error
	if out.Extent.Functions, err = listOf[corebank.BusinessFunction](s.functions); err != nil {
		return nil, fault.Wrap(fault.Internal, "read the functions of consent "+s.id, err)
	}
	if out.Extent.Accounts, err = listOf[corebank.AccountID](s.accounts); err != nil {
		return nil, fault.Wrap(fault.Internal, "read the accounts of consent "+s.id, err)
	}
	return &out, nil
}

// listOf reads a JSON array of texts. Those without escapes, which is nearly all,
// cost no decoder.
func listOf[T ~string](text string) ([]T, error) {
	if text == "[]" {
		return []T{}, nil
	}
	inner, ok := strings.CutPrefix(text, `["`)
	if inner, closed := strings.CutSuffix(inner, `"]`); ok && closed && strings.IndexByte(inner, '\\') < 0 {
		list := make([]T, 0, 1+strings.Count(inner, `","`))
		plain := true
		for one := range strings.SplitSeq(inner, `","`) {
			plain = plain && strings.IndexByte(one, '"') < 0
			list = append(list, T(one))
		}
		if plain {
			return list, nil
		}
	}
	var list []T
	return list, json.Unmarshal([]byte(text), &list)
}

// joined makes a look-up whose last columns are those of a consent.
func (in *Institution) joined(ctx context.Context, l *lookUp, doing string, dest []any, args ...any) (*oauth.Standing, error) {
	var s standing
	if err := found(find(ctx, in.read, l, s.columns(dest...), args...), doing); err != nil {
		return nil, err
	}
	return s.read()
}

// byKey makes a look-up of a single-use value or token, whose parameters are the
// three that find it, where what more is said holds too.
func byKey(from string, more ...string) *lookUp {
	where := strings.Join(append([]string{`t.id = $1 AND t.institution = $2 AND t.digest = $3`}, more...), " AND ")
	return lookUpOne(`SELECT `+from+` WHERE `+where, "bigint", "text", "bytea")
}

var (
	pushedByKey = byKey(`t.request, t.expires_at, COALESCE(t.spent_at, 0) FROM pushed_requests t`)
	codeByKey   = byKey(`t.client_id, t.replaces, t.terms, t.grant_there, t.expires_at, COALESCE(t.spent_at, 0), ` + standingColumns + `
		FROM codes t JOIN consents c ON c.institution = t.institution AND c.id = t.consent_id`)
	refreshTokenByKey = byKey(`t.client_id, COALESCE(t.revoked_at, 0), g.terms, ` + standingColumns + `
		FROM refresh_tokens t
		JOIN grants g ON g.institution = t.institution AND g.id = t.grant_row
		JOIN consents c ON c.institution = t.institution AND c.id = t.consent_id`)
	accessTokenByKey = byKey(accessTokenColumns+`
		FROM access_tokens t LEFT JOIN consents c ON c.institution = t.institution AND c.id = t.consent_id`, theirConsentThere)
)

var grantByID = &lookUp{one: `SELECT t.terms, ` + standingColumns + `
	FROM grants t JOIN consents c ON c.institution = t.institution AND c.id = t.consent_id
	WHERE t.id = $1 AND t.institution = $2 AND t.grant_id = $3 AND t.client_id = $4`}

// theirConsentThere is of an access token t without consent, or whose consent c was
// found: one of a consent that is gone must not pass for a partner's own.
const theirConsentThere = `(t.consent_id IS NULL OR c.id IS NOT NULL)`

const accessTokenColumns = `t.client_id, t.grant_id, t.bound_by, t.thumbprint, t.scope, t.functions, t.audience,
	t.auth_time, t.acr, t.expires_at, COALESCE(t.revoked_at, 0), ` + standingColumns

// Code returns a code with its consent, spent or expired ones too. Errors:
// fault.NotFound.
func (in *Institution) Code(ctx context.Context, k oauth.Key) (oauth.Authorized, error) {
	const doing = "find a code"
	var client, replaces, terms string
	var there, expires, spent int64
	s, err := in.joined(ctx, codeByKey, doing, []any{&client, &replaces, &terms, &there, &expires, &spent}, k.ID, in.id, k.Digest[:])
	if err != nil {
		return oauth.Authorized{}, err
	}
	a := oauth.Authorized{
		Key: k, Client: oauth.ClientID(client), Replaces: replaces, Existing: there == 1,
		ExpiresAt: fromMicros(expires), Spent: spent != 0, Standing: *s,
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
	var revoked int64
	s, err := in.joined(ctx, refreshTokenByKey, doing, []any{&client, &revoked, &terms}, k.ID, in.id, k.Digest[:])
	if err != nil {
		return oauth.RefreshToken{}, err
	}
	r := oauth.RefreshToken{Key: k, Client: oauth.ClientID(client), Revoked: revoked != 0, Standing: *s}
	return r, readTerms(terms, &r.Grant, doing)
}

// AccessToken returns an access token with its consent, expired and revoked ones
// too. Errors: fault.NotFound.
func (in *Institution) AccessToken(ctx context.Context, k oauth.Key) (oauth.AccessToken, error) {
	var t tokenRow
	if err := found(find(ctx, in.read, accessTokenByKey, t.columns(), k.ID, in.id, k.Digest[:]), "find an access token"); err != nil {
		return oauth.AccessToken{}, err
	}
	return t.read(k)
}

// tokenRow is where accessTokenColumns are read to.
type tokenRow struct {
	client, grant, boundBy, thumbprint, scope, functions, audience, acr string
	authTime, expires, revoked                                          int64
	standing                                                            standing
}

func (t *tokenRow) columns(before ...any) []any {
	return t.standing.columns(append(append(make([]any, 0, 24), before...), &t.client, &t.grant, &t.boundBy, &t.thumbprint, &t.scope, &t.functions, &t.audience,
		&t.authTime, &t.acr, &t.expires, &t.revoked)...)
}

func (t *tokenRow) read(k oauth.Key) (oauth.AccessToken, error) {
	a := oauth.AccessToken{
		Key: k, Client: oauth.ClientID(t.client), Grant: oauth.GrantID(t.grant), Scope: t.scope, Audience: t.audience,
		Confirmation: oauth.Confirmation{Method: oauth.BindingMethod(t.boundBy), Thumbprint: t.thumbprint},
		AuthTime:     fromMicros(t.authTime), ACR: t.acr, ExpiresAt: fromMicros(t.expires), Revoked: t.revoked != 0,
	}
	var err error
	if a.Standing, err = t.standing.read(); err != nil {
		return oauth.AccessToken{}, err
	}
	if a.Functions, err = listOf[corebank.BusinessFunction](t.functions); err != nil {
		return oauth.AccessToken{}, fault.Wrap(fault.Internal, "read the functions of an access token", err)
	}
	return a, nil
}

// UseAccessToken is AccessToken and remembers the proof when the token is bound
// to its key and alive, as is its consent. A proof seen before is
// oauth.Replayed: two calls with one proof both read the token, and one of them
// loses the race for the row. Errors: also fault.NotFound.
func (in *Institution) UseAccessToken(ctx context.Context, k oauth.Key, u oauth.ProofUse) (oauth.AccessToken, error) {
	if e, ok := in.db.engine.(*postgresEngine); ok && e.uses != nil {
		t, err := e.uses.use(ctx, in.id, k, u)
		if err != errAlone {
			if err = found(err, "find an access token"); err != nil {
				return oauth.AccessToken{}, err
			}
			return t.read(k)
		}
	}
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
	s, err := in.joined(ctx, grantByID, doing, []any{&terms}, id, in.id, string(g), string(c))
	if err != nil {
		return oauth.Grant{}, oauth.Standing{}, err
	}
	var grant oauth.Grant
	return grant, *s, readTerms(terms, &grant, doing)
}

package oauth

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// Token answers a token request (RFC 6749 §3.2). Errors: a Failure;
// fault.Unavailable when the store does not answer, and then nothing was issued
// that anyone knows of.
func (e *Engine) Token(ctx context.Context, c Call) (Tokens, error) {
	who, t, err := e.token(ctx, c)
	return t, e.refused(ctx, "token", who, c.Address, err)
}

func (e *Engine) token(ctx context.Context, c Call) (ClientID, Tokens, error) {
	client, err := e.authenticate(ctx, c)
	if err != nil {
		return "", Tokens{}, err
	}
	t, err := e.tokenFor(ctx, c, client)
	return client.ID, t, err
}

func (e *Engine) tokenFor(ctx context.Context, c Call, client authenticated) (Tokens, error) {
	grantType := c.Form.Get("grant_type")
	switch grantType {
	case "":
		return Tokens{}, fail(InvalidRequest, "grant_type is missing")
	case grantCode, grantRefresh, grantClient:
	default:
		return Tokens{}, fail(UnsupportedGrantType, "grant_type is unknown")
	}
	if !client.May(grantType) {
		return Tokens{}, fail(UnauthorizedClient, "grant_type is not registered")
	}
	bound, proofs, f := e.bind(client, c)
	if f != nil {
		return Tokens{}, f
	}
	r := tokenRequest{call: c, client: client, bound: bound, head: client.header(c, proofs...)}
	switch grantType {
	case grantCode:
		return e.redeemCode(ctx, r)
	case grantRefresh:
		return e.refresh(ctx, r)
	}
	return e.issueOwn(ctx, r)
}

// tokenRequest is a token request of a client that proved itself, with what its
// access token will be bound to.
type tokenRequest struct {
	call   Call
	client authenticated
	bound  Confirmation
	head   Header
}

// live judges the consent behind a code or refresh token; word is for
// error_description. States are linkage's words, read in the same look-up.
func (s Standing) live(now time.Time, wanted string) *Failure {
	switch {
	case s.State == wanted && now.Before(s.Extent.EndsAt):
		return nil
	case s.State == ConsentSuspended:
		return fail(InvalidGrant, ConsentRestsNow)
	case s.State == ConsentEnded:
		return fail(InvalidGrant, endWord(s.EndReason))
	case !now.Before(s.Extent.EndsAt):
		return fail(InvalidGrant, ConsentExpired)
	}
	return fail(InvalidGrant, "the consent is not in force")
}

// endWord says towards a partner why a consent ended.
func endWord(reason string) string {
	switch reason {
	case "customer", "company_admin":
		return ConsentRevokedByCustomer
	case "bank":
		return ConsentRevokedByBank
	case "partner", "replaced", "code_reused", "unused":
		return "consent_" + reason
	}
	return ConsentExpired
}

// cutting is what is left of a grant now: consent, registration and contract cut
// each other again at every issue (protocol.md §4 item 7).
type cutting struct {
	scopes    scopes
	functions []corebank.BusinessFunction
}

// cut computes what a grant still gives to a client of this partner.
func cut(k *knownClient, p partner.Partner, r Request, consented []corebank.BusinessFunction) cutting {
	functions := intersect(consented, p.Functions)
	asked, _ := parseScope(r.Scope)
	if r.Details == nil || !slices.Contains(k.DetailsTypes, DetailsType) {
		// By scope alone: each function needs its scope to be registered still.
		functions = intersect(functions, k.functions)
	}
	return cutting{scopes: asked.cut(k.scopes, functions), functions: functions}
}

// newAccess makes an access token for what a cutting leaves: a JWT where the
// audience is registered for them, else an opaque one. s is nil, and g empty, for
// a partner's own.
func (e *Engine) newAccess(r tokenRequest, left cutting, audience string, g Grant, s *Standing) (secret.Value, NewAccessToken, error) {
	if audience == "" {
		audience = e.issuer.APIs[0].URL
	}
	n := NewAccessToken{
		Confirmation: r.bound, Scope: left.scopes.String(), Functions: left.functions, Audience: audience,
		AuthTime: g.AuthTime, ACR: g.ACR, ExpiresAt: r.head.At.Add(e.issuer.lifetimes().AccessTokenFor),
	}
	var value secret.Value
	if a, _ := e.issuer.api(audience); !a.SignedTokens {
		value, n.Key = e.issue(accessTokenValue)
		return value, n, nil
	}
	c := signedClaims{
		Issuer: e.issuer.URL, Subject: string(r.client.ID), Audience: audience, Client: r.client.ID,
		ExpiresAt: n.ExpiresAt.Unix(), IssuedAt: r.head.At.Unix(), Scope: n.Scope, Confirmation: r.bound.claim(),
	}
	if s != nil {
		c.Subject, c.AuthTime, c.ACR, c.AMR = e.subject(s), g.AuthTime.Unix(), g.ACR, g.AMR
		c.Details = grantedDetails(n.Functions, e.aliases(s), s.Extent.HistoryDays)
	}
	var err error
	value, n.Key, err = e.signed(c)
	return value, n, err
}

// answerTokens is what a token response says beside its tokens: what was granted,
// always, since customers narrow it (RFC 6749 §5.1; RFC 9396 §7).
func (e *Engine) answerTokens(access secret.Value, n NewAccessToken, request Request, s *Standing, now time.Time) Tokens {
	t := Tokens{Access: access, Type: "Bearer", ExpiresIn: n.ExpiresAt.Sub(now), Scope: n.Scope}
	if n.Confirmation.Method == BoundByDPoP {
		t.Type = "DPoP"
	}
	if s != nil && request.Details != nil {
		t.Details = grantedDetails(n.Functions, e.aliases(s), s.Extent.HistoryDays)
	}
	return t
}

// aliases returns the ids by which the partner knows the accounts of a consent.
func (e *Engine) aliases(s *Standing) []string {
	out := make([]string, len(s.Extent.Accounts))
	for n, a := range s.Extent.Accounts {
		out[n] = partner.AccountAlias(e.cfg.PairwiseKey, s.Partner, e.issuer.Institution, a)
	}
	return out
}

// subject returns the pairwise subject of a consent's user.
func (e *Engine) subject(s *Standing) string {
	return partner.Subject(e.cfg.PairwiseKey, s.Partner, e.issuer.Institution, s.User)
}

// Encode writes a token response as JSON (RFC 6749 §5.1).
func (t Tokens) Encode() []byte {
	out, err := json.Marshal(struct {
		Access    string          `json:"access_token"`
		Type      string          `json:"token_type"`
		ExpiresIn int64           `json:"expires_in"`
		Refresh   string          `json:"refresh_token,omitempty"`
		IDToken   string          `json:"id_token,omitempty"`
		Scope     string          `json:"scope,omitempty"` // never an empty text (RFC 6749 §3.3)
		Details   json.RawMessage `json:"authorization_details,omitempty"`
		Grant     GrantID         `json:"grant_id,omitempty"`
	}{
		t.Access.Reveal(), t.Type, int64(t.ExpiresIn / time.Second), t.Refresh.Reveal(), t.IDToken.Reveal(), t.Scope, t.Details, t.Grant,
	})
	if err != nil {
		return nil // texts, a number and JSON that we wrote always marshal
	}
	return out
}

// issueOwn answers client_credentials: a token for the partner's own calls,
// without refresh token and without any customer (RFC 6749 §4.4).
func (e *Engine) issueOwn(ctx context.Context, r tokenRequest) (Tokens, error) {
	asked, f := parseScope(r.call.Form.Get("scope"))
	if f != nil {
		return Tokens{}, f
	}
	allowed := slices.DeleteFunc(slices.Clone(r.client.scopes), func(s string) bool { return !ownScopes().has(s) })
	if asked == nil {
		asked = allowed
	}
	if asked.beyond(allowed) || len(asked) == 0 {
		return Tokens{}, fail(InvalidScope, "scope is not for the partner's own calls")
	}
	audience, f := e.issuer.resource(r.call.Form.All("resource"))
	if f != nil {
		return Tokens{}, f
	}
	value, access, err := e.newAccess(r, cutting{scopes: asked}, audience, Grant{}, nil)
	if err != nil {
		return Tokens{}, err
	}
	if err := e.cfg.Store.Commit(ctx, TokenIssued{Header: r.head, Access: access}); err != nil {
		return Tokens{}, replayed(err)
	}
	return e.answerTokens(value, access, Request{}, nil, r.head.At), nil
}

// unlessMissing turns a look-up that found nothing into the protocol's answer.
func unlessMissing(err error, f *Failure) error {
	if err != nil && fault.Of(err) == fault.NotFound {
		f.Cause = err
		return f
	}
	return err
}

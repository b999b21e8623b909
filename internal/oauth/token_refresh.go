package oauth

import (
	"context"
	"errors"
	"slices"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// refresh answers grant_type=refresh_token (RFC 6749 §6). The refresh token stays
// the same (FAPI 2.0 SP §5.3.2.1 (12)); the new access token is bound to the key
// or certificate of this request, and what it opens is cut anew.
func (e *Engine) refresh(ctx context.Context, r tokenRequest) (Tokens, error) {
	if !r.call.Form.Has("refresh_token") {
		return Tokens{}, fail(InvalidRequest, "refresh_token is missing")
	}
	key, ok := e.keyOf(refreshTokenValue, secret.Of(r.call.Form.Get("refresh_token")))
	if !ok {
		return Tokens{}, badCode("the refresh token is unknown")
	}
	token, err := e.cfg.Store.RefreshToken(ctx, key)
	if err != nil {
		return Tokens{}, unlessMissing(err, badCode("the refresh token is unknown"))
	}
	if token.Client != r.client.ID {
		return Tokens{}, badCode("the refresh token is unknown")
	}
	if token.Revoked {
		return Tokens{}, badCode("the refresh token is revoked")
	}
	if f := token.Standing.live(r.head.At, ConsentActive); f != nil {
		return Tokens{}, f
	}
	request := token.Grant.Request
	left := cut(r.client.knownClient, r.client.partner, request, token.Standing.Extent.Functions)
	left, f := e.narrowed(r, request, left)
	if f != nil {
		return Tokens{}, f
	}
	audience := request.Resource
	named, f := e.issuer.resource(r.call.Form.All("resource"))
	switch {
	case f != nil:
		return Tokens{}, f
	case audience == "":
		audience = named
	case named != "" && named != audience:
		return Tokens{}, fail(InvalidTarget, "resource was not authorized")
	}
	value, access, err := e.newAccess(r, left, audience, token.Grant, &token.Standing)
	if err != nil {
		return Tokens{}, err
	}
	answer := e.answerTokens(value, access, request, &token.Standing, r.head.At)
	answer.Refresh = secret.Of(r.call.Form.Get("refresh_token"))
	if left.scopes.has(ScopeOpenID) {
		// OpenID Connect Core §12.2: iss, sub, aud, azp and auth_time as at first,
		// and no nonce.
		if answer.IDToken, err = e.idToken(ctx, r.client.knownClient, token.Grant, &token.Standing, idTokenExtras{access: value, now: r.head.At}); err != nil {
			return Tokens{}, err
		}
	}
	err = e.cfg.Store.Commit(ctx, TokenRefreshed{
		Header: r.head, Refresh: token.Key, Grant: token.Grant.ID, Consent: token.Standing.Consent, Access: access,
	})
	switch {
	case err == nil:
		return answer, nil
	case errors.As(err, new(Replayed)):
		return Tokens{}, replayed(err)
	case fault.Of(err) == fault.Conflict:
		return Tokens{}, &Failure{Code: InvalidGrant, Word: "the consent is not in force", Cause: err}
	}
	return Tokens{}, err
}

// narrowed cuts a refresh to the scope or authorization_details that it names;
// more than was granted is refused (RFC 6749 §6; RFC 9396 §6).
func (e *Engine) narrowed(r tokenRequest, request Request, left cutting) (cutting, *Failure) {
	if r.call.Form.Has("scope") {
		asked, f := parseScope(r.call.Form.Get("scope"))
		if f != nil {
			return cutting{}, f
		}
		granted, _ := parseScope(request.Scope)
		if asked.beyond(granted) {
			return cutting{}, fail(InvalidScope, "scope is beyond the grant")
		}
		left.scopes = left.scopes.cut(asked, left.functions)
		if request.Details == nil {
			left.functions = intersect(left.functions, asked.functions())
		}
	}
	if r.call.Form.Has("authorization_details") {
		asked, f := parseDetails([]byte(r.call.Form.Get("authorization_details")), e.issuer.APIs)
		if f != nil {
			return cutting{}, f
		}
		functions, _, _ := askedBy(asked)
		if slices.ContainsFunc(functions, func(b corebank.BusinessFunction) bool { return !slices.Contains(left.functions, b) }) {
			return cutting{}, fail(InvalidDetails, "authorization_details are beyond the grant")
		}
		left.functions = functions
		left.scopes = left.scopes.cut(left.scopes, functions)
	}
	return left, nil
}

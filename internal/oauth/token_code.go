package oauth

import (
	"context"
	"errors"
	"strings"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

func badCode(word string) *Failure { return fail(InvalidGrant, word) }

// codeUnderTest is a code and the request that wants to redeem it.
type codeUnderTest struct {
	tokenRequest
	code   Authorized
	issuer Issuer
	now    time.Time
}

// codeRules judge a code that was found, is the client's own and was not
// redeemed before. A code that fails here stays good for its owner.
var codeRules = []rule[codeUnderTest]{
	{"RFC 6749 §4.1.2; FAPI 2.0 SP §5.3.2.1 (11)", all, func(t codeUnderTest) *Failure {
		if !t.now.Before(t.code.ExpiresAt) {
			return badCode("the code is over")
		}
		return nil
	}},
	{"RFC 6749 §4.1.3; OAuth 2.1 §4.1.3", all, func(t codeUnderTest) *Failure {
		// Optional where PKCE binds the code, and wrong is wrong.
		sent := t.call.Form.Get("redirect_uri")
		if sent == "" && t.code.Grant.Request.CodeChallenge != "" || sent == t.code.Grant.Request.RedirectURI {
			return nil
		}
		return badCode("redirect_uri is another")
	}},
	{"RFC 7636 §4.6; RFC 9700 §4.8.2", all, func(t codeUnderTest) *Failure {
		if !verifierFits(t.code.Grant.Request.CodeChallenge, t.call.Form.Get("code_verifier")) {
			return badCode("code_verifier does not fit")
		}
		return nil
	}},
	{"RFC 9449 §10", all, func(t codeUnderTest) *Failure {
		if k := t.code.Grant.Request.DPoPKey; k != "" && (t.bound.Method != BoundByDPoP || t.bound.Thumbprint != k) {
			return badCode("the code is bound to another key")
		}
		return nil
	}},
	{"protocol.md §4 item 11", all, func(t codeUnderTest) *Failure {
		return t.code.Standing.live(t.now, ConsentIssued)
	}},
	{"RFC 8707 §2.2", all, func(t codeUnderTest) *Failure {
		r, f := t.issuer.resource(t.call.Form.All("resource"))
		if f == nil && r != "" && t.code.Grant.Request.Resource != "" && r != t.code.Grant.Request.Resource {
			return fail(InvalidTarget, "resource was not authorized")
		}
		return f
	}},
}

// redeemCode answers grant_type=authorization_code (RFC 6749 §4.1.3).
func (e *Engine) redeemCode(ctx context.Context, r tokenRequest) (Tokens, error) {
	if !r.call.Form.Has("code") {
		return Tokens{}, fail(InvalidRequest, "code is missing")
	}
	key, ok := e.keyOf(codeValue, secret.Of(r.call.Form.Get("code")))
	if !ok {
		return Tokens{}, badCode("the code is unknown")
	}
	code, err := e.cfg.Store.Code(ctx, key)
	if err != nil {
		return Tokens{}, unlessMissing(err, badCode("the code is unknown"))
	}
	// Another client's attempt neither redeems nor revokes, and learns nothing.
	if code.Client != r.client.ID {
		return Tokens{}, badCode("the code is unknown")
	}
	if code.Spent {
		return Tokens{}, e.codeReused(ctx, r, code)
	}
	if f := judge(r.client.Profile, codeRules, codeUnderTest{r, code, e.issuer, r.head.At}); f != nil {
		return Tokens{}, f
	}
	return e.redeem(ctx, r, code)
}

func (e *Engine) redeem(ctx context.Context, r tokenRequest, code Authorized) (Tokens, error) {
	request := code.Grant.Request
	if code.Existing && request.GrantAction == "merge" {
		before, _, err := e.cfg.Store.Grant(ctx, r.client.ID, code.Grant.ID)
		if err != nil {
			return Tokens{}, unlessMissing(err, badCode("the grant has ended"))
		}
		request = merged(before.Request, request)
	}
	left := cut(r.client.knownClient, r.client.partner, request, code.Standing.Extent.Functions)
	grant := code.Grant
	grant.Request = request.kept()
	audience := request.Resource
	if named, _ := e.issuer.resource(r.call.Form.All("resource")); audience == "" {
		audience = named
	}
	value, access, err := e.newAccess(r, left, audience, code.Grant, &code.Standing)
	if err != nil {
		return Tokens{}, err
	}
	change := CodeRedeemed{
		Header: r.head, Code: code.Key, Grant: grant, Existing: code.Existing,
		Consent: code.Standing.Consent, Replaces: code.Replaces, Access: access,
	}
	answer := e.answerTokens(value, access, request, &code.Standing, r.head.At)
	if r.client.May(grantRefresh) {
		refresh, refreshKey := e.issue(refreshTokenValue)
		change.Refresh, answer.Refresh = &refreshKey, refresh
	}
	if request.GrantAction != "" {
		answer.Grant = code.Grant.ID
	}
	if left.scopes.has(ScopeOpenID) {
		idToken, err := e.idToken(ctx, r.client.knownClient, code.Grant, &code.Standing, idTokenExtras{access: value, nonce: request.Nonce, now: r.head.At})
		if err != nil {
			return Tokens{}, err
		}
		answer.IDToken = idToken
	}
	err = e.cfg.Store.Commit(ctx, change)
	switch {
	case err == nil:
		return answer, nil
	case fault.Of(err) != fault.Conflict:
		return Tokens{}, err
	case errors.As(err, new(Replayed)):
		return Tokens{}, replayed(err)
	}
	// Something moved since we looked: a second redemption that won, or the
	// consent. Only the first is a reuse.
	now, err := e.cfg.Store.Code(ctx, code.Key)
	if err != nil {
		return Tokens{}, unlessMissing(err, badCode("the code is unknown"))
	}
	if now.Spent {
		return Tokens{}, e.codeReused(ctx, r, now)
	}
	return Tokens{}, badCode("the consent is not in force")
}

// codeReused ends what a code gave, because it came a second time from the
// client that it belongs to (RFC 6749 §4.1.2; RFC 9700 §4.5). The proof and
// assertion of this request are remembered with it.
func (e *Engine) codeReused(ctx context.Context, r tokenRequest, code Authorized) error {
	err := e.cfg.Store.Commit(ctx, CodeReused{Header: r.head, Code: code.Key, Consent: code.Standing.Consent})
	if err != nil {
		return replayed(err)
	}
	return badCode("the code was used before")
}

// shortHash is at_hash, c_hash and s_hash of OpenID Connect Core §3.1.3.6: the
// left half of SHA-256, which belongs to every algorithm that we sign by but
// Ed25519, where it is the left half of SHA-512.
func shortHash(alg string, text string) string {
	if strings.HasPrefix(alg, "Ed") {
		return halfSHA512(text)
	}
	return halfSHA256(text)
}

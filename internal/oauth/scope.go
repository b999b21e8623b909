package oauth

import (
	"slices"
	"strings"

	"renkei.dev/internal/corebank"
)

// The scopes that mean something here. Others are refused.
const (
	ScopeOpenID      = "openid"
	ScopePartner     = "partner"                // GET /open-api/v1/partner, client credentials only
	ScopeGrantQuery  = "grant_management_query" // Grant Management §5.1
	ScopeGrantRevoke = "grant_management_revoke"
	scopePrefix      = "account." // account.balance and so on: a business function
	maxScopeBytes    = 1024
)

// scopes is a set of scopes in the order in which they came.
type scopes []string

// parseScope reads a scope parameter (RFC 6749 §3.3): printable ASCII words
// without quote and backslash, one space between them, none twice.
func parseScope(text string) (scopes, *Failure) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxScopeBytes {
		return nil, fail(InvalidScope, "scope is too long")
	}
	out := make(scopes, 0, 1+strings.Count(text, " "))
	for word := range strings.SplitSeq(text, " ") {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return nil, fail(InvalidScope, "scope is malformed")
		}
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out, nil
}

func (s scopes) has(word string) bool { return slices.Contains(s, word) }

func (s scopes) String() string { return strings.Join(s, " ") }

// functions returns the business functions that the scopes stand for.
func (s scopes) functions() []corebank.BusinessFunction {
	var out []corebank.BusinessFunction
	for _, f := range corebank.Functions {
		if s.has(scopePrefix + string(f)) {
			out = append(out, f)
		}
	}
	return out
}

// beyond tells whether there is a scope outside what is allowed.
func (s scopes) beyond(allowed scopes) bool {
	return slices.ContainsFunc(s, func(word string) bool { return !allowed.has(word) })
}

// cut keeps the scopes that allowed has too, and of those that stand for a
// function the ones granted.
func (s scopes) cut(allowed scopes, granted []corebank.BusinessFunction) scopes {
	out := make(scopes, 0, len(s))
	for _, word := range s {
		f, isFunction := strings.CutPrefix(word, scopePrefix)
		if allowed.has(word) && (!isFunction || slices.Contains(granted, corebank.BusinessFunction(f))) {
			out = append(out, word)
		}
	}
	return out
}

// userScopes are those that a customer's authorization can carry.
func userScopes() scopes {
	out := scopes{ScopeOpenID, ScopeGrantQuery, ScopeGrantRevoke}
	for _, f := range corebank.Functions {
		out = append(out, scopePrefix+string(f))
	}
	return out
}

// ownScopes are those that a partner can have for its own calls.
func ownScopes() scopes { return scopes{ScopePartner, ScopeGrantQuery, ScopeGrantRevoke} }

// cutScope is cut over a scope as it was granted.
func cutScope(granted string, allowed scopes, functions []corebank.BusinessFunction) string {
	words, wrong := parseScope(granted)
	if left := words.cut(allowed, functions); wrong != nil || len(left) < len(words) {
		return left.String()
	}
	return granted
}

// intersect keeps the functions of a that b has too. Where that is all, it returns
// a, which nobody changes.
func intersect(a, b []corebank.BusinessFunction) []corebank.BusinessFunction {
	within := func(f corebank.BusinessFunction) bool { return slices.Contains(b, f) }
	if !slices.ContainsFunc(a, func(f corebank.BusinessFunction) bool { return !within(f) }) {
		return a[:len(a):len(a)]
	}
	var out []corebank.BusinessFunction
	for _, f := range a {
		if within(f) {
			out = append(out, f)
		}
	}
	return out
}

// union returns the functions of both, in the order in which they are shown.
func union(a, b []corebank.BusinessFunction) []corebank.BusinessFunction {
	var out []corebank.BusinessFunction
	for _, f := range corebank.Functions {
		if slices.Contains(a, f) || slices.Contains(b, f) {
			out = append(out, f)
		}
	}
	return out
}

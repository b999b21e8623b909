package oauth

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// AccessRequest is a call of a resource with an access token.
type AccessRequest struct {
	Authorization []string // every value of the Authorization header, as it came
	Proofs        []string // every value of the DPoP header
	Certificate   *x509.Certificate
	Method        string
	// Target is the address that was called, at the configured origin, without
	// query: what a proof's htu must be.
	Target string
	// TokenElsewhere tells that a token stood in the query or body (refused).
	TokenElsewhere bool
	// Audience is the API that is called, one of Issuer.APIs, or the issuer's URL
	// for UserInfo and grants, which every token of the issuer may call.
	Audience string
	// Functions that the call needs, all of them; Scope that it needs.
	Functions []corebank.BusinessFunction
	Scope     string
	Address   string
}

// Access is what a token opens now.
type Access struct {
	Client   ClientID
	Partner  partner.ID
	Scope    string
	Grant    GrantID
	Consent  string             // empty for a partner's own token (client credentials)
	Subject  string             // the pairwise subject, or the client's id; at the issuer's own resources, for APIs name nobody
	User     corebank.UserID    // empty for a partner's own token
	Company  corebank.CompanyID // empty for a partner's own token
	AuthTime time.Time
	ACR      string
	// Extent is cut to what consent, client registration and partner all allow now.
	Extent Extent
}

// Why a token opens nothing, in Failure.Word: an API puts them into its problem
// documents (domain.md §7.4).
const (
	ConsentExpired           = "consent_expired"
	ConsentRevokedByCustomer = "consent_revoked_by_customer"
	ConsentRevokedByBank     = "consent_revoked_by_bank"
	ConsentRestsNow          = "consent_suspended"
	PartnerSuspended         = "partner_suspended"
	ContractNotEffective     = "contract_not_effective"
	ProfileSunset            = "profile_sunset"
)

func badToken(word string) *Failure { return fail(InvalidToken, word) }

// Access judges a call of a resource: the token, what it is bound to, its
// audience and the consent behind it, in one look-up. Errors: a Failure with
// invalid_token, insufficient_scope, insufficient_user_authentication, invalid_dpop_proof, use_dpop_nonce,
// invalid_request, or access_denied with PartnerSuspended,
// ContractNotEffective or ProfileSunset; fault.Unavailable when the store does not answer.
func (e *Engine) Access(ctx context.Context, r AccessRequest) (Access, error) {
	who, a, err := e.access(ctx, r)
	return a, e.refused(ctx, "resource", who, r.Address, err)
}

func (e *Engine) access(ctx context.Context, r AccessRequest) (ClientID, Access, error) {
	now := e.now()
	scheme, value, f := readAuthorization(r)
	if f != nil {
		return "", Access{}, f
	}
	key, ok := e.accessKey(value)
	if !ok {
		return "", Access{}, badToken("the access token is unknown")
	}
	var shown *proof
	if scheme == "dpop" {
		p, f := e.checkProof(r.Proofs, proofUse{server: resourceServer, method: r.Method, target: r.Target, token: value, now: now})
		if f != nil {
			return "", Access{}, f
		}
		shown = &p
	} else if len(r.Proofs) > 0 {
		return "", Access{}, badToken("a DPoP proof goes with the scheme DPoP") // RFC 9449 §7.2
	}
	token, err := e.lookUp(ctx, key, shown, now)
	if err != nil {
		return "", Access{}, unlessMissing(err, badToken("the access token is unknown"))
	}
	t := &accessUnderTest{call: r, scheme: scheme, token: token, proof: shown, issuer: e.issuer.URL, now: now}
	if r.Certificate != nil {
		t.certificate = e.thumbprints.of(r.Certificate)
	}
	if f := judge(FAPI2, bindingRules, t); f != nil {
		return "", Access{}, f // whoever found a token is not its client
	}
	if f := judge(FAPI2, accessRules, t); f != nil {
		return token.Client, Access{}, f
	}
	a, err := e.opened(ctx, r, token, now)
	return token.Client, a, err
}

// lookUp finds a token and its consent. A proof that fits it is spent in the same
// step, so that no node takes it a second time.
func (e *Engine) lookUp(ctx context.Context, key Key, shown *proof, now time.Time) (AccessToken, error) {
	if shown == nil {
		return e.cfg.Store.AccessToken(ctx, key)
	}
	t, err := e.cfg.Store.UseAccessToken(ctx, key, ProofUse{Thumbprint: shown.thumbprint, Proof: shown.replay, At: now})
	return t, replayed(err)
}

// readAuthorization reads the one Authorization header: scheme in any case, one
// space, one token (RFC 9110 §11.6.2; RFC 6750 §2.1; RFC 9449 §7.1).
func readAuthorization(r AccessRequest) (scheme string, token secret.Value, f *Failure) {
	switch {
	case r.TokenElsewhere:
		return "", token, fail(InvalidRequest, "a token goes into the Authorization header")
	case len(r.Authorization) == 0:
		return "", token, badToken("")
	case len(r.Authorization) > 1:
		return "", token, fail(InvalidRequest, "one Authorization header")
	}
	word, rest, ok := strings.Cut(r.Authorization[0], " ")
	scheme = strings.ToLower(word)
	if !ok || scheme != "bearer" && scheme != "dpop" {
		return "", token, badToken("")
	}
	if rest == "" || len(rest) > maxSignedToken || strings.ContainsFunc(rest, func(c rune) bool { return c <= ' ' || c > '~' || c == ',' }) {
		return "", token, fail(InvalidRequest, "the Authorization header is malformed")
	}
	return scheme, secret.Of(rest), nil
}

type accessUnderTest struct {
	call   AccessRequest
	scheme string
	token  AccessToken
	proof  *proof
	// certificate is the thumbprint of the one that the call came with; empty: none.
	certificate string
	issuer      string
	now         time.Time
}

// bindingRules judge whether a token that was found came from its client, at
// every resource alike.
var bindingRules = []rule[*accessUnderTest]{
	{"RFC 9449 §7.1, §7.2", all, func(t *accessUnderTest) *Failure {
		bound := t.token.Confirmation
		switch {
		case bound.Method == BoundByDPoP && (t.scheme != "dpop" || t.proof == nil):
			return badToken("the token is bound to a DPoP key")
		case bound.Method == BoundByDPoP && !equal(t.proof.thumbprint, bound.Thumbprint):
			return badToken("the token is bound to another key")
		}
		return nil
	}},
	{"RFC 8705 §3", all, func(t *accessUnderTest) *Failure {
		bound := t.token.Confirmation
		switch {
		case bound.Method == BoundByDPoP:
			return nil
		case bound.Method != BoundByCertificate || t.scheme != "bearer":
			return badToken("the token is bound to a certificate") // nothing is ever unbound
		case t.certificate == "" || !equal(t.certificate, bound.Thumbprint):
			return badToken("the token is bound to another certificate")
		}
		return nil
	}},
}

// accessRules judge what a client's token opens, at every resource alike.
var accessRules = []rule[*accessUnderTest]{
	{"RFC 6750 §3.1", all, func(t *accessUnderTest) *Failure {
		if t.token.Revoked || !t.now.Before(t.token.ExpiresAt) {
			return badToken("the access token is over")
		}
		return nil
	}},
	{"RFC 9068 §4; RFC 8707 §2", all, func(t *accessUnderTest) *Failure {
		if t.call.Audience != t.issuer && t.call.Audience != t.token.Audience {
			return badToken("the access token is for another API")
		}
		return nil
	}},
	{"protocol.md §4 item 11", all, func(t *accessUnderTest) *Failure {
		if t.token.Standing == nil {
			return nil
		}
		if f := t.token.Standing.live(t.now, ConsentActive); f != nil {
			return badToken(f.Word)
		}
		return nil
	}},
	{"RFC 6750 §3.1: insufficient_scope", all, func(t *accessUnderTest) *Failure {
		if t.call.Scope == "" {
			return nil
		}
		if granted, _ := parseScope(t.token.Scope); !granted.has(t.call.Scope) {
			return fail(InsufficientScope, t.call.Scope)
		}
		return nil
	}},
}

// opened cuts what the token opens to what client and partner may have now.
func (e *Engine) opened(ctx context.Context, r AccessRequest, t AccessToken, now time.Time) (Access, error) {
	k, p, err := e.working(ctx, t.Client, now)
	switch {
	case err == nil:
	case fault.Of(err) == fault.Unavailable || fault.Of(err) == fault.Internal:
		return Access{}, err
	default:
		return Access{}, &Failure{Code: AccessDenied, Word: whyNotWorking(err), Cause: err}
	}
	a := Access{Client: t.Client, Partner: p.ID, Grant: t.Grant, Scope: t.Scope, AuthTime: t.AuthTime, ACR: t.ACR, Subject: string(t.Client)}
	if s := t.Standing; s != nil {
		a.Consent, a.User, a.Company, a.Subject, a.Extent = s.Consent, s.User, s.Company, "", s.Extent
		if r.Audience == e.issuer.URL {
			a.Subject = e.subject(s)
		}
		a.Extent.Functions = e.functionsLeft(k, p, t)
		a.Scope = cutScope(t.Scope, k.scopes, a.Extent.Functions)
	}
	for _, needed := range r.Functions {
		if !slices.Contains(a.Extent.Functions, needed) {
			return Access{}, fail(InsufficientScope, scopePrefix+string(needed))
		}
	}
	if f := e.issuer.stepUp(r.Functions, t, now); f != nil {
		return Access{}, f
	}
	return a, nil
}

// functionsLeft cuts a token's functions to what consent, contract and
// registration all allow now.
func (e *Engine) functionsLeft(k *knownClient, p partner.Partner, t AccessToken) []corebank.BusinessFunction {
	left := intersect(intersect(t.Standing.Extent.Functions, t.Functions), p.Functions)
	if !slices.Contains(k.DetailsTypes, DetailsType) {
		left = intersect(left, k.functions)
	}
	return left
}

// whyNotWorking says why a client may not act, in the words of the API's problem
// documents.
func whyNotWorking(err error) string {
	if _, ok := errors.AsType[profileOver](err); ok {
		return ProfileSunset
	}
	if n, ok := errors.AsType[partner.NotLinkable](err); ok && n.Reason == partner.ContractNotEffective {
		return ContractNotEffective
	}
	return PartnerSuspended
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

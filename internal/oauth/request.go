package oauth

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/partner"
)

const (
	maxStateBytes = 4096
	maxNonceBytes = 512
	maxHintBytes  = 256
	maxWords      = 1024
)

// asking is an authorization request under test: what was sent, by whom, and
// what became of it so far.
type asking struct {
	form    Form
	client  *knownClient
	partner partner.Partner
	issuer  Issuer
	pushed  bool
	signed  bool // whether form is the claims of a request object
	proof   *proof
	now     time.Time

	scopes  scopes
	details []details
	request Request
}

// requestRules judge an authorization request wherever it comes in. Each may fill
// in its part of the Request that is kept. They run top to bottom; the first to
// object is the answer.
var requestRules = []rule[*asking]{
	{"RFC 6749 §3.1.2.3, §3.1.2.4; RFC 9700 §4.1.3", all, (*asking).redirectURI}, // before it, nothing may redirect
	{"RFC 9101 §10.5; FAPI 2.0 Message Signing §5.3.1", all, (*asking).signedAsRegistered},
	{"RFC 9126 §6; FAPI 2.0 SP §5.3.2.2 (3)", all, (*asking).pushedAsRegistered},
	{"RFC 6749 §3.1.1; FAPI 2.0 SP §5.3.2.1 (2); FAPI 1.0 Advanced §5.2.2-2", all, (*asking).responseType},
	{"OAuth 2.0 Multiple Response Types §2.1; JARM §2.3", all, (*asking).responseMode},
	{"RFC 7636 §4.3; FAPI 2.0 SP §5.3.2.2 (6)", fapi2, (*asking).pkce},
	{"RFC 7636 §4.3; FAPI 1.0 Advanced §5.2.2-18", fapi1, (*asking).pkceWhenPushed},
	{"RFC 6749 §3.3", all, (*asking).scope},
	{"RFC 9396 §5", all, (*asking).authorizationDetails},
	{"銀行法 52条の61の10; RFC 6749 §4.1.2.1", all, (*asking).somethingPermitted},
	{"RFC 8707 §2", all, (*asking).resource},
	{"RFC 9449 §10", all, (*asking).dpopKey},
	{"OpenID Connect Core §3.1.2.1; FAPI 2.0 SP §5.3.2.2", all, (*asking).stateAndNonce},
	{"FAPI 1.0 Baseline §5.2.2.2, §5.2.2.3", fapi1, (*asking).nonceOrState},
	{"OpenID Connect Core §3.1.2.1: prompt, max_age", all, (*asking).freshness},
	{"OpenID Connect Core §5.5", all, (*asking).claims},
	{"OpenID Connect Core §3.1.2.1: hints", all, (*asking).hints},
	{"Grant Management §3.2", all, (*asking).grantManagement},
}

func (a *asking) redirectURI() *Failure {
	uri := a.form.Get("redirect_uri")
	if uri == "" {
		return fail(InvalidRequest, "redirect_uri is missing")
	}
	if !slices.Contains(a.client.RedirectURIs, uri) {
		return fail(InvalidRequest, "redirect_uri is not registered")
	}
	a.request.Client, a.request.RedirectURI = a.client.ID, uri
	return nil
}

func (a *asking) signedAsRegistered() *Failure {
	if a.client.RequireSigned && !a.signed {
		return fail(InvalidRequest, "a signed request object is needed")
	}
	return nil
}

func (a *asking) pushedAsRegistered() *Failure {
	if !a.pushed && (a.client.figures.pushedOnly || a.client.RequirePAR) {
		return fail(InvalidRequest, "the request must be pushed")
	}
	if !a.pushed && !a.signed {
		return fail(InvalidRequest, "a signed request object is needed")
	}
	return nil
}

func (a *asking) responseType() *Failure {
	t := a.form.Get("response_type")
	if t == "" {
		return fail(InvalidRequest, "response_type is missing")
	}
	words := strings.Fields(t) // their order does not matter
	slices.Sort(words)
	t = strings.Join(words, " ")
	if !slices.Contains(a.client.ResponseTypes, t) {
		return fail(UnsupportedResponseType, "response_type is not registered")
	}
	a.request.ResponseType = t
	return nil
}

func (a *asking) pkce() *Failure {
	if f := challengeFault(a.form.Get("code_challenge"), a.form.Get("code_challenge_method")); f != nil {
		return f
	}
	a.request.CodeChallenge = a.form.Get("code_challenge")
	return nil
}

func (a *asking) pkceWhenPushed() *Failure {
	if a.pushed || a.form.Has("code_challenge") || a.form.Has("code_challenge_method") {
		return a.pkce()
	}
	return nil
}

func (a *asking) scope() *Failure {
	s, f := parseScope(a.form.Get("scope"))
	if f != nil {
		return f
	}
	if s.beyond(a.client.scopes) || s.beyond(userScopes()) {
		return fail(InvalidScope, "scope is not registered")
	}
	a.scopes, a.request.Scope = s, s.String()
	return nil
}

func (a *asking) authorizationDetails() *Failure {
	raw := []byte(a.form.Get("authorization_details"))
	all, f := parseDetails(raw, a.issuer.APIs)
	if f != nil {
		return f
	}
	if len(all) > 0 && !slices.Contains(a.client.DetailsTypes, DetailsType) {
		return fail(InvalidDetails, "authorization_details are not registered")
	}
	if a.details = all; len(all) > 0 {
		a.request.Details = raw
	}
	return nil
}

// somethingPermitted: a partner asks for something, and for nothing beyond what
// its contract lets it have.
func (a *asking) somethingPermitted() *Failure {
	byDetails, _, _ := askedBy(a.details)
	byScope := a.scopes.functions()
	if len(a.scopes) == 0 && len(a.details) == 0 {
		return fail(InvalidRequest, "scope is missing")
	}
	if len(byDetails) == 0 && len(byScope) == 0 {
		return fail(InvalidScope, "no business function is asked for")
	}
	beyond := func(fs []corebank.BusinessFunction) bool {
		return slices.ContainsFunc(fs, func(f corebank.BusinessFunction) bool { return !a.partner.May(f) })
	}
	if beyond(byDetails) {
		return fail(InvalidDetails, "an action is beyond the partner's contract")
	}
	if beyond(byScope) {
		return fail(InvalidScope, "scope is beyond the partner's contract")
	}
	return nil
}

func (a *asking) resource() *Failure {
	r, f := a.issuer.resource(a.form.All("resource"))
	a.request.Resource = r
	return f
}

// resource returns the one API that a resource parameter names (RFC 8707 §2);
// empty when there is none.
func (i Issuer) resource(named []string) (string, *Failure) {
	switch {
	case len(named) == 0 || len(named) == 1 && named[0] == "":
		return "", nil
	case len(named) > 1:
		return "", fail(InvalidTarget, "one resource at a time")
	}
	if _, known := i.api(named[0]); !known {
		return "", fail(InvalidTarget, "resource is unknown")
	}
	return named[0], nil
}

// dpopKey binds the code to a key, by parameter, by proof, or by both when they
// agree.
func (a *asking) dpopKey() *Failure {
	jkt := a.form.Get("dpop_jkt")
	if jkt != "" {
		if _, ok := decoded(jkt, sha256.Size); !ok {
			return fail(InvalidRequest, "dpop_jkt is not a thumbprint")
		}
	}
	if a.proof != nil {
		if jkt != "" && jkt != a.proof.thumbprint {
			return badProof("dpop_jkt is another key", nil)
		}
		jkt = a.proof.thumbprint
	}
	if jkt != "" && !a.client.DPoPBound {
		return fail(InvalidRequest, "the client's tokens are bound to certificates")
	}
	a.request.DPoPKey = jkt
	return nil
}

func (a *asking) stateAndNonce() *Failure {
	state, nonce := a.form.Get("state"), a.form.Get("nonce")
	if len(state) > maxStateBytes || !utf8.ValidString(state) {
		return fail(InvalidRequest, "state is too long")
	}
	if len(nonce) > maxNonceBytes || !utf8.ValidString(nonce) {
		return fail(InvalidRequest, "nonce is too long")
	}
	if nonce == "" && strings.Contains(a.request.ResponseType, "id_token") {
		return fail(InvalidRequest, "nonce is missing") // OpenID Connect Core §3.3.2.11
	}
	a.request.State, a.request.Nonce = state, nonce
	return nil
}

// nonceOrState: what ties the answer to this browser's session at the client.
func (a *asking) nonceOrState() *Failure {
	openid := a.scopes.has(ScopeOpenID)
	switch {
	case openid && a.request.Nonce == "":
		return fail(InvalidRequest, "nonce is missing")
	case !openid && a.request.State == "":
		return fail(InvalidRequest, "state is missing")
	}
	return nil
}

func (a *asking) freshness() *Failure {
	if len(a.form.Get("prompt")) > maxWords {
		return fail(InvalidRequest, "prompt is too long")
	}
	prompts := strings.Fields(a.form.Get("prompt"))
	for _, p := range prompts {
		if !slices.Contains([]string{"none", "login", "consent", "select_account"}, p) {
			return fail(InvalidRequest, "prompt is unknown")
		}
	}
	if slices.Contains(prompts, "none") && len(prompts) > 1 {
		return fail(InvalidRequest, "prompt=none stands alone")
	}
	a.request.Prompt = strings.Join(prompts, " ")
	if text := a.form.Get("max_age"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return fail(InvalidRequest, "max_age is no number of seconds")
		}
		a.request.MaxAge = &n
	} else {
		a.request.MaxAge = a.client.DefaultMaxAge
	}
	return nil
}

func (a *asking) claims() *Failure {
	raw := a.form.Get("claims")
	if raw == "" {
		return nil
	}
	if _, err := parseClaims([]byte(raw)); err != nil {
		return &Failure{Code: InvalidRequest, Word: "claims are malformed", Cause: err}
	}
	a.request.Claims = json.RawMessage(raw)
	return nil
}

func (a *asking) hints() *Failure {
	if len(a.form.Get("login_hint")) > maxHintBytes || len(a.form.Get("ui_locales")) > maxWords || len(a.form.Get("acr_values")) > maxWords {
		return fail(InvalidRequest, "a hint is too long")
	}
	a.request.LoginHint = a.form.Get("login_hint")
	a.request.UILocales = a.form.Get("ui_locales")
	a.request.ACRValues = a.form.Get("acr_values")
	return nil
}

func (a *asking) grantManagement() *Failure {
	action, id := a.form.Get("grant_management_action"), GrantID(a.form.Get("grant_id"))
	switch action {
	case "", "create":
		if id != "" {
			return fail(InvalidRequest, "grant_id goes with merge or replace")
		}
	case "merge", "replace":
		if _, ok := id.Row(); !ok {
			return fail(InvalidGrantID, "grant_id is unknown")
		}
	default:
		return fail(InvalidRequest, "grant_management_action is unknown")
	}
	a.request.GrantAction, a.request.GrantID = action, id
	return nil
}

// asked says what a kept request asks of the customer.
func (r Request) asked() Asked {
	all, _ := parseDetails(r.Details, nil)
	functions, accounts, days := askedBy(all)
	s, _ := parseScope(r.Scope)
	wishes := strings.Fields(r.ACRValues)
	if c, err := parseClaims(r.Claims); err == nil {
		wishes = append(c.IDToken["acr"].wanted(), wishes...)
	}
	return Asked{
		Functions:   union(functions, s.functions()),
		Accounts:    accounts,
		HistoryDays: days,
		GrantAction: r.GrantAction,
		Relogin:     r.relogin(),
		Demanded:    r.essentialACR(),
		ACRs:        wishes,
		LoginHint:   r.LoginHint,
		UILocales:   strings.Fields(r.UILocales),
	}
}

// relogin tells whether the request asks for a login of its own. Where it names
// a user by a subject, only a login can tell whether they are the one.
func (r Request) relogin() bool {
	prompts := strings.Fields(r.Prompt)
	return r.MaxAge != nil || len(r.wantedSubjects()) > 0 ||
		slices.Contains(prompts, "login") || slices.Contains(prompts, "select_account")
}

package oauth

import (
	"crypto/x509"
	"encoding/json"
	"time"

	"renkei.dev/internal/secret"
)

// Call is one request of a client to an endpoint that authenticates it.
type Call struct {
	Endpoint      Endpoint
	AtMutualTLS   bool // whether it came in at the mutual-TLS origin
	Form          Form
	Authorization []string // every value of the Authorization header
	Proofs        []string // every value of the DPoP header
	// Certificates are the client's, leaf first, as our own TLS saw them.
	Certificates []*x509.Certificate
	Address      string
}

// AuthorizeRequest is what a browser brings to the authorization endpoint.
type AuthorizeRequest struct {
	Form Form
	// Began returns the handles of this browser's journeys, so that it may open a
	// request that it began with again after the request's own life. It is asked
	// only then; nil: of none.
	Began func() []Handle
	// SignedIn tells whether this browser holds a sign-in session. It is asked
	// only for prompt=none; nil: none does.
	SignedIn func() bool
	Address  string
}

// Pushed is the answer to a pushed request (RFC 9126 §2.2).
type Pushed struct {
	RequestURI secret.Value
	ExpiresIn  time.Duration
}

// Tokens is the answer to a token request.
type Tokens struct {
	Access    secret.Value
	Type      string // DPoP or Bearer
	ExpiresIn time.Duration
	Refresh   secret.Value // empty: none
	IDToken   secret.Value // empty: none
	Scope     string
	Details   json.RawMessage // nil: none
	Grant     GrantID         // empty: not told
}

// AuthorizeFailure is a Failure of the authorization endpoint.
type AuthorizeFailure struct {
	Failure
	// Redirect tells the partner; nil: only the page for Page may be shown, and
	// nothing may redirect.
	Redirect *Redirect
	Page     AuthorizeCause
	// PageFirst: the customer sees a page before the redirect (RFC 9700 §4.11.2).
	PageFirst bool
}

// AuthorizeCause is why no journey begins, for the page.
type AuthorizeCause string

// The causes.
const (
	BadRequest         AuthorizeCause = "bad_request"         // AL-940
	PartnerOutOfAction AuthorizeCause = "partner_stopped"     // AL-941
	BeyondRegistration AuthorizeCause = "beyond_registration" // AL-942
	NotPossibleNow     AuthorizeCause = "not_possible_now"    // AL-950
)

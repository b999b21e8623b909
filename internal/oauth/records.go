package oauth

import (
	"encoding/json"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// Key finds one single-use value or token at rest: the row by its rising id, the
// value by a digest that is compared in the statement.
type Key struct {
	ID     int64
	Digest secret.Digest
}

// Replay is a proof or assertion that must not be seen twice. Rows stay until
// Until, a full second, when the proof could no longer be accepted; it stands
// first in the key, so that new rows fall on few pages.
type Replay struct {
	Until  time.Time
	Digest secret.Digest
	What   ReplayKind
}

// ReplayKind is what was seen before.
type ReplayKind string

// The kinds of replay.
const (
	AssertionReplay ReplayKind = "client assertion"
	ProofReplay     ReplayKind = "DPoP proof"
	ChallengeReplay ReplayKind = "code challenge"
)

// Confirmation is what a token is bound to (RFC 7800 §3.1): the thumbprint of a
// DPoP key or of a certificate.
type Confirmation struct {
	Method     BindingMethod
	Thumbprint string // base64url of SHA-256, without padding
}

// BindingMethod is how a token is bound to its sender.
type BindingMethod string

// The methods.
const (
	BoundByDPoP        BindingMethod = "dpop" // RFC 9449 §6: cnf.jkt
	BoundByCertificate BindingMethod = "mtls" // RFC 8705 §3.1: cnf.x5t#S256
)

// Request is an authorization request after all its rules held, as pushed.
type Request struct {
	Client        ClientID        `json:"client_id"`
	ResponseType  string          `json:"response_type"`
	ResponseMode  string          `json:"response_mode,omitempty"`
	RedirectURI   string          `json:"redirect_uri"`
	Scope         string          `json:"scope,omitempty"`
	State         string          `json:"state,omitempty"`
	Nonce         string          `json:"nonce,omitempty"`
	CodeChallenge string          `json:"code_challenge,omitempty"`
	Details       json.RawMessage `json:"authorization_details,omitempty"`
	Resource      string          `json:"resource,omitempty"`
	DPoPKey       string          `json:"dpop_jkt,omitempty"`
	Prompt        string          `json:"prompt,omitempty"`
	MaxAge        *int64          `json:"max_age,omitempty"`
	ACRValues     string          `json:"acr_values,omitempty"`
	Claims        json.RawMessage `json:"claims,omitempty"`
	LoginHint     string          `json:"login_hint,omitempty"`
	IDTokenHint   string          `json:"id_token_hint_sub,omitempty"` // the subject it named, not the token
	UILocales     string          `json:"ui_locales,omitempty"`
	GrantID       GrantID         `json:"grant_id,omitempty"`
	GrantAction   string          `json:"grant_management_action,omitempty"`
}

// kept is what of a request the tokens of its grant still need; what was for the
// way there alone is left out.
func (r Request) kept() Request {
	return Request{
		Client: r.Client, ResponseType: r.ResponseType, RedirectURI: r.RedirectURI, Scope: r.Scope,
		Details: r.Details, Resource: r.Resource, Claims: r.Claims, GrantAction: r.GrantAction,
	}
}

// PushedRequest is a request at rest.
type PushedRequest struct {
	Key       Key
	Request   Request
	ExpiresAt time.Time
	Spent     bool
}

// Standing is how the consent behind a code or token stands now, with its
// extent: linkage's words, read by the store in the same look-up.
type Standing struct {
	Consent   string
	State     string // issued, active, suspended or ended
	EndReason string
	Partner   partner.ID
	Client    ClientID
	User      corebank.UserID
	Company   corebank.CompanyID
	GivenAt   time.Time
	Extent    Extent
}

// The states of a consent that the protocol tells apart.
const (
	ConsentIssued    = "issued"
	ConsentActive    = "active"
	ConsentSuspended = "suspended"
	ConsentEnded     = "ended"
)

// Grant is what a customer's approval gave to a client, one per consent at a
// time; merge and replace put another consent behind the same grant.
type Grant struct {
	ID       GrantID
	Request  Request // what of the request its tokens still need: scope, nonce, claims, resource
	AuthTime time.Time
	ACR      string
	AMR      []string
}

// Authorized is a code at rest with the consent behind it.
type Authorized struct {
	Key       Key
	Client    ClientID
	ExpiresAt time.Time
	Spent     bool
	Grant     Grant
	Existing  bool // whether the grant is there already (merge, replace)
	Replaces  string
	Standing  Standing
}

// RefreshToken is a refresh token at rest with its grant and consent.
type RefreshToken struct {
	Key      Key
	Client   ClientID
	Revoked  bool
	Grant    Grant
	Standing Standing
}

// AccessToken is an access token at rest with the consent behind it, which a
// partner's own tokens (client credentials) do not have.
type AccessToken struct {
	Key          Key
	Client       ClientID
	Partner      partner.ID
	Confirmation Confirmation
	Scope        string
	Functions    []corebank.BusinessFunction
	Audience     string
	Grant        GrantID
	AuthTime     time.Time
	ACR          string
	ExpiresAt    time.Time
	Revoked      bool
	Standing     *Standing
}

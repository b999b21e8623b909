package oauth

import (
	"encoding/json"
	"slices"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/partner"
)

// Client is the registration of one OAuth client of a partner, with the names of
// RFC 7591 §2 and the RFCs that add to it. What differs between two partners is
// decided here, and by nothing else.
type Client struct {
	ID      ClientID   `json:"client_id"`
	Partner partner.ID `json:"-"`
	// Version rises with every change, so that nodes notice one.
	Version int64 `json:"-"`
	// Registered says who registered it.
	Registered Registrar `json:"-"`

	Profile Profile `json:"profile,omitempty"`
	// SunsetOn is the last day on which the client works; a move to another
	// profile is a second client.
	SunsetOn string `json:"sunset_on,omitempty"`

	Name          string   `json:"client_name,omitempty"`
	RedirectURIs  []string `json:"redirect_uris,omitempty"`
	GrantTypes    []string `json:"grant_types,omitempty"`
	ResponseTypes []string `json:"response_types,omitempty"`
	Scope         string   `json:"scope,omitempty"`
	DetailsTypes  []string `json:"authorization_details_types,omitempty"` // RFC 9396 §10

	AuthMethod     AuthMethod      `json:"token_endpoint_auth_method,omitempty"`
	AuthSigningAlg string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	JWKS           json.RawMessage `json:"jwks,omitempty"`
	JWKSURI        string          `json:"jwks_uri,omitempty"`

	// Exactly one of these names a certificate for tls_client_auth (RFC 8705 §2.1.2).
	TLSSubjectDN string `json:"tls_client_auth_subject_dn,omitempty"`
	TLSSANDNS    string `json:"tls_client_auth_san_dns,omitempty"`
	TLSSANURI    string `json:"tls_client_auth_san_uri,omitempty"`
	TLSSANIP     string `json:"tls_client_auth_san_ip,omitempty"`
	TLSSANEmail  string `json:"tls_client_auth_san_email,omitempty"`

	// Exactly one of these says what binds its tokens.
	CertificateBound bool `json:"tls_client_certificate_bound_access_tokens,omitempty"` // RFC 8705 §3.4
	DPoPBound        bool `json:"dpop_bound_access_tokens,omitempty"`                   // RFC 9449 §5.2

	RequirePAR         bool   `json:"require_pushed_authorization_requests,omitempty"` // RFC 9126 §6
	RequireSigned      bool   `json:"require_signed_request_object,omitempty"`         // RFC 9101 §10.5
	RequestSigningAlg  string `json:"request_object_signing_alg,omitempty"`
	ResponseSigningAlg string `json:"authorization_signed_response_alg,omitempty"` // JARM §3
	IDTokenSigningAlg  string `json:"id_token_signed_response_alg,omitempty"`
	IDTokenKeyAlg      string `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenContentAlg  string `json:"id_token_encrypted_response_enc,omitempty"`
	UserInfoSigningAlg string `json:"userinfo_signed_response_alg,omitempty"`
	UserInfoKeyAlg     string `json:"userinfo_encrypted_response_alg,omitempty"`
	UserInfoContentAlg string `json:"userinfo_encrypted_response_enc,omitempty"`
	IntrospectionAlg   string `json:"introspection_signed_response_alg,omitempty"` // RFC 9701 §6
	DefaultMaxAge      *int64 `json:"default_max_age,omitempty"`
	SubjectType        string `json:"subject_type,omitempty"`
}

// Registrar is who registered a client.
type Registrar string

// The registrars.
const (
	ByStaff  Registrar = "staff"
	ByItself Registrar = "itself" // RFC 7591, for the sandbox; its errors do not redirect at once (RFC 9700 §4.11.2)
)

// AuthMethod is how a client authenticates at the token endpoint.
type AuthMethod string

// The methods at the FAPI issuer.
const (
	PrivateKeyJWT  AuthMethod = "private_key_jwt"             // RFC 7523
	TLSClientAuth  AuthMethod = "tls_client_auth"             // RFC 8705 §2.1
	SelfSignedAuth AuthMethod = "self_signed_tls_client_auth" // RFC 8705 §2.2
)

// May tells whether the client is registered for a grant type.
func (c *Client) May(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// WorksAt tells whether the client's sunset is still to come.
func (c *Client) WorksAt(now time.Time) bool {
	if c.SunsetOn == "" {
		return true
	}
	return string(corebank.DateOf(now)) <= c.SunsetOn
}

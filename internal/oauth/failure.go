package oauth

import (
	"time"

	"renkei.dev/internal/fault"
)

// Code is an error code of the RFCs, as it goes over the wire.
type Code string

// The error codes that we answer with.
const (
	InvalidRequest          Code = "invalid_request"
	InvalidClient           Code = "invalid_client"
	InvalidGrant            Code = "invalid_grant"
	UnauthorizedClient      Code = "unauthorized_client"
	UnsupportedGrantType    Code = "unsupported_grant_type"
	UnsupportedResponseType Code = "unsupported_response_type"
	UnsupportedTokenType    Code = "unsupported_token_type"
	InvalidScope            Code = "invalid_scope"
	InvalidTarget           Code = "invalid_target"                // RFC 8707 §2
	InvalidDetails          Code = "invalid_authorization_details" // RFC 9396 §5
	InvalidRequestObject    Code = "invalid_request_object"        // RFC 9101 §7
	InvalidRequestURI       Code = "invalid_request_uri"
	InvalidDPoPProof        Code = "invalid_dpop_proof" // RFC 9449 §5
	UseDPoPNonce            Code = "use_dpop_nonce"     // RFC 9449 §8
	InvalidToken            Code = "invalid_token"      // RFC 6750 §3.1
	InsufficientScope       Code = "insufficient_scope"
	InsufficientLogin       Code = "insufficient_user_authentication" // RFC 9470 §3
	AccessDenied            Code = "access_denied"
	LoginRequired           Code = "login_required" // OpenID Connect Core §3.1.2.6
	ConsentRequired         Code = "consent_required"
	UnmetAuthentication     Code = "unmet_authentication_requirements" // OpenID Connect Core Unmet Authentication Requirements
	InvalidGrantID          Code = "invalid_grant_id"                  // Grant Management §6.4
	TemporarilyUnavailable  Code = "temporarily_unavailable"
	ServerError             Code = "server_error"
	InvalidRedirectURI      Code = "invalid_redirect_uri" // RFC 7591 §3.2.2
	InvalidClientMetadata   Code = "invalid_client_metadata"
)

// Failure is a refusal that the outside is told of. Anything else that a method
// returns as an error (a store that does not answer, a bug) is server_error or
// temporarily_unavailable outside, by its fault.Kind.
type Failure struct {
	Code Code
	// Word is error_description: ASCII without quote and backslash (RFC 6749
	// §5.2), from the closed lists in this package.
	Word string
	// ACRs and MaxAge are what InsufficientLogin demands; empty: any.
	ACRs   []string
	MaxAge time.Duration
	// Cause is for the log alone.
	Cause error
}

func (f *Failure) Error() string {
	s := string(f.Code)
	if f.Word != "" {
		s += ": " + f.Word
	}
	if f.Cause != nil {
		s += ": " + f.Cause.Error()
	}
	return s
}

// Unwrap returns the kind of failure and the cause.
func (f *Failure) Unwrap() []error {
	kind := fault.Invalid
	switch f.Code {
	case InvalidClient, InvalidGrant, UnauthorizedClient, AccessDenied, InvalidToken, InsufficientScope, InsufficientLogin:
		kind = fault.Refused
	case TemporarilyUnavailable:
		kind = fault.Unavailable
	case ServerError:
		kind = fault.Internal
	}
	if f.Cause == nil {
		return []error{kind}
	}
	return []error{kind, f.Cause}
}

// fail returns a Failure in words for the outside.
func fail(code Code, word string) *Failure { return &Failure{Code: code, Word: word} }

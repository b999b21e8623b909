package oauth

import (
	"context"
	"crypto/x509"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
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
	// Audience is the API that is called, one of Issuer.APIs, or the issuer for
	// UserInfo and grants.
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
	Subject  string             // the pairwise subject, or the client's id
	User     corebank.UserID    // empty for a partner's own token
	Company  corebank.CompanyID // empty for a partner's own token
	AuthTime time.Time
	// Extent is cut to what consent, client registration and partner all allow now.
	Extent Extent
}

// Denial words that an API puts into its problem documents (domain.md §7.4),
// in Failure.Word.
const (
	ConsentExpired           = "consent_expired"
	ConsentRevokedByCustomer = "consent_revoked_by_customer"
	ConsentRevokedByBank     = "consent_revoked_by_bank"
	ConsentRestsNow          = "consent_suspended"
	PartnerSuspended         = "partner_suspended"
	ContractNotEffective     = "contract_not_effective"
)

// Access judges a call of a resource: the token, what it is bound to, its
// audience and the consent behind it, in one look-up. Errors: a Failure with
// invalid_token, insufficient_scope, invalid_dpop_proof, use_dpop_nonce or
// invalid_request; fault.Unavailable when the store does not answer.
func (e *Engine) Access(ctx context.Context, r AccessRequest) (Access, error) {
	return Access{}, fault.New(fault.Internal, "not built")
}

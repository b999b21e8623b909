package oauth

import "renkei.dev/internal/jose"

// The grant types (RFC 6749).
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantClient  = "client_credentials"
)

// figures are what a profile fixes (protocol.md §2).
type figures struct {
	// algorithms of everything that is signed, theirs and ours.
	algorithms          []string
	responseTypes       []string
	defaultResponseType string
	bindings            []BindingMethod
	// issuerAudienceOnly: an assertion's aud is the issuer as one string; else
	// issuer, token or PAR endpoint or their aliases, alone or in an array.
	issuerAudienceOnly bool
	// pushedOnly: a request comes by PAR, and what stands beside request_uri is
	// ignored.
	pushedOnly bool
}

// profiles are the columns of protocol.md §2.
var profiles = map[Profile]figures{
	FAPI2: {
		algorithms:          []string{jose.PS256, jose.ES256, jose.EdDSA, jose.Ed25519}, // FAPI 2.0 SP §5.4.1
		responseTypes:       []string{"code"},                                           // §5.3.2.1 (2)
		defaultResponseType: "code",
		bindings:            []BindingMethod{BoundByDPoP, BoundByCertificate},
		issuerAudienceOnly:  true, // §5.3.2.1 (8)
		pushedOnly:          true, // §5.3.2.2 (3)
	},
	FAPI1Adv: {
		algorithms:          []string{jose.PS256, jose.ES256}, // FAPI 1.0 Advanced §8.6
		responseTypes:       []string{"code", "code id_token"},
		defaultResponseType: "code id_token",
		bindings:            []BindingMethod{BoundByCertificate}, // §5.2.2-6
	},
}

// What an ID token can be encrypted by: no RSA1_5 and nothing symmetric
// (FAPI 1.0 Advanced §8.6.1).
var (
	keyEncryptions     = []string{jose.ECDHESA256KW, jose.RSAOAEP256}
	contentEncryptions = []string{jose.A256GCM}
)

// Package hsm makes and finds signing keys in a hardware security module that
// PKCS #11 leads to. The private halves never leave it.
//
// It does not know what is signed or when a key may sign: oauth's SigningKey says
// that a key lies here, by its thumbprint. PKCS #11 wants cgo and the maker's
// library, so it is in builds with the tag pkcs11 alone; others say so in a
// sentence. Start with Open.
package hsm

import (
	"crypto"

	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
)

// Config says how a token is reached.
type Config struct {
	Module string // the maker's library, e.g. /usr/lib/softhsm/libsofthsm2.so
	Token  string // the token's label
	PIN    secret.Value
}

// Label is what every key of ours bears in the token.
const Label = "renkei signing key"

// Token is an open token. It may be used in parallel.
type Token interface {
	// Generate makes a key that cannot leave the token: ES256, or PS256 with 2048
	// bits. Errors: fault.Invalid for another algorithm; fault.Unavailable.
	Generate(jose.Algorithm) (crypto.Signer, error)
	// Find returns the key with a kid, its thumbprint. Errors: fault.NotFound,
	// fault.Unavailable.
	Find(kid string) (crypto.Signer, error)
	Close() error
}

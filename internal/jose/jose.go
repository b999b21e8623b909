// Package jose signs, verifies and encrypts with a closed list of algorithms,
// reads the key sets of clients strictly, and keeps our own keys in rotation.
//
// It does not know what a token means: claims, lifetimes, issuers and replay are
// the caller's. Nothing in a token ever leads to a key: no jku, x5u, x5c or jwk
// is followed, except the jwk of a DPoP proof, which proves only itself.
// Start with Set.Verify for what others signed, Ring for what we sign.
package jose

import (
	"encoding/base64"
	"strings"

	"renkei.dev/internal/fault"
)

// Algorithm is the name of a signature algorithm (RFC 7518 §3.1, RFC 8037, RFC 9864).
type Algorithm = string

// The closed list. RS256 verifies only for a caller that names it (the legacy
// issuer); EdDSA and Ed25519 are two names of one algorithm.
const (
	ES256   Algorithm = "ES256"
	PS256   Algorithm = "PS256"
	EdDSA   Algorithm = "EdDSA"
	Ed25519 Algorithm = "Ed25519"
	RS256   Algorithm = "RS256"
)

const (
	// MaxCompact is the longest compact serialization that is looked at, in bytes.
	MaxCompact = 64 << 10
	maxHeader  = 4 << 10
	maxKID     = 256
)

// Header is the protected header of a verified token, as far as we read it.
type Header struct {
	Algorithm Algorithm
	KID       string
	Type      string // typ, as sent
}

// Is tells whether the header's typ is the media type name, compared without
// case and with or without "application/" (RFC 7515 §4.1.9). The empty name
// stands for an absent typ.
func (h Header) Is(name string) bool { return sameType(h.Type, name) }

func sameType(typ, name string) bool {
	if len(typ) > len("application/") && strings.EqualFold(typ[:len("application/")], "application/") {
		typ = typ[len("application/"):]
	}
	return strings.EqualFold(typ, name)
}

// Token is a verified JWS.
type Token struct {
	Header  Header
	Payload []byte // a JSON object in which no member stands twice
}

// Rules is what a caller accepts of a token.
type Rules struct {
	Algorithms []Algorithm // by the name in the token; others are refused
	Types      []string    // values of typ, as in Header.Is; nil accepts any
}

// base64url without padding; Strict refuses trailing bits that are not zero, and
// decode refuses the line breaks that the package would skip, so that one
// signature has one spelling.
var encoding = base64.RawURLEncoding.Strict()

func decode(what, text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, fault.New(fault.Invalid, "%s is not base64url", what)
	}
	b, err := encoding.DecodeString(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s is not base64url", what)
	}
	return b, nil
}

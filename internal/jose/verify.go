package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"renkei.dev/internal/fault"
)

// Verify checks a compact JWS (RFC 7515 §7.1) against the set and the caller's
// rules. The key is found by kid; without one the set must hold exactly one key
// that fits. Errors: fault.NotFound when no key of the set fits, so that a set
// behind a jwks_uri may be fetched anew; else fault.Invalid.
func (s *Set) Verify(compact string, rules Rules) (Token, error) {
	p, err := parseCompact(compact)
	if err != nil {
		return Token{}, err
	}
	if p.jwk != nil {
		return Token{}, fault.New(fault.Invalid, "a token names its own key")
	}
	if err := p.obey(rules); err != nil {
		return Token{}, err
	}
	key, err := s.verificationKey(p.header.KID, p.header.Algorithm)
	if err != nil {
		return Token{}, err
	}
	if err := p.verify(key); err != nil {
		return Token{}, err
	}
	return Token{p.header, p.payload}, nil
}

// parsed is a compact JWS taken apart and not yet verified.
type parsed struct {
	header    Header
	jwk       json.RawMessage // the header's own key, nil when it has none
	input     string          // what was signed
	payload   []byte
	signature []byte
}

func parseCompact(compact string) (parsed, error) {
	if len(compact) > MaxCompact {
		return parsed{}, fault.New(fault.Invalid, "a token is too long")
	}
	head, rest, _ := strings.Cut(compact, ".")
	body, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(signature, ".") || len(head) > maxHeader || signature == "" {
		return parsed{}, fault.New(fault.Invalid, "a token has not three parts")
	}
	p := parsed{input: compact[:len(head)+1+len(body)]}
	raw, err := decode("a token's header", head)
	if err != nil {
		return parsed{}, err
	}
	if err := p.readHeader(raw); err != nil {
		return parsed{}, err
	}
	if p.payload, err = decode("a token's payload", body); err != nil {
		return parsed{}, err
	}
	if p.signature, err = decode("a token's signature", signature); err != nil {
		return parsed{}, err
	}
	return p, members("a token's payload", p.payload, nil)
}

func (p *parsed) readHeader(raw []byte) error {
	bad := ""
	err := members("a token's header", raw, func(name string, value json.RawMessage) {
		ok := true
		switch name {
		case "alg":
			p.header.Algorithm, ok = Text(value)
		case "kid":
			p.header.KID, ok = Text(value)
			ok = ok && len(p.header.KID) <= maxKID
		case "typ":
			p.header.Type, ok = Text(value)
		case "jwk":
			p.jwk = value
		case "crit", "b64", "zip", "enc", "jku", "x5u", "x5c":
			// crit lists extensions that must be understood, and none is
			// (RFC 7515 §4.1.11); the rest would change what is read or by whom.
			ok = false
		}
		if !ok {
			bad = name
		}
	})
	switch {
	case err != nil:
		return err
	case bad != "":
		return fault.New(fault.Invalid, "a token's header has %q", bad)
	case p.header.Algorithm == "":
		return fault.New(fault.Invalid, "a token's header has no alg")
	}
	return nil
}

func (p *parsed) obey(rules Rules) error {
	if !slices.Contains(rules.Algorithms, p.header.Algorithm) {
		return fault.New(fault.Invalid, "a token is signed with another algorithm than permitted")
	}
	if rules.Types != nil && !slices.ContainsFunc(rules.Types, p.header.Is) {
		return fault.New(fault.Invalid, "a token is of another type than expected")
	}
	return nil
}

func (p *parsed) verify(key crypto.PublicKey) error {
	if !verify(p.header.Algorithm, key, p.input, p.signature) {
		return fault.New(fault.Invalid, "a token's signature does not hold")
	}
	return nil
}

// verify holds the whole list of algorithms: what is not here does not verify,
// whatever a caller permits.
func verify(alg Algorithm, key crypto.PublicKey, input string, signature []byte) bool {
	sum := sha256.Sum256([]byte(input))
	switch alg {
	case ES256:
		pub, ok := key.(*ecdsa.PublicKey)
		if !ok || pub.Curve != elliptic.P256() || len(signature) != 64 {
			return false
		}
		return ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	case PS256:
		pub, ok := key.(*rsa.PublicKey)
		return ok && rsa.VerifyPSS(pub, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case RS256:
		pub, ok := key.(*rsa.PublicKey)
		return ok && rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], signature) == nil
	case EdDSA, Ed25519:
		pub, ok := key.(ed25519.PublicKey)
		return ok && ed25519.Verify(pub, []byte(input), signature)
	}
	return false
}

package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"sync"

	josev4 "github.com/go-jose/go-jose/v4"

	"renkei.dev/internal/fault"
)

// Signer signs with one key and one algorithm. It may be used in parallel.
type Signer struct {
	kid     string
	alg     Algorithm
	key     crypto.Signer
	jwk     json.RawMessage // in the header instead of kid, for DPoP proofs
	headers sync.Map        // typ → encoded header with its dot
}

// NewSigner returns a signer for ES256, PS256 or EdDSA whose tokens name kid.
// Errors: fault.Invalid when key and algorithm do not fit or the key is too weak.
func NewSigner(kid string, alg Algorithm, key crypto.Signer) (*Signer, error) {
	if err := fits(alg, key); err != nil {
		return nil, err
	}
	return &Signer{kid: kid, alg: alg, key: key}, nil
}

// NewProver returns a signer whose headers carry its public key, for DPoP proofs
// (RFC 9449 §4.2). Errors: as NewSigner.
func NewProver(alg Algorithm, key crypto.Signer) (*Signer, error) {
	if err := fits(alg, key); err != nil {
		return nil, err
	}
	jwk, err := publicJWK(key.Public(), "", "", "")
	if err != nil {
		return nil, err
	}
	return &Signer{alg: alg, key: key, jwk: jwk}, nil
}

func fits(alg Algorithm, key crypto.Signer) error {
	ok := false
	if key != nil {
		switch pub := key.Public().(type) {
		case *ecdsa.PublicKey:
			ok = alg == ES256 && pub.Curve == elliptic.P256()
		case *rsa.PublicKey:
			ok = (alg == PS256 || alg == RS256) && pub.N.BitLen() >= minRSABits
		case ed25519.PublicKey:
			ok = edwards(alg)
		}
	}
	if !ok {
		return fault.New(fault.Invalid, "the key does not fit the algorithm %q", alg)
	}
	return nil
}

// KID returns the kid that the signer's tokens name.
func (s *Signer) KID() string { return s.kid }

// Algorithm returns the signer's algorithm.
func (s *Signer) Algorithm() Algorithm { return s.alg }

// Public returns the signer's public key.
func (s *Signer) Public() crypto.PublicKey { return s.key.Public() }

// Sign returns claims as a compact JWS with the given typ; an empty typ leaves
// it out. Errors: fault.Internal.
func (s *Signer) Sign(typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fault.Wrap(fault.Internal, "write claims", err)
	}
	return s.SignJSON(typ, payload)
}

// SignJSON is Sign for claims that are written already.
func (s *Signer) SignJSON(typ string, payload []byte) (string, error) {
	head, err := s.header(typ)
	if err != nil {
		return "", err
	}
	size := len(head) + encoding.EncodedLen(len(payload))
	out := make([]byte, size, size+1+encoding.EncodedLen(512))
	copy(out, head)
	encoding.Encode(out[len(head):], payload)
	signature, err := s.sign(out)
	if err != nil {
		return "", fault.Wrap(fault.Internal, "sign a token", err)
	}
	out = append(out, '.')
	return string(encoding.AppendEncode(out, signature)), nil
}

// header returns the encoded header for a typ. Types are a few words of ours, so
// that keeping every one costs little.
func (s *Signer) header(typ string) (string, error) {
	if known, ok := s.headers.Load(typ); ok {
		return known.(string), nil
	}
	raw, err := json.Marshal(struct {
		Algorithm Algorithm       `json:"alg"`
		KID       string          `json:"kid,omitempty"`
		Type      string          `json:"typ,omitempty"`
		JWK       json.RawMessage `json:"jwk,omitempty"`
	}{s.alg, s.kid, typ, s.jwk})
	if err != nil {
		return "", fault.Wrap(fault.Internal, "write a header", err)
	}
	head := encoding.EncodeToString(raw) + "."
	s.headers.Store(typ, head)
	return head, nil
}

func (s *Signer) sign(input []byte) ([]byte, error) {
	if edwards(s.alg) {
		return s.key.Sign(rand.Reader, input, crypto.Hash(0))
	}
	sum := sha256.Sum256(input)
	switch s.alg {
	case PS256:
		return s.key.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case RS256:
		return s.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	der, err := s.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	// crypto.Signer speaks ASN.1, JWS wants r and s side by side (RFC 7518 §3.4).
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	if err != nil || len(rest) != 0 || pair.R.Sign() < 0 || pair.R.BitLen() > 256 || pair.S.Sign() < 0 || pair.S.BitLen() > 256 {
		return nil, fault.New(fault.Internal, "read an ECDSA signature")
	}
	out := make([]byte, 64)
	pair.R.FillBytes(out[:32])
	pair.S.FillBytes(out[32:])
	return out, nil
}

// publicJWK writes a public key as a JWK.
func publicJWK(public crypto.PublicKey, kid, use string, alg string) (json.RawMessage, error) {
	raw, err := josev4.JSONWebKey{Key: public, KeyID: kid, Use: use, Algorithm: alg}.MarshalJSON()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write a public key", err)
	}
	return raw, nil
}

package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"slices"

	josev4 "github.com/go-jose/go-jose/v4"

	"renkei.dev/internal/fault"
)

const (
	// MaxSet is the longest JWK set that is read, in bytes.
	MaxSet     = 128 << 10
	maxKeys    = 50
	minRSABits = 2048
	maxRSABits = 8192 // verification costs grow with the square
)

// publicKey is one key of a client's set.
type publicKey struct {
	kid, use, alg string
	operations    []string
	public        crypto.PublicKey
}

// Set is the public keys of one client. It does not change.
type Set struct{ keys []publicKey }

// ParseSet reads a JWK set (RFC 7517 §5) and refuses it as a whole when it holds
// a private or symmetric key, an RSA key under 2048 bits, a key off its curve, or
// two keys that a kid cannot tell apart. Keys of types unknown to us are passed
// over, as RFC 7517 §5 asks, so that a partner may publish newer ones beside.
// Errors: fault.Invalid.
func ParseSet(raw []byte) (*Set, error) {
	if len(raw) > MaxSet {
		return nil, fault.New(fault.Invalid, "a key set is too long")
	}
	var list json.RawMessage
	if err := members("a key set", raw, func(name string, value json.RawMessage) {
		if name == "keys" {
			list = value
		}
	}); err != nil {
		return nil, err
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(list, &entries); err != nil {
		return nil, fault.New(fault.Invalid, "a key set has no list of keys")
	}
	if len(entries) > maxKeys {
		return nil, fault.New(fault.Invalid, "a key set has more than %d keys", maxKeys)
	}
	s := &Set{}
	for i, entry := range entries {
		k, err := parseKey(entry)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, "read a key set", err)
		}
		if k.public == nil {
			continue
		}
		for _, other := range s.keys {
			if k.kid == other.kid && k.kid != "" && k.use == other.use && keyType(k.public) == keyType(other.public) {
				return nil, fault.New(fault.Invalid, "key %d of a set has the kid of another", i)
			}
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

// Len returns the number of keys that the set has for us.
func (s *Set) Len() int { return len(s.keys) }

// Verifies tells whether some key of the set can verify the algorithm.
func (s *Set) Verifies(alg Algorithm) bool {
	return slices.ContainsFunc(s.keys, func(k publicKey) bool { return k.verifies(alg) })
}

func (s *Set) verificationKey(kid string, alg Algorithm) (crypto.PublicKey, error) {
	var found crypto.PublicKey
	for _, k := range s.keys {
		if (kid != "" && k.kid != kid) || !k.verifies(alg) {
			continue
		}
		if found != nil {
			return nil, fault.New(fault.Invalid, "a token does not say which key signed it")
		}
		found = k.public
	}
	if found == nil {
		return nil, fault.New(fault.NotFound, "find the key that signed a token")
	}
	return found, nil
}

// verifies tells whether the key may verify an algorithm: by its type and size,
// its own alg, its use and its key_ops.
func (k publicKey) verifies(alg Algorithm) bool {
	if k.use == "enc" || (k.operations != nil && !slices.Contains(k.operations, "verify")) {
		return false
	}
	if k.alg != "" && k.alg != alg && !(edwards(k.alg) && edwards(alg)) {
		return false
	}
	switch pub := k.public.(type) {
	case *ecdsa.PublicKey:
		return alg == ES256 && pub.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return alg == PS256 || alg == RS256
	case ed25519.PublicKey:
		return edwards(alg)
	}
	return false
}

func edwards(alg string) bool { return alg == EdDSA || alg == Ed25519 }

func keyType(k crypto.PublicKey) string {
	switch k.(type) {
	case *ecdsa.PublicKey:
		return "EC"
	case *rsa.PublicKey:
		return "RSA"
	}
	return "OKP"
}

// parseKey reads one public JWK. A key type that we do not know gives an empty
// key and no error.
func parseKey(raw json.RawMessage) (publicKey, error) {
	var k publicKey
	var kty, crv, bad string
	err := members("a key", raw, func(name string, value json.RawMessage) {
		ok := true
		switch name {
		case "kty":
			kty, ok = Text(value)
		case "crv":
			crv, ok = Text(value)
		case "kid":
			k.kid, ok = Text(value)
			ok = ok && len(k.kid) <= maxKID
		case "use":
			k.use, ok = Text(value)
		case "alg":
			k.alg, ok = Text(value)
		case "key_ops":
			k.operations = []string{}
			ok = json.Unmarshal(value, &k.operations) == nil
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
			ok = false
		}
		if !ok {
			bad = name
		}
	})
	switch {
	case err != nil:
		return publicKey{}, err
	case bad != "":
		return publicKey{}, fault.New(fault.Invalid, "a key may not have this %q", bad)
	case kty == "oct":
		return publicKey{}, fault.New(fault.Invalid, "a key is symmetric")
	case kty == "":
		return publicKey{}, fault.New(fault.Invalid, "a key has no kty")
	case kty != "EC" && kty != "RSA" && (kty != "OKP" || crv != "Ed25519"),
		kty == "EC" && crv != "P-256" && crv != "P-384" && crv != "P-521":
		return publicKey{}, nil
	}
	var parsed josev4.JSONWebKey
	if err := parsed.UnmarshalJSON(bare(raw)); err != nil {
		return publicKey{}, fault.Wrap(fault.Invalid, "read a key", err)
	}
	k.public = parsed.Key
	switch pub := k.public.(type) {
	case *rsa.PublicKey:
		if bits := pub.N.BitLen(); bits < minRSABits || bits > maxRSABits || pub.E < 3 || pub.E%2 == 0 || pub.N.Bit(0) == 0 {
			return publicKey{}, fault.New(fault.Invalid, "an RSA key of %d bits, exponent %d, is not used", bits, pub.E)
		}
	case *ecdsa.PublicKey:
	case ed25519.PublicKey:
		if len(pub) != ed25519.PublicKeySize {
			return publicKey{}, fault.New(fault.Invalid, "an Ed25519 key has %d bytes", len(pub))
		}
	default:
		return publicKey{}, fault.New(fault.Invalid, "a key is not a public key")
	}
	return k, nil
}

// bare keeps only the members that make a public key, so that certificates and
// addresses beside it are neither parsed nor trusted.
func bare(raw json.RawMessage) []byte {
	keep := map[string]json.RawMessage{}
	// The object was read before and cannot fail now.
	_ = members("a key", raw, func(name string, value json.RawMessage) {
		switch name {
		case "kty", "crv", "x", "y", "n", "e":
			keep[name] = value
		}
	})
	out, err := json.Marshal(keep)
	if err != nil {
		return nil // go-jose refuses it
	}
	return out
}

// Thumbprint returns the RFC 7638 SHA-256 thumbprint of a public key, base64url.
// Errors: fault.Invalid for a key type outside the closed list.
func Thumbprint(public crypto.PublicKey) (string, error) {
	if e, ok := public.(*ecdsa.PublicKey); ok && e.Curve == elliptic.P256() {
		// The common case, written out: it runs once per API call.
		point, err := e.Bytes()
		if err != nil {
			return "", fault.Wrap(fault.Invalid, "take a key's thumbprint", err)
		}
		sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + encoding.EncodeToString(point[1:33]) +
			`","y":"` + encoding.EncodeToString(point[33:]) + `"}`))
		return encoding.EncodeToString(sum[:]), nil
	}
	sum, err := (&josev4.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, "take a key's thumbprint", err)
	}
	return encoding.EncodeToString(sum), nil
}

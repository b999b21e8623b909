package jose

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"slices"

	josev4 "github.com/go-jose/go-jose/v4"

	"renkei.dev/internal/fault"
)

// KeyManagement is the name of an algorithm that encrypts a content key.
type KeyManagement = string

// The closed list. RSA1_5 and every symmetric algorithm are missing on purpose
// (FAPI 1.0 Part 2 §8.6.1; FAPI 2.0 SP §5.4).
const (
	ECDHESA256KW KeyManagement = "ECDH-ES+A256KW"
	RSAOAEP256   KeyManagement = "RSA-OAEP-256"
)

// A256GCM is the one content encryption.
const A256GCM = "A256GCM"

// Encrypts tells whether the set has a key for the algorithm.
func (s *Set) Encrypts(alg KeyManagement) bool {
	return slices.ContainsFunc(s.keys, func(k publicKey) bool { return k.encrypts(alg) })
}

// Encrypt returns payload as a compact JWE for the first key of the set that is
// meant for the algorithm; cty is "JWT" for a nested token. Errors:
// fault.NotFound without such a key; fault.Invalid for another algorithm.
func (s *Set) Encrypt(alg KeyManagement, enc, cty string, payload []byte) (string, error) {
	if enc != A256GCM || (alg != ECDHESA256KW && alg != RSAOAEP256) {
		return "", fault.New(fault.Invalid, "encryption by %q and %q is not offered", alg, enc)
	}
	i := slices.IndexFunc(s.keys, func(k publicKey) bool { return k.encrypts(alg) })
	if i < 0 {
		return "", fault.New(fault.NotFound, "find a key to encrypt to")
	}
	options := new(josev4.EncrypterOptions)
	if cty != "" {
		options = options.WithContentType(josev4.ContentType(cty))
	}
	encrypter, err := josev4.NewEncrypter(josev4.A256GCM, josev4.Recipient{
		Algorithm: josev4.KeyAlgorithm(alg), Key: s.keys[i].public, KeyID: s.keys[i].kid,
	}, options)
	if err != nil {
		return "", fault.Wrap(fault.Internal, "prepare an encryption", err)
	}
	jwe, err := encrypter.Encrypt(payload)
	if err != nil {
		return "", fault.Wrap(fault.Internal, "encrypt a token", err)
	}
	out, err := jwe.CompactSerialize()
	if err != nil {
		return "", fault.Wrap(fault.Internal, "encrypt a token", err)
	}
	return out, nil
}

// encrypts tells whether something may be encrypted to the key: only one that
// says use=enc, since a key without use may be meant for signatures alone.
func (k publicKey) encrypts(alg KeyManagement) bool {
	if k.use != "enc" || (k.alg != "" && k.alg != alg) {
		return false
	}
	switch k.public.(type) {
	case *ecdsa.PublicKey:
		return alg == ECDHESA256KW
	case *rsa.PublicKey:
		return alg == RSAOAEP256
	}
	return false
}

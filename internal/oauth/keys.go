package oauth

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

// KeySet returns the public keys as a JWK set (RFC 7517 §5). The bytes are
// shared: do not change them.
func (e *Engine) KeySet() []byte { return e.cfg.Keys().JWKS() }

// signer returns our key for an algorithm that a client registered.
func (e *Engine) signer(alg string) (*jose.Signer, error) {
	s, err := e.cfg.Keys().Signer(alg)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "sign as "+e.issuer.URL, err)
	}
	return s, nil
}

func halfSHA256(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

func halfSHA512(text string) string {
	sum := sha512.Sum512([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

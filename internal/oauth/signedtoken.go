package oauth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"

	"renkei.dev/internal/secret"
)

// signedTokenKind is the digest of an access token that is a JWT, over its whole
// text: only what we gave is found, and no signature needs to be verified here.
const signedTokenKind secret.Kind = "signed access token"

// signed writes an access token as a JWT (RFC 9068) and returns its key. Its jti
// carries the row's id and opens nothing by itself.
func (e *Engine) signed(c signedClaims) (secret.Value, Key, error) {
	signer, err := e.signer("")
	if err != nil {
		return secret.Value{}, Key{}, err
	}
	var raw [signedIDBytes]byte
	id := e.cfg.NextID()
	binary.BigEndian.PutUint64(raw[:idBytes], uint64(id))
	rand.Read(raw[idBytes:])
	c.ID = strictBase64.EncodeToString(raw[:])
	compact, err := signer.Sign(signedTokenType, c)
	if err != nil {
		return secret.Value{}, Key{}, err
	}
	v := secret.Of(compact)
	return v, Key{ID: id, Digest: secret.DigestOf(signedTokenKind, e.issuer.URL, v)}, nil
}

// accessKey returns the key of what claims to be an access token, opaque or
// signed; false for what cannot be one.
func (e *Engine) accessKey(v secret.Value) (Key, bool) {
	if key, ok := e.keyOf(accessTokenValue, v); ok {
		return key, true
	}
	text := v.Reveal()
	if !e.signs || len(text) > maxSignedToken {
		return Key{}, false
	}
	_, rest, ok := strings.Cut(text, ".")
	payload, _, signed := strings.Cut(rest, ".")
	if !ok || !signed {
		return Key{}, false
	}
	claims, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return Key{}, false
	}
	var c struct {
		ID string `json:"jti"`
	}
	if json.Unmarshal(claims, &c) != nil {
		return Key{}, false
	}
	raw, whole := decoded(c.ID, signedIDBytes)
	if !whole {
		return Key{}, false
	}
	id := int64(binary.BigEndian.Uint64(raw[:idBytes]))
	return Key{ID: id, Digest: secret.DigestOf(signedTokenKind, e.issuer.URL, v)}, id > 0
}

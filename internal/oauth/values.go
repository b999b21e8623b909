package oauth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"renkei.dev/internal/secret"
)

// valueKind is one kind of single-use value or token. Prefix and digest differ
// for each, so that none is ever found as another (protocol.md §4 item 10).
type valueKind struct {
	prefix string
	kind   secret.Kind
}

var (
	requestURIValue   = valueKind{"urn:ietf:params:oauth:request_uri:", "request_uri"} // RFC 9126 §2.2
	codeValue         = valueKind{"rac_", "authorization code"}
	accessTokenValue  = valueKind{"rat_", "access token"}
	refreshTokenValue = valueKind{"rrt_", "refresh token"}

	initialTokenValue      = valueKind{"rit_", "initial access token"}      // RFC 7591 §1.2
	registrationTokenValue = valueKind{"rgt_", "registration access token"} // RFC 7592 §1.2
)

const (
	idBytes     = 8
	secretBytes = 32
)

var strictBase64 = base64.RawURLEncoding.Strict()

// issue makes a new value of a kind, and its key: the id in clear, so that the
// row is found, and 256 bits of chance, of which only the digest is kept.
func (e *Engine) issue(k valueKind) (secret.Value, Key) { return e.issuer.issue(k, e.cfg.NextID()) }

func (i Issuer) issue(k valueKind, id int64) (secret.Value, Key) {
	var raw [idBytes + secretBytes]byte
	binary.BigEndian.PutUint64(raw[:idBytes], uint64(id))
	rand.Read(raw[idBytes:])
	v := secret.Of(k.prefix + strictBase64.EncodeToString(raw[:]))
	return v, Key{ID: id, Digest: secret.DigestOf(k.kind, i.URL, v)}
}

// decoded reads so many bytes in base64url. It counts both, since the decoder
// itself would skip line breaks.
func decoded(text string, bytes int) ([]byte, bool) {
	if len(text) != strictBase64.EncodedLen(bytes) {
		return nil, false
	}
	raw, err := strictBase64.DecodeString(text)
	return raw, err == nil && len(raw) == bytes
}

// keyOf returns the key of what claims to be a value of a kind; false for what
// cannot be one. The digest is over the text, so that no other spelling of the
// same bytes finds it.
func (e *Engine) keyOf(k valueKind, v secret.Value) (Key, bool) {
	rest, ok := strings.CutPrefix(v.Reveal(), k.prefix)
	raw, whole := decoded(rest, idBytes+secretBytes)
	if !ok || !whole {
		return Key{}, false
	}
	id := int64(binary.BigEndian.Uint64(raw[:idBytes]))
	if id <= 0 {
		return Key{}, false
	}
	return Key{ID: id, Digest: secret.DigestOf(k.kind, e.issuer.URL, v)}, true
}

// newGrantID returns the public name of a new grant: 128 bits of chance after a
// rising id.
func (e *Engine) newGrantID() GrantID {
	var raw [idBytes + 16]byte
	binary.BigEndian.PutUint64(raw[:idBytes], uint64(e.cfg.NextID()))
	rand.Read(raw[idBytes:])
	return GrantID("grt_" + strictBase64.EncodeToString(raw[:]))
}

// Row returns the rising id under which a grant is kept; false for what is no
// grant id of ours.
func (g GrantID) Row() (int64, bool) {
	rest, ok := strings.CutPrefix(string(g), "grt_")
	raw, whole := decoded(rest, idBytes+16)
	if !ok || !whole {
		return 0, false
	}
	id := int64(binary.BigEndian.Uint64(raw[:idBytes]))
	return id, id > 0
}

package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// Kind says what a digested value is, so that no value of one kind is ever
// found as another (protocol.md §3 and §4 item 10). The kinds are part of what
// is stored: they are never renamed.
type Kind string

// Digest is a SHA-256 over an unambiguous, typed encoding of (kind, scope, value).
type Digest [sha256.Size]byte

// Equal compares in constant time.
func (d Digest) Equal(e Digest) bool { return subtle.ConstantTimeCompare(d[:], e[:]) == 1 }

// DigestOf returns the digest of value as a kind within scope: the issuer, the
// institution or the key that the value belongs to. It is for values with at
// least 128 bits of chance; what a person chose wants MAC or a slow hash.
func DigestOf(kind Kind, scope string, value Value) Digest {
	var buf [256]byte
	return sha256.Sum256(appendTyped(buf[:0], kind, scope, value))
}

// MAC returns a keyed digest of a value with few digits, encoded as in DigestOf.
func MAC(key []byte, kind Kind, scope string, value Value) Digest {
	var d Digest
	h := hmac.New(sha256.New, key)
	h.Write(appendTyped(make([]byte, 0, 128), kind, scope, value))
	h.Sum(d[:0])
	return d
}

func appendTyped(b []byte, kind Kind, scope string, value Value) []byte {
	for _, part := range [...]string{string(kind), scope, value.Reveal()} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"renkei.dev/internal/fault"
)

// KeySize is the length in bytes of a Box's keys.
const KeySize = 32

// Box seals columns and cookies with AES-256-GCM. What is sealed names the
// number of its key, so that keys can be changed while old columns still open.
type Box struct {
	newest uint32
	aeads  map[uint32]cipher.AEAD
	mac    []byte
}

// NewBox returns a Box that seals with the highest-numbered of keys and opens
// with all of them. Every key has KeySize bytes; there is at least one.
func NewBox(keys map[uint32][]byte) (*Box, error) {
	b := &Box{aeads: map[uint32]cipher.AEAD{}}
	for number, key := range keys {
		if len(key) != KeySize {
			return nil, fault.New(fault.Invalid, "sealing key %d has %d bytes, not %d", number, len(key), KeySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, "make a cipher", err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, "make a cipher", err)
		}
		b.aeads[number] = aead
		b.newest = max(b.newest, number)
	}
	newest, ok := keys[b.newest]
	if !ok {
		return nil, fault.New(fault.Invalid, "no sealing key")
	}
	var err error
	if b.mac, err = hkdf.Key(sha256.New, newest, nil, "renkei mac", KeySize); err != nil {
		return nil, fault.Wrap(fault.Internal, "derive a key", err)
	}
	return b, nil
}

// Derive returns a key of KeySize bytes for one purpose, from the newest key.
func (b *Box) Derive(purpose string) []byte {
	key, err := hkdf.Expand(sha256.New, b.mac, purpose, KeySize)
	if err != nil {
		panic(fmt.Sprintf("derive a key of %d bytes: %v", KeySize, err)) // only for an absurd length
	}
	return key
}

// Seal encrypts plain so that it opens only with the same additional data,
// which names where it belongs: table and row, or institution and account.
func (b *Box) Seal(plain []byte, additional ...string) []byte {
	aead := b.aeads[b.newest]
	out := make([]byte, 4+aead.NonceSize(), 4+aead.NonceSize()+len(plain)+aead.Overhead())
	binary.BigEndian.PutUint32(out, b.newest)
	rand.Read(out[4:])
	return aead.Seal(out, out[4:], plain, additionalData(additional))
}

// Open decrypts what Seal made. Anything else is fault.Invalid, in one sentence
// for every cause.
func (b *Box) Open(sealed []byte, additional ...string) ([]byte, error) {
	if len(sealed) < 4 {
		return nil, fault.New(fault.Invalid, "open a sealed value")
	}
	aead, ok := b.aeads[binary.BigEndian.Uint32(sealed)]
	if !ok || len(sealed) < 4+aead.NonceSize() {
		return nil, fault.New(fault.Invalid, "open a sealed value")
	}
	nonce, rest := sealed[4:4+aead.NonceSize()], sealed[4+aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, rest, additionalData(additional))
	if err != nil {
		return nil, fault.New(fault.Invalid, "open a sealed value")
	}
	return plain, nil
}

func additionalData(parts []string) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

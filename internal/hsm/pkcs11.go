//go:build pkcs11

package hsm

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"sync"

	"github.com/ThalesGroup/crypto11"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

const (
	idSize  = 16
	rsaBits = 2048
)

type token struct {
	context *crypto11.Context

	mu    sync.Mutex
	known map[string]crypto.Signer // by kid
}

// Open loads the module and logs in to the token. Errors: fault.Unavailable, in
// words of the module's.
func Open(c Config) (Token, error) {
	context, err := crypto11.Configure(&crypto11.Config{Path: c.Module, TokenLabel: c.Token, Pin: c.PIN.Reveal()})
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "open token "+c.Token+" of the HSM", err)
	}
	return &token{context: context, known: map[string]crypto.Signer{}}, nil
}

// Generate makes a key in the token.
func (t *token) Generate(alg jose.Algorithm) (crypto.Signer, error) {
	id := make([]byte, idSize)
	rand.Read(id)
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = t.context.GenerateECDSAKeyPairWithLabel(id, []byte(Label), elliptic.P256())
	case jose.PS256:
		key, err = t.context.GenerateRSAKeyPairWithLabel(id, []byte(Label), rsaBits)
	default:
		return nil, fault.New(fault.Invalid, "no key for %s is made in an HSM: ES256 and PS256 are", alg)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "make a key in the HSM", err)
	}
	return key, t.remember(key)
}

func (t *token) remember(key crypto.Signer) error {
	kid, err := jose.Thumbprint(key.Public())
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[kid] = key
	return nil
}

// Find looks among our keys in the token.
func (t *token) Find(kid string) (crypto.Signer, error) {
	if key := t.remembered(kid); key != nil {
		return key, nil
	}
	all, err := t.context.FindKeyPairs(nil, []byte(Label))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "look for a key in the HSM", err)
	}
	for _, key := range all {
		if err := t.remember(key); err != nil {
			return nil, err
		}
	}
	if key := t.remembered(kid); key != nil {
		return key, nil
	}
	return nil, fault.New(fault.NotFound, "the HSM's token has no key %s", kid)
}

func (t *token) remembered(kid string) crypto.Signer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[kid]
}

// Close logs out.
func (t *token) Close() error { return t.context.Close() }

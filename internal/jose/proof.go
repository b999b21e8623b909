package jose

import (
	"crypto"
	"encoding/json"
	"sync"

	"renkei.dev/internal/fault"
)

// Proof is a verified DPoP proof (RFC 9449 §4.2), as far as JOSE goes.
type Proof struct {
	Header     Header
	Payload    []byte
	Key        crypto.PublicKey
	Thumbprint string // RFC 7638, SHA-256
}

// Proofs checks DPoP proofs and remembers the keys of some that held: reading a
// key costs a sixth of verifying by it, and clients come again with theirs. The
// zero value is ready; it may be used in parallel.
type Proofs struct {
	mu     sync.Mutex
	recent map[string]proofKey // by the JWK as it stood in the header
	older  map[string]proofKey
}

type proofKey struct {
	key        publicKey
	thumbprint string
}

// proofKeysAtMost bounds each generation of keys, so that who makes a key for
// every call fills no memory.
const proofKeysAtMost = 2048

// ParseProof is Parse without memory.
func ParseProof(compact string, algorithms []Algorithm) (Proof, error) {
	return new(Proofs).Parse(compact, algorithms)
}

// Parse checks a DPoP proof with the public key that its header carries: typ
// dpop+jwt, a permitted algorithm, a key of that algorithm's type, no private
// member. What the claims say is the caller's to judge. Errors: fault.Invalid.
func (m *Proofs) Parse(compact string, algorithms []Algorithm) (Proof, error) {
	p, err := parseCompact(compact)
	if err != nil {
		return Proof{}, err
	}
	if err := p.obey(Rules{Algorithms: algorithms, Types: []string{"dpop+jwt"}}); err != nil {
		return Proof{}, err
	}
	if p.jwk == nil {
		return Proof{}, fault.New(fault.Invalid, "a proof carries no key")
	}
	k, known := m.known(p.jwk)
	if !known {
		if k, err = readProofKey(p.jwk); err != nil {
			return Proof{}, err
		}
	}
	if !k.key.verifies(p.header.Algorithm) {
		return Proof{}, fault.New(fault.Invalid, "a proof's key does not fit its algorithm")
	}
	if err := p.verify(k.key.public); err != nil {
		return Proof{}, err
	}
	if !known {
		m.remember(p.jwk, k)
	}
	return Proof{p.header, p.payload, k.key.public, k.thumbprint}, nil
}

func readProofKey(jwk json.RawMessage) (proofKey, error) {
	k, err := parseKey(jwk)
	if err != nil {
		return proofKey{}, err
	}
	if k.public == nil {
		return proofKey{}, fault.New(fault.Invalid, "a proof's key does not fit its algorithm")
	}
	thumbprint, err := Thumbprint(k.public)
	return proofKey{k, thumbprint}, err
}

func (m *Proofs) known(jwk json.RawMessage) (proofKey, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.recent[string(jwk)]
	if !ok {
		if k, ok = m.older[string(jwk)]; ok {
			m.put(string(jwk), k)
		}
	}
	return k, ok
}

// remember keeps the key of a proof whose signature held.
func (m *Proofs) remember(jwk json.RawMessage, k proofKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(string(jwk), k)
}

func (m *Proofs) put(jwk string, k proofKey) {
	if m.recent == nil || len(m.recent) >= proofKeysAtMost {
		m.recent, m.older = make(map[string]proofKey), m.recent
	}
	m.recent[jwk] = k
}

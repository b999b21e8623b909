package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"slices"
	"time"

	"renkei.dev/internal/fault"
)

// State is where a key of ours stands in its life.
type State string

// The states of a key, in the order of its life.
const (
	Next    State = "next"    // published, so that everyone knows it before it signs
	Active  State = "active"  // signs
	Retired State = "retired" // published until what it signed has expired
)

// Key is one of our own signing keys. Private is sealed by whoever keeps it, and
// gone from a key that is retired: Public is enough to publish that one.
type Key struct {
	KID       string
	Algorithm Algorithm
	State     State
	CreatedAt time.Time
	ExpiresAt time.Time // after it the key must not sign
	RemoveAt  time.Time // of a retired key: when it leaves the published set
	Private   crypto.Signer
	Public    crypto.PublicKey // needed where Private is nil
}

// Generate makes a new key in state Next whose KID is its thumbprint, good for
// the given time. ES256, PS256 (2048 bits) and EdDSA can be made.
// Errors: fault.Invalid for another algorithm.
func Generate(alg Algorithm, now time.Time, goodFor time.Duration) (Key, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case PS256:
		private, err = rsa.GenerateKey(rand.Reader, minRSABits)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return Key{}, fault.New(fault.Invalid, "no key is made for the algorithm %q", alg)
	}
	if err != nil {
		return Key{}, fault.Wrap(fault.Internal, "make a key", err)
	}
	kid, err := Thumbprint(private.Public())
	if err != nil {
		return Key{}, err
	}
	if kid[0] == '-' { // would look like a flag where staff name the key on a command line
		return Generate(alg, now, goodFor)
	}
	return Key{KID: kid, Algorithm: alg, State: Next, CreatedAt: now, ExpiresAt: now.Add(goodFor), Private: private}, nil
}

func (k Key) public() crypto.PublicKey {
	if k.Private != nil {
		return k.Private.Public()
	}
	return k.Public
}

// MarshalPrivate returns a private key as PKCS #8, to be sealed before it is kept.
func MarshalPrivate(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write a private key", err)
	}
	return der, nil
}

// ParsePrivate reads what MarshalPrivate wrote. Errors: fault.Invalid.
func ParsePrivate(der []byte) (crypto.Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read a private key") // the cause may quote the key
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fault.New(fault.Invalid, "a private key cannot sign")
	}
	return key, nil
}

// MarshalPublic returns a public key as a SubjectPublicKeyInfo, to be kept.
// Errors: fault.Invalid for a kind of key that nobody knows.
func MarshalPublic(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "write a public key", err)
	}
	return der, nil
}

// ParsePublic reads what MarshalPublic wrote. Errors: fault.Invalid.
func ParsePublic(der []byte) (crypto.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read a public key", err)
	}
	return key, nil
}

// Ring is one issuer's keys at a moment. It does not change: a rotation makes a
// new one.
type Ring struct {
	signers []*Signer
	expires []time.Time // beside signers
	changes time.Time   // when the first retired key leaves; zero: none will
	public  []byte
	set     *Set
}

// NewRing returns the ring that issuer's keys make at now. Retired keys whose
// time is over are left out. Errors: fault.Invalid when there is no active key,
// two active ones of one algorithm, a key without a kid or two with the same. An
// active key past its time is Expired's to tell: a server that runs must be able
// to take the key that replaces it.
func NewRing(keys []Key, now time.Time) (*Ring, error) {
	r := &Ring{}
	published := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	seen := map[string]bool{}
	for _, k := range keys {
		if k.State == Retired && !now.Before(k.RemoveAt) {
			continue
		}
		if k.KID == "" || seen[k.KID] {
			return nil, fault.New(fault.Invalid, "signing keys need kids of their own, not %q", k.KID)
		}
		seen[k.KID] = true
		jwk, err := publicJWK(k.public(), k.KID, "sig", k.Algorithm)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, "use signing key "+k.KID, err)
		}
		published.Keys = append(published.Keys, jwk)
		if k.State == Retired {
			if r.changes.IsZero() || k.RemoveAt.Before(r.changes) {
				r.changes = k.RemoveAt
			}
			continue
		}
		signer, err := NewSigner(k.KID, k.Algorithm, k.Private)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, "use signing key "+k.KID, err)
		}
		switch k.State {
		case Active:
			if r.find(k.Algorithm) != nil {
				return nil, fault.New(fault.Invalid, "two active signing keys for %s", k.Algorithm)
			}
			r.signers, r.expires = append(r.signers, signer), append(r.expires, k.ExpiresAt)
		case Next:
		default:
			return nil, fault.New(fault.Invalid, "signing key %s is in the unknown state %q", k.KID, k.State)
		}
	}
	if len(r.signers) == 0 {
		return nil, fault.New(fault.Invalid, "no active signing key")
	}
	var err error
	if r.public, err = json.Marshal(published); err != nil {
		return nil, fault.Wrap(fault.Internal, "write the public keys", err)
	}
	r.set, err = ParseSet(r.public)
	return r, err
}

// Signer returns the active signer of an algorithm; the empty name asks for the
// first. Errors: fault.NotFound.
func (r *Ring) Signer(alg Algorithm) (*Signer, error) {
	if s := r.find(alg); s != nil {
		return s, nil
	}
	return nil, fault.New(fault.NotFound, "find an active key for %q", alg)
}

func (r *Ring) find(alg Algorithm) *Signer {
	for _, s := range r.signers {
		if alg == "" || s.alg == alg || edwards(alg) && edwards(s.alg) {
			return s
		}
	}
	return nil
}

// Expired tells of the first active key that is past its time, which is meant to
// stop a start. Errors: fault.Expired.
func (r *Ring) Expired(now time.Time) error {
	for i, s := range r.signers {
		if !now.Before(r.expires[i]) {
			return fault.New(fault.Expired, "signing key %s for %s expired on %s", s.kid, s.alg, r.expires[i].UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// EndsAt returns when the first of the active keys is past its time.
func (r *Ring) EndsAt() time.Time { return slices.MinFunc(r.expires, time.Time.Compare) }

// ChangesAt returns when the ring's first retired key leaves it: a new ring is
// due then. The zero time: by time alone it never changes.
func (r *Ring) ChangesAt() time.Time { return r.changes }

// Algorithms returns the algorithms that the ring can sign with, for metadata.
func (r *Ring) Algorithms() []Algorithm {
	var out []Algorithm
	for _, s := range r.signers {
		out = append(out, s.alg)
	}
	return out
}

// JWKS returns the public keys as a JWK set. The bytes are shared: do not change
// them.
func (r *Ring) JWKS() []byte { return r.public }

// Set returns the public keys, to verify what we signed ourselves.
func (r *Ring) Set() *Set { return r.set }

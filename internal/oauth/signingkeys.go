package oauth

import (
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

// IssuerName tells the issuers of one institution apart where their keys are kept.
type IssuerName string

// FAPIIssuer is the issuer of the profiles fapi2 and fapi1_adv.
const FAPIIssuer IssuerName = "fapi"

// The acts on signing keys that the audit log keeps.
const (
	KeyAddedName     audit.Name = "key.added"
	KeyActivatedName audit.Name = "key.activated"
	KeyRetiredName   audit.Name = "key.retired"
	KeyRemovedName   audit.Name = "key.removed"
)

// SigningKey is one of an issuer's keys as it is kept for all nodes.
type SigningKey struct {
	jose.Key
	// InHSM: the private key never leaves a token that PKCS #11 leads to. Private
	// is nil then until somebody opened it there.
	InHSM       bool
	ActivatedAt time.Time // zero: it has not signed
}

// KeyAdded publishes a new key, in state next. It no longer holds when its kid is
// known already.
type KeyAdded struct {
	Issuer IssuerName
	Key    SigningKey
	By     audit.Actor
	At     time.Time
}

// Act returns the act of the addition.
func (c KeyAdded) Act() audit.Act {
	where := "sealed"
	if c.Key.InHSM {
		where = "hsm"
	}
	return audit.Act{
		Name: KeyAddedName, At: c.At, Actor: c.By, Outcome: audit.Done, Object: c.Key.KID,
		Detail: map[string]string{"issuer": string(c.Issuer), "algorithm": c.Key.Algorithm, "until": c.Key.ExpiresAt.UTC().Format(time.RFC3339), "kept": where},
	}
}

// KeyActivated lets a next key sign in the place of the active one of its
// algorithm. It no longer holds when either has moved on meanwhile.
type KeyActivated struct {
	Issuer   IssuerName
	KID      string
	Retires  string    // the kid that signed until now; empty: none of the database's
	RemoveAt time.Time // when that one leaves the published set
	Why      string    // in the words of who did it; may be empty
	By       audit.Actor
	At       time.Time
}

// Act returns the act of the activation.
func (c KeyActivated) Act() audit.Act {
	return audit.Act{
		Name: KeyActivatedName, At: c.At, Actor: c.By, Outcome: audit.Done, Object: c.KID,
		Detail: map[string]string{"issuer": string(c.Issuer), "retires": c.Retires, "why": c.Why},
	}
}

// KeyRetired lets an active key sign no more, without another in its place: its
// algorithm is no longer on offer. It no longer holds when the key is not active.
type KeyRetired struct {
	Issuer   IssuerName
	KID      string
	RemoveAt time.Time
	Why      string
	By       audit.Actor
	At       time.Time
}

// Act returns the act of the retirement.
func (c KeyRetired) Act() audit.Act {
	return audit.Act{
		Name: KeyRetiredName, At: c.At, Actor: c.By, Outcome: audit.Done, Object: c.KID,
		Detail: map[string]string{"issuer": string(c.Issuer), "until": c.RemoveAt.UTC().Format(time.RFC3339), "why": c.Why},
	}
}

// KeyRemoved takes a next or a retired key out of the published set at once: what
// it signed verifies no more. It no longer holds when the key does not stand at
// From. The row stays, so that no kid ever comes back.
type KeyRemoved struct {
	Issuer IssuerName
	KID    string
	From   jose.State
	Why    string
	By     audit.Actor
	At     time.Time
}

// Act returns the act of the removal.
func (c KeyRemoved) Act() audit.Act {
	return audit.Act{
		Name: KeyRemovedName, At: c.At, Actor: c.By, Outcome: audit.Done, Object: c.KID,
		Detail: map[string]string{"issuer": string(c.Issuer), "was": string(c.From), "why": c.Why},
	}
}

// KeysKnownWithin is how soon every node has taken a change of the keys.
const KeysKnownWithin = 5 * time.Second

// KeyOverlap is how long a retired key stays published: as long as the longest
// life of anything it signed, and longer than anybody may hold the published set.
func (i Issuer) KeyOverlap() time.Duration {
	l := i.lifetimes()
	return max(l.AccessTokenFor, idTokenFor, responseFor, l.KeySetFor) + time.Minute + KeysKnownWithin
}

// MayActivateAt is when everybody who verifies knows a key: whoever fetched the
// published set just before the key was in it has fetched it anew by then.
func (i Issuer) MayActivateAt(k SigningKey) time.Time {
	return k.CreatedAt.Add(i.lifetimes().KeySetFor + KeysKnownWithin)
}

// KeySetFor is how long the published keys may be kept by who fetched them.
func (i Issuer) KeySetFor() time.Duration { return i.lifetimes().KeySetFor }

// MergeKeys returns an issuer's keys out of the configuration's files and out of
// the store. An active key of the store takes the place of a file's of the same
// algorithm, which stays published until its own end, so that keys move from
// files into the store by an ordinary rotation.
func MergeKeys(files []jose.Key, kept []SigningKey) []jose.Key {
	active, known := map[jose.Algorithm]bool{}, map[string]bool{}
	var all []jose.Key
	for _, k := range kept {
		all = append(all, k.Key)
		known[k.KID] = true
		active[k.Algorithm] = active[k.Algorithm] || k.State == jose.Active
	}
	for _, k := range files {
		if known[k.KID] {
			continue
		}
		if k.State == jose.Active && active[k.Algorithm] {
			k.State, k.RemoveAt = jose.Retired, k.ExpiresAt
		}
		all = append(all, k)
	}
	return all
}

// Activate decides how a next key becomes active among an issuer's keys. Before
// its time it may only where nothing signs yet, or atOnce. Errors:
// fault.NotFound; fault.Refused with a sentence for who asked.
func (i Issuer) Activate(keys []SigningKey, files []jose.Key, kid string, atOnce bool, by audit.Actor, why string, now time.Time) (KeyActivated, error) {
	k, err := findKey(keys, kid)
	if err != nil {
		return KeyActivated{}, err
	}
	if k.State != jose.Next {
		return KeyActivated{}, fault.New(fault.Refused, "key %s is %s: only a next key can be activated", kid, k.State)
	}
	signs := false
	for _, other := range MergeKeys(files, keys) {
		signs = signs || other.State == jose.Active
	}
	if ready := i.MayActivateAt(k); signs && !atOnce && now.Before(ready) {
		return KeyActivated{}, fault.New(fault.Refused, "key %s is too new: partners may hold the published keys without it until %s; wait for that, or use --at-once when the active key must not sign any longer", kid, ready.UTC().Format(time.RFC3339))
	}
	c := KeyActivated{Issuer: FAPIIssuer, KID: kid, RemoveAt: now.Add(i.KeyOverlap()), Why: why, By: by, At: now}
	for _, other := range keys {
		if other.State == jose.Active && other.Algorithm == k.Algorithm {
			c.Retires = other.KID
		}
	}
	return c, nil
}

// Retire decides how an active key ends without another in its place. Errors:
// fault.NotFound; fault.Refused for the last key that signs.
func (i Issuer) Retire(keys []SigningKey, files []jose.Key, kid string, by audit.Actor, why string, now time.Time) (KeyRetired, error) {
	k, err := findKey(keys, kid)
	if err != nil {
		return KeyRetired{}, err
	}
	if k.State != jose.Active {
		return KeyRetired{}, fault.New(fault.Refused, "key %s is %s: only an active key can be retired", kid, k.State)
	}
	others := 0
	for _, other := range MergeKeys(files, keys) {
		if other.State == jose.Active && other.KID != kid {
			others++
		}
	}
	if others == 0 {
		return KeyRetired{}, fault.New(fault.Refused, "key %s is the only one that signs: activate another one in its place", kid)
	}
	return KeyRetired{Issuer: FAPIIssuer, KID: kid, RemoveAt: now.Add(i.KeyOverlap()), Why: why, By: by, At: now}, nil
}

// RemoveKey decides how a next or retired key leaves the published set at once.
// Errors: fault.NotFound; fault.Refused for an active key.
func RemoveKey(keys []SigningKey, kid string, by audit.Actor, why string, now time.Time) (KeyRemoved, error) {
	k, err := findKey(keys, kid)
	if err != nil {
		return KeyRemoved{}, err
	}
	if k.State == jose.Active {
		return KeyRemoved{}, fault.New(fault.Refused, "key %s signs: activate another one in its place first, with --at-once if it is in wrong hands", kid)
	}
	return KeyRemoved{Issuer: FAPIIssuer, KID: kid, From: k.State, Why: why, By: by, At: now}, nil
}

func findKey(keys []SigningKey, kid string) (SigningKey, error) {
	for _, k := range keys {
		if k.KID == kid {
			return k, nil
		}
	}
	return SigningKey{}, fault.New(fault.NotFound, "the database has no key %q; `renkei key list` names all", kid)
}

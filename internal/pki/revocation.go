package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"sync"
	"time"

	"renkei.dev/internal/fault"
)

// Revocations tells which certificates were revoked before their time.
type Revocations interface {
	// Revoked tells whether issuer revoked c, and when. Errors: fault.Unavailable
	// when that cannot be known now: no list of this issuer, or one too old.
	Revoked(c, issuer *x509.Certificate, now time.Time) (at time.Time, revoked bool, err error)
}

// List is one or more revocation lists (RFC 5280 §5), read and kept in memory.
type List struct {
	lists  []*x509.RevocationList
	serial []map[string]time.Time // beside lists: serial number → when
	scopes []scope                // beside lists
	maxAge time.Duration
	signed sync.Map // signedBy → whether: a list of many megabytes is hashed once
}

// signedBy is a list, by its place, and who may have signed it.
type signedBy struct {
	list   int
	issuer [sha256.Size]byte
}

// ParseList reads lists in PEM, or one in DER. With a maxAge over 0 a list is too
// old that long after its thisUpdate, whatever its nextUpdate says. Signatures are
// checked when a list is used, against the issuer in question. Errors:
// fault.Invalid, also for delta and indirect lists, which alone say too little.
func ParseList(data []byte, maxAge time.Duration) (*List, error) {
	l := &List{maxAge: maxAge}
	add := func(der []byte) error {
		parsed, err := x509.ParseRevocationList(der)
		if err != nil {
			return fault.Wrap(fault.Invalid, "read a revocation list", err)
		}
		limits, err := scopeOf(parsed)
		if err != nil {
			return err
		}
		serials := make(map[string]time.Time, len(parsed.RevokedCertificateEntries))
		for _, e := range parsed.RevokedCertificateEntries {
			serials[string(e.SerialNumber.Bytes())] = e.RevocationTime
		}
		l.lists, l.serial, l.scopes = append(l.lists, parsed), append(l.serial, serials), append(l.scopes, limits)
		return nil
	}
	block, rest := pem.Decode(data)
	if block == nil {
		return l, add(data)
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			return nil, fault.New(fault.Invalid, "a file of revocation lists holds a %q", block.Type)
		}
		if err := add(block.Bytes); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Revoked looks into the newest list of the certificate's part that issuer signed.
func (l *List) Revoked(c, issuer *x509.Certificate, now time.Time) (time.Time, bool, error) {
	list, err := l.newest(c, issuer, now)
	if err != nil {
		return time.Time{}, false, err
	}
	at, revoked := l.serial[list][string(c.SerialNumber.Bytes())]
	return at, revoked, nil
}

// newest returns the newest list that issuer signed and that speaks of c, of any
// part where c is nil. Errors: fault.Unavailable when there is none, or an old one.
func (l *List) newest(c, issuer *x509.Certificate, now time.Time) (int, error) {
	newest := -1
	for i, list := range l.lists {
		if !bytes.Equal(list.RawIssuer, issuer.RawSubject) || c != nil && !l.scopes[i].holds(c) || !l.isSignedBy(i, issuer) {
			continue
		}
		if newest < 0 || list.ThisUpdate.After(l.lists[newest].ThisUpdate) {
			newest = i
		}
	}
	if newest < 0 {
		return 0, fault.New(fault.Unavailable, "no revocation list of %s", Subject(issuer))
	}
	list := l.lists[newest]
	switch {
	case now.Before(list.ThisUpdate.Add(-maxSkew)):
		return 0, fault.New(fault.Unavailable, "the revocation list of %s is of the future", Subject(issuer))
	case !list.NextUpdate.IsZero() && now.After(list.NextUpdate),
		list.NextUpdate.IsZero() && l.maxAge == 0, // nobody said how long it holds
		l.maxAge > 0 && now.After(list.ThisUpdate.Add(l.maxAge)):
		return 0, fault.New(fault.Unavailable, "the revocation list of %s is of %s, too old",
			Subject(issuer), list.ThisUpdate.UTC().Format(time.RFC3339))
	}
	return newest, nil
}

// isSignedBy tells whether issuer signed a list, and remembers it.
func (l *List) isSignedBy(list int, issuer *x509.Certificate) bool {
	key := signedBy{list, sha256.Sum256(issuer.Raw)}
	if known, is := l.signed.Load(key); is {
		return known.(bool)
	}
	right := l.lists[list].CheckSignatureFrom(issuer) == nil
	l.signed.Store(key, right)
	return right
}

// maxSkew is how far the clock of whoever signs lists may be ahead of ours.
const maxSkew = 5 * time.Minute

// ListFile is a List that is read again whenever its file has changed, so that
// staff replace the file and no server restarts.
type ListFile struct {
	path   string
	maxAge time.Duration

	mu   sync.Mutex
	seen os.FileInfo
	list *List
}

// OpenListFile reads the file for the first time. Errors: fault.NotFound,
// fault.Invalid.
func OpenListFile(path string, maxAge time.Duration) (*ListFile, error) {
	f := &ListFile{path: path, maxAge: maxAge}
	_, err := f.current()
	return f, err
}

// Revoked is List.Revoked over the file as it is now. A file that was replaced by
// something unreadable is fault.Unavailable: the list before it is not used on.
func (f *ListFile) Revoked(c, issuer *x509.Certificate, now time.Time) (time.Time, bool, error) {
	list, err := f.current()
	if err != nil {
		return time.Time{}, false, fault.Wrap(fault.Unavailable, "read the revocation list", err)
	}
	return list.Revoked(c, issuer, now)
}

// Fresh tells whether there is a list of an authority's that is not too old.
// Errors: fault.Unavailable.
func (f *ListFile) Fresh(authority *x509.Certificate, now time.Time) error {
	list, err := f.current()
	if err != nil {
		return fault.Wrap(fault.Unavailable, "read the revocation list", err)
	}
	_, err = list.newest(nil, authority, now)
	return err
}

func (f *ListFile) current() (*List, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, "read a revocation list", err)
	}
	if f.list != nil && os.SameFile(info, f.seen) && info.ModTime().Equal(f.seen.ModTime()) && info.Size() == f.seen.Size() {
		return f.list, nil
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, "read a revocation list", err)
	}
	list, err := ParseList(data, f.maxAge)
	if err != nil {
		return nil, err
	}
	f.list, f.seen = list, info
	return list, nil
}

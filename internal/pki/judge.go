package pki

import (
	"crypto/x509"
	"slices"
	"time"
)

// Reason is why a certificate is not accepted; each leads to a page of its own
// (domain.md §4, AL-901…905 and AL-950).
type Reason string

// The reasons, in the order in which they are looked for.
const (
	Good        Reason = ""
	Missing     Reason = "missing"       // none was presented
	Foreign     Reason = "foreign"       // not issued by an authority that is trusted here
	NotYetValid Reason = "not_yet_valid" // before its time
	Expired     Reason = "expired"       // after its time, or its issuer is
	WrongUsage  Reason = "wrong_usage"   // not issued for this use
	Revoked     Reason = "revoked"
	Undecided   Reason = "undecided" // the list of revoked certificates is missing or too old
)

// Verdict is what was found about the certificate that was presented.
type Verdict struct {
	Reason      Reason
	Certificate *x509.Certificate // the one judged; nil when Missing
	RevokedAt   time.Time         // when Revoked
	Cause       error             // for the log, when Foreign or Undecided
}

// Trust is whom certificates are believed from.
type Trust struct {
	Authorities []*x509.Certificate // roots
	Revocations Revocations         // nil: revocation is not looked at
}

// maxChain is more certificates than any authority here sends; each one costs a
// signature check.
const maxChain = 6

// Judge says whether the first certificate of a presented chain is good for a
// usage now. The certificate of a trusted authority is named as expired, revoked
// and so on only after its chain was verified; anything else is Foreign, whatever
// it claims. A certificate that names no usage at all is of the wrong one.
func Judge(chain []*x509.Certificate, trust Trust, usage x509.ExtKeyUsage, now time.Time) Verdict {
	if len(chain) == 0 {
		return Verdict{Reason: Missing}
	}
	leaf := chain[0]
	v := Verdict{Certificate: leaf}
	options := x509.VerifyOptions{
		Roots:         Pool(trust.Authorities),
		Intermediates: Pool(chain[1:min(len(chain), maxChain)]),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		CurrentTime:   within(now, leaf),
	}
	// At a moment of the leaf's own validity, so that one which expired together
	// with its issuer is still known as the issuer's.
	if _, err := leaf.Verify(options); err != nil {
		v.Reason, v.Cause = Foreign, err
		return v
	}
	switch {
	case now.Before(leaf.NotBefore):
		v.Reason = NotYetValid
		return v
	case now.After(leaf.NotAfter):
		v.Reason = Expired
		return v
	}
	options.KeyUsages = []x509.ExtKeyUsage{usage}
	paths, err := leaf.Verify(options)
	if err != nil || !fitFor(leaf, usage) {
		v.Reason, v.Cause = WrongUsage, err
		return v
	}
	if trust.Revocations == nil {
		return v
	}
	for _, path := range paths {
		if v = revocation(v, path, trust.Revocations, now); v.Reason == Good {
			return v
		}
	}
	return v
}

// within returns the moment of a certificate's validity that is nearest to now.
func within(now time.Time, c *x509.Certificate) time.Time {
	switch {
	case now.Before(c.NotBefore):
		return c.NotBefore
	case now.After(c.NotAfter):
		return c.NotAfter
	}
	return now
}

func fitFor(leaf *x509.Certificate, usage x509.ExtKeyUsage) bool {
	if leaf.IsCA || !slices.Contains(leaf.ExtKeyUsage, usage) {
		return false
	}
	return leaf.KeyUsage == 0 || leaf.KeyUsage&x509.KeyUsageDigitalSignature != 0
}

// revocation looks for every certificate of a path, except its root, in its
// issuer's list.
func revocation(v Verdict, path []*x509.Certificate, lists Revocations, now time.Time) Verdict {
	v.Reason, v.Cause = Good, nil
	for i, c := range path[:len(path)-1] {
		at, revoked, err := lists.Revoked(c, path[i+1], now)
		switch {
		case err != nil:
			v.Reason, v.Cause = Undecided, err
			return v
		case revoked:
			v.Reason, v.RevokedAt = Revoked, at
			return v
		}
	}
	return v
}

package app

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/pki"
)

// certificateGoodFor is how long a partner's certificate that was found good
// stays so: on a kept connection every request would otherwise verify its chain
// anew. One that is revoked is refused within a second, as a stopped partner is.
const certificateGoodFor = 500 * time.Millisecond

// certificatesAtMost bounds what is remembered; beyond it all is forgotten.
const certificatesAtMost = 10_000

// certificatesJudged remembers which chains were good a moment ago.
type certificatesJudged struct {
	trust pki.Trust

	mu   sync.Mutex
	good map[[sha256.Size]byte]time.Time
}

// partnerCertificates judges the certificates of partners; nil where no authority
// of theirs is accepted.
func partnerCertificates(trust *pki.Trust) func([]*x509.Certificate, time.Time) error {
	if trust == nil {
		return nil
	}
	return (&certificatesJudged{trust: *trust}).judge
}

func (c *certificatesJudged) judge(chain []*x509.Certificate, now time.Time) error {
	if len(chain) == 0 {
		return refusedCertificate{pki.Missing}
	}
	h := sha256.New()
	for _, one := range chain {
		h.Write(one.Raw)
	}
	var key [sha256.Size]byte
	h.Sum(key[:0])
	c.mu.Lock()
	at, known := c.good[key]
	c.mu.Unlock()
	if age := now.Sub(at); known && age >= 0 && age < certificateGoodFor && !now.After(chain[0].NotAfter) {
		return nil
	}
	if v := pki.Judge(chain, c.trust, x509.ExtKeyUsageClientAuth, now); v.Reason != pki.Good {
		return refusedCertificate{v.Reason}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good == nil || len(c.good) >= certificatesAtMost {
		c.good = map[[sha256.Size]byte]time.Time{}
	}
	c.good[key] = now
	return nil
}

// refusedCertificate says why a partner's certificate is not accepted.
type refusedCertificate struct{ reason pki.Reason }

func (e refusedCertificate) Error() string { return "certificate: " + string(e.reason) }

// Unwrap returns fault.Unavailable where nobody could tell, else fault.Refused.
func (e refusedCertificate) Unwrap() error {
	if e.reason == pki.Undecided {
		return fault.Unavailable
	}
	return fault.Refused
}

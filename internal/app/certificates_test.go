package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/pki"
)

// revocations is a list that a test changes.
type revocations struct{ all bool }

func (r *revocations) Revoked(*x509.Certificate, *x509.Certificate, time.Time) (time.Time, bool, error) {
	return time.Time{}, r.all, nil
}

func partnerCertificate(t testing.TB, now time.Time) (pki.Trust, *x509.Certificate, *revocations) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	authority, err := pki.NewClientAuthority("partners", key(), now.Add(-time.Hour), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.IssueClient(pki.Holder{Name: "cl_mihon", Organization: "Mihon"}, x509.ExtKeyUsageClientAuth, key().Public(), now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	list := &revocations{}
	return pki.Trust{Authorities: []*x509.Certificate{authority.Certificate}, Revocations: list}, leaf, list
}

func TestAPartnersCertificateThatIsRevokedIsRefusedWithinASecond(t *testing.T) {
	now := time.Now()
	trust, leaf, list := partnerCertificate(t, now)
	judge := partnerCertificates(&trust)
	chain := []*x509.Certificate{leaf}
	if err := judge(chain, now); err != nil {
		t.Fatal(err)
	}
	list.all = true
	if err := judge(chain, now.Add(time.Second)); !errors.Is(err, fault.Refused) {
		t.Errorf("a second after its revocation: %v", err)
	}
	if err := judge(chain, now); err != nil {
		t.Errorf("in the moment of its judgement: %v", err)
	}
}

func TestACertificateThatWasGoodAMomentAgoStillExpires(t *testing.T) {
	now := time.Now()
	trust, leaf, _ := partnerCertificate(t, now)
	judge := partnerCertificates(&trust)
	chain := []*x509.Certificate{leaf}
	if err := judge(chain, leaf.NotAfter); err != nil {
		t.Fatal(err)
	}
	if err := judge(chain, leaf.NotAfter.Add(time.Millisecond)); !errors.Is(err, fault.Refused) {
		t.Errorf("after its time: %v", err)
	}
}

func BenchmarkPartnerCertificate(b *testing.B) {
	now := time.Now()
	trust, leaf, _ := partnerCertificate(b, now)
	judge := partnerCertificates(&trust)
	chain := []*x509.Certificate{leaf}
	b.Run("as a request does", func(b *testing.B) {
		for b.Loop() {
			if err := judge(chain, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("anew", func(b *testing.B) {
		for b.Loop() {
			if v := pki.Judge(chain, trust, x509.ExtKeyUsageClientAuth, now); v.Reason != pki.Good {
				b.Fatal(v.Reason)
			}
		}
	})
}

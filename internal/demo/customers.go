package demo

import (
	"bytes"
	"crypto/x509"
	"path/filepath"
	"time"

	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/pki"
)

// passphrase opens the .p12 files. It protects nothing: browsers want one.
const passphrase = "renkei-demo"

// revocationFor is how long a revocation list is good; every start signs a new one.
const revocationFor = 30 * 24 * time.Hour

// customers keeps a certificate with its key for every user of the world that
// has one, as .p12 and as PEM, and returns whom the bank trusts.
func (f folder) customers(w sandbox.World, a authorities, now time.Time) (pki.Trust, error) {
	var revoked []*x509.Certificate
	for _, company := range w.Companies {
		for _, m := range company.Members {
			if m.Certificate == sandbox.NoCertificate {
				continue
			}
			c, err := f.customer(company, m, a, now)
			if err != nil {
				return pki.Trust{}, err
			}
			if m.Certificate == sandbox.RevokedCertificate {
				revoked = append(revoked, c)
			}
		}
	}
	return trusted(a.customers, revoked, now)
}

// partners returns which of the partners' certificates the bank trusts.
func (f folder) partners(a authorities, now time.Time) (pki.Trust, error) {
	revoked, err := f.strays(a.partners, a.foreign, now)
	if err != nil {
		return pki.Trust{}, err
	}
	return trusted(a.partners, revoked, now)
}

// trusted is an authority with the list of what it has revoked.
func trusted(a *pki.Authority, revoked []*x509.Certificate, now time.Time) (pki.Trust, error) {
	list, err := a.RevocationList(revoked, now, revocationFor)
	if err != nil {
		return pki.Trust{}, err
	}
	parsed, err := pki.ParseList(list, 0)
	if err != nil {
		return pki.Trust{}, fault.Wrap(fault.Internal, "read our own revocation list", err)
	}
	return pki.Trust{Authorities: []*x509.Certificate{a.Certificate}, Revocations: parsed}, nil
}

func p12Path(m sandbox.Member) string { return filepath.Join(issuedFolder, string(m.LoginID)+".p12") }
func pemPath(m sandbox.Member) string { return filepath.Join(issuedFolder, string(m.LoginID)+".pem") }

// customer keeps one user's certificate. One that has expired although it should
// not is issued anew.
func (f folder) customer(company sandbox.Company, m sandbox.Member, a authorities, now time.Time) (*x509.Certificate, error) {
	from, until := now.Add(-24*time.Hour), now.Add(year)
	issuer, usage := a.customers, x509.ExtKeyUsageClientAuth
	switch m.Certificate {
	case sandbox.ExpiredCertificate:
		from, until = now.Add(-year), now.Add(-24*time.Hour)
	case sandbox.ExpiringCertificate:
		until = now.AddDate(0, 0, 20)
	case sandbox.EarlyCertificate:
		from, until = now.Add(year), now.Add(2*year)
	case sandbox.ForeignCertificate:
		issuer = a.foreign
	case sandbox.ServerCertificate:
		usage = x509.ExtKeyUsageServerAuth
	}
	issue := func() ([]byte, error) {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		c, err := issuer.IssueClient(pki.Holder{Name: string(m.LoginID), Organization: company.Name}, usage, key.Public(), from, until)
		if err != nil {
			return nil, err
		}
		bundle, err := pki.PKCS12(key, c, []*x509.Certificate{issuer.Certificate}, passphrase)
		if err != nil {
			return nil, err
		}
		if err := f.write(p12Path(m), bundle); err != nil {
			return nil, err
		}
		text, err := pki.EncodeKey(key)
		if err != nil {
			return nil, err
		}
		return append(append([]byte(mark), pki.EncodeCertificates(c)...), text...), nil
	}
	data, err := f.kept(pemPath(m), issue)
	if err != nil {
		return nil, err
	}
	c, err := firstCertificate(data)
	if err != nil {
		return nil, f.damaged(pemPath(m))
	}
	stale := m.Certificate != sandbox.ExpiredCertificate && now.After(c.NotAfter) ||
		m.Certificate == sandbox.EarlyCertificate && now.After(c.NotBefore) || c.CheckSignatureFrom(issuer.Certificate) != nil
	if !stale {
		return c, nil
	}
	if data, err = issue(); err != nil {
		return nil, err
	}
	if err := f.write(pemPath(m), data); err != nil {
		return nil, err
	}
	return firstCertificate(data)
}

func firstCertificate(data []byte) (*x509.Certificate, error) {
	end := []byte("-----END CERTIFICATE-----\n")
	at := bytes.Index(data, end)
	if at < 0 {
		return nil, fault.New(fault.Invalid, "no certificate")
	}
	all, err := pki.ParseCertificates(data[:at+len(end)])
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

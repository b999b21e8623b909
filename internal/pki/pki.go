// Package pki reads and judges certificates outside the TLS handshake, issues
// those of a demo, and builds the TLS configurations of our hosts.
//
// It does not know whose certificate it is: users, partners and pages are the
// callers'. A check inside the handshake ends in a browser's error page, so
// handshakes here only ask and Judge says what is wrong (journey.md rule 1).
// Start with Judge; Authority is the demo's.
package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"os"

	"renkei.dev/internal/fault"
)

// Thumbprint returns the x5t#S256 of a certificate: the SHA-256 of its DER,
// base64url (RFC 8705 §3.1).
func Thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Subject returns the subject as RFC 4514 writes it, in the certificate's own
// order of names.
func Subject(c *x509.Certificate) string { return distinguishedName(c.RawSubject) }

// Issuer is Subject for the issuer's name.
func Issuer(c *x509.Certificate) string { return distinguishedName(c.RawIssuer) }

func distinguishedName(der []byte) string {
	var names pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &names); err != nil {
		return "" // x509 parsed it before, so this cannot be
	}
	return names.String()
}

// Names returns the subject alternative names: DNS names, mail addresses, URIs
// and addresses, in this order.
func Names(c *x509.Certificate) []string {
	var out []string
	out = append(out, c.DNSNames...)
	out = append(out, c.EmailAddresses...)
	for _, u := range c.URIs {
		out = append(out, u.String())
	}
	for _, a := range c.IPAddresses {
		out = append(out, a.String())
	}
	return out
}

// ParseCertificates reads one or more certificates in PEM. Errors: fault.Invalid,
// also for a file that holds none or anything else than certificates.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fault.New(fault.Invalid, "a certificate file holds a %q", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, "read a certificate", err)
		}
		out, data = append(out, c), rest
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Invalid, "a certificate file holds no certificate")
	}
	return out, nil
}

// LoadCertificates is ParseCertificates for a file. Errors: fault.NotFound when it
// cannot be read; fault.Invalid.
func LoadCertificates(path string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, "read certificates", err)
	}
	out, err := ParseCertificates(data)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read "+path, err)
	}
	return out, nil
}

// EncodeCertificates writes certificates in PEM.
func EncodeCertificates(certificates ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// Pool returns certificates as a pool.
func Pool(certificates []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool
}

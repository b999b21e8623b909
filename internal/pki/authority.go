package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"renkei.dev/internal/fault"
)

// DemoMark is the organizational unit in every name that a demo's authority
// bears or gives, so that a real server refuses them by IsDemo.
const DemoMark = "Renkei demo - not for real use"

// IsDemo tells whether a certificate is of a demo or was issued by one.
func IsDemo(c *x509.Certificate) bool {
	return slices.Contains(c.Subject.OrganizationalUnit, DemoMark) || slices.Contains(c.Issuer.OrganizationalUnit, DemoMark)
}

// Authority issues the certificates of a demo. Its private key lies on a laptop,
// so what it signs is marked and, for servers, good for the laptop alone.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewServerAuthority makes the authority that browsers are asked to trust. Its
// name constraints hold it to localhost and loopback (RFC 5280 §4.2.1.10).
func NewServerAuthority(name string, key crypto.Signer, now time.Time, goodFor time.Duration) (*Authority, error) {
	t := authorityTemplate(name, now, goodFor)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.PermittedDNSDomainsCritical = true
	t.PermittedDNSDomains = []string{"localhost"}
	t.PermittedIPRanges = []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
	return newAuthority(t, key)
}

// NewClientAuthority makes an authority for customers' or partners' certificates.
func NewClientAuthority(name string, key crypto.Signer, now time.Time, goodFor time.Duration) (*Authority, error) {
	t := authorityTemplate(name, now, goodFor)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return newAuthority(t, key)
}

func authorityTemplate(name string, now time.Time, goodFor time.Duration) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               demoName(name, nil),
		NotBefore:             now.Add(-maxSkew),
		NotAfter:              now.Add(goodFor),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
}

func newAuthority(t *x509.Certificate, key crypto.Signer) (*Authority, error) {
	c, err := sign(t, t, key.Public(), key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "make a demo authority", err)
	}
	return &Authority{c, key}, nil
}

// ParseAuthority reads what Encode wrote. Errors: fault.Invalid.
func ParseAuthority(data []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read a demo authority", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return nil, fault.New(fault.Invalid, "read a demo authority")
	}
	return &Authority{pair.Leaf, key}, nil
}

// Encode writes certificate and private key in PEM.
func (a *Authority) Encode() ([]byte, error) {
	key, err := EncodeKey(a.Key)
	if err != nil {
		return nil, err
	}
	return append(EncodeCertificates(a.Certificate), key...), nil
}

// EncodeKey writes a private key as PKCS #8 in PEM.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write a private key", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Holder is whom a client certificate is for.
type Holder struct {
	Name         string // common name
	Organization string
	Mail         string // may be empty
	URI          string // may be empty
}

// IssueServer issues one certificate for all names of a demo: localhost, the
// certificate hosts, both partners' hosts and the loopback addresses. Browsers
// refuse *.localhost, so each name stands in it.
func (a *Authority) IssueServer(public crypto.PublicKey, notBefore, notAfter time.Time) (*x509.Certificate, error) {
	names := []string{"localhost", "a.localhost", "b.localhost"}
	for i := range 9 {
		names = append(names, "cert"+strconv.Itoa(i+1)+".localhost")
	}
	return a.issue(&x509.Certificate{
		Subject:     demoName("localhost", nil),
		NotBefore:   notBefore,
		NotAfter:    notAfter,
		DNSNames:    names,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, public)
}

// IssueClient issues a client certificate. The usage is a parameter so that a demo
// can also hand out one of the wrong kind.
func (a *Authority) IssueClient(h Holder, usage x509.ExtKeyUsage, public crypto.PublicKey, notBefore, notAfter time.Time) (*x509.Certificate, error) {
	t := &x509.Certificate{
		NotBefore:   notBefore,
		NotAfter:    notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	if h.Organization != "" {
		t.Subject = demoName(h.Name, []string{h.Organization})
	} else {
		t.Subject = demoName(h.Name, nil)
	}
	if h.Mail != "" {
		t.EmailAddresses = []string{h.Mail}
	}
	if h.URI != "" {
		u, err := url.Parse(h.URI)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, "issue a certificate", err)
		}
		t.URIs = []*url.URL{u}
	}
	return a.issue(t, public)
}

func (a *Authority) issue(t *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	t.SerialNumber = serial()
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.BasicConstraintsValid = true
	c, err := sign(t, a.Certificate, public, a.Key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "issue a certificate", err)
	}
	return c, nil
}

// RevocationList signs a list, in PEM, of the given certificates. A demo signs it
// anew at every start, so it may be good for long.
func (a *Authority) RevocationList(revoked []*x509.Certificate, now time.Time, goodFor time.Duration) ([]byte, error) {
	t := &x509.RevocationList{
		Number:     big.NewInt(now.UnixMicro()), // rises with every list, as RFC 5280 §5.2.3 wants
		ThisUpdate: now,
		NextUpdate: now.Add(goodFor),
	}
	for _, c := range revoked {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: c.SerialNumber, RevocationTime: c.NotBefore.Add(time.Hour), ReasonCode: 1, // keyCompromise
		})
	}
	der, err := x509.CreateRevocationList(rand.Reader, t, a.Certificate, a.Key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "sign a revocation list", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}

func demoName(common string, organization []string) pkix.Name {
	return pkix.Name{CommonName: common, Organization: organization, OrganizationalUnit: []string{DemoMark}, Country: []string{"JP"}}
}

// serial returns 127 random bits: positive and within the 20 bytes of RFC 5280.
func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] = b[0]&0x7f | 0x40 // never short, never negative
	return new(big.Int).SetBytes(b[:])
}

func sign(t, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

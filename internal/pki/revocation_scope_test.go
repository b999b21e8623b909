package pki_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/pki"
)

// listOf is a list of o with extensions and revoked certificates.
func listOf(t *testing.T, o *office, extensions []pkix.Extension, revoked ...x509.RevocationListEntry) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(int64(len(revoked)) + 1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
		ExtraExtensions: extensions, RevokedCertificateEntries: revoked,
	}, o.ca, o.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// scopeExtension is an IssuingDistributionPoint.
func scopeExtension(t *testing.T, parts ...asn1.RawValue) []pkix.Extension {
	t.Helper()
	var body []byte
	for _, p := range parts {
		der, err := asn1.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		body = append(body, der...)
	}
	value, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
	if err != nil {
		t.Fatal(err)
	}
	return []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: value}}
}

func tagged(tag int, compound bool, content []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: content}
}

func point(t *testing.T, address string) asn1.RawValue {
	t.Helper()
	uri, err := asn1.Marshal(tagged(6, false, []byte(address)))
	if err != nil {
		t.Fatal(err)
	}
	full, err := asn1.Marshal(tagged(0, true, uri))
	if err != nil {
		t.Fatal(err)
	}
	return tagged(0, true, full)
}

var yes = []byte{0xff}

func TestAListThatSaysLessThanItSeemsIsRefused(t *testing.T) {
	o := newOffice(t, "CA")
	delta, err := asn1.Marshal(big.NewInt(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{
		"a delta":                listOf(t, o, []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: delta}}),
		"for some reasons alone": listOf(t, o, scopeExtension(t, tagged(3, false, []byte{1, 0x80}))),
		"for other issuers":      listOf(t, o, scopeExtension(t, tagged(4, false, yes))),
		"for attributes":         listOf(t, o, scopeExtension(t, tagged(5, false, yes))),
		"with rubbish for scope": listOf(t, o, []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{1, 2}}}),
		"with an entry that must be understood": listOf(t, o, nil, x509.RevocationListEntry{
			SerialNumber: big.NewInt(9), RevocationTime: time.Now(), ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{5, 0}}},
		}),
	} {
		if _, err := pki.ParseList(der, 0); fault.Of(err) != fault.Invalid {
			t.Errorf("a list %s: %v", name, err)
		}
	}
}

func TestAListSpeaksOfItsOwnPartAlone(t *testing.T) {
	o := newOffice(t, "CA")
	const one, two = "http://crl.example.jp/1.crl", "http://crl.example.jp/2.crl"
	at := func(points ...string) *x509.Certificate {
		c, _ := o.issue(func(c *x509.Certificate) { c.CRLDistributionPoints = points })
		return c
	}
	first, second, pointless := at(one), at(two), at()
	revoked := func(c *x509.Certificate) x509.RevocationListEntry {
		return x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now()}
	}
	// The list of part two is the newer one, and says nothing of the first part.
	for _, c := range []struct {
		name  string
		list  []byte
		of    *x509.Certificate
		known bool
		gone  bool
	}{
		{"its own part", listOf(t, o, scopeExtension(t, point(t, one)), revoked(first)), first, true, true},
		{"another part", listOf(t, o, scopeExtension(t, point(t, two))), first, false, false},
		{"its part with another certificate", listOf(t, o, scopeExtension(t, point(t, two)), revoked(first)), second, true, false},
		{"a certificate that names no list", listOf(t, o, scopeExtension(t, point(t, one)), revoked(pointless)), pointless, true, true},
		{"users alone", listOf(t, o, scopeExtension(t, tagged(1, false, yes)), revoked(first)), first, true, true},
		{"authorities alone", listOf(t, o, scopeExtension(t, tagged(2, false, yes))), first, false, false},
		{"all of them", listOf(t, o, nil, revoked(first)), first, true, true},
	} {
		l, err := pki.ParseList(c.list, 0)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for range 2 {
			_, gone, err := l.Revoked(c.of, o.ca, time.Now())
			if (err == nil) != c.known || gone != c.gone {
				t.Errorf("%s: revoked %v, %v", c.name, gone, err)
			}
		}
	}
}

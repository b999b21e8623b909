package oauth

import (
	"crypto/x509"
	"testing"
)

func TestThumbprintsThatAreRememberedAreThoseOfTheCertificateShown(t *testing.T) {
	var seen thumbprints
	// All but two of them share a place; two with the same bytes are two certificates.
	for range 3 {
		for _, c := range []*x509.Certificate{
			{Raw: []byte{1, 7}}, {Raw: []byte{2, 7}}, {Raw: []byte{2, 7 + 64}}, {Raw: []byte{1, 7}}, {Raw: []byte{9, 8}}, {},
		} {
			for range 2 {
				if got, want := seen.of(c), certificateThumbprint(c); got != want {
					t.Errorf("of %v: %s, want %s", c.Raw, got, want)
				}
			}
		}
	}
}

// Each connection has a certificate of its own, with the same bytes.
func TestTheConnectionsOfOnePartnerShareAThumbprint(t *testing.T) {
	var seen thumbprints
	a, b := &x509.Certificate{Raw: []byte{1, 7}}, &x509.Certificate{Raw: []byte{1, 7}}
	if n := testing.AllocsPerRun(10, func() { seen.of(a); seen.of(b) }); n > 0 {
		t.Errorf("each time %v values are made anew", n)
	}
}

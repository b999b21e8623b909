package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// FuzzOCSPAnswer feeds answers of a responder that is in wrong hands: nothing but
// the one that was signed may be believed, and nothing may panic.
func FuzzOCSPAnswer(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		f.Fatal(err)
	}
	right, err := ocsp.CreateResponse(c, c, ocsp.Response{Status: ocsp.Good, SerialNumber: c.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, key)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := (&OCSP{}).read(right, nil, c, c, now); err != nil {
		f.Fatal(err)
	}
	f.Add(right)
	f.Add(ocsp.TryLaterErrorResponse)
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := (&OCSP{}).read(raw, nil, c, c, now); err == nil && len(raw) < len(right)/2 {
			t.Errorf("believed %x", raw)
		}
		_, _, _ = parts(raw) // which a signature guards above
	})
}

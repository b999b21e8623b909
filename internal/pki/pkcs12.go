package pki

import (
	"crypto"
	"crypto/x509"

	"software.sslmate.com/src/go-pkcs12"

	"renkei.dev/internal/fault"
)

// PKCS12 writes a certificate with its key and its authorities as a .p12 file for
// browsers and systems to import. The old encoding (3DES, SHA-1) is what every one
// of them reads: Windows before 10 1709 and macOS before 15 do not read the new.
// It protects little, which a demo's keys, marked as such, can bear.
func PKCS12(key crypto.Signer, certificate *x509.Certificate, authorities []*x509.Certificate, passphrase string) ([]byte, error) {
	out, err := pkcs12.LegacyDES.Encode(key, certificate, authorities, passphrase)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write a .p12 file", err)
	}
	return out, nil
}

package pki

import (
	"crypto/tls"
	"crypto/x509"
)

// suites are those of TLS 1.2 (protocol.md §2): forward secret and AEAD, never
// CBC. TLS 1.3 has no others than such.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// ServerTLS is for hosts that ask for no certificate. It names its protocols, since
// a server adds them to the settings it is given and not to those chosen by name. Its
// records are as long as what is written: pages are short, and short records would make
// six writes of a connection's first.
func ServerTLS(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: certificates, MinVersion: tls.VersionTLS12, CipherSuites: suites, NextProtos: []string{"h2", "http/1.1"},
		DynamicRecordSizingDisabled: true,
	}
}

// CertificateHostTLS is for the hosts of certificate login (journey.md rule 1). It
// only asks: browsers are told which authorities we accept so that they offer the
// right certificates, and the handler judges what comes. No tickets, since a
// resumed session would repeat a certificate that was revoked meanwhile; HTTP/1.1
// alone, so that one host's connection is never used for another name.
func CertificateHostTLS(clients []*x509.Certificate, certificates ...tls.Certificate) *tls.Config {
	c := ServerTLS(certificates...)
	c.ClientAuth = tls.RequestClientCert
	c.ClientCAs = Pool(clients)
	c.NextProtos = []string{"http/1.1"}
	c.SessionTicketsDisabled = true
	return c
}

// PartnerTLS is for the endpoints at which partners may present a certificate, of
// any authority or self-signed (RFC 8705): who it is, is the protocol's to find.
func PartnerTLS(certificates ...tls.Certificate) *tls.Config {
	c := ServerTLS(certificates...)
	c.ClientAuth = tls.RequestClientCert
	c.SessionTicketsDisabled = true
	return c
}

// rsaSuites are the ones of TLS 1.2 that FAPI 1.0 Advanced leaves.
var rsaSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}

// HeldToFAPI1 narrows a server's TLS 1.2 to what FAPI 1.0 Advanced §8.5 permits: two
// suites, for RSA certificates. With a certificate of another kind TLS 1.3 is left alone.
func HeldToFAPI1(c *tls.Config) *tls.Config {
	c.CipherSuites = rsaSuites
	return c
}

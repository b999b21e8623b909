package oauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

var errNoCertificate = errors.New("no client certificate was shown")

// certificateThumbprint is x5t#S256: SHA-256 over the DER, not the PEM (RFC 8705 §3.1).
func certificateThumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// thumbprints remembers those of certificates seen lately: a connection is kept for
// many calls, and shows the same one with each, as the other connections of a partner do.
type thumbprints [64]atomic.Pointer[thumbprint]

type thumbprint struct {
	of   *x509.Certificate
	text string
}

func (t *thumbprints) of(c *x509.Certificate) string {
	if len(c.Raw) == 0 {
		return certificateThumbprint(c)
	}
	place := &t[int(c.Raw[len(c.Raw)-1])%len(t)] // of the signature, and so as good as chance
	if known := place.Load(); known != nil && (known.of == c || bytes.Equal(known.of.Raw, c.Raw)) {
		return known.text
	}
	text := certificateThumbprint(c)
	place.Store(&thumbprint{c, text})
	return text
}

// checkNamedCertificate is tls_client_auth (RFC 8705 §2.1): a certificate of an
// accepted authority that bears the one registered name.
func (e *Engine) checkNamedCertificate(k *knownClient, c Call, now time.Time) error {
	if !c.AtMutualTLS || len(c.Certificates) == 0 {
		return errNoCertificate
	}
	if e.cfg.CheckCertificate == nil {
		return errors.New("no certificate authority is accepted")
	}
	if err := e.cfg.CheckCertificate(c.Certificates, now); err != nil {
		return err
	}
	leaf := c.Certificates[0]
	var named bool
	switch {
	case k.TLSSubjectDN != "":
		named = k.bearsSubject(leaf)
	case k.TLSSANDNS != "":
		named = slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, k.TLSSANDNS) })
	case k.TLSSANURI != "":
		for _, u := range leaf.URIs {
			named = named || u.String() == k.TLSSANURI
		}
	case k.TLSSANIP != "":
		named = slices.ContainsFunc(leaf.IPAddresses, net.ParseIP(k.TLSSANIP).Equal)
	case k.TLSSANEmail != "":
		named = slices.Contains(leaf.EmailAddresses, k.TLSSANEmail)
	}
	if !named {
		return errors.New("the certificate bears another name")
	}
	return nil
}

// bearsSubject is subjectIs for the client's registered name.
func (k *knownClient) bearsSubject(leaf *x509.Certificate) bool {
	if k.named == nil {
		return subjectIs(leaf, k.TLSSubjectDN)
	}
	if last := k.named.Load(); last != nil && bytes.Equal(*last, leaf.RawSubject) {
		return true
	}
	if !subjectIs(leaf, k.TLSSubjectDN) {
		return false
	}
	k.named.Store(&leaf.RawSubject)
	return true
}

// checkOwnCertificate is self_signed_tls_client_auth (RFC 8705 §2.2): the
// certificate itself stands in the client's key set. Its validity counts, its
// issuer does not.
func (e *Engine) checkOwnCertificate(ctx context.Context, k *knownClient, c Call, now time.Time) error {
	if !c.AtMutualTLS || len(c.Certificates) == 0 {
		return errNoCertificate
	}
	leaf := c.Certificates[0]
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return errors.New("the certificate is not valid now")
	}
	shown := e.thumbprints.of(leaf)
	for _, again := range []bool{false, true} {
		known, err := e.clients.keysOf(ctx, k, now, again)
		if err != nil {
			return err
		}
		if known.certificates[shown] {
			return nil
		}
	}
	return errors.New("the certificate is not registered")
}

// certificatesIn returns the thumbprints of the first certificate of each x5c of
// a key set that was parsed already (RFC 8705 §2.2.2). They are compared as
// bytes and trusted for nothing else.
func certificatesIn(set []byte) map[string]bool {
	var raw struct {
		Keys []struct {
			X5C [][]byte `json:"x5c"` // base64, not base64url (RFC 7517 §4.7)
		} `json:"keys"`
	}
	if err := json.Unmarshal(set, &raw); err != nil {
		return nil
	}
	out := map[string]bool{}
	for _, k := range raw.Keys {
		if len(k.X5C) > 0 {
			sum := sha256.Sum256(k.X5C[0])
			out[base64.RawURLEncoding.EncodeToString(sum[:])] = true
		}
	}
	return out
}

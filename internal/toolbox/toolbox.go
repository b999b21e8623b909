// Package toolbox helps a partner's engineer from outside: it takes tokens apart
// and says what they claim and whether they hold, makes client assertions and
// DPoP proofs, and pushes an authorization request.
//
// It speaks to a server over HTTP as any partner would and knows nothing of the
// inside but the JOSE of package jose. Start with Explain, CheckProof and Push.
package toolbox

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

const (
	answerWithin = 15 * time.Second
	maxAnswer    = 256 << 10
)

// signatures are all algorithms that a server of ours or its partner signs with.
var signatures = []jose.Algorithm{jose.ES256, jose.PS256, jose.EdDSA, jose.Ed25519, jose.RS256}

// ReadKey reads a private key in PEM: PKCS #8, or what openssl writes for EC and
// RSA. Errors: fault.NotFound, fault.Invalid, with how to make one.
func ReadKey(path string) (crypto.Signer, error) {
	const how = "make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem"
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "the key %s cannot be read (%s); %s", path, short(err), how)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key any
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		default:
			continue // such as EC PARAMETERS
		}
		if signer, ok := key.(crypto.Signer); ok && err == nil {
			return signer, nil
		}
		return nil, fault.New(fault.Invalid, "%s holds a private key that cannot be read; %s", path, how)
	}
	return nil, fault.New(fault.Invalid, "%s holds no private key in PEM; %s", path, how)
}

// AlgorithmOf returns what a key signs with: ES256, PS256 or EdDSA.
func AlgorithmOf(key crypto.PublicKey) jose.Algorithm {
	switch key.(type) {
	case *rsa.PublicKey:
		return jose.PS256
	case ed25519.PublicKey:
		return jose.EdDSA
	case *ecdsa.PublicKey:
		return jose.ES256
	}
	return ""
}

// signerOf returns a key's signer; an empty kid means its thumbprint.
func signerOf(key crypto.Signer, kid string) (*jose.Signer, error) {
	if kid == "" {
		var err error
		if kid, err = jose.Thumbprint(key.Public()); err != nil {
			return nil, err
		}
	}
	return jose.NewSigner(kid, AlgorithmOf(key.Public()), key)
}

// HTTPClient returns a client that trusts the system's authorities and those of a
// file, and shows a certificate; both may be absent. Errors: fault.NotFound,
// fault.Invalid.
func HTTPClient(caFile string, shown *tls.Certificate) (*http.Client, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		data, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fault.New(fault.NotFound, "the authority's certificate %s cannot be read (%s)", caFile, short(err))
		}
		if c.RootCAs, err = x509.SystemCertPool(); err != nil {
			c.RootCAs = x509.NewCertPool()
		}
		if !c.RootCAs.AppendCertsFromPEM(data) {
			return nil, fault.New(fault.Invalid, "%s holds no certificate in PEM", caFile)
		}
	}
	if shown != nil { // whatever authorities the server names
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil }
	}
	return &http.Client{
		Timeout: answerWithin, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Metadata is what we need of an issuer's (RFC 8414 §2).
type Metadata struct {
	Issuer    string `json:"issuer"`
	Authorize string `json:"authorization_endpoint"`
	PAR       string `json:"pushed_authorization_request_endpoint"`
	Token     string `json:"token_endpoint"`
	JWKS      string `json:"jwks_uri"`
	Aliases   struct {
		PAR   string `json:"pushed_authorization_request_endpoint"`
		Token string `json:"token_endpoint"`
	} `json:"mtls_endpoint_aliases"`
}

// Discover reads an issuer's metadata. Errors: fault.Unavailable; fault.Invalid
// for an issuer that is none.
func Discover(ctx context.Context, c *http.Client, issuer string) (Metadata, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return Metadata{}, fault.New(fault.Invalid, "an issuer is an address such as https://link.example.jp, not %q", issuer)
	}
	at := u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.EscapedPath(), "/")
	raw, err := fetch(ctx, c, at)
	if err != nil {
		return Metadata{}, err
	}
	var m Metadata
	if err := json.Unmarshal(raw, &m); err != nil || m.Issuer == "" {
		return Metadata{}, fault.New(fault.Invalid, "%s holds no metadata of an issuer", at)
	}
	if m.Issuer != strings.TrimSuffix(issuer, "/") && m.Issuer != issuer {
		return Metadata{}, fault.New(fault.Invalid, "%s says that it is %q, not %q (RFC 8414 §3.3)", at, m.Issuer, issuer)
	}
	return m, nil
}

// Keys reads a key set from an address or a file. Errors: fault.Unavailable,
// fault.NotFound, fault.Invalid.
func Keys(ctx context.Context, c *http.Client, from string) (*jose.Set, error) {
	var raw []byte
	var err error
	if strings.HasPrefix(from, "https://") || strings.HasPrefix(from, "http://") {
		raw, err = fetch(ctx, c, from)
	} else if raw, err = os.ReadFile(from); err != nil {
		err = fault.New(fault.NotFound, "the key set %s cannot be read (%s)", from, short(err))
	}
	if err != nil {
		return nil, err
	}
	set, err := jose.ParseSet(raw)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read the key set of "+from, err)
	}
	return set, nil
}

func fetch(ctx context.Context, c *http.Client, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%q is not an address", address)
	}
	answer, body, err := do(c, r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "%s answers %s", address, answer.Status)
	}
	return body, nil
}

func do(c *http.Client, r *http.Request) (*http.Response, []byte, error) {
	answer, err := c.Do(r)
	if err != nil {
		return nil, nil, fault.New(fault.Unavailable, "%s", unreachable(r.URL, err))
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, nil, fault.Wrap(fault.Unavailable, "read the answer of "+r.URL.Host, err)
	}
	return answer, body, nil
}

// unreachable says what to do about the failures that engineers meet most.
func unreachable(at *url.URL, err error) string {
	if _, untrusted := errors.AsType[x509.UnknownAuthorityError](err); untrusted {
		return fmt.Sprintf("the certificate of %s is of an authority that is not trusted here; name its certificate with --ca", at.Host)
	}
	if e, wrong := errors.AsType[*url.Error](err); wrong {
		err = e.Err
	}
	return fmt.Sprintf("%s does not answer: %v", at.Host, err)
}

func short(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

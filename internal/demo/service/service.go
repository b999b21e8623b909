// Package service is an API partner as customers meet one: a small accounting
// service that links bank accounts and shows their balances, and that shows each
// message it exchanged with the bank, so that its source and its pages teach.
//
// It knows the bank by its issuer's URL alone and speaks to it over HTTP only, as
// a FAPI 2.0 client must: of the server's packages only tools are used here, none that knows the protocol.
// Start with Service.Handler, then bank.go for the protocol in its order.
package service

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/i18n"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
)

// Authentication is how the service proves to the bank which client it is, and
// what its tokens are bound to.
type Authentication string

// The two ways, one for each demo partner.
const (
	KeyAndDPoP Authentication = "private_key_jwt" // RFC 7523, tokens bound by DPoP (RFC 9449)
	MutualTLS  Authentication = "tls_client_auth" // RFC 8705, tokens bound to the certificate; also for self-signed ones
)

// Look is one of the two appearances.
type Look string

// The looks.
const (
	Leaf  Look = "leaf"
	Brick Look = "brick"
)

// Config is what one service needs to run.
type Config struct {
	Name        string // e.g. 見本会計クラウド
	NameEnglish string
	Corporation string // plainly fictional
	Look        Look

	URL      string // its own origin, e.g. https://a.localhost:9444; redirect_uri is URL + CallbackPath
	Issuer   string // the bank's issuer, e.g. https://localhost:9440
	API      string // origin of the account API, e.g. https://localhost:9442
	Bank     string // the institution's name as customers know it
	ClientID string

	Authentication Authentication
	SigningKey     crypto.Signer   // ES256, for client assertions; KeyAndDPoP only
	SigningKID     string          // its kid in the registered key set
	ProofKey       crypto.Signer   // ES256, for DPoP proofs; KeyAndDPoP only
	Certificate    tls.Certificate // MutualTLS only

	CAs         *x509.CertPool // who may certify the bank's hosts
	Functions   []string       // business functions asked for: balance, transactions, deposits
	Narrow      []string       // what a second button asks for instead; empty: there is none
	HistoryDays int

	DataFile string      // SQLite; made when missing
	Box      *secret.Box // seals what is kept there
	Now      func() time.Time
	Log      *slog.Logger
}

// CallbackPath is the path of the one redirect URI.
const CallbackPath = "/callback"

// Service is one running demo partner.
type Service struct {
	config    Config
	keep      *keep
	http      http.Handler
	transport *http.Transport
	metadata  metadataCache
	nonces    nonces
	assertion *jose.Signer // client assertions
	proof     *jose.Signer // DPoP proofs
	formats   *i18n.Catalogue
	pages     *template.Template
	finishing [64]sync.Mutex // by attempt: one redemption of a code at a time
}

// New opens the service's file and prepares its pages; the bank need not run yet.
// Errors: fault.Invalid for a Config that cannot work; fault.Internal for a file
// that cannot be used.
func New(c Config) (*Service, error) {
	s := &Service{config: c}
	var err error
	switch c.Authentication {
	case KeyAndDPoP:
		if s.assertion, err = jose.NewSigner(c.SigningKID, jose.ES256, c.SigningKey); err != nil {
			return nil, fault.Wrap(fault.Invalid, "sign client assertions", err)
		}
		if s.proof, err = jose.NewProver(jose.ES256, c.ProofKey); err != nil {
			return nil, fault.Wrap(fault.Invalid, "sign DPoP proofs", err)
		}
	case MutualTLS:
		if len(c.Certificate.Certificate) == 0 {
			return nil, fault.New(fault.Invalid, "mutual TLS needs a certificate")
		}
	default:
		return nil, fault.New(fault.Invalid, "unknown client authentication %q", c.Authentication)
	}
	for _, u := range []string{c.URL, c.Issuer, c.API} {
		if parsed, err := url.Parse(u); err != nil || parsed.Scheme != "https" || parsed.Host == "" {
			return nil, fault.New(fault.Invalid, "%q is no https address", u)
		}
	}
	if s.formats, err = i18n.BuiltIn(); err != nil {
		return nil, err
	}
	if s.pages, err = parsePages(); err != nil {
		return nil, err
	}
	s.transport = newTransport(c)
	s.metadata.now = c.Now
	s.nonces.byOrigin = map[string]string{}
	if s.keep, err = openKeep(c.DataFile, c.Box, c.Now); err != nil {
		return nil, err
	}
	s.http = s.routes()
	return s, nil
}

// Handler returns the pages, for the service's own host.
func (s *Service) Handler() http.Handler { return s.http }

// Close closes the service's file; no request may run any more.
func (s *Service) Close() error {
	s.transport.CloseIdleConnections()
	return s.keep.close()
}

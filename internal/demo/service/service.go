// Package service is an API partner as customers meet one: a small accounting
// service that links bank accounts and shows their balances, and that shows each
// message it exchanged with the bank, so that its source and its pages teach.
//
// It knows the bank by its issuer's URL alone and speaks to it over HTTP only, as
// a FAPI 2.0 client must: nothing of the server's packages but jose is used here.
// Start with Service.Handler, then bank.go for the protocol in its order.
package service

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"

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
	config Config
	keep   *keep
	http   http.Handler
}

// New opens the service's file and prepares its pages; the bank need not run yet.
// Errors: fault.Invalid for a Config that cannot work; fault.Internal for a file
// that cannot be used.
func New(c Config) (*Service, error) {
	k, err := openKeep(c.DataFile, c.Box, c.Now)
	if err != nil {
		return nil, err
	}
	return &Service{config: c, keep: k, http: http.NotFoundHandler()}, nil
}

// Handler returns the pages, for the service's own host.
func (s *Service) Handler() http.Handler { return s.http }

// Close closes the service's file; no request may run any more.
func (s *Service) Close() error { return s.keep.close() }

// Package oauth is the protocol between the bank and API partners: pushed
// requests, authorization, tokens and what they open.
//
// It does not know the journey: what customers see, how they log in and which
// accounts exist. It meets the journey in three calls (Begin, Approve, Deny) and
// one handle. It knows no SQL (Store is a port that takes digests only) and no
// HTTP server (edges hand in header values and forms, and translate a Failure
// once). An issuer is a value, so that one process can hold several.
//
// Every endpoint has the same shape: parse, authenticate the client, load without
// locks, decide (pure rules in an ordered table), sign, one conditional commit.
// Start with Engine, then a file per endpoint (par.go, authorize.go, token.go …)
// and a file per specification (pkce.go, dpop.go, rar.go …).
package oauth

import (
	"context"
	"crypto/x509"
	"sync/atomic"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/partner"
)

// ClientID names one OAuth client of a partner, e.g. "cl_mihon-kaikei". It is
// disjoint from the subjects of customers (RFC 9700 §4.15).
type ClientID string

// GrantID names a grant towards its client (Grant Management for OAuth 2.0 §3.1),
// e.g. "grt_AAAB…". It is no secret and opens nothing by itself.
type GrantID string

// Config is what one engine is made of. All fields are needed unless said
// otherwise.
type Config struct {
	Issuer   Issuer
	Store    Store
	Partners partner.Registry
	// NonceKey makes DPoP nonces, the same on all nodes: secret.Box.Derive("dpop nonce").
	NonceKey []byte
	// PairwiseKey makes the subjects by which partners know users; it never changes.
	PairwiseKey []byte
	// CheckCertificate judges a partner's certificate chain, leaf first, for
	// tls_client_auth: issued by an accepted authority, for client use, not
	// revoked. nil: no authority is accepted, and tls_client_auth not on offer.
	CheckCertificate func(chain []*x509.Certificate, now time.Time) error
	// FetchKeys reads a client's jwks_uri, from permitted addresses only and of
	// bounded size. nil: clients register their keys by value.
	FetchKeys KeyFetcher
	// Fresh is called before a registration is read; what it returns tells whether
	// that may still be used. nil: for half a second.
	Fresh func() (still func() bool)
	// Keys returns the keys in force, which rotate while requests run; whoever asks
	// goes on with what it got. nil: Issuer.Keys for ever.
	Keys func() *jose.Ring
	// CheckCustomer tells whether the bank still lets a user in, a second old at
	// most: fault.Refused when not. It is asked where a resource server introspects a
	// customer's token; the account API asks for itself. nil: nobody is asked.
	CheckCustomer func(ctx context.Context, user corebank.UserID) error
	// PushesPerMinute bounds the pushed requests of one partner at this node; 0 is
	// no limit.
	PushesPerMinute int
	Now             func() time.Time
	// NextID returns ids that rise, over all institutions of the process.
	NextID func() int64
}

// Engine is the authorization server of one issuer. It is safe for use by many
// goroutines and keeps nothing in memory but clients and keys.
type Engine struct {
	cfg     Config
	issuer  Issuer
	clients clientCache
	nonces  nonces
	// handedOut are the nonces of now, of the authorization server and of resources.
	handedOut [2]atomic.Pointer[handedOut]
	proofs    jose.Proofs
	// thumbprints are those of certificates that were shown lately.
	thumbprints thumbprints
	denials     audit.Flood
	pushes      pushes
	begun       begunRequests
	servers     map[ClientID]knownServer
	signs       bool // whether some API's access tokens are JWTs
}

// New returns the engine of one issuer. Errors: fault.Invalid for a Config that
// cannot serve (an address that is no https origin, no usable signing key, a
// lifetime beyond what a profile permits).
func New(cfg Config) (*Engine, error) {
	if err := cfg.Issuer.check(); err != nil {
		return nil, err
	}
	if cfg.Store == nil || cfg.Partners == nil || cfg.Now == nil || cfg.NextID == nil {
		return nil, fault.New(fault.Invalid, "the engine of %s lacks its store, partners, clock or ids", cfg.Issuer.URL)
	}
	if len(cfg.NonceKey) < 32 || len(cfg.PairwiseKey) < 32 {
		return nil, fault.New(fault.Invalid, "the engine of %s needs keys of 32 bytes for nonces and subjects", cfg.Issuer.URL)
	}
	if cfg.Keys == nil {
		cfg.Keys = func() *jose.Ring { return cfg.Issuer.Keys }
	}
	e := &Engine{
		cfg:     cfg,
		issuer:  cfg.Issuer,
		clients: clientCache{store: cfg.Store, fetch: cfg.FetchKeys, fresh: cfg.fresh(), keysFor: cfg.Issuer.lifetimes().KeysFor, known: map[ClientID]*knownClient{}},
		nonces:  nonces{key: cfg.NonceKey, issuer: cfg.Issuer.URL},
	}
	var err error
	if e.servers, err = cfg.Issuer.servers(); err != nil {
		return nil, err
	}
	for _, a := range cfg.Issuer.APIs {
		e.signs = e.signs || a.SignedTokens
	}
	return e, nil
}

// Issuer returns the issuer that the engine serves, with the keys in force now.
func (e *Engine) Issuer() Issuer {
	i := e.issuer
	i.Keys = e.cfg.Keys()
	return i
}

func (e *Engine) now() time.Time { return e.cfg.Now().UTC() }

// Extent is how far a consent goes.
type Extent struct {
	Functions   []corebank.BusinessFunction
	Accounts    []corebank.AccountID
	HistoryDays int
	EndsAt      time.Time
}

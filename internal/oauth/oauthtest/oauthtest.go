// Package oauthtest is a partner's software as tests need it: keys, assertions,
// proofs, PKCE, and a world of one issuer around an engine.
//
// It knows no HTTP and no database: tests bring a Store. What it signs is right
// unless a test changes a claim. Start with New.
package oauthtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// The addresses of the world.
const (
	IssuerURL    = "https://bank.example"
	MutualTLSURL = "https://mtls.bank.example"
	APIURL       = "https://api.bank.example"
	RedirectURI  = "https://kaikei.example/callback?bank=1"
	PartnerID    = partner.ID("mihon-kaikei")
)

// World is one issuer with a clock that the test turns.
type World struct {
	Engine   *oauth.Engine
	Store    oauth.Store
	Partners *Registry
	Ring     *jose.Ring

	now atomic.Int64
	ids atomic.Int64
}

// Registry is a partner register that tests change.
type Registry struct {
	mu   sync.Mutex
	byID map[partner.ID]partner.Partner
}

// Partner returns a partner as a test left it.
func (r *Registry) Partner(_ context.Context, id partner.ID) (partner.Partner, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.byID[id]
	if !ok {
		return partner.Partner{}, fault.Wrap(fault.NotFound, "find partner "+string(id), nil)
	}
	return p, nil
}

// Put registers a partner or replaces it.
func (r *Registry) Put(p partner.Partner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[p.ID] = p
}

// Kaikei is a partner that may have all functions.
func Kaikei() partner.Partner {
	return partner.Partner{
		ID: PartnerID, Service: "見本会計", Corporation: "見本ソフト株式会社", Functions: corebank.Functions,
		Status: partner.Active, ContractFrom: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// Began is when every world begins.
var Began = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

// New returns a world around a store, with a change to the configuration.
func New(t testing.TB, store oauth.Store, change func(*oauth.Config)) *World {
	t.Helper()
	key, err := jose.Generate(jose.ES256, Began, 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key.State = jose.Active
	ring, err := jose.NewRing([]jose.Key{key}, Began)
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Store: store, Partners: &Registry{byID: map[partner.ID]partner.Partner{PartnerID: Kaikei()}}, Ring: ring}
	w.now.Store(Began.UnixMicro())
	w.ids.Store(1 << 40)
	cfg := oauth.Config{
		Issuer: oauth.Issuer{
			Institution: "demo", URL: IssuerURL, MutualTLSURL: MutualTLSURL, APIs: []oauth.API{{URL: APIURL}},
			Profiles: []oauth.Profile{oauth.FAPI2, oauth.FAPI1Adv}, ACRs: []string{"urn:demo:password"}, Keys: ring,
		},
		Store: store, Partners: w.Partners, NonceKey: make([]byte, 32), PairwiseKey: make([]byte, 32),
		Now: w.Now, NextID: func() int64 { return w.ids.Add(1) },
	}
	if change != nil {
		change(&cfg)
	}
	if w.Engine, err = oauth.New(cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

// Now is the world's clock.
func (w *World) Now() time.Time { return time.UnixMicro(w.now.Load()).UTC() }

// Wait turns the clock.
func (w *World) Wait(d time.Duration) { w.now.Add(d.Microseconds()) }

// Software is one client of a partner, on the partner's side.
type Software struct {
	ID       oauth.ClientID
	Client   oauth.Client
	Signer   *jose.Signer
	Prover   *jose.Signer
	Verifier string

	world *World
}

// Register makes a client and registers it, with changes to its metadata.
func (w *World) Register(t testing.TB, id oauth.ClientID, changes map[string]any) *Software {
	t.Helper()
	s := &Software{ID: id, world: w, Signer: newSigner(t, "k1", false), Prover: newSigner(t, "", true)}
	s.Verifier = secret.Random(32).Reveal()
	jwk, err := jwkOf(s.Signer)
	if err != nil {
		t.Fatal(err)
	}
	metadata := map[string]any{
		"client_id": string(id), "client_name": "見本会計", "redirect_uris": []string{RedirectURI},
		"grant_types":              []string{"authorization_code", "refresh_token", "client_credentials"},
		"scope":                    "openid account.balance account.transactions account.deposits partner grant_management_query grant_management_revoke",
		"jwks":                     map[string]any{"keys": []any{jwk}},
		"dpop_bound_access_tokens": true,
	}
	for name, value := range changes {
		if value == nil {
			delete(metadata, name)
		} else {
			metadata[name] = value
		}
	}
	raw, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	if s.Client, err = w.Engine.Issuer().ParseClient(PartnerID, raw); err != nil {
		t.Fatal(err)
	}
	err = w.Store.Commit(t.Context(), oauth.ClientRegistered{Client: s.Client, By: audit.Actor{Kind: audit.Operator, ID: "staff"}, At: w.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Again is the same software with a new PKCE verifier, for another journey.
func (s *Software) Again() *Software {
	return &Software{ID: s.ID, Client: s.Client, Signer: s.Signer, Prover: s.Prover, Verifier: secret.Random(32).Reveal(), world: s.world}
}

// WithProver is the same software with another DPoP key.
func (s *Software) WithProver(t testing.TB) *Software {
	o := s.Again()
	o.Verifier, o.Prover = s.Verifier, newSigner(t, "", true)
	return o
}

func newSigner(t testing.TB, kid string, prover bool) *jose.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := jose.NewSigner(kid, jose.ES256, key)
	if prover {
		s, err = jose.NewProver(jose.ES256, key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func jwkOf(s *jose.Signer) (map[string]any, error) {
	point, err := s.Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"kty": "EC", "crv": "P-256", "kid": s.KID(), "use": "sig", "alg": "ES256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}, nil
}

// Claims of a token, over what is right by itself; nil leaves one out.
type Claims map[string]any

func (c Claims) over(right Claims) Claims {
	for name, value := range c {
		if value == nil {
			delete(right, name)
		} else {
			right[name] = value
		}
	}
	return right
}

// Assertion is a private_key_jwt assertion.
func (s *Software) Assertion(change Claims) string {
	now := s.world.Now().Unix()
	return sign(s.Signer, "JWT", change.over(Claims{
		"iss": string(s.ID), "sub": string(s.ID), "aud": IssuerURL, "jti": secret.Random(16).Reveal(), "iat": now, "exp": now + 60,
	}))
}

// Proof is a DPoP proof for a request.
func (s *Software) Proof(method, target, nonce, token string, change Claims) string {
	right := Claims{"jti": secret.Random(16).Reveal(), "htm": method, "htu": target, "iat": s.world.Now().Unix()}
	if nonce != "" {
		right["nonce"] = nonce
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		right["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return sign(s.Prover, "dpop+jwt", change.over(right))
}

// RequestObject is a signed request object with these parameters.
func (s *Software) RequestObject(parameters, change Claims) string {
	now := s.world.Now().Unix()
	right := Claims{"iss": string(s.ID), "client_id": string(s.ID), "aud": IssuerURL, "nbf": now, "exp": now + 300}
	for name, value := range parameters {
		right[name] = value
	}
	return sign(s.Signer, "oauth-authz-req+jwt", change.over(right))
}

func sign(by *jose.Signer, typ string, claims Claims) string {
	out, err := by.Sign(typ, claims)
	if err != nil {
		panic(err) // texts and numbers always sign
	}
	return out
}

// Challenge is the PKCE challenge of the software's verifier.
func (s *Software) Challenge() string {
	sum := sha256.Sum256([]byte(s.Verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Certificate is a self-signed client certificate.
func Certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: []string{"Mihon, Inc."}},
		NotBefore: Began.Add(-time.Hour), NotAfter: Began.AddDate(1, 0, 0), DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Thumbprint is that of the software's DPoP key (RFC 7638).
func (s *Software) Thumbprint() (string, error) { return jose.Thumbprint(s.Prover.Public()) }

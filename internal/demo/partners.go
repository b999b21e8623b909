package demo

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"path/filepath"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/audit"
	"renkei.dev/internal/demo/service"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/web"
)

// supplier is one of the demo's two partners, as it registers itself.
type supplier struct {
	id, service, english, corporation, number, phone string
	host                                             string // its name under localhost
	at                                               int
	look                                             service.Look
	authentication                                   service.Authentication
	chooses                                          bool
	functions, required                              []string
	narrow                                           []string // what a second button asks for instead
}

var suppliers = []supplier{
	{
		id: "mihon-kaikei", service: "見本会計クラウド", english: "Sample Accounting Cloud", corporation: "見本ソフト株式会社",
		number: "関東財務局長（電代）第9001号", phone: "03-0000-9001",
		host: "a.localhost", at: partnerAAt, look: service.Leaf, authentication: service.KeyAndDPoP, chooses: true,
		functions: []string{"balance", "transactions", "deposits"}, required: []string{"balance"},
		narrow: []string{"balance"},
	},
	{
		id: "tsuzumi-shikin", service: "つづみ資金管理", english: "Tsuzumi Treasury", corporation: "株式会社つづみ計算",
		number: "近畿財務局長（電代）第9002号", phone: "06-0000-9002",
		host: "b.localhost", at: partnerBAt, look: service.Brick, authentication: service.MutualTLS,
		functions: []string{"balance", "transactions"}, required: []string{"balance", "transactions"},
	},
}

func (s supplier) url(p places) string      { return p.origin(s.host, s.at) }
func (s supplier) clientID() string         { return "cl_" + s.id }
func (s supplier) file(names string) string { return filepath.Join(partnerFolder, s.id+names) }

// supplierKeys are what a partner proves itself with.
type supplierKeys struct {
	signing, proof crypto.Signer
	kid            string
	published      []byte // the signing key as a key set
	certificate    tls.Certificate
}

func (d *demo) keysOf(s supplier) (supplierKeys, error) {
	var k supplierKeys
	var err error
	if k.signing, err = d.folder.privateKey(s.file("-signing.pem")); err != nil {
		return k, err
	}
	if k.proof, err = d.folder.privateKey(s.file("-proof.pem")); err != nil {
		return k, err
	}
	if k.kid, err = jose.Thumbprint(k.signing.Public()); err != nil {
		return k, err
	}
	now := d.cfg.Now()
	ring, err := jose.NewRing([]jose.Key{{KID: k.kid, Algorithm: jose.ES256, State: jose.Active, ExpiresAt: now.Add(year), Private: k.signing}}, now)
	if err != nil {
		return k, err
	}
	k.published = ring.JWKS()
	key, err := d.folder.privateKey(s.file("-tls.pem"))
	if err != nil {
		return k, err
	}
	path := s.file("-tls-certificate.pem")
	issue := func() ([]byte, error) {
		c, err := d.issued.authorities.partners.IssueClient(pki.Holder{Name: s.clientID(), Organization: s.corporation},
			x509.ExtKeyUsageClientAuth, key.Public(), now.Add(-time.Hour), now.Add(authorityFor))
		if err != nil {
			return nil, err
		}
		return pki.EncodeCertificates(c), nil
	}
	data, err := d.folder.kept(path, issue)
	if err != nil {
		return k, err
	}
	all, err := pki.ParseCertificates(data)
	if err != nil {
		return k, d.folder.damaged(path)
	}
	k.certificate = tls.Certificate{Certificate: [][]byte{all[0].Raw}, PrivateKey: key, Leaf: all[0]}
	return k, nil
}

// metadata is the file by which the bank's staff register the partner.
func (s supplier) metadata(p places, k supplierKeys) ([]byte, error) {
	client := map[string]any{
		"client_id": s.clientID(), "client_name": s.english,
		"redirect_uris":              []string{s.url(p) + service.CallbackPath},
		"token_endpoint_auth_method": string(s.authentication),
	}
	switch s.authentication {
	case service.KeyAndDPoP:
		client["jwks"] = json.RawMessage(k.published)
		client["dpop_bound_access_tokens"] = true
	case service.MutualTLS:
		client["tls_client_auth_subject_dn"] = pki.Subject(k.certificate.Leaf)
		client["tls_client_certificate_bound_access_tokens"] = true
	}
	out, err := json.MarshalIndent(map[string]any{
		"partner": map[string]any{
			"id": s.id, "service": s.service, "corporation": s.corporation, "registration_number": s.number,
			"contact":   map[string]string{"desk": s.service + " お客さま窓口", "phone": s.phone, "mail": "desk@" + s.id + ".example", "url": s.url(p) + "/"},
			"logo_file": s.id + ".svg",
			"functions": s.functions, "required_functions": s.required, "chooses_functions": s.chooses,
			"history_days": 365, "contract_from": "2026-04-01",
		},
		"client": client,
	}, "", "  ")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write the metadata of a partner", err)
	}
	return append(out, '\n'), nil
}

// openPartners registers the partners where they are not known and opens their
// services.
func (d *demo) openPartners(ctx context.Context, listeners map[string]net.Listener) error {
	box, err := secret.NewBox(map[uint32][]byte{1: d.issued.partnerKey})
	if err != nil {
		return err
	}
	for _, s := range suppliers {
		keys, err := d.keysOf(s)
		if err != nil {
			return err
		}
		if err := d.register(ctx, s, keys); err != nil {
			return err
		}
		if err := d.openService(s, keys, box, listeners); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) register(ctx context.Context, s supplier, keys supplierKeys) error {
	in := d.app.Institutions[0]
	_, err := in.Store.Partner(ctx, partner.ID(s.id))
	if !errors.Is(err, fault.NotFound) {
		return err
	}
	metadata, err := s.metadata(d.places, keys)
	if err != nil {
		return err
	}
	if err := d.folder.write(s.file(".json"), metadata); err != nil {
		return err
	}
	_, _, err = app.RegisterPartner(ctx, in.Store, in.Engine.Issuer(), metadata,
		audit.Actor{Kind: audit.Operator, ID: "renkei demo"}, d.cfg.Now())
	return err
}

func (d *demo) openService(s supplier, keys supplierKeys, box *secret.Box, listeners map[string]net.Listener) error {
	name := s.file(".db")
	running, err := service.New(service.Config{
		Name: s.service, NameEnglish: s.english, Corporation: s.corporation, Look: s.look,
		URL: s.url(d.places), Issuer: d.places.origin("localhost", loginAt), API: d.places.origin("localhost", apiAt),
		Bank: d.world.Name, ClientID: s.clientID(),
		Authentication: s.authentication, SigningKey: keys.signing, SigningKID: keys.kid, ProofKey: keys.proof, Certificate: keys.certificate,
		CAs: pki.Pool([]*x509.Certificate{d.issued.authorities.server.Certificate}), Functions: s.functions, Narrow: s.narrow, HistoryDays: 90,
		DataFile: d.folder.path(name), Box: box, Now: d.cfg.Now, Log: d.cfg.Log.With("partner", s.id),
	})
	if err != nil {
		return fault.New(fault.Unavailable, "the demo's partner cannot use %s (%s); start anew with --reset", d.folder.path(name), short(err))
	}
	d.closers = append(d.closers, running.Close)
	d.extra = append(d.extra, web.Listener{
		Name: s.id, Net: listeners[d.places.address(s.at)], TLS: pki.ServerTLS(d.issued.server), Handler: running.Handler(),
	})
	return nil
}

// PartnerCertificate returns the client certificate, with its key, of the demo's
// partner that calls over mutual TLS. Errors: fault.NotFound before a first run.
func PartnerCertificate(dataFolder string) (tls.Certificate, error) {
	f := folder(dataFolder)
	for _, s := range suppliers {
		if s.authentication != service.MutualTLS {
			continue
		}
		c, err := tls.LoadX509KeyPair(f.path(s.file("-tls-certificate.pem")), f.path(s.file("-tls.pem")))
		if err != nil {
			return c, fault.Wrap(fault.NotFound, "read the certificate of the demo's partner", err)
		}
		return c, nil
	}
	return tls.Certificate{}, fault.New(fault.NotFound, "no partner of the demo has a certificate")
}

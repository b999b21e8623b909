package demo

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/demo/service"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/pki"
)

// What `renkei attack --demo` takes from a demo: clients beside those of the two
// services, certificates that must prove nothing, and attackFile, which names
// them in the form that `renkei attack --file` reads. It holds no key itself.

const attackFile = "attack.json"

// second is a second client of the first supplier, which its service does not use:
// it may do whatever a client may.
func (d *demo) second(s supplier, keys []byte) map[string]any {
	return map[string]any{
		"client_id": s.secondID(), "client_name": s.english + ", second client", "jwks": json.RawMessage(keys), "dpop_bound_access_tokens": true,
		"redirect_uris": d.secondRedirects(s), "token_endpoint_auth_method": string(service.KeyAndDPoP),
		"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"},
		"scope":       "openid account.balance account.transactions account.deposits grant_management_query grant_management_revoke partner",
	}
}

func (s supplier) secondID() string { return s.clientID() + "-second" }

func (d *demo) secondRedirects(s supplier) []string {
	return []string{s.url(d.places) + "/second", s.url(d.places) + "/second?again=1"}
}

// openSecond registers the second client where it is not known. Its key bears the
// kid of the supplier's own, which must not confuse anybody.
func (d *demo) openSecond(ctx context.Context) error {
	s, in, now := suppliers[0], d.app.Institutions[0], d.cfg.Now()
	if _, err := in.Store.Client(ctx, oauth.ClientID(s.secondID())); !errors.Is(err, fault.NotFound) {
		return err
	}
	own, err := d.keysOf(s)
	if err != nil {
		return err
	}
	key, err := d.folder.privateKey(s.file("-second.pem"))
	if err != nil {
		return err
	}
	ring, err := jose.NewRing([]jose.Key{{KID: own.kid, Algorithm: jose.ES256, State: jose.Active, ExpiresAt: now.Add(year), Private: key}}, now)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(d.second(s, ring.JWKS()))
	if err != nil {
		return fault.Wrap(fault.Internal, "write the metadata of a client", err)
	}
	c, err := in.Engine.Issuer().ParseClient(partner.ID(s.id), raw)
	if err != nil {
		return err
	}
	return in.Store.Commit(ctx, oauth.ClientRegistered{Client: c, By: audit.Actor{Kind: audit.Operator, ID: "renkei demo"}, At: now})
}

// strays keeps certificates under the name of the client that authenticates by
// one, each with a fault, and returns the one that is revoked.
func (f folder) strays(a *pki.Authority, foreign *pki.Authority, now time.Time) ([]*x509.Certificate, error) {
	var revoked []*x509.Certificate
	for _, s := range suppliers {
		if s.authentication != service.MutualTLS {
			continue
		}
		for _, one := range strayCertificates {
			issuer := a
			if one.why == "foreign" {
				issuer = foreign
			}
			c, err := f.stray(s, one, issuer, now)
			if err != nil {
				return nil, err
			}
			if one.why == "revoked" {
				revoked = append(revoked, c)
			}
		}
	}
	return revoked, nil
}

// stray is a certificate with a fault, as far from now as it begins and ends.
type stray struct {
	why         string
	from, until time.Duration
	usage       x509.ExtKeyUsage
}

var strayCertificates = []stray{
	{"expired", -year, -24 * time.Hour, x509.ExtKeyUsageClientAuth},
	{"early", year, 2 * year, x509.ExtKeyUsageClientAuth},
	{"revoked", -time.Hour, authorityFor, x509.ExtKeyUsageClientAuth},
	{"foreign", -time.Hour, authorityFor, x509.ExtKeyUsageClientAuth},
	{"wrong-usage", -time.Hour, authorityFor, x509.ExtKeyUsageServerAuth},
}

func (s supplier) strayFile(why string) string { return s.file("-tls-" + why + ".pem") }

func (f folder) stray(s supplier, one stray, issuer *pki.Authority, now time.Time) (*x509.Certificate, error) {
	key, err := f.privateKey(s.file("-tls.pem"))
	if err != nil {
		return nil, err
	}
	path := s.strayFile(one.why)
	data, err := f.kept(path, func() ([]byte, error) {
		c, err := issuer.IssueClient(pki.Holder{Name: s.clientID(), Organization: s.corporation}, one.usage, key.Public(), now.Add(one.from), now.Add(one.until))
		if err != nil {
			return nil, err
		}
		return pki.EncodeCertificates(c), nil
	})
	if err != nil {
		return nil, err
	}
	all, err := pki.ParseCertificates(data)
	if err != nil {
		return nil, f.damaged(path)
	}
	return all[0], nil
}

// attackUsers link accounts by ID and password and need nothing before it.
var attackUsers = []string{"ok.pw", "closing.account"}

// attackTarget is attackFile, in the form that `renkei attack --file` reads.
type attackTarget struct {
	Issuer       string              `json:"issuer"`
	CA           string              `json:"ca"`
	Clients      []attackClient      `json:"clients"`
	Users        []attackUser        `json:"users"`
	Certificates []attackCertificate `json:"customer_certificates"`
	Initial      string              `json:"initial_access_token_file"`
}

type attackClient struct {
	ID             string              `json:"id"`
	RedirectURIs   []string            `json:"redirect_uris,omitempty"`
	Method         string              `json:"method"`
	Binding        string              `json:"binding,omitempty"`
	Scope          string              `json:"scope,omitempty"`
	Key            string              `json:"key,omitempty"`
	KID            string              `json:"kid,omitempty"`
	Certificate    string              `json:"certificate,omitempty"`
	CertificateKey string              `json:"certificate_key,omitempty"`
	Wrong          []attackCertificate `json:"wrong_certificates,omitempty"`
	Own            bool                `json:"own_calls,omitempty"`
}

type attackCertificate struct {
	Why         string `json:"why"`
	Certificate string `json:"certificate"`
	Key         string `json:"certificate_key"`
}

type attackUser struct {
	LoginID  string            `json:"login_id"`
	Password string            `json:"password"`
	Answer   string            `json:"answer"`
	PINs     map[string]string `json:"pins"` // inquiry PINs by account number
}

func (d *demo) attackTarget() ([]byte, error) {
	first := suppliers[0]
	keys, err := d.keysOf(first)
	if err != nil {
		return nil, err
	}
	const key = string(service.KeyAndDPoP)
	t := attackTarget{Issuer: d.places.origin("localhost", loginAt), CA: caFile, Initial: initialTokenFile(), Clients: []attackClient{
		{ID: first.secondID(), RedirectURIs: d.secondRedirects(first), Method: key, Binding: "dpop", Key: first.file("-second.pem"), KID: keys.kid, Own: true},
		{ID: first.clientID(), RedirectURIs: []string{first.url(d.places) + service.CallbackPath}, Method: key, Binding: "dpop", Key: first.file("-signing.pem"), KID: keys.kid},
	}}
	for _, s := range suppliers {
		if s.authentication != service.MutualTLS {
			continue
		}
		c := attackClient{
			ID: s.clientID(), RedirectURIs: []string{s.url(d.places) + service.CallbackPath}, Method: string(s.authentication), Binding: "certificate",
			Scope: "openid account.balance account.transactions", Certificate: s.file("-tls-certificate.pem"), CertificateKey: s.file("-tls.pem"),
		}
		for _, one := range strayCertificates {
			c.Wrong = append(c.Wrong, attackCertificate{one.why, s.strayFile(one.why), s.file("-tls.pem")})
		}
		c.Wrong = append(c.Wrong, attackCertificate{"another client's", first.file("-tls-certificate.pem"), first.file("-tls.pem")})
		t.Clients = append(t.Clients, c)
	}
	why := map[sandbox.CertificateCase]string{
		sandbox.ValidCertificate: "good", sandbox.ExpiredCertificate: "expired", sandbox.EarlyCertificate: "not valid yet", sandbox.RevokedCertificate: "revoked",
		sandbox.ForeignCertificate: "another bank's", sandbox.ServerCertificate: "a server's",
	}
	for _, company := range d.world.Companies {
		for _, m := range company.Members {
			if w, ok := why[m.Certificate]; ok && !m.Unbound {
				delete(why, m.Certificate) // one of each will do
				t.Certificates = append(t.Certificates, attackCertificate{w, pemPath(m), pemPath(m)})
			}
			if slices.Contains(attackUsers, string(m.LoginID)) {
				pins := map[string]string{}
				for _, a := range company.Accounts {
					pins[a.Number] = a.PIN
				}
				t.Users = append(t.Users, attackUser{string(m.LoginID), m.Password, answerOf(m), pins})
			}
		}
	}
	out, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write "+attackFile, err)
	}
	return append(out, '\n'), nil
}

// AttackTarget is where a demo says how it is attacked. Errors: fault.NotFound
// where none runs.
func AttackTarget(dataFolder string) (string, error) {
	f := folder(dataFolder)
	if _, err := f.note(); err != nil {
		return "", err
	}
	return filepath.Join(dataFolder, attackFile), nil
}

package config

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/hsm"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/outbound"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/web/look"
)

// Material is what stands in the files that the configuration names.
type Material struct {
	DatabaseURL string // with its password
	DirectURL   string
	SealingKeys map[uint32][]byte
	// ProxyAuthorities issued the certificates of the proxies; nil: there are none.
	ProxyAuthorities []*x509.Certificate
	HSM              *hsm.Config           // nil: none
	Institutions     []InstitutionMaterial // in the order of File.Institutions
}

// InstitutionMaterial is one institution's.
type InstitutionMaterial struct {
	IdentifierKey []byte
	TLS           []tls.Certificate
	CustomerCA    pki.Trust
	PartnerCA     *pki.Trust // nil: none
	SigningKeys   []jose.Key // those in files; more may stand in the database

	ResourceServers []ResourceServerMaterial // in the order of Institution.ResourceServers
}

func (c *checker) material(f *File) Material {
	m := Material{DatabaseURL: f.Database.URL, DirectURL: f.Database.DirectURL, SealingKeys: map[uint32][]byte{}}
	if f.Database.PasswordFile != "" {
		password := c.secretFile("database.password_file", f.Database.PasswordFile)
		m.DatabaseURL = withPassword(m.DatabaseURL, password)
		m.DirectURL = withPassword(m.DirectURL, password)
	}
	for i, k := range f.SealingKeys {
		m.SealingKeys[k.Number] = c.key(fmt.Sprintf("sealing_keys[%d].file", i), k.File)
	}
	if f.HSM != nil {
		m.HSM = &hsm.Config{Module: string(f.HSM.Module), Token: f.HSM.Token, PIN: c.secretFile("hsm.pin_file", f.HSM.PINFile)}
		if _, err := os.Stat(m.HSM.Module); m.HSM.Module != "" && err != nil {
			c.faultAt("hsm.module", "cannot be read: %s", reason(err))
		}
	}
	if f.Proxies != nil {
		m.ProxyAuthorities = c.authorities("proxies.authority", f.Proxies.Authority)
	}
	for i := range f.Institutions {
		m.Institutions = append(m.Institutions, c.institutionMaterial(fmt.Sprintf("institutions[%d]", i), &f.Institutions[i]))
	}
	return m
}

func (c *checker) institutionMaterial(path string, in *Institution) InstitutionMaterial {
	m := InstitutionMaterial{
		IdentifierKey: c.key(path+".identifier_key", in.IdentifierKey),
		CustomerCA:    c.authority(path+".customer_ca", in.CustomerCA),
		SigningKeys:   c.signingKeys(path+".signing_keys", in.SigningKeys),
	}
	if in.PartnerCA != nil {
		trust := c.authority(path+".partner_ca", *in.PartnerCA)
		m.PartnerCA = &trust
	}
	for i, r := range in.ResourceServers {
		m.ResourceServers = append(m.ResourceServers, c.resourceServerMaterial(fmt.Sprintf("%s.resource_servers[%d]", path, i), r))
	}
	for i, p := range in.TLS {
		if pair, ok := c.pair(fmt.Sprintf("%s.tls[%d]", path, i), p); ok {
			m.TLS = append(m.TLS, pair)
		}
	}
	if len(m.TLS) == len(in.TLS) && len(in.TLS) > 0 {
		c.namesCovered(path+".tls", in, m.TLS)
	}
	if in.Brand != "" {
		if _, err := look.New(os.DirFS(string(in.Brand))); err != nil {
			c.faultAt(path+".brand", "cannot be used: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	return m
}

// secretFile reads a file that holds a secret, which must not be a demo's.
func (c *checker) secretFile(path string, file Path) secret.Value {
	if file == "" {
		return secret.Value{} // said already
	}
	data, err := os.ReadFile(string(file))
	if err != nil {
		c.faultAt(path, "cannot be read: %s", reason(err))
		return secret.Value{}
	}
	if info, err := os.Stat(string(file)); err == nil && info.Mode().Perm()&0o007 != 0 {
		c.faultAt(path, "can be read by everybody on this machine; take that away (chmod o= %s)", file)
	}
	if strings.Contains(string(data), pki.DemoMark) {
		c.faultAt(path, "is of a demo, and must not be used for anything else")
		return secret.Value{}
	}
	return secret.Of(strings.TrimSpace(string(data)))
}

// key reads a file with 32 random bytes in base64.
func (c *checker) key(path string, file Path) []byte {
	text := c.secretFile(path, file).Reveal()
	if text == "" {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != secret.KeySize {
		c.faultAt(path, "must hold 32 random bytes in base64; make them with: openssl rand -base64 32")
		return nil
	}
	return key
}

func (c *checker) pair(path string, p Pair) (tls.Certificate, bool) {
	if p.Certificate == "" || p.Key == "" {
		c.needs(path+".certificate", p.Certificate != "")
		c.needs(path+".key", p.Key != "")
		return tls.Certificate{}, false
	}
	pair, err := tls.LoadX509KeyPair(string(p.Certificate), string(p.Key))
	if err != nil {
		c.faultAt(path, "cannot be used: %s", reason(err))
		return tls.Certificate{}, false
	}
	switch leaf := pair.Leaf; {
	case pki.IsDemo(leaf):
		c.faultAt(path+".certificate", "is of a demo, and must not be used for anything else")
	case c.now.After(leaf.NotAfter):
		c.faultAt(path+".certificate", "expired on %s", leaf.NotAfter.Format(time.DateOnly))
	case c.now.Before(leaf.NotBefore):
		c.faultAt(path+".certificate", "is not valid before %s", leaf.NotBefore.Format(time.DateOnly))
	}
	return pair, true
}

// namesCovered tells of names of the institution that no certificate has.
func (c *checker) namesCovered(path string, in *Institution, pairs []tls.Certificate) {
	origins := append([]Origin{in.Login.Origin, in.API.Origin}, in.Certificate.Origins...)
	if in.MutualTLS != nil {
		origins = append(origins, in.MutualTLS.Origin)
	}
	for _, o := range origins {
		if o != "" && !slices.ContainsFunc(pairs, func(p tls.Certificate) bool { return p.Leaf.VerifyHostname(o.Name()) == nil }) {
			c.faultAt(path, "has no certificate for %s", o.Name())
		}
	}
}

// authority reads the certificates of an authority and its list of revoked ones.
func (c *checker) authority(path string, a Authority) pki.Trust {
	trust := pki.Trust{Authorities: c.authorities(path+".certificates", a.Certificates)}
	if a.Revoked != "" {
		list, err := pki.OpenListFile(string(a.Revoked), a.RevokedMaxAge)
		if err != nil {
			c.faultAt(path+".revoked", "cannot be used: %s", reason(err))
			return trust
		}
		trust.Revocations = list
		for _, one := range trust.Authorities {
			if err := list.Fresh(one, c.now); err != nil {
				c.faultAt(path+".revoked", "cannot be used: %s", reason(err))
			}
		}
	}
	if o := a.OCSP; o != nil {
		var permitted []netip.Prefix
		for _, n := range o.Permitted {
			permitted = append(permitted, n.Prefix())
		}
		trust.Revocations = &pki.OCSP{
			Responder: o.Responder, Client: outbound.Client(permitted, o.Within), MaxAge: o.MaxAge,
			AcceptUnreachable: o.Unreachable == "accept", Beside: trust.Revocations,
		}
	}
	return trust
}

// authorities reads the certificates of authorities.
func (c *checker) authorities(path string, file Path) []*x509.Certificate {
	if file == "" {
		return nil // said already
	}
	all, err := pki.LoadCertificates(string(file))
	if err != nil {
		c.faultAt(path, "cannot be used: %s", reason(err))
	}
	var out []*x509.Certificate
	for _, one := range all {
		switch {
		case pki.IsDemo(one):
			c.faultAt(path, "holds the authority of a demo, whose key lies on somebody's laptop")
		case !one.IsCA:
			c.faultAt(path, "holds a certificate that is no authority's: %s", pki.Subject(one))
		case c.now.After(one.NotAfter):
			c.faultAt(path, "holds one that expired on %s: %s", one.NotAfter.Format(time.DateOnly), pki.Subject(one))
		default:
			out = append(out, one)
		}
	}
	return out
}

// signingKeys reads the signing keys of an issuer that lie in files. Whether they
// are enough to sign with depends on those in the database too.
func (c *checker) signingKeys(path string, keys []SigningKey) []jose.Key {
	var all []jose.Key
	for i, k := range keys {
		at := fmt.Sprintf("%s[%d].file", path, i)
		text := c.secretFile(at, k.File).Reveal()
		if text == "" {
			continue
		}
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			c.faultAt(at, "must be a private key in PEM; make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
			continue
		}
		private, err := jose.ParsePrivate(block.Bytes)
		if err != nil {
			c.faultAt(at, "must be a private key in PKCS #8; make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
			continue
		}
		kid, err := jose.Thumbprint(private.Public())
		if err != nil {
			c.faultAt(at, "is of a kind that no token is signed with")
			continue
		}
		all = append(all, jose.Key{
			KID: kid, Algorithm: algorithm(private.Public()), State: jose.State(k.State),
			ExpiresAt: k.Until.over(), RemoveAt: k.Until.over(), Private: private,
		})
	}
	return all
}

// algorithm returns what a key signs with; jose.NewRing refuses what fits nothing.
func algorithm(public crypto.PublicKey) jose.Algorithm {
	switch public.(type) {
	case *rsa.PublicKey:
		return jose.PS256
	case ed25519.PublicKey:
		return jose.EdDSA
	}
	return jose.ES256
}

func withPassword(address string, password secret.Value) string {
	u, err := url.Parse(address)
	if err != nil || address == "" || password.IsEmpty() {
		return address
	}
	u.User = url.UserPassword(u.User.Username(), password.Reveal())
	return u.String()
}

// reason leaves out of an error the path that the operator wrote anyway.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path + ": " + e.Err.Error()
	}
	return err.Error()
}

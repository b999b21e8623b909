package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// login is the issuer; api is where accounts are asked for.
func (p places) login() string          { return fmt.Sprintf("https://localhost:%d", p.Port) }
func (p places) api() string            { return fmt.Sprintf("https://localhost:%d", p.Port+2) }
func (p places) listen(at int) string   { return fmt.Sprintf("127.0.0.1:%d", p.Port+at) }
func (p places) origin(at int) string   { return fmt.Sprintf("https://localhost:%d", p.Port+at) }
func (p places) callback(x pair) string { return p.Suite + "test/a/renkei-" + x.name + "/callback" }

// What a prepared directory says of itself.
const (
	placesFile  = "places.json"
	clientsFile = "clients.json"
)

const validFor = 200 * 24 * time.Hour

// prepare makes DIR anew, unless it is there.
func prepare(dir, suite string, port int) error {
	if _, err := os.Stat(filepath.Join(dir, "renkei.yaml")); err == nil {
		return fmt.Errorf("%s is prepared already; name another directory, or remove it", dir)
	}
	p := places{suite, port}
	for _, sub := range []string{"tls", "secrets", "brand", "partners", "results"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	w := writer{dir: dir}
	w.json(placesFile, p)
	for _, name := range []string{"sealing", "identifiers"} {
		key := make([]byte, 32)
		rand.Read(key)
		w.text("secrets/"+name+".key", base64.StdEncoding.EncodeToString(key)+"\n")
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	w.key("secrets/signing-es256.key", ec)
	w.key("secrets/signing-ps256.key", newRSA())
	servers, err := newAuthority("Conformance test server CA")
	if err != nil {
		return err
	}
	// An RSA certificate: on TLS 1.2 FAPI 1.0 Advanced allows no other (§8.5).
	server, key, err := servers.issue("localhost", x509.ExtKeyUsageServerAuth)
	if err != nil {
		return err
	}
	w.certificates("tls/server.crt", server)
	w.key("secrets/server.key", key)
	w.certificates("tls/server-ca.crt", servers.certificate)
	customers, err := newAuthority("Conformance test customer CA")
	if err != nil {
		return err
	}
	w.certificates("tls/customer-ca.crt", customers.certificate)
	list, err := customers.revocationList()
	if err != nil {
		return err
	}
	w.text("tls/customer-ca.crl", string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list})))
	partners, err := newAuthority("Conformance test partner CA")
	if err != nil {
		return err
	}
	w.certificates("tls/partner-ca.crt", partners.certificate)
	w.json("brand/brand.json", brand)
	w.text("renkei.yaml", settings(p, dir))
	all := map[string][2]clientKeys{}
	for _, x := range pairs() {
		var keys [2]clientKeys
		for n := range keys {
			if keys[n], err = newClient(partners, clientID(x, n), n); err != nil {
				return err
			}
			w.json(fmt.Sprintf("partners/%s.json", clientID(x, n)), registration(p, x, n, keys[n]))
		}
		all[x.name] = keys
	}
	w.json(clientsFile, all)
	if w.err != nil {
		return w.err
	}
	fmt.Printf("What %d clients need stands in %s.\n", 2*len(all), dir)
	return nil
}

// settings are those of a server with every way of the protocol on offer, and with
// limits that hundreds of logins of one customer do not meet.
func settings(p places, dir string) string {
	return strings.NewReplacer(
		"DATABASE", "sqlite:"+filepath.Join(dir, "renkei.db"), "ADMIN", p.listen(4),
		"LOGIN", p.origin(0), "AT-LOGIN", p.listen(0), "MUTUAL", p.origin(1), "AT-MUTUAL", p.listen(1),
		"API", p.origin(2), "AT-API", p.listen(2), "CERTIFICATE", fmt.Sprintf("https://cert1.localhost:%d", p.Port+3), "AT-CERTIFICATE", p.listen(3),
		"DAY", time.Now().Add(validFor).Format(time.DateOnly),
	).Replace(template)
}

const template = `database:
  url: DATABASE
sealing_keys:
  - number: 1
    file: secrets/sealing.key
admin: ADMIN
institutions:
  - name: conformance
    brand: brand
    login:
      origin: LOGIN
      listen: "AT-LOGIN"
    certificate:
      origins: [CERTIFICATE]
      listen: "AT-CERTIFICATE"
    mutual_tls:
      origin: MUTUAL
      listen: "AT-MUTUAL"
    api:
      origin: API
      listen: "AT-API"
    tls:
      - certificate: tls/server.crt
        key: secrets/server.key
    strict_tls_for: 0s
    signing_keys:
      - file: secrets/signing-es256.key
        state: active
        until: DAY
      - file: secrets/signing-ps256.key
        state: active
        until: DAY
    identifier_key: secrets/identifiers.key
    customer_ca:
      certificates: tls/customer-ca.crt
      revoked: tls/customer-ca.crl
    partner_ca:
      certificates: tls/partner-ca.crt
    connector:
      kind: sandbox
      file: sandbox.db
    profiles: [fapi2, fapi1_adv]
    rules:
      # The suite's browser is new and hasty at every login: no question is asked of it.
      risk:
        used: false
    lifetimes:
      request: 60s # a test waits until a request_uri is over
    limits:
      logins_per_address: 1000000
      requests_per_partner: 1000000
`

// brand is a bank that nobody has.
var brand = map[string]any{
	"name": both("適合性試験銀行", "Conformance Test Bank"), "self": both("当行", "the bank"),
	"service": both("法人インターネットバンキング", "Corporate Internet Banking"), "logo": "",
	"colours":    map[string]string{"main": "#00316a", "onMain": "#ffffff", "link": "#0055ad", "tint": "#f0f9ff"},
	"contact":    map[string]any{"desk": both("試験窓口", "Test desk"), "phone": "0000-00-0000", "hours": both("平日 9:00～17:00", "Weekdays 9:00–17:00")},
	"complaints": map[string]any{"desk": both("試験相談所", "Test complaints desk"), "phone": "0000-00-0000"},
	"terms":      map[string]any{"name": both("試験規定", "Test terms"), "url": ""},
	"cancel":     both("解除は試験窓口へ。", "Cancel at the test desk."),
	"losses":     both("試験のため、損害は生じません。", "No loss comes of a test."),
	"renewal":    both("更新はできません。", "There is no renewal."),
}

func both(ja, en string) map[string]string { return map[string]string{"ja": ja, "en": en} }

// registration is the metadata file of one of a pair's clients.
func registration(p places, x pair, n int, k clientKeys) map[string]any {
	client := map[string]any{"client_id": clientID(x, n), "client_name": "Conformance test client", "profile": x.profile}
	public := []any{}
	for _, jwk := range k.JWKS["keys"].([]map[string]any) {
		shown := map[string]any{}
		for _, member := range []string{"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"} {
			if v, has := jwk[member]; has {
				shown[member] = v
			}
		}
		public = append(public, shown)
	}
	client["jwks"] = map[string]any{"keys": public}
	if x.auth == "mtls" {
		client["token_endpoint_auth_method"] = "tls_client_auth"
		client["tls_client_auth_subject_dn"] = "CN=" + clientID(x, n)
	} else {
		client["token_endpoint_auth_method"] = "private_key_jwt"
	}
	if x.bound == "mtls" {
		client["tls_client_certificate_bound_access_tokens"] = true
	} else {
		client["dpop_bound_access_tokens"] = true
	}
	if x.own {
		client["grant_types"] = []string{"client_credentials"}
		client["scope"] = "partner"
	} else {
		client["redirect_uris"] = []string{p.callback(x) + []string{"", "?dummy1=lorem&dummy2=ipsum"}[n]}
		client["grant_types"] = []string{"authorization_code", "refresh_token"}
	}
	if x.signed {
		client["require_signed_request_object"] = true
	}
	if x.jarm {
		client["authorization_signed_response_alg"] = algorithm[n]
	}
	if x.profile == "fapi1_adv" {
		client["response_types"] = map[bool][]string{false: {"code id_token"}, true: {"code"}}[x.jarm]
		client["id_token_signed_response_alg"] = algorithm[n]
	}
	return map[string]any{
		"partner": map[string]any{
			"id": "p-" + x.name + []string{"-a", "-b"}[n], "service": "適合性試験 " + clientID(x, n), "corporation": "適合性試験用の架空の会社",
			"registration_number": "架空財務局長（電代）第0号",
			"contact":             map[string]string{"desk": "試験窓口", "phone": "0000-00-0000"},
			"functions":           []string{"balance", "transactions", "deposits"},
			"contract_from":       "2026-04-01", "consent_days": 1,
		},
		"client": client,
	}
}

// algorithm is what the first and the second of a pair sign with, and are answered by.
var algorithm = [2]string{"PS256", "ES256"}

// clientKeys are what the suite plays one client with.
type clientKeys struct {
	JWKS                        map[string]any
	Certificate, Key, Authority string // PEM
}

// newClient makes the keys of a pair's first client, which signs with PS256, or second,
// which signs with ES256.
func newClient(a authority, id string, n int) (clientKeys, error) {
	encoded := base64.RawURLEncoding.EncodeToString
	number := func(n *big.Int) string { return encoded(n.Bytes()) }
	jwk := map[string]any{"kid": id + "-1", "use": "sig", "alg": algorithm[n]}
	if algorithm[n] == "PS256" {
		key := newRSA()
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", number(key.N), number(big.NewInt(int64(key.E)))
		jwk["d"], jwk["p"], jwk["q"] = number(key.D), number(key.Primes[0]), number(key.Primes[1])
		jwk["dp"], jwk["dq"], jwk["qi"] = number(key.Precomputed.Dp), number(key.Precomputed.Dq), number(key.Precomputed.Qinv)
	} else {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return clientKeys{}, err
		}
		private, err := key.Bytes()
		if err != nil {
			return clientKeys{}, err
		}
		public, err := key.PublicKey.Bytes() // 4, x, y
		if err != nil {
			return clientKeys{}, err
		}
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"], jwk["d"] = "EC", "P-256", encoded(public[1:33]), encoded(public[33:]), encoded(private)
	}
	k := clientKeys{JWKS: map[string]any{"keys": []map[string]any{jwk}}}
	c, key, err := a.issue(id, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return clientKeys{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return clientKeys{}, err
	}
	k.Certificate, k.Authority = certificatePEM(c), certificatePEM(a.certificate)
	k.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return k, nil
}

// newRSA makes one key; tests put a quicker one into its place.
var newRSA = func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // no randomness, or no such size: nothing can be done
	}
	return key
}

type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority(name string) (authority, error) {
	key := newRSA()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validFor), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	c, err := signed(t, t, key.Public(), key)
	return authority{c, key}, err
}

func (a authority) issue(name string, usage x509.ExtKeyUsage) (*x509.Certificate, crypto.Signer, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	key := newRSA()
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{usage}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validFor),
	}
	if usage == x509.ExtKeyUsageServerAuth {
		t.DNSNames, t.IPAddresses = []string{"localhost", "cert1.localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	c, err := signed(t, a.certificate, key.Public(), a.key)
	return c, key, err
}

func (a authority) revocationList() ([]byte, error) {
	return x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(validFor),
	}, a.certificate, a.key)
}

func signed(t, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, by)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func certificatePEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// writer writes files until one cannot be written.
type writer struct {
	dir string
	err error
}

func (w *writer) text(name, text string) {
	if w.err == nil {
		w.err = os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600)
	}
}

func (w *writer) json(name string, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil && w.err == nil {
		w.err = err
	}
	w.text(name, string(text)+"\n")
}

func (w *writer) key(name string, key crypto.Signer) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.text(name, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func (w *writer) certificates(name string, c *x509.Certificate) { w.text(name, certificatePEM(c)) }

// trusting is a client's TLS for a suite whose own certificate nobody vouches for: it
// runs on this machine.
func trusting() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

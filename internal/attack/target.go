package attack

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

// Target is whom to attack, and as whom.
type Target struct {
	Issuer  string         // an https origin
	Roots   *x509.CertPool // nil: the system's
	Clients []Client
	Users   []User
	// Certificates are those of customers that a login must refuse, by why.
	Certificates map[string]tls.Certificate
	// Nodes are further addresses at which the same issuer answers, host:port.
	Nodes []string
	// InitialAccessToken lets clients register themselves; empty: none.
	InitialAccessToken string
}

// Client is a registered client whose keys the attacker has, as a thief or a
// partner gone bad has them.
type Client struct {
	ID           string
	RedirectURIs []string
	Method       string // private_key_jwt, tls_client_auth, self_signed_tls_client_auth
	Binding      string // dpop, certificate
	Scope        string // what it may ask for; empty: openid account.balance
	Key          crypto.Signer
	KID          string
	Certificate  *tls.Certificate
	// Wrong are certificates that must not authenticate it, by why.
	Wrong map[string]tls.Certificate
	// KeysAt is the jwks_uri that it is registered with, on this machine.
	KeysAt string
	// Own tells whether it may have tokens for its own calls (client_credentials).
	Own bool
}

// User is a customer who can link accounts by ID and password.
type User struct {
	LoginID  string            `yaml:"login_id"`
	Password string            `yaml:"password"`
	Answer   string            `yaml:"answer"` // to the secret question, where one is asked
	PINs     map[string]string `yaml:"pins"`   // inquiry PINs by account number, where they are asked
}

// FileHelp says how the file of a target is written.
const FileHelp = `The file names the target, clients whose keys you have and users who may be used, in
YAML or JSON; paths are relative to it. Keys and certificates are PEM files:

  issuer: https://login.bank.example
  ca: ca.pem                        # whom to believe; without it the system's authorities
  clients:                          # one with private_key_jwt and DPoP, one with mutual TLS; better two of the first
    - id: cl_one
      redirect_uris: [https://partner.example/callback]
      method: private_key_jwt       # or tls_client_auth, self_signed_tls_client_auth
      binding: dpop                 # or certificate
      key: one.pem                  # what signs assertions
      kid: k1                       # without it the thumbprint of the key
      own_calls: true               # client_credentials with scopes grant_management_query, grant_management_revoke
    - id: cl_two
      redirect_uris: [https://other.example/callback]
      method: tls_client_auth
      binding: certificate
      certificate: two.pem
      certificate_key: two-key.pem
      wrong_certificates:           # that must not authenticate it
        - {why: expired, certificate: old.pem, certificate_key: old-key.pem}
    - id: cl_three
      method: private_key_jwt
      keys_at: https://127.0.0.1:9449/jwks   # its jwks_uri, at which the attack listens
  users:
    - {login_id: hanako, password: …, answer: …, pins: {"1000101": "1101"}}
  customer_certificates:            # that a login must refuse
    - {why: revoked, certificate: revoked.pem, certificate_key: revoked-key.pem}
  nodes: [127.0.0.1:9540]           # where the same issuer answers too
  initial_access_token_file: token  # for dynamic registration`

type targetFile struct {
	Issuer       string            `yaml:"issuer"`
	CA           string            `yaml:"ca"`
	Clients      []clientFile      `yaml:"clients"`
	Users        []User            `yaml:"users"`
	Certificates []certificateFile `yaml:"customer_certificates"`
	Nodes        []string          `yaml:"nodes"`
	Initial      string            `yaml:"initial_access_token_file"`
}

type clientFile struct {
	ID             string            `yaml:"id"`
	RedirectURIs   []string          `yaml:"redirect_uris"`
	Method         string            `yaml:"method"`
	Binding        string            `yaml:"binding"`
	Scope          string            `yaml:"scope"`
	Key            string            `yaml:"key"`
	KID            string            `yaml:"kid"`
	Certificate    string            `yaml:"certificate"`
	CertificateKey string            `yaml:"certificate_key"`
	Wrong          []certificateFile `yaml:"wrong_certificates"`
	KeysAt         string            `yaml:"keys_at"`
	Own            bool              `yaml:"own_calls"`
}

type certificateFile struct {
	Why         string `yaml:"why"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"certificate_key"`
}

// ReadTarget reads the file of a target (see FileHelp). Errors: fault.Invalid with
// every fault at once.
func ReadTarget(path string) (Target, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Target{}, fault.New(fault.NotFound, "%s cannot be read: %s", path, short(err))
	}
	var f targetFile
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		if several, ok := errors.AsType[*yaml.TypeError](err); ok {
			return Target{}, fault.New(fault.Invalid, "%s:\n  %s", path, strings.Join(several.Errors, "\n  "))
		}
		return Target{}, fault.New(fault.Invalid, "%s: %s", path, err)
	}
	r := reading{folder: filepath.Dir(path)}
	t := r.target(f)
	if len(r.faults) > 0 {
		return Target{}, fault.New(fault.Invalid, "%s:\n  %s", path, strings.Join(r.faults, "\n  "))
	}
	return t, nil
}

// reading gathers every fault of one file.
type reading struct {
	folder string
	faults []string
}

func (r *reading) fault(at, sentence string) { r.faults = append(r.faults, at+" "+sentence) }

func (r *reading) target(f targetFile) Target {
	t := Target{Issuer: f.Issuer, Users: f.Users, Nodes: f.Nodes, Certificates: map[string]tls.Certificate{}}
	if f.Issuer != "" && !isOrigin(f.Issuer) {
		r.fault("issuer", "must be an https origin such as https://localhost:9440")
	}
	if f.CA != "" {
		text, err := os.ReadFile(r.path(f.CA))
		t.Roots = x509.NewCertPool()
		if err != nil || !t.Roots.AppendCertsFromPEM(text) {
			r.fault("ca", "is no PEM file of certificates")
		}
	}
	if f.Initial != "" {
		text, err := os.ReadFile(r.path(f.Initial))
		if err != nil {
			r.fault("initial_access_token_file", "cannot be read: "+short(err))
		}
		t.InitialAccessToken = strings.TrimSpace(string(text))
	}
	if len(f.Clients) == 0 {
		r.fault("clients", "are missing")
	}
	for _, c := range f.Clients {
		t.Clients = append(t.Clients, r.client(c))
	}
	for i, u := range f.Users {
		if u.LoginID == "" || u.Password == "" {
			r.fault("users["+itoa(i)+"]", "needs login_id and password")
		}
	}
	for i, c := range f.Certificates {
		if pair := r.pair("customer_certificates["+itoa(i)+"]", c.Certificate, c.Key); pair != nil {
			t.Certificates[c.Why] = *pair
		}
	}
	return t
}

func (r *reading) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.folder, name)
}

func (r *reading) client(f clientFile) Client {
	at := "clients " + f.ID + ":"
	c := Client{
		ID: f.ID, RedirectURIs: f.RedirectURIs, Method: f.Method, Binding: f.Binding, Scope: f.Scope, KID: f.KID,
		KeysAt: f.KeysAt, Own: f.Own, Wrong: map[string]tls.Certificate{},
	}
	if f.ID == "" {
		r.fault("clients:", "one has no id")
	}
	if !slices.Contains([]string{byKey, byCertificate, bySelfSigned}, f.Method) {
		r.fault(at, "method must be private_key_jwt, tls_client_auth or self_signed_tls_client_auth")
	}
	if f.KeysAt != "" {
		return c
	}
	if len(f.RedirectURIs) == 0 {
		r.fault(at, "redirect_uris are missing")
	}
	if f.Binding != boundByKey && f.Binding != boundByCertificate {
		r.fault(at, "binding must be dpop or certificate")
	}
	if f.Method == byKey {
		key, err := readKey(r.path(f.Key))
		if err != nil {
			r.fault(at, "key "+err.Error())
		} else if c.Key = key; c.KID == "" {
			if c.KID, err = jose.Thumbprint(key.Public()); err != nil {
				r.fault(at, "key cannot be used: "+err.Error())
			}
		}
	}
	if f.Certificate != "" || f.Method != byKey || f.Binding == boundByCertificate {
		c.Certificate = r.pair(at, f.Certificate, f.CertificateKey)
	}
	for _, w := range f.Wrong {
		if pair := r.pair(at+" wrong_certificates "+w.Why, w.Certificate, w.Key); pair != nil {
			c.Wrong[w.Why] = *pair
		}
	}
	return c
}

func (r *reading) pair(at, certificate, key string) *tls.Certificate {
	pair, err := tls.LoadX509KeyPair(r.path(certificate), r.path(key))
	if err != nil {
		r.fault(at, "certificate and certificate_key cannot be read: "+short(err))
		return nil
	}
	return &pair
}

// readKey reads a private key; whatever stands before its PEM block does not matter.
func readKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.New("cannot be read: " + short(err))
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("is no PEM file")
	}
	key, err := jose.ParsePrivate(block.Bytes)
	if err != nil {
		return nil, errors.New("is no PKCS #8 key")
	}
	switch key.(type) {
	case *ecdsa.PrivateKey, *rsa.PrivateKey, ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.New("is of a kind that signs no assertion")
}

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.Path == "" && u.RawQuery == "" && u.Fragment == ""
}

// short leaves out of an error the path, which stands in the sentence around it.
func short(err error) string {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

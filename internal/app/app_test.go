package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/config"
	"renkei.dev/internal/fault"
)

// bank is a server for two institutions that share their listeners, with keys
// and certificates that no demo made.
type bank struct {
	t      *testing.T
	folder string
	roots  *x509.CertPool

	mu        sync.Mutex
	listeners map[string]net.Listener // by the address of the file
	log       heard
}

// heard is what servers logged.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) has(word string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Contains(h.text.String(), word)
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{t: t, folder: t.TempDir(), listeners: map[string]net.Listener{}}
	caKey, ca := b.certificate(nil, true)
	b.put("ca.crt", "CERTIFICATE", ca.Raw)
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
	}, ca, caKey)
	if err != nil {
		t.Fatal(err)
	}
	b.put("ca.crl", "X509 CRL", list)
	b.roots = x509.NewCertPool()
	var institutions strings.Builder
	for _, name := range []string{"ume", "sakura"} {
		var names []string
		for _, host := range []string{"link", "cert1", "mtls", "api"} {
			names = append(names, host+"."+name+".example")
		}
		key, server := b.certificate(names, false)
		b.roots.AddCert(server)
		b.put(name+".crt", "CERTIFICATE", server.Raw)
		b.putKey(name+".key", key)
		signing, _ := b.certificate(nil, false)
		b.putKey(name+"-signing.key", signing)
		b.random(name + "-identifiers.key")
		fmt.Fprintf(&institutions, institution, name)
	}
	b.random("sealing.key")
	if err := os.MkdirAll(filepath.Join(b.folder, "brand"), 0o700); err != nil {
		t.Fatal(err)
	}
	brand, err := os.ReadFile("../web/look/plain/brand.json")
	if err != nil {
		t.Fatal(err)
	}
	b.write("brand/brand.json", brand)
	b.write("renkei.yaml", []byte("database: {url: \"sqlite:"+filepath.Join(b.folder, "renkei.db")+"\"}\n"+
		"sealing_keys: [{number: 1, file: sealing.key}]\nadmin: \":9450\"\nstop_within: 5s\ninstitutions:\n"+institutions.String()))
	return b
}

const institution = `  - name: %[1]s
    brand: brand
    login: {origin: "https://link.%[1]s.example", listen: ":8443"}
    certificate: {origins: ["https://cert1.%[1]s.example"], listen: ":8444"}
    mutual_tls: {origin: "https://mtls.%[1]s.example", listen: ":8445"}
    api: {origin: "https://api.%[1]s.example", listen: ":8446"}
    tls: [{certificate: %[1]s.crt, key: %[1]s.key}]
    signing_keys: [{file: %[1]s-signing.key, until: 2099-12-31}]
    identifier_key: %[1]s-identifiers.key
    customer_ca: {certificates: ca.crt, revoked: ca.crl}
    connector: {kind: sandbox, file: %[1]s-sandbox.db}
`

func (b *bank) certificate(names []string, authority bool) (*ecdsa.PrivateKey, *x509.Certificate) {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: authority, BasicConstraintsValid: true, SubjectKeyId: []byte{1, 2, 3},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		b.t.Fatal(err)
	}
	return key, c
}

func (b *bank) write(name string, data []byte) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.folder, name), data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bank) put(name, kind string, der []byte) {
	b.write(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (b *bank) putKey(name string, key *ecdsa.PrivateKey) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.t.Fatal(err)
	}
	b.put(name, "PRIVATE KEY", der)
}

func (b *bank) random(name string) {
	key := make([]byte, 32)
	rand.Read(key)
	b.write(name, []byte(base64.StdEncoding.EncodeToString(key)))
}

// open reads the file and opens a server whose listeners are on free ports.
func (b *bank) open() (*app.App, error) {
	settings, material, err := config.Read(filepath.Join(b.folder, "renkei.yaml"), time.Now())
	if err != nil {
		return nil, err
	}
	return app.Open(b.t.Context(), app.Config{
		Settings: settings, Material: material, Log: slog.New(slog.NewTextHandler(io.MultiWriter(b.t.Output(), &b.log), nil)),
		Listen: func(_ context.Context, address string) (net.Listener, error) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.listeners[address] != nil {
				b.t.Errorf("%s is listened at twice", address)
			}
			b.listeners[address] = l
			return l, err
		},
	})
}

// serve serves until the returned stop, which returns what Serve did.
func (b *bank) serve() (stop func() error) {
	b.t.Helper()
	server, err := b.open()
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	return func() error { cancel(); return <-ended }
}

// get asks for an address at the listener of another; sni is the name in the
// handshake, if it is not the address's.
func (b *bank) get(listener, address, sni string) (int, string, *tls.ConnectionState) {
	b.t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: b.roots, ServerName: sni},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", b.listeners[listener].Addr().String())
		},
	}}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, string(body), answer.TLS
}

func TestInstitutionsOfOneProcessAreToldApartByOrigin(t *testing.T) {
	b := newBank(t)
	stop := b.serve()
	keys := map[string]bool{}
	for _, name := range []string{"ume", "sakura"} {
		status, body, _ := b.get(":8443", "https://link."+name+".example/.well-known/openid-configuration", "")
		var metadata struct {
			Issuer  string
			Aliases map[string]string `json:"mtls_endpoint_aliases"`
		}
		if err := json.Unmarshal([]byte(body), &metadata); err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		if want := "https://link." + name + ".example"; metadata.Issuer != want {
			t.Errorf("issuer %s at %s", metadata.Issuer, want)
		}
		if alias := metadata.Aliases["token_endpoint"]; alias != "https://mtls."+name+".example/token" {
			t.Errorf("alias %q", alias)
		}
		_, body, _ = b.get(":8443", "https://link."+name+".example/jwks", "")
		keys[body] = true
		if status, _, _ := b.get(":8446", "https://api."+name+".example/open-api/v1/accounts", ""); status != 401 {
			t.Errorf("the API without a token: %d", status)
		}
	}
	if len(keys) != 2 {
		t.Error("both institutions sign with the same keys")
	}
	if err := stop(); err != nil {
		t.Errorf("after a stop: %v", err)
	}
}

func TestNamesThatAreNotOfAListenerAreMisdirected(t *testing.T) {
	b := newBank(t)
	stop := b.serve()
	defer stop()
	for _, c := range []struct{ name, listener, address, sni string }{
		{"another listener's name", ":8443", "https://api.ume.example/", ""},
		{"the right name at another port", ":8443", "https://link.ume.example:8443/", ""},
		{"a name that the handshake was not for", ":8443", "https://link.ume.example/", "link.sakura.example"},
		{"a certificate host's, reached by another's handshake", ":8444", "https://cert1.ume.example/", "cert1.sakura.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, _, _ := b.get(c.listener, c.address, c.sni); status != http.StatusMisdirectedRequest {
				t.Errorf("status %d", status)
			}
		})
	}
}

func TestCertificateHostsSpeakHTTP1AndGiveNoTickets(t *testing.T) {
	b := newBank(t)
	stop := b.serve()
	defer stop()
	_, _, state := b.get(":8444", "https://cert1.ume.example/", "")
	if state.NegotiatedProtocol != "" && state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("speaks %s", state.NegotiatedProtocol)
	}
}

// versionAt is what a client that speaks up to the given version of TLS arrives at; 0
// when the handshake fails.
func (b *bank) versionAt(listener, name string, most uint16) uint16 {
	c, err := tls.Dial("tcp", b.listeners[listener].Addr().String(), &tls.Config{RootCAs: b.roots, ServerName: name, MaxVersion: most})
	if err != nil {
		return 0
	}
	defer c.Close()
	return c.ConnectionState().Version
}

func TestAnInstitutionThatOffersFAPI1IsHeldToItsSuites(t *testing.T) {
	b := newBank(t)
	settings, err := os.ReadFile(filepath.Join(b.folder, "renkei.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const before = "    customer_ca:"
	b.write("renkei.yaml", []byte(strings.Replace(string(settings), before, "    profiles: [fapi2, fapi1_adv]\n"+before, 1))) // ume's
	stop := b.serve()
	defer stop()
	// Both have a certificate for ECDSA, for which FAPI 1.0 Advanced leaves TLS 1.3 alone.
	for listener, kind := range map[string]string{":8443": "link", ":8445": "mtls", ":8446": "api"} {
		for _, c := range []struct {
			name       string
			most, want uint16
		}{
			{"ume", tls.VersionTLS12, 0},
			{"ume", tls.VersionTLS13, tls.VersionTLS13},
			{"sakura", tls.VersionTLS12, tls.VersionTLS12},
		} {
			if got := b.versionAt(listener, kind+"."+c.name+".example", c.most); got != c.want {
				t.Errorf("%s.%s, up to %s: %s", kind, c.name, tls.VersionName(c.most), tls.VersionName(got))
			}
		}
	}
}

func TestProbesTellWhetherToSendRequests(t *testing.T) {
	b := newBank(t)
	stop := b.serve()
	for _, path := range []string{"/livez", "/readyz"} {
		if status, body, _ := b.get(":9450", "http://127.0.0.1"+path, ""); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAServerThatStopsSaysSoBeforeItRefusesRequests(t *testing.T) {
	b := newBank(t)
	settings, err := os.ReadFile(filepath.Join(b.folder, "renkei.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	b.write("renkei.yaml", append([]byte("leave_for: 2s\n"), settings...))
	stop := b.serve()
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- stop() }()
	for said := false; !said; {
		status, body, _ := b.get(":9450", "http://127.0.0.1/readyz", "")
		said = status == http.StatusServiceUnavailable && strings.Contains(body, "stopping")
	}
	if status, _, _ := b.get(":9450", "http://127.0.0.1/livez", ""); status != http.StatusOK {
		t.Errorf("while it leaves it answers %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it left after %v", took)
	}
}

func TestAServerOpensItsDataAgain(t *testing.T) {
	b := newBank(t)
	for range 2 {
		b.listeners = map[string]net.Listener{}
		if err := b.serve()(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnOpenThatFailsLetsGoOfEverything(t *testing.T) {
	b := newBank(t)
	settings, material, err := config.Read(filepath.Join(b.folder, "renkei.yaml"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var first net.Listener
	_, err = app.Open(t.Context(), app.Config{
		Settings: settings, Material: material, Log: slog.New(slog.DiscardHandler),
		Listen: func(context.Context, string) (net.Listener, error) {
			if first != nil {
				return nil, fault.New(fault.Unavailable, "the second port is taken")
			}
			first, err = net.Listen("tcp", "127.0.0.1:0")
			return first, err
		},
	})
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := first.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the first port is still listened at: %v", err)
	}
	if err := b.serve()(); err != nil { // the database was let go of too
		t.Error(err)
	}
}

func TestAStartTellsWhereItListensAndForWhom(t *testing.T) {
	b := newBank(t)
	b.serve()()
	for address, says := range map[string]string{
		":8443": "site=login institutions=\"ume sakura\"", ":8444": "site=certificate institutions=\"ume sakura\"",
		":8445": "site=mutual_tls institutions=\"ume sakura\"", ":8446": "site=api institutions=\"ume sakura\"", ":9450": "site=admin",
	} {
		if line := "msg=listening address=" + b.listeners[address].Addr().String() + " " + says; !b.log.has(line) {
			t.Errorf("no line %s", line)
		}
	}
}

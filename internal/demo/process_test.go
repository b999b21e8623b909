package demo_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"renkei.dev/internal/corebank/sandbox"
)

// newProcesses is a fleet of `renkei serve` on one database, none started yet, with
// keys and certificates that no demo made.
func newProcesses(t *testing.T, database string, n int) *fleet {
	t.Helper()
	d := &running{folder: t.TempDir(), log: &heard{}}
	f := &fleet{t: t, d: d, nodes: make([]*node, n), database: database, port: freePorts(t, 4)}
	key, authority := selfSigned(t, []string{"localhost", "cert1.localhost"})
	d.put(t, "server.crt", "CERTIFICATE", authority.Raw)
	d.putKey(t, "server.key", key)
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
	}, authority, key)
	if err != nil {
		t.Fatal(err)
	}
	d.put(t, "server.crl", "X509 CRL", list)
	signing, _ := selfSigned(t, nil)
	d.putKey(t, "signing.key", signing)
	for _, name := range []string{"sealing.key", "identifiers.key"} {
		random := make([]byte, 32)
		rand.Read(random)
		d.write(t, name, []byte(base64.StdEncoding.EncodeToString(random)))
	}
	brand, err := os.ReadFile("../web/look/plain/brand.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(d.folder, "brand"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.write(t, "brand/brand.json", brand)
	d.manifest.CA = "server.crt"
	d.manifest.Institutions = []manifestInstitution{{Name: "demo", Issuer: f.origin("localhost", 0), API: f.origin("localhost", 2)}}
	for _, company := range sandbox.Fictional().Companies {
		for _, m := range company.Members {
			u := d.manifest.Users
			d.manifest.Users = append(u, manifestUser{Name: string(m.LoginID), LoginID: string(m.LoginID), Password: m.Password})
			for _, a := range company.Accounts {
				last := &d.manifest.Users[len(u)]
				last.Accounts = append(last.Accounts, struct{ Branch, Type, Number, PIN string }{a.BranchCode, string(a.Type), a.Number, a.PIN})
			}
		}
	}
	t.Cleanup(func() {
		for _, n := range f.nodes {
			if n != nil && !n.down {
				n.stop()
			}
		}
		if t.Failed() {
			t.Log(d.log)
		}
	})
	return f
}

func (f *fleet) origin(name string, at int) string {
	return fmt.Sprintf("https://%s:%d", name, f.port[at])
}

const serving = `database: {url: "%s"}
sealing_keys: [{number: 1, file: sealing.key}]
node: %d
admin: "127.0.0.1:%d"
stop_within: 10s
institutions:
  - name: demo
    brand: brand
    login: {origin: "%s", listen: "127.0.0.1:%d"}
    certificate: {origins: ["%s"], listen: "127.0.0.1:%d"}
    api: {origin: "%s", listen: "127.0.0.1:%d"}
    tls: [{certificate: server.crt, key: server.key}]
    signing_keys: [{file: signing.key, until: 2099-12-31}]
    identifier_key: identifiers.key
    customer_ca: {certificates: server.crt, revoked: server.crl}
    connector: {kind: sandbox, file: sandbox.db}
    rules: {risk: {used: false}}
    limits: {logins_per_address: 100000, requests_per_partner: 100000}
`

// spawn starts a node as a process of a binary, and puts it into service when it
// says that it is ready.
func (f *fleet) spawn(i int, binary string) {
	f.t.Helper()
	own := freePorts(f.t, 4)
	f.d.write(f.t, f.settingsOf(i), fmt.Appendf(nil, serving, f.database, i, own[3],
		f.origin("localhost", 0), own[0], f.origin("cert1.localhost", 1), own[1], f.origin("localhost", 2), own[2]))
	process := exec.Command(binary, "serve", "--config", filepath.Join(f.d.folder, f.settingsOf(i)))
	process.Stderr, process.SysProcAttr = f.d.log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	n := &node{ways: map[string]string{}, stop: func() {
		process.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			f.t.Errorf("node %d ended with %v", i, err)
		}
	}}
	for at := range 3 {
		n.ways[strconv.Itoa(f.port[at])] = "127.0.0.1:" + strconv.Itoa(own[at])
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // another process starts
		answer, err := http.Get("http://127.0.0.1:" + strconv.Itoa(own[3]) + "/readyz")
		if err == nil {
			answer.Body.Close()
		}
		if err == nil && answer.StatusCode == http.StatusOK {
			break
		}
		select {
		case err := <-ended:
			f.t.Fatalf("node %d ended before it was ready: %v\n%s", i, err, f.d.log)
		default:
		}
		if time.Since(began) > 60*time.Second {
			process.Process.Kill() //nolint:errcheck // the test fails anyway
			f.t.Fatalf("node %d is not ready after a minute", i)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[i] = n
}

func (f *fleet) settingsOf(i int) string { return fmt.Sprintf("node%d.yaml", i) }

// command runs a command of a binary beside a node.
func (f *fleet) command(i int, binary string, args ...string) string {
	f.t.Helper()
	out, err := exec.Command(binary, append(args, "--config", filepath.Join(f.d.folder, f.settingsOf(i)))...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// freePorts returns ports that nobody uses now.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func selfSigned(t *testing.T, names []string) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, SubjectKeyId: []byte{1, 2, 3},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, c
}

func (d *running) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.folder, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *running) put(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	d.write(t, name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (d *running) putKey(t *testing.T, name string, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	d.put(t, name, "PRIVATE KEY", der)
}

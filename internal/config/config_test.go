package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/pki"
)

var now = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

// folder is the example of the documentation with the files that it names.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	example, err := os.ReadFile("../../docs/operations/renkei.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "renkei.yaml", example)
	brand, err := os.ReadFile("../web/look/plain/brand.json")
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "brand/brand.json", brand)
	put(t, dir, "secrets/database.password", []byte("hunter2\n"))
	put(t, dir, "secrets/sealing-1.key", randomKey())
	put(t, dir, "secrets/identifiers.key", randomKey())
	caKey, ca := authority(t, now.AddDate(1, 0, 0))
	put(t, dir, "tls/customer-ca.crt", encode("CERTIFICATE", ca.Raw))
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.AddDate(0, 0, 7)}, ca, caKey)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "tls/customer-ca.crl", encode("X509 CRL", list))
	server(t, dir, now.AddDate(0, 3, 0), "link", "cert1", "cert2", "cert3", "mtls", "api")
	put(t, dir, "secrets/signing-1.key", privateKey(t))
	return dir
}

func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return []byte(base64.StdEncoding.EncodeToString(key) + "\n")
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func privateKey(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return encode("PRIVATE KEY", der)
}

func authority(t *testing.T, until time.Time) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "見本信用組合 利用者認証局"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, ca
}

func server(t *testing.T, dir string, until time.Time, names ...string) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mihon"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: until}
	for _, n := range names {
		template.DNSNames = append(template.DNSNames, n+".mihon.example.jp")
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "tls/mihon.crt", encode("CERTIFICATE", der))
	put(t, dir, "secrets/mihon.key", encode("PRIVATE KEY", pkcs8))
}

// change replaces text of the example.
func change(t *testing.T, dir string, pairs ...string) {
	t.Helper()
	path := filepath.Join(dir, "renkei.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the example has no %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	put(t, dir, "renkei.yaml", []byte(text))
}

func TestTheExampleOfTheDocumentationIsRight(t *testing.T) {
	dir := folder(t)
	f, m, err := Read(filepath.Join(dir, "renkei.yaml"), now)
	if err != nil {
		t.Fatal(err)
	}
	in := f.Institutions[0]
	if in.Login.Origin != "https://link.mihon.example.jp" || len(in.Certificate.Origins) != 3 || in.Rules.ConsentFor != 90*day {
		t.Errorf("read %+v", in)
	}
	if want := "postgres://renkei:hunter2@db.example.jp/renkei?sslmode=verify-full"; m.DatabaseURL != want {
		t.Errorf("the password of its file is not in the address")
	}
	if len(m.SealingKeys[1]) != 32 || len(m.Institutions[0].IdentifierKey) != 32 || len(m.Institutions[0].TLS) != 1 || len(m.Institutions[0].CustomerCA.Authorities) != 1 || len(m.Institutions[0].SigningKeys) != 1 {
		t.Error("not all files were read")
	}
}

func TestTheExampleShowsTheDefaults(t *testing.T) {
	dir := folder(t)
	f, _, err := Read(filepath.Join(dir, "renkei.yaml"), now)
	if err != nil {
		t.Fatal(err)
	}
	var in Institution
	in.defaults()
	got := f.Institutions[0]
	if got.Rules != in.Rules || got.Lifetimes != in.Lifetimes || got.Limits != in.Limits || got.StrictTLSFor != in.StrictTLSFor {
		t.Errorf("the example shows\n%+v\nthe defaults are\n%+v", got, in)
	}
}

func TestEveryFaultIsToldAtOnceWithItsPathAndLine(t *testing.T) {
	dir := folder(t)
	change(t, dir,
		"idle_for: 15m", "idle_for: a while",
		"node: 0", "node: 4000\nnoed: 0",
		"origin: https://link.mihon.example.jp", "origin: http://link.mihon.example.jp",
		`listen: ":8446"`, `listen: ":8443"`,
		"consent_for: 90d", "consent_for: 400d",
		"- file: secrets/signing-1.key", "- file: secrets/none.key",
		"admin: 127.0.0.1:9450", "admin: here",
		"kind: sandbox", "kind: [sandbox]",
	)
	_, _, err := Read(filepath.Join(dir, "renkei.yaml"), now)
	faults, ok := errors.AsType[Faults](err)
	if !ok || !errors.Is(err, fault.Invalid) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		": node must be from 0 to 1022", ": noed is not a setting; known here are database,",
		": institutions[0].login.origin must be an https origin", ": institutions[0].api.listen is where login listens",
		": institutions[0].rules.idle_for must be a duration", ": institutions[0].rules.consent_for must be from 1d to 365d",
		": admin must be an address", ": institutions[0].connector.kind must be a text",
		": institutions[0].signing_keys[0].file cannot be read",
	} {
		if !strings.Contains(faults.Error(), want) {
			t.Errorf("nothing is said of %q in\n%v", want, faults)
		}
	}
	for _, f := range faults {
		if f.Line == 0 {
			t.Errorf("%v has no line", f)
		}
	}
}

func TestFilesThatCannotServeAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   string
	}{
		{"a password in the address", func(t *testing.T, dir string) { change(t, dir, "renkei@db.", "renkei:hunter2@db.") }, "database.url holds a password"},
		{"a sealing key of a demo", func(t *testing.T, dir string) {
			put(t, dir, "secrets/sealing-1.key", append([]byte(pki.DemoMark+"\n"), randomKey()...))
		}, "sealing_keys[0].file is of a demo"},
		{"a key that everybody can read", func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, "secrets/identifiers.key"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "identifier_key can be read by everybody"},
		{"a key that is too short", func(t *testing.T, dir string) { put(t, dir, "secrets/sealing-1.key", []byte("c2hvcnQ=")) }, "32 random bytes"},
		{"a certificate that expired", func(t *testing.T, dir string) {
			server(t, dir, now.Add(-time.Hour), "link", "cert1", "cert2", "cert3", "mtls", "api")
		}, "tls[0].certificate expired on"},
		{"a name without a certificate", func(t *testing.T, dir string) {
			server(t, dir, now.AddDate(0, 1, 0), "link", "cert1", "cert2", "mtls", "api")
		}, "has no certificate for cert3.mihon.example.jp"},
		{"an authority that cannot be read", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "tls/customer-ca.crt")); err != nil {
				t.Fatal(err)
			}
		}, "customer_ca.certificates cannot be used"},
		{"another authority's list", func(t *testing.T, dir string) {
			_, ca := authority(t, now.AddDate(1, 0, 0))
			put(t, dir, "tls/customer-ca.crt", encode("CERTIFICATE", ca.Raw))
		}, "customer_ca.revoked cannot be used: no revocation list"},
		{"an authority that expired", func(t *testing.T, dir string) {
			_, ca := authority(t, now.AddDate(0, 0, -1))
			put(t, dir, "tls/customer-ca.crt", encode("CERTIFICATE", ca.Raw))
		}, "customer_ca.certificates holds one that expired"},
		{"a list that is too old", func(t *testing.T, dir string) {
			change(t, dir, "revoked_max_age: 0s", "revoked_max_age: 1h")
			caKey, ca := authority(t, now.AddDate(1, 0, 0))
			list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-2 * time.Hour), NextUpdate: now.AddDate(0, 0, 7)}, ca, caKey)
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, "tls/customer-ca.crt", encode("CERTIFICATE", ca.Raw))
			put(t, dir, "tls/customer-ca.crl", encode("X509 CRL", list))
		}, "too old"},
		{"a demo's authority", func(t *testing.T, dir string) {
			demo, err := pki.NewClientAuthority("demo", newKey(t), now, day)
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, "tls/customer-ca.crt", pki.EncodeCertificates(demo.Certificate))
		}, "holds the authority of a demo"},
		{"neither a list nor a responder", func(t *testing.T, dir string) {
			change(t, dir, "      revoked: tls/customer-ca.crl", "      # no list")
		}, "customer_ca.revoked is missing"},
		{"a responder at no address", func(t *testing.T, dir string) {
			change(t, dir, "revoked_max_age: 0s", "ocsp: {responder: ocsp.example.jp}")
		}, "customer_ca.ocsp.responder must be an address"},
		{"a responder that is neither refused nor accepted", func(t *testing.T, dir string) {
			change(t, dir, "revoked_max_age: 0s", "ocsp: {unreachable: maybe}")
		}, "customer_ca.ocsp.unreachable must be refuse or accept"},
		{"proxies without a name", func(t *testing.T, dir string) {
			change(t, dir, "node: 0", "proxies: {addresses: [10.1.2.0/24], authority: tls/customer-ca.crt}\nnode: 0")
		}, "proxies.names is missing"},
		{"proxies everywhere", func(t *testing.T, dir string) {
			change(t, dir, "node: 0", "proxies: {addresses: [0.0.0.0/0], authority: tls/customer-ca.crt, names: [p.example]}\nnode: 0")
		}, "proxies.addresses[0] holds every address"},
		{"proxies at an address with bits too many", func(t *testing.T, dir string) {
			change(t, dir, "node: 0", "proxies: {addresses: [10.1.2.3/24], authority: tls/customer-ca.crt, names: [p.example]}\nnode: 0")
		}, "proxies.addresses[0] must be an address or a range"},
		{"proxies of an authority that cannot be read", func(t *testing.T, dir string) {
			change(t, dir, "node: 0", "proxies: {addresses: [10.1.2.3], authority: tls/none.crt, names: [p.example]}\nnode: 0")
		}, "proxies.authority cannot be used"},
		{"a brand that is not right", func(t *testing.T, dir string) { put(t, dir, "brand/brand.json", []byte(`{"colour": "red"}`)) }, "institutions[0].brand cannot be used"},
		{"an alias", func(t *testing.T, dir string) {
			change(t, dir, "log_level: info", "log_level: &level info")
		}, "uses an anchor"},
		{"a key twice", func(t *testing.T, dir string) { change(t, dir, "node: 0", "node: 0\nlog_level: warn") }, "log_level stands twice"},
		{"no file at all", func(t *testing.T, dir string) { put(t, dir, "renkei.yaml", nil) }, "the file is empty"},
		{"no YAML", func(t *testing.T, dir string) { put(t, dir, "renkei.yaml", []byte("a: [")) }, "not YAML"},
		{"two institutions that are one", func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, "renkei.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			_, list, _ := strings.Cut(string(data), "institutions:\n")
			put(t, dir, "renkei.yaml", append(data, list...))
		}, "institutions[1].name is the name of institutions[0] too"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folder(t)
			c.change(t, dir)
			if _, _, err := Read(filepath.Join(dir, "renkei.yaml"), now); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAResponderCanTakeTheListsPlace(t *testing.T) {
	dir := folder(t)
	change(t, dir, "      revoked: tls/customer-ca.crl", "      ocsp: {}\n      #")
	_, m, err := Read(filepath.Join(dir, "renkei.yaml"), now)
	if err != nil {
		t.Fatal(err)
	}
	o, is := m.Institutions[0].CustomerCA.Revocations.(*pki.OCSP)
	if !is || o.AcceptUnreachable || o.Beside != nil || o.Client.Timeout != 3*time.Second {
		t.Errorf("got %+v", o)
	}
}

func TestWhatIsPrintedReadsTheSame(t *testing.T) {
	dir := folder(t)
	f, _, err := Read(filepath.Join(dir, "renkei.yaml"), now)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := f.Print(&printed); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "printed.yaml", []byte(printed.String()))
	again, _, err := Read(filepath.Join(dir, "printed.yaml"), now)
	if err != nil {
		t.Fatalf("%v\n%s", err, printed.String())
	}
	var twice strings.Builder
	if err := again.Print(&twice); err != nil {
		t.Fatal(err)
	}
	if printed.String() != twice.String() {
		t.Errorf("first\n%s\nthen\n%s", printed.String(), twice.String())
	}
	if strings.Contains(printed.String(), "hunter2") {
		t.Error("the password of the database is printed")
	}
}

func TestDurationsAreWrittenAsPeopleDo(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute, "300s": 5 * time.Minute, "1d12h": 36 * time.Hour, "0s": 0,
	} {
		got, err := parseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
		if again, err := parseDuration(formatDuration(want)); err != nil || again != want {
			t.Errorf("%s was written as %s", text, formatDuration(want))
		}
	}
	for _, text := range []string{"", "15", "d", "-1d", "1d-1h", "soon", "99999999d"} {
		if _, err := parseDuration(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzRead(f *testing.F) {
	example, err := os.ReadFile("../../docs/operations/renkei.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("institutions: [{rules: {login: 1}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := read(data, t.TempDir(), now); err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%v is not fault.Invalid", err)
		}
	})
}

package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/pki"
)

var now = time.Now().UTC().Truncate(time.Second) // TLS in these tests runs by the real clock

const year = 365 * 24 * time.Hour

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func clientAuthority(t *testing.T, name string) *pki.Authority {
	t.Helper()
	a, err := pki.NewClientAuthority(name, newKey(t), now.Add(-3*year), 10*year)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func client(t *testing.T, a *pki.Authority, key crypto.Signer, usage x509.ExtKeyUsage, from, until time.Time) *x509.Certificate {
	t.Helper()
	c, err := a.IssueClient(pki.Holder{Name: "ok.cert", Organization: "株式会社見本商店", Mail: "ok@example.jp"}, usage, key.Public(), from, until)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func list(t *testing.T, a *pki.Authority, at time.Time, goodFor time.Duration, revoked ...*x509.Certificate) *pki.List {
	t.Helper()
	raw, err := a.RevocationList(revoked, at, goodFor)
	if err != nil {
		t.Fatal(err)
	}
	l, err := pki.ParseList(raw, 0)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEachCauseOfRefusalIsToldApart(t *testing.T) {
	ours, theirs := clientAuthority(t, "ours"), clientAuthority(t, "ours") // the same name, another key
	key := newKey(t)
	good := client(t, ours, key, x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year))
	revoked := client(t, ours, key, x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year))
	expired := client(t, ours, key, x509.ExtKeyUsageClientAuth, now.Add(-2*year), now.Add(-time.Hour))
	expiredRevoked := client(t, ours, key, x509.ExtKeyUsageClientAuth, now.Add(-2*year), now.Add(-time.Hour))
	future := client(t, ours, key, x509.ExtKeyUsageClientAuth, now.Add(time.Hour), now.Add(year))
	server := client(t, ours, key, x509.ExtKeyUsageServerAuth, now.Add(-time.Hour), now.Add(year))
	foreign := client(t, theirs, key, x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year))
	foreignExpired := client(t, theirs, key, x509.ExtKeyUsageClientAuth, now.Add(-2*year), now.Add(-time.Hour))
	current := list(t, ours, now.Add(-time.Hour), year, revoked, expiredRevoked)

	for _, c := range []struct {
		name  string
		chain []*x509.Certificate
		lists pki.Revocations
		want  pki.Reason
	}{
		{"a good one", []*x509.Certificate{good}, current, pki.Good},
		{"a good one with its authority beside it", []*x509.Certificate{good, ours.Certificate}, current, pki.Good},
		{"a good one where revocation is not looked at", []*x509.Certificate{revoked}, nil, pki.Good},
		{"none", nil, current, pki.Missing},
		{"expired", []*x509.Certificate{expired}, current, pki.Expired},
		{"expired and revoked", []*x509.Certificate{expiredRevoked}, current, pki.Expired},
		{"not yet valid", []*x509.Certificate{future}, current, pki.NotYetValid},
		{"for servers", []*x509.Certificate{server}, current, pki.WrongUsage},
		{"revoked", []*x509.Certificate{revoked}, current, pki.Revoked},
		{"of another authority of the same name", []*x509.Certificate{foreign}, current, pki.Foreign},
		{"of another authority that came along", []*x509.Certificate{foreign, theirs.Certificate}, current, pki.Foreign},
		{"foreign and expired: nothing that it claims is repeated", []*x509.Certificate{foreignExpired}, current, pki.Foreign},
		{"the authority itself", []*x509.Certificate{ours.Certificate}, current, pki.WrongUsage},
		{"with a list that is too old", []*x509.Certificate{good}, list(t, ours, now.Add(-2*time.Hour), time.Hour), pki.Undecided},
		{"with a list of the future", []*x509.Certificate{good}, list(t, ours, now.Add(time.Hour), time.Hour), pki.Undecided},
		{"with another authority's list of the same name", []*x509.Certificate{good}, list(t, theirs, now.Add(-time.Hour), year), pki.Undecided},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := pki.Judge(c.chain, pki.Trust{Authorities: []*x509.Certificate{ours.Certificate}, Revocations: c.lists}, x509.ExtKeyUsageClientAuth, now)
			if v.Reason != c.want {
				t.Errorf("judged %q (%v), want %q", v.Reason, v.Cause, c.want)
			}
			if len(c.chain) > 0 && v.Certificate != c.chain[0] {
				t.Error("the verdict does not say which certificate was seen")
			}
			if (v.Reason == pki.Revoked) == v.RevokedAt.IsZero() {
				t.Errorf("revoked at %v", v.RevokedAt)
			}
		})
	}
}

func TestNothingIsTrustedWithoutAuthorities(t *testing.T) {
	a := clientAuthority(t, "ours")
	c := client(t, a, newKey(t), x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year))
	if v := pki.Judge([]*x509.Certificate{c}, pki.Trust{}, x509.ExtKeyUsageClientAuth, now); v.Reason != pki.Foreign {
		t.Errorf("judged %q", v.Reason)
	}
}

func TestTheNewestListOfAnIssuerCounts(t *testing.T) {
	a := clientAuthority(t, "ours")
	c := client(t, a, newKey(t), x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year))
	older, err := a.RevocationList(nil, now.Add(-2*time.Hour), year)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := a.RevocationList([]*x509.Certificate{c}, now.Add(-time.Hour), year)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{append(older, newer...), append(newer, older...)} {
		l, err := pki.ParseList(raw, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, revoked, err := l.Revoked(c, a.Certificate, now); err != nil || !revoked {
			t.Errorf("revoked: %v, %v", revoked, err)
		}
	}
}

func TestAListMayBeHeldToAShorterAgeThanItClaims(t *testing.T) {
	a := clientAuthority(t, "ours")
	c := client(t, a, newKey(t), x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year))
	raw, err := a.RevocationList(nil, now.Add(-25*time.Hour), year)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	for name, data := range map[string][]byte{"PEM": raw, "DER": block.Bytes} {
		l, err := pki.ParseList(data, 24*time.Hour)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, _, err := l.Revoked(c, a.Certificate, now); fault.Of(err) != fault.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := pki.ParseList([]byte("no list"), 0); fault.Of(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}

func TestAListFileIsReadAgainWhenItChanges(t *testing.T) {
	a := clientAuthority(t, "ours")
	c := client(t, a, newKey(t), x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year))
	path := filepath.Join(t.TempDir(), "list.pem")
	write := func(data []byte) {
		t.Helper()
		// Put in place as staff should: whole, by a rename.
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pki.OpenListFile(path, 0); fault.Of(err) != fault.NotFound {
		t.Errorf("a missing file: %v", err)
	}
	empty, err := a.RevocationList(nil, now.Add(-time.Hour), year)
	if err != nil {
		t.Fatal(err)
	}
	write(empty)
	f, err := pki.OpenListFile(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, revoked, err := f.Revoked(c, a.Certificate, now); err != nil || revoked {
		t.Errorf("at first: %v, %v", revoked, err)
	}
	with, err := a.RevocationList([]*x509.Certificate{c}, now, year)
	if err != nil {
		t.Fatal(err)
	}
	write(with)
	if _, revoked, err := f.Revoked(c, a.Certificate, now); err != nil || !revoked {
		t.Errorf("after the change: %v, %v", revoked, err)
	}
	write([]byte("half a fi"))
	if _, _, err := f.Revoked(c, a.Certificate, now); fault.Of(err) != fault.Unavailable {
		t.Errorf("after a broken change: %v", err)
	}
}

func TestTheServerAuthorityIsGoodForTheLaptopAlone(t *testing.T) {
	a, err := pki.NewServerAuthority("demo", newKey(t), now, year)
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.IssueServer(newKey(t).Public(), now.Add(-time.Hour), now.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "a.localhost", "b.localhost", "cert1.localhost", "cert9.localhost", "127.0.0.1", "::1"} {
		if _, err := c.Verify(x509.VerifyOptions{DNSName: host, Roots: pki.Pool([]*x509.Certificate{a.Certificate})}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	// Someone who stole the authority's key makes a certificate for another name.
	key := newKey(t)
	for _, stolen := range []*x509.Certificate{
		{SerialNumber: c.SerialNumber, NotBefore: c.NotBefore, NotAfter: c.NotAfter, DNSNames: []string{"bank.example"}},
		{SerialNumber: c.SerialNumber, NotBefore: c.NotBefore, NotAfter: c.NotAfter, DNSNames: []string{"notlocalhost"}},
		{SerialNumber: c.SerialNumber, NotBefore: c.NotBefore, NotAfter: c.NotAfter, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}},
	} {
		der, err := x509.CreateCertificate(rand.Reader, stolen, a.Certificate, key.Public(), a.Key)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parsed.Verify(x509.VerifyOptions{Roots: pki.Pool([]*x509.Certificate{a.Certificate})}); err == nil {
			t.Errorf("a certificate for %v %v is good", stolen.DNSNames, stolen.IPAddresses)
		}
	}
}

func TestWhatADemoMadeIsKnownAsADemos(t *testing.T) {
	a := clientAuthority(t, "demo")
	if !pki.IsDemo(a.Certificate) || !pki.IsDemo(client(t, a, newKey(t), x509.ExtKeyUsageClientAuth, now, now.Add(year))) {
		t.Error("the mark is missing")
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: a.Certificate.SerialNumber}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	real, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if pki.IsDemo(real) {
		t.Error("another certificate is taken for a demo's")
	}
}

func TestNamesAreWrittenAsTheRFCSays(t *testing.T) {
	c, err := clientAuthority(t, "見本認証局").IssueClient(pki.Holder{Name: `a, "b"+c`, Organization: "株式会社見本商店", Mail: "a@example.jp", URI: "urn:renkei:user:1"},
		x509.ExtKeyUsageClientAuth, newKey(t).Public(), now, now.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := pki.Subject(c), `CN=a\, \"b\"\+c,OU=Renkei demo - not for real use,O=株式会社見本商店,C=JP`; got != want {
		t.Errorf("subject %s, want %s", got, want)
	}
	if got, want := pki.Issuer(c), `CN=見本認証局,OU=Renkei demo - not for real use,C=JP`; got != want {
		t.Errorf("issuer %s, want %s", got, want)
	}
	if got := pki.Names(c); len(got) != 2 || got[0] != "a@example.jp" || got[1] != "urn:renkei:user:1" {
		t.Errorf("names %v", got)
	}
	sum := sha256.Sum256(c.Raw)
	if got := pki.Thumbprint(c); got != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("thumbprint %s", got)
	}
}

func TestAnAuthoritySurvivesItsFile(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{newKey(t), rsaKey} {
		a, err := pki.NewClientAuthority("demo", key, now, year)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		b, err := pki.ParseAuthority(raw)
		if err != nil || !b.Certificate.Equal(a.Certificate) {
			t.Fatalf("read back: %v", err)
		}
		c := client(t, b, newKey(t), x509.ExtKeyUsageClientAuth, now, now.Add(year))
		if err := c.CheckSignatureFrom(a.Certificate); err != nil {
			t.Error(err)
		}
	}
	for _, raw := range []string{"", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if _, err := pki.ParseAuthority([]byte(raw)); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: %v", raw, err)
		}
		if _, err := pki.ParseCertificates([]byte(raw)); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if l, err := pki.ParseList(raw, 0); err == nil && l == nil {
			t.Error("neither a list nor an error")
		}
	})
}

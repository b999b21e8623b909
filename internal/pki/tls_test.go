package pki_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"renkei.dev/internal/pki"
)

type server struct {
	roots *x509.CertPool
	pair  tls.Certificate
}

func newServer(t *testing.T) server {
	t.Helper()
	a, err := pki.NewServerAuthority("demo", newKey(t), now, year)
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	c, err := a.IssueServer(key.Public(), now.Add(-time.Hour), now.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	return server{pki.Pool([]*x509.Certificate{a.Certificate}), tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}}
}

// start serves h under config and returns its address.
func start(t *testing.T, config *tls.Config, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = config
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestABadCertificateReachesTheHandlerThatJudgesIt(t *testing.T) {
	ours, theirs := clientAuthority(t, "ours"), clientAuthority(t, "theirs")
	key := newKey(t)
	revoked := client(t, ours, key, x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year))
	trust := pki.Trust{Authorities: []*x509.Certificate{ours.Certificate}, Revocations: list(t, ours, now.Add(-time.Hour), year, revoked)}
	host := newServer(t)
	s := start(t, pki.CertificateHostTLS(trust.Authorities, host.pair), func(w http.ResponseWriter, r *http.Request) {
		v := pki.Judge(r.TLS.PeerCertificates, trust, x509.ExtKeyUsageClientAuth, now)
		io.WriteString(w, string(v.Reason)+" by "+r.Proto)
	})

	for _, c := range []struct {
		name        string
		certificate *x509.Certificate
		want        pki.Reason
	}{
		{"good", client(t, ours, key, x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year)), pki.Good},
		{"none", nil, pki.Missing},
		{"expired", client(t, ours, key, x509.ExtKeyUsageClientAuth, now.Add(-year), now.Add(-time.Hour)), pki.Expired},
		{"not yet valid", client(t, ours, key, x509.ExtKeyUsageClientAuth, now.Add(time.Hour), now.Add(year)), pki.NotYetValid},
		{"revoked", revoked, pki.Revoked},
		{"foreign", client(t, theirs, key, x509.ExtKeyUsageClientAuth, now.Add(-time.Hour), now.Add(year)), pki.Foreign},
		{"for servers", client(t, ours, key, x509.ExtKeyUsageServerAuth, now.Add(-time.Hour), now.Add(year)), pki.WrongUsage},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(c.name+" "+tls.VersionName(version), func(t *testing.T) {
				config := &tls.Config{RootCAs: host.roots, MaxVersion: version}
				var announced [][]byte
				config.GetClientCertificate = func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
					announced = i.AcceptableCAs
					return certificate(c.certificate, key), nil // whatever was announced, as a hostile client would
				}
				if got := get(t, s.URL, config); got != string(c.want)+" by HTTP/1.1" {
					t.Errorf("judged %q", got)
				}
				if len(announced) != 1 || string(announced[0]) != string(ours.Certificate.RawSubject) {
					t.Errorf("announced %q", announced)
				}
			})
		}
	}
}

func certificate(c *x509.Certificate, key *ecdsa.PrivateKey) *tls.Certificate {
	if c == nil {
		return &tls.Certificate{}
	}
	return &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
}

func get(t *testing.T, url string, config *tls.Config) string {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestNoSessionIsResumedWhereCertificatesCount(t *testing.T) {
	host := newServer(t)
	resumed := func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.DidResume {
			io.WriteString(w, "resumed")
		}
	}
	for name, config := range map[string]*tls.Config{
		"certificate host": pki.CertificateHostTLS([]*x509.Certificate{clientAuthority(t, "ours").Certificate}, host.pair),
		"partners":         pki.PartnerTLS(host.pair),
	} {
		s := start(t, config, resumed)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			client := &tls.Config{RootCAs: host.roots, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
			get(t, s.URL, client)
			if got := get(t, s.URL, client); got != "" {
				t.Errorf("%s, %s: %s", name, tls.VersionName(version), got)
			}
		}
	}
}

func TestPartnersMayShowACertificateOfTheirOwnMaking(t *testing.T) {
	host := newServer(t)
	self := clientAuthority(t, "self-signed")
	s := start(t, pki.PartnerTLS(host.pair), func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, pki.Thumbprint(r.TLS.PeerCertificates[0]))
	})
	got := get(t, s.URL, &tls.Config{RootCAs: host.roots, Certificates: []tls.Certificate{{Certificate: [][]byte{self.Certificate.Raw}, PrivateKey: self.Key}}})
	if got != pki.Thumbprint(self.Certificate) {
		t.Errorf("saw %s", got)
	}
}

func TestOldAndWeakTLSIsRefused(t *testing.T) {
	host := newServer(t)
	s := start(t, pki.ServerTLS(host.pair), func(http.ResponseWriter, *http.Request) {})
	for name, c := range map[string]*tls.Config{
		"TLS 1.1":  {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"CBC":      {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}},
		"no ECDHE": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
	} {
		c.RootCAs = host.roots
		conn, err := tls.Dial("tcp", s.Listener.Addr().String(), c)
		if err == nil {
			t.Errorf("%s: connected with %s", name, tls.CipherSuiteName(conn.ConnectionState().CipherSuite))
			conn.Close()
		}
	}
	for _, suite := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} {
		conn, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{RootCAs: host.roots, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		if err != nil {
			t.Errorf("%s: %v", tls.CipherSuiteName(suite), err)
			continue
		}
		conn.Close()
	}
}

func TestOnTLS12OnlyTheSuitesOfTheProfilesOnOfferAreSpoken(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	a, err := pki.NewServerAuthority("demo", newKey(t), now, year)
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.IssueServer(key.Public(), now.Add(-time.Hour), now.Add(year))
	if err != nil {
		t.Fatal(err)
	}
	pair := tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
	roots := pki.Pool([]*x509.Certificate{a.Certificate})
	speaks := func(s *httptest.Server, suite uint16) bool {
		c, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{
			RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite},
		})
		if err != nil {
			return false
		}
		c.Close()
		return true
	}
	answer := func(http.ResponseWriter, *http.Request) {}
	usual, held := start(t, pki.PartnerTLS(pair), answer), start(t, pki.HeldToFAPI1(pki.PartnerTLS(pair)), answer)
	for suite, want := range map[uint16][2]bool{ // usual, held to FAPI 1.0 Advanced
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         {true, true},
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         {true, true},
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   {true, false},
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:            {false, false},
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256:               {false, false},
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       {false, false}, // the certificate is RSA
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: {false, false},
	} {
		if got := [2]bool{speaks(usual, suite), speaks(held, suite)}; got != want {
			t.Errorf("%s: %v, want %v", tls.CipherSuiteName(suite), got, want)
		}
	}
}

package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// issued is a certificate with its key; by nil it is an authority of its own.
func issued(t *testing.T, by *tls.Certificate, name string, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	parent, signer := c, key
	if by == nil {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
	} else {
		parent, signer = by.Leaf, by.PrivateKey.(*ecdsa.PrivateKey)
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// seenBehind serves over TLS and says what a handler sees of a request: the
// certificates' names, the address, and headers that speak of either.
func seenBehind(t *testing.T, p *Proxies, server tls.Certificate) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := &tls.Config{Certificates: []tls.Certificate{server}}
	served := own.Clone()
	served.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if p.At(hello.Conn.RemoteAddr()) {
			return p.AskIn(own), nil
		}
		return own, nil
	}
	handler := p.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var names, left []string
		for _, c := range r.TLS.PeerCertificates {
			names = append(names, c.Subject.CommonName)
		}
		for name := range r.Header {
			if plain := strings.ToLower(name); strings.Contains(plain, "cert") || strings.Contains(plain, "forward") || strings.Contains(plain, "ssl") || strings.Contains(plain, "real") {
				left = append(left, name)
			}
		}
		slices.Sort(left)
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "%s from %s, left %v", strings.Join(names, "<"), host, left)
	}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, slog.New(slog.DiscardHandler), time.Second, Listener{Name: "test", Net: l, TLS: served, Handler: handler})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "https://" + l.Addr().String() + "/"
}

func field(c tls.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Certificate[0]) + ":"
}

func TestAProxyIsBelievedOverItsOwnMutualTLSAlone(t *testing.T) {
	authority, foreign := issued(t, nil, "inner CA", nil), issued(t, nil, "foreign CA", nil)
	server := issued(t, &authority, "127.0.0.1", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	proxy := issued(t, &authority, "proxy1.example", nil)
	partner, between := issued(t, &foreign, "partner", nil), issued(t, &foreign, "between", nil)
	roots := x509.NewCertPool()
	roots.AddCert(authority.Leaf)
	here, elsewhere := netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")

	for _, c := range []struct {
		name   string
		at     netip.Prefix
		shown  *tls.Certificate
		header http.Header
		want   string // empty: 400
	}{
		{"its client's certificate and address", here, &proxy,
			http.Header{"Client-Cert": {field(partner)}, "Client-Cert-Chain": {field(between)}, "Forwarded": {"for=198.51.100.7;proto=https"}}, "partner<between from 198.51.100.7, left []"},
		{"a client without a certificate is not the proxy", here, &proxy, http.Header{"Forwarded": {`for="[2001:db8::7]:4711"`}}, " from 2001:db8::7, left []"},
		{"what the client wrote itself stands in front", here, &proxy, http.Header{"Forwarded": {"for=203.0.113.1, for=198.51.100.7"}}, " from 198.51.100.7, left []"},
		{"in a line of its own too", here, &proxy, http.Header{"Forwarded": {"for=203.0.113.1", "For=198.51.100.7"}}, " from 198.51.100.7, left []"},
		{"proxies one after the other", here, &proxy, http.Header{"Forwarded": {"for=198.51.100.7, for=127.0.0.9"}}, " from 198.51.100.7, left []"},
		{"a client that is hidden", here, &proxy, http.Header{"Forwarded": {"for=203.0.113.1, for=_hidden"}}, " from 127.0.0.1, left []"},
		{"an element that names two", here, &proxy, http.Header{"Forwarded": {"for=203.0.113.1;for=198.51.100.7"}}, " from 127.0.0.1, left []"},
		{"another header for the address", here, &proxy, http.Header{"X-Forwarded-For": {"198.51.100.7"}}, " from 127.0.0.1, left []"},
		{"no byte sequence", here, &proxy, http.Header{"Client-Cert": {`"text"`}}, ""},
		{"no certificate in it", here, &proxy, http.Header{"Client-Cert": {":AAAA:"}}, ""},
		{"PEM, percent-encoded", here, &proxy, http.Header{"Client-Cert": {"-----BEGIN%20CERTIFICATE-----"}}, ""},
		{"two certificates", here, &proxy, http.Header{"Client-Cert": {field(partner), field(between)}}, ""},
		{"two in one line", here, &proxy, http.Header{"Client-Cert": {field(partner) + ", " + field(between)}}, ""},
		{"a chain alone", here, &proxy, http.Header{"Client-Cert-Chain": {field(between)}}, ""},
		{"a chain that is too long", here, &proxy, http.Header{"Client-Cert": {field(partner)}, "Client-Cert-Chain": {strings.Repeat(field(between)+", ", 6) + field(between)}}, ""},

		{"from nobody's proxy", here, nil, http.Header{
			"Client-Cert": {field(partner)}, "client_cert": {field(partner)}, "X-SSL-Client-Cert": {field(partner)}, "X_SSL_Client_Cert": {"x"}, "SSL_CLIENT_CERT": {"x"},
			"X-Client-Cert": {"x"}, "Forwarded": {"for=198.51.100.7"}, "X-Forwarded-For": {"198.51.100.7"}, "X-Real-Ip": {"198.51.100.7"}, "x_forwarded_client_cert": {"x"},
		}, " from 127.0.0.1, left []"},
		{"a proxy's certificate from elsewhere", elsewhere, &proxy, http.Header{"Client-Cert": {field(partner)}, "Forwarded": {"for=198.51.100.7"}}, " from 127.0.0.1, left []"},
		{"another name of the authority's", here, new(issued(t, &authority, "printer.example", nil)), http.Header{"Client-Cert": {field(partner)}}, "printer.example from 127.0.0.1, left []"},
		{"the name from another authority", here, new(issued(t, &foreign, "proxy1.example", nil)), http.Header{"Client-Cert": {field(partner)}}, "proxy1.example from 127.0.0.1, left []"},
		{"a proxy's that expired", here, new(issued(t, &authority, "proxy1.example", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })),
			http.Header{"Client-Cert": {field(partner)}}, "proxy1.example from 127.0.0.1, left []"},
		{"a proxy's that is a server's alone", here, new(issued(t, &authority, "proxy1.example", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })),
			http.Header{"Client-Cert": {field(partner)}}, "proxy1.example from 127.0.0.1, left []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &Proxies{Addresses: []netip.Prefix{c.at}, Authorities: []*x509.Certificate{authority.Leaf}, Names: []string{"proxy1.example"}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
			address := seenBehind(t, p, server)
			shown := &tls.Config{RootCAs: roots}
			if c.shown != nil { // whatever authorities the server names
				shown.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.shown, nil }
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: shown}}
			defer client.CloseIdleConnections()
			for range 2 { // the second time from what is remembered
				r, err := http.NewRequest(http.MethodGet, address, nil)
				if err != nil {
					t.Fatal(err)
				}
				for name, values := range c.header {
					r.Header[name] = values
				}
				answer, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				switch {
				case err != nil:
					t.Error(err)
				case c.want == "" && answer.StatusCode != http.StatusBadRequest, c.want != "" && string(body) != c.want:
					t.Errorf("%d %s, want %q", answer.StatusCode, body, c.want)
				}
			}
		})
	}
}

func TestWithoutProxiesNoHeaderTellsWhoCalled(t *testing.T) {
	authority := issued(t, nil, "inner CA", nil)
	server := issued(t, &authority, "127.0.0.1", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	roots := x509.NewCertPool()
	roots.AddCert(authority.Leaf)
	address := seenBehind(t, nil, server)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Client-Cert": {field(server)}, "client_cert": {"x"}, "Forwarded": {"for=198.51.100.7"}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != " from 127.0.0.1, left []" {
		t.Errorf("%s, %v", body, err)
	}
}

func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"for=192.0.2.1", `for="[2001:db8::1]:80";proto=https`, "for=_x", "for=", ";;=", `for="`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, element string) {
		if a := forwardedFor(element); a.IsValid() && (a.Zone() != "" || a.Is4In6()) {
			t.Errorf("%q gives %s", element, a)
		}
	})
}

func BenchmarkARequestWithoutProxies(b *testing.B) {
	h := http.Header{}
	for _, name := range []string{"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "Cookie", "Dpop", "Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "User-Agent", "X-Fapi-Interaction-Id"} {
		h.Set(name, "x")
	}
	b.ReportAllocs()
	for b.Loop() {
		dropHeaders(h)
	}
}

func FuzzClientCertFields(f *testing.F) {
	f.Add(":AAAA:", ":AAAA:, :BBBB:")
	f.Add(`"text"`, "(:AAAA: :BBBB:)")
	f.Add(":AA==:;a=1", "")
	f.Fuzz(func(t *testing.T, leaf, rest string) {
		chain, err := clientChain(http.Header{"Client-Cert": {leaf}, "Client-Cert-Chain": {rest}})
		if err == nil && (len(chain) == 0 || len(chain) > maxChain) {
			t.Errorf("%q, %q: %d certificates", leaf, rest, len(chain))
		}
	})
}

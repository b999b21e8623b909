package attack

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// certificateAttacks are those on mutual TLS.
func certificateAttacks() []Attack {
	return []Attack{
		{Row: "P23", Name: "certificates that prove nothing, and headers that pretend one", Precedent: "oauth2-proxy CVE-2025-64484; Keycloak CVE-2024-10039; RFC 8705",
			Expect: "401, or a page that says why; headers are ignored", run: certificates},
		{Row: "P35", Name: "sessions resumed where certificates count", Precedent: "Go CVE-2025-68121; Caddy CVE-2026-27586",
			Expect: "no session is resumed, so that every connection is judged anew", Beyond: "a start with an unreadable file of authorities",
			Test: "TestFilesThatCannotServeAreRefused (internal/config/config_test.go)", run: resumption},
	}
}

// pretended are headers by which proxies pass certificates on.
func pretended(c *tls.Certificate) map[string]http.Header {
	der := base64.StdEncoding.EncodeToString(c.Certificate[0])
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	escaped := url.QueryEscape(text)
	one := func(name, value string) http.Header { return headers(name, value) }
	return map[string]http.Header{
		"Client-Cert":               one("Client-Cert", ":"+der+":"),
		"Client-Cert and its chain": headers("Client-Cert", ":"+der+":", "Client-Cert-Chain", ":"+der+":"),
		"X-Client-Cert":             one("X-Client-Cert", escaped),
		"X-SSL-Client-Cert":         one("X-Ssl-Client-Cert", escaped),
		"X-SSL-Cert":                one("X-Ssl-Cert", escaped),
		"SSL-Client-Cert":           one("Ssl-Client-Cert", escaped),
		"X_SSL_CLIENT_CERT":         one("X_SSL_CLIENT_CERT", escaped),
		"client_cert":               one("client_cert", ":"+der+":"),
		"X-Forwarded-Client-Cert":   one("X-Forwarded-Client-Cert", `Cert="`+escaped+`"`),
		"X-Forwarded-Tls-Client":    one("X-Forwarded-Tls-Client-Cert", der),
		"X-Amzn-Mtls-Clientcert":    one("X-Amzn-Mtls-Clientcert", escaped),
		"X-ARR-ClientCert":          one("X-Arr-Clientcert", der),
		"X-SSL-Client-Verify":       headers("X-Ssl-Client-Verify", "SUCCESS", "X-Ssl-Client-S-Dn", "CN=x", "X-Ssl-Client-Cert", escaped),
		"TLS-Client-Certificate":    one("Tls-Client-Certificate", der),
	}
}

func certificates(t *trial) {
	customers(t)
	if !t.hasCertified() {
		t.skip("clients' certificates", "no client with mutual TLS")
		return
	}
	m := t.certified()
	try := func(c call) answer {
		c.endpoint, c.form = "introspection_endpoint", values("token", "x")
		return m.do(c)
	}
	t.works("the client's own certificate", try(call{}))
	for name, certificate := range sorted(m.impostors()) {
		t.refused("authenticated by "+name, try(call{certificate: &certificate}), 401, "invalid_client")
	}
	t.refused("authenticated by no certificate", m.without().do(call{endpoint: "introspection_endpoint", form: values("token", "x")}), 401, "invalid_client")
	g := t.grant(m)
	t.works("the API with the right certificate", m.read(g.access()))
	t.refused("the API without certificate", m.without().read(g.access()), 401)
	for name, certificate := range sorted(m.impostors()) {
		t.refused("the API with "+name, m.use(use{url: t.accounts(), token: g.access(), certificate: &certificate}), 401)
	}
	s := t.keyed(0)
	dpop := s.use(use{url: t.accounts(), authorization: []string{"DPoP " + g.access()}, proofs: []string{s.proof(resource, http.MethodGet, t.accounts(), g.access())}})
	t.refused("the API with a proof in place of the certificate", dpop, 401)
	for name, header := range sorted(pretended(m.Certificate)) {
		for _, at := range []string{m.address("introspection_endpoint"), t.metadata.text("introspection_endpoint")} {
			where := " at " + strings.TrimPrefix(at, "https://")
			a := m.without().do(call{endpoint: "introspection_endpoint", form: values("token", "x"), header: header, at: at})
			t.refused(name+where, a, 401, "invalid_client")
		}
		t.refused(name+" at the API", m.without().use(use{url: t.accounts(), token: g.access(), header: header}), 401)
	}
	t.works("the client's own certificate again", try(call{}))
	ownCertificates(t)
}

// certificateHost is where the login page leads those with a certificate; empty:
// nowhere.
func (p page) certificateHost() string {
	for _, link := range links.FindAllString(p.body, -1) {
		to, err := p.at.Parse(attribute(link, "href"))
		if err == nil && to.Host != p.at.Host && strings.HasPrefix(to.Path, "/link/") {
			return to.String()
		}
	}
	return ""
}

// loginPage is the first page of a new journey.
func (t *trial) loginPage(certificate *tls.Certificate, header http.Header) (*browser, page) {
	s := t.keyed(0)
	form, _ := s.asks()
	b := t.browse()
	b.certificate, b.header = certificate, header
	p, err := b.visit(s.open(s.push(form).text("request_uri")))
	if err != nil || p.form("login") == "" {
		t.cannot("the first page did not open: %v", err)
	}
	return b, p
}

// customers tries to log in by certificates that are none of a customer's.
func customers(t *trial) {
	_, p := t.loginPage(nil, nil)
	if p.certificateHost() == "" {
		t.skip("customers' certificates", "the login page offers no login by certificate")
		return
	}
	try := func(c *tls.Certificate, header http.Header) (bool, page, error) {
		b, first := t.loginPage(c, header)
		p, err := b.visit(first.certificateHost())
		return err == nil && p.form("certificate") != "", p, err
	}
	refused := func(name string, c *tls.Certificate, header http.Header) {
		in, p, err := try(c, header)
		t.judge("login by "+name, !in && err == nil, "%d %q %v", p.status, p.heading(), err)
	}
	good, ok := t.target.Certificates[goodCertificate]
	if ok {
		in, p, err := try(&good, nil)
		t.judge("login by a good certificate", in, "%d %q %v", p.status, p.heading(), err)
	}
	refused("no certificate", nil, nil)
	own := selfMade(nil, nil)
	refused("a self-made certificate", &own, nil)
	for why, c := range sorted(t.target.Certificates) {
		if why != goodCertificate {
			refused("one that is "+why, &c, nil)
		}
	}
	if len(t.target.Certificates) == 0 {
		t.skip("customers' certificates that are expired, revoked, foreign", "the target's file has none")
	}
	if ok {
		for name, header := range sorted(pretended(&good)) {
			refused(name, nil, header)
		}
	}
}

// goodCertificate names the certificate of a customer who can log in by it.
const goodCertificate = "good"

func resumption(t *trial) {
	hosts := map[string]*tls.Certificate{}
	if t.hasCertified() {
		m := t.certified()
		hosts[m.address("token_endpoint")] = m.Certificate
		hosts[t.accounts()] = m.Certificate
	} else {
		t.skip("where clients show certificates", "no client with mutual TLS")
	}
	_, p := t.loginPage(nil, nil)
	if at := p.certificateHost(); at != "" {
		hosts[at] = nil
		if good, ok := t.target.Certificates[goodCertificate]; ok {
			hosts[at] = &good
		}
	} else {
		t.skip("where customers show certificates", "the login page offers no login by certificate")
	}
	if len(hosts) == 0 {
		t.cannot("the target asks for no certificates")
	}
	for at, certificate := range sorted(hosts) {
		u, err := url.Parse(at)
		if err != nil {
			continue
		}
		for name, version := range sorted(map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}) {
			c := t.tls(certificate)
			c.ServerName, c.MinVersion, c.MaxVersion, c.ClientSessionCache = u.Hostname(), version, version, tls.NewLRUClientSessionCache(4)
			resumed, err := false, error(nil)
			for range 3 {
				if resumed, err = t.handshake(u, c); err != nil || resumed {
					break
				}
			}
			t.judge("TLS "+name+" with "+u.Host, err == nil && !resumed, "resumed %v, %v", resumed, err)
		}
	}
}

// handshake makes one connection and one request, and tells whether the session
// of an earlier one went on.
func (t *trial) handshake(u *url.URL, c *tls.Config) (resumed bool, err error) {
	raw, err := t.dial(t.ctx, u.Host)
	if err != nil {
		return false, err
	}
	defer raw.Close()
	conn := tls.Client(raw, c)
	if err := conn.HandshakeContext(t.ctx); err != nil {
		return false, err
	}
	if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: "+u.Host+"\r\nConnection: close\r\n\r\n"); err != nil {
		return false, err
	}
	// Tickets of TLS 1.3 come before the answer.
	if _, err := io.Copy(io.Discard, bufio.NewReader(conn)); err != nil {
		return false, err
	}
	return conn.ConnectionState().DidResume, nil
}

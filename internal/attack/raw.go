package attack

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// raw writes a request to the issuer byte by byte as it is given, for what no
// client library would send, and reads what comes back; \n stands for CR LF.
func (t *trial) raw(text string) answer {
	u, err := url.Parse(t.target.Issuer)
	if err != nil {
		return answer{err: err}
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "{host}", u.Host), "\n", "\r\n")
	conn, err := t.dial(t.ctx, u.Host)
	if err != nil {
		return answer{err: err}
	}
	defer conn.Close()
	c := t.tls(nil)
	c.ServerName = u.Hostname()
	secure := tls.Client(conn, c)
	if err := secure.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return answer{err: err}
	}
	if _, err := io.WriteString(secure, text); err != nil {
		return answer{err: err}
	}
	a, err := http.ReadResponse(bufio.NewReader(secure), nil)
	if err != nil {
		return answer{err: err}
	}
	defer a.Body.Close()
	body, err := io.ReadAll(io.LimitReader(a.Body, 1<<20))
	return answer{status: a.StatusCode, header: a.Header, body: body, err: err}
}

// oddHosts says in other ways than by one Host header who is called.
func oddHosts(t *trial) {
	const metadata = "/.well-known/oauth-authorization-server"
	for name, text := range sorted(map[string]string{
		"an absolute address":                 "GET https://evil.example" + metadata + " HTTP/1.1\nHost: {host}\n\n",
		"an absolute address, http":           "GET http://evil.example" + metadata + " HTTP/1.1\nHost: {host}\n\n",
		"an absolute address over an odd one": "GET https://{host}" + metadata + " HTTP/1.1\nHost: evil.example\n\n",
		"two Host headers":                    "GET " + metadata + " HTTP/1.1\nHost: {host}\nHost: evil.example\n\n",
		"no Host":                             "GET " + metadata + " HTTP/1.1\n\n",
		"HTTP/1.0 without Host":               "GET " + metadata + " HTTP/1.0\n\n",
		"an empty Host":                       "GET " + metadata + " HTTP/1.1\nHost:\n\n",
		"a folded Host":                       "GET " + metadata + " HTTP/1.1\nHost: {host}\n evil.example\n\n",
		"a space before the colon":            "GET " + metadata + " HTTP/1.1\nHost : evil.example\nHost: {host}\n\n",
		"a list":                              "GET " + metadata + " HTTP/1.1\nHost: {host}, evil.example\n\n",
		"HTTP/0.9":                            "GET " + metadata + "\n\n",
		"an asterisk":                         "OPTIONS * HTTP/1.1\nHost: evil.example\n\n",
		"CONNECT":                             "CONNECT evil.example:443 HTTP/1.1\nHost: evil.example:443\n\n",
	}) {
		a := t.raw(text)
		sound := a.err != nil || !strings.Contains(string(a.body)+a.location(), "evil.example") && (a.status >= 400 || a.text("issuer") == t.target.Issuer || len(a.body) == 0)
		t.judge("called by "+name, sound, "%s", a)
	}
}

// overHTTP2 says the same things in the other version of HTTP, where headers have
// another form and the host a name of its own.
func overHTTP2(t *trial) {
	const metadata = "/.well-known/oauth-authorization-server"
	plain := t.send(request{url: t.target.Issuer + metadata, http2: true})
	if plain.err != nil {
		t.skip("over HTTP/2", "the target does not speak it")
		return
	}
	t.judge("the metadata over HTTP/2", plain.status == http.StatusOK && plain.text("issuer") == t.target.Issuer, "%s", plain)
	for _, host := range []string{"evil.example", "localhost"} {
		a := t.send(request{url: t.target.Issuer + metadata, host: host, http2: true})
		t.judge(":authority "+host, a.err != nil || a.status >= 400 && !strings.Contains(string(a.body)+a.location(), "evil.example"), "%s", a)
	}
	s := t.keyed(0)
	g, s := t.shared(s)
	s.read(g.access()) // a fresh nonce
	proof := func() string { return s.proof(resource, http.MethodGet, t.accounts(), g.access()) }
	bearer := "DPoP " + g.access()
	for name, header := range sorted(map[string]http.Header{
		"two proofs": {"Authorization": {bearer}, "DPoP": {proof(), proof()}}, "a proof and rubbish": {"Authorization": {bearer}, "DPoP": {proof(), "x"}}, "two Authorization headers": {"Authorization": {bearer, bearer}, "DPoP": {proof()}},
		"no proof": {"Authorization": {bearer}}, "a proof for another host": {"Authorization": {bearer}, "DPoP": {s.proof(resource, http.MethodGet, "https://evil.example/open-api/v1/accounts", g.access())}},
	}) {
		t.refusedBy("the API over HTTP/2 with "+name, t.send(request{url: t.accounts(), header: header, http2: true}), 400, 401)
	}
	t.works("the API over HTTP/2", t.send(request{url: t.accounts(), header: http.Header{"Authorization": {bearer}, "DPoP": {proof()}}, http2: true}))
	for name, r := range sorted(map[string]request{
		"1 MB of headers": {url: t.accounts(), header: headers("X-Big", strings.Repeat("a", 1<<20))}, "TRACE": {method: "TRACE", url: t.target.Issuer + "/token"},
		"Transfer-Encoding": {url: t.target.Issuer + "/token", body: "x=1", header: headers("Te", "chunked")},
	}) {
		r.http2 = true
		a := t.send(r)
		t.judge(name+" over HTTP/2", a.err != nil || a.status >= 400 && a.status < 500, "%s", a)
	}
	after := t.send(request{url: t.target.Issuer + metadata, http2: true})
	t.judge("the metadata over HTTP/2 afterwards", after.status == http.StatusOK, "%s", after)
}

// smuggled requests have two ends; whoever stands before the server may see another.
func smuggled(t *trial) {
	const second = "GET /jwks HTTP/1.1\nHost: {host}\n\n"
	for name, text := range sorted(map[string]string{
		"two lengths":               "POST /token HTTP/1.1\nHost: {host}\nContent-Length: 0\nContent-Length: 40\n\n" + second,
		"a length and chunks":       "POST /token HTTP/1.1\nHost: {host}\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n" + second,
		"chunks spelled oddly":      "POST /token HTTP/1.1\nHost: {host}\nContent-Length: 4\nTransfer-Encoding: xchunked\n\n0\n\n" + second,
		"chunks twice":              "POST /token HTTP/1.1\nHost: {host}\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n" + second,
		"a space before the colon":  "POST /token HTTP/1.1\nHost: {host}\nTransfer-Encoding : chunked\nContent-Length: 4\n\n0\n\n" + second,
		"a negative length":         "POST /token HTTP/1.1\nHost: {host}\nContent-Length: -1\n\n" + second,
		"a length with a sign":      "POST /token HTTP/1.1\nHost: {host}\nContent-Length: +4\n\n0\n\n" + second,
		"a bare line feed in names": "POST /token HTTP/1.1\nHost: {host}\nX: y\rTransfer-Encoding: chunked\n\n0\n\n" + second,
		"a NUL in a value":          "GET /jwks HTTP/1.1\nHost: {host}\nX: a\x00b\n\n",
	}) {
		a := t.raw(text)
		t.judge("a request with "+name, a.err != nil || a.status >= 400, "%s", a)
	}
}

// oldTLS: versions and suites that are over.
func oldTLS(t *trial) {
	u, err := url.Parse(t.target.Issuer)
	if err != nil {
		return
	}
	try := func(name string, change func(*tls.Config)) {
		conn, err := t.dial(t.ctx, u.Host)
		if err != nil {
			t.cannot("%s", err)
		}
		defer conn.Close()
		c := t.tls(nil)
		c.ServerName = u.Hostname()
		change(c)
		err = tls.Client(conn, c).HandshakeContext(t.ctx)
		t.judge(name, err != nil, "%v", err)
	}
	for name, version := range sorted(map[string]uint16{"TLS 1.0": tls.VersionTLS10, "TLS 1.1": tls.VersionTLS11}) {
		try(name, func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
	}
	for name, suite := range sorted(map[string]uint16{
		"a suite without forward secrecy": tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "a CBC suite": tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "a CBC suite, RSA": tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		"RC4": tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, "3DES": tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
	}) {
		try(name, func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite} })
	}
}

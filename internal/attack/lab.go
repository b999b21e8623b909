package attack

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"renkei.dev/internal/fault"
)

// lab is what all attacks of a run share: connections, metadata, nonces, and the
// grants that harmless attacks use together.
type lab struct {
	target   Target
	anywhere bool // other machines too
	ctx      context.Context
	metadata metadata

	mu         sync.Mutex
	transports map[transport]*http.Transport
	nonces     map[server]string
	device     string // what the bank calls our browser
	standing   map[string]*grant
	rsa        map[int]*rsa.PrivateKey // by size, since they are slow to make
}

// transport is one way of connecting.
type transport struct {
	certificate *tls.Certificate
	node        int
	http2       bool
}

// server is who gave a DPoP nonce (RFC 9449 §8, §9).
type server string

const (
	authorization server = "authorization server"
	resource      server = "resource server"
)

// metadata is what the issuer says of itself (RFC 8414).
type metadata map[string]any

func (m metadata) text(name string) string {
	s, _ := m[name].(string)
	return s
}

func (m metadata) list(name string) []string {
	var out []string
	all, _ := m[name].([]any)
	for _, one := range all {
		if s, ok := one.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (m metadata) alias(name string) string {
	aliases, _ := m["mtls_endpoint_aliases"].(map[string]any)
	s, _ := aliases[name].(string)
	return s
}

const answerWithin = 30 * time.Second

// errBeyond stops every connection to another machine.
var errBeyond = errors.New("not a loopback address")

// openLab looks whom it has before it.
func openLab(ctx context.Context, t Target, anywhere bool) (*lab, error) {
	if !isOrigin(t.Issuer) {
		return nil, fault.New(fault.Invalid, "the target must be an issuer such as https://localhost:9440, not %q", t.Issuer)
	}
	l := &lab{
		target: t, anywhere: anywhere, ctx: ctx, transports: map[transport]*http.Transport{}, nonces: map[server]string{},
		standing: map[string]*grant{}, rsa: map[int]*rsa.PrivateKey{},
	}
	a := l.send(request{url: t.Issuer + "/.well-known/oauth-authorization-server"})
	switch {
	case errors.Is(a.err, errBeyond):
		return nil, fault.New(fault.Refused, "%s is not on this machine; attack others' servers only with their leave, and with --beyond-loopback", t.Issuer)
	case a.err != nil:
		return nil, fault.New(fault.Unavailable, "%s does not answer: %s", t.Issuer, a.err)
	case a.status != http.StatusOK || json.Unmarshal(a.body, &l.metadata) != nil:
		return nil, fault.New(fault.Invalid, "%s has no metadata of an authorization server (%s)", t.Issuer, a)
	case l.metadata.text("issuer") != t.Issuer:
		return nil, fault.New(fault.Invalid, "%s calls itself %s", t.Issuer, l.metadata.text("issuer"))
	}
	return l, nil
}

func (l *lab) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.transports {
		t.CloseIdleConnections()
	}
}

// dialer connects only to addresses that may be attacked, judged when they have
// been resolved, so that no name leads elsewhere.
func (l *lab) dial(ctx context.Context, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 §6.3
		address = net.JoinHostPort("127.0.0.1", port)
	}
	d := net.Dialer{Timeout: answerWithin, Control: func(_, resolved string, _ syscall.RawConn) error {
		ip, _, err := net.SplitHostPort(resolved)
		if err != nil {
			return err
		}
		if at := net.ParseIP(ip); !l.anywhere && (at == nil || !at.IsLoopback()) {
			return errBeyond
		}
		return nil
	}}
	return d.DialContext(ctx, "tcp", address)
}

func (l *lab) tls(certificate *tls.Certificate) *tls.Config {
	c := &tls.Config{RootCAs: l.target.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if certificate != nil {
		// Whatever authorities the server asks for: an attacker shows what it has.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	return c
}

func (l *lab) transport(way transport) *http.Transport {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.transports[way]; t != nil {
		return t
	}
	settings := l.tls(way.certificate)
	if way.http2 {
		settings.NextProtos = []string{"h2"}
	}
	t := &http.Transport{
		TLSClientConfig: settings, ForceAttemptHTTP2: way.http2, MaxIdleConnsPerHost: 64, DisableCompression: true, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: answerWithin,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			if issuer, err := url.Parse(l.target.Issuer); way.node > 0 && err == nil && issuer.Host == address {
				address = l.target.Nodes[way.node-1]
			}
			return l.dial(ctx, address)
		},
	}
	l.transports[way] = t
	return t
}

// request is one HTTP request.
type request struct {
	method      string // empty: GET, or POST with a body
	url         string
	header      http.Header
	body        string
	host        string // the Host header; empty: that of url
	certificate *tls.Certificate
	node        int // 0: the issuer's own address, n: the target's nth node
	http2       bool
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
	err    error // no answer at all
}

// send sends a request and follows nothing.
func (l *lab) send(r request) answer {
	ctx, cancel := context.WithTimeout(l.ctx, answerWithin)
	defer cancel()
	method := r.method
	if method == "" {
		method = http.MethodGet
		if r.body != "" {
			method = http.MethodPost
		}
	}
	q, err := http.NewRequestWithContext(ctx, method, r.url, strings.NewReader(r.body))
	if err != nil {
		return answer{err: err}
	}
	for name, values := range r.header {
		q.Header[name] = values // as it was written: underscores and odd cases are part of attacks
	}
	if r.host != "" {
		q.Host = r.host
	}
	began := time.Now()
	a, err := l.transport(transport{r.certificate, r.node, r.http2}).RoundTrip(q)
	if err != nil {
		return answer{err: err, took: time.Since(began)}
	}
	defer a.Body.Close()
	body, err := io.ReadAll(io.LimitReader(a.Body, 4<<20))
	return answer{status: a.StatusCode, header: a.Header, body: body, took: time.Since(began), err: err}
}

// json reads the body; nil when it is none.
func (a answer) json() map[string]any {
	var m map[string]any
	if json.Unmarshal(a.body, &m) != nil {
		return nil
	}
	return m
}

func (a answer) text(name string) string {
	s, _ := a.json()[name].(string)
	return s
}

// code is the error code of OAuth, or of a problem document.
func (a answer) code() string {
	if s := a.text("error"); s != "" {
		return s
	}
	return a.text("code")
}

func (a answer) location() string { return a.header.Get("Location") }

func (a answer) String() string {
	if a.err != nil {
		return "no answer: " + a.err.Error()
	}
	s := strconv.Itoa(a.status)
	if c := a.code(); c != "" {
		s += " " + c
	}
	if d := a.text("error_description"); d != "" {
		s += " (" + d + ")"
	}
	if to := a.location(); to != "" {
		s += " to " + to
	}
	return s
}

// rsaKey returns a key of the attacker's own.
func (l *lab) rsaKey(bits int) *rsa.PrivateKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rsa[bits] == nil {
		l.rsa[bits] = newRSA(bits)
	}
	return l.rsa[bits]
}

func (l *lab) nonce(s server) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nonces[s]
}

// heard keeps the nonce that came with an answer.
func (l *lab) heard(s server, a answer) {
	if n := a.header.Get("DPoP-Nonce"); a.err == nil && n != "" {
		l.mu.Lock()
		l.nonces[s] = n
		l.mu.Unlock()
	}
}

// api is where the account API of the target begins.
func (l *lab) api() string {
	if all := l.metadata.list("protected_resources"); len(all) > 0 {
		return all[0]
	}
	return ""
}

// softwares of the target that fit; an attack takes the first ones.
func (l *lab) clients(fits func(Client) bool) []*software {
	var out []*software
	for _, c := range l.target.Clients {
		if c.KeysAt == "" && fits(c) {
			out = append(out, &software{Client: c, lab: l, prover: l.proverOf(c.ID)})
		}
	}
	return out
}

// keyed returns the nth client that authenticates and binds by keys.
func (t *trial) keyed(n int) *software {
	all := t.clients(func(c Client) bool { return c.Method == byKey && c.Binding == boundByKey })
	if len(all) <= n {
		t.cannot("the target's file has only %d clients with private_key_jwt and DPoP", len(all))
	}
	return all[n]
}

// certified returns a client that authenticates and binds by its certificate.
func (t *trial) certified() *software {
	all := t.clients(func(c Client) bool { return c.Method != byKey && c.Binding == boundByCertificate })
	if len(all) == 0 {
		t.cannot("the target's file has no client with mutual TLS")
	}
	if t.metadata.alias("token_endpoint") == "" {
		t.cannot("the target offers no mutual TLS")
	}
	return all[0]
}

func (l *lab) hasCertified() bool {
	return l.metadata.alias("token_endpoint") != "" &&
		slices.ContainsFunc(l.target.Clients, func(c Client) bool { return c.Method != byKey && c.Binding == boundByCertificate })
}

func (t *trial) user(n int) User {
	if len(t.target.Users) <= n {
		t.cannot("the target's file has only %d users", len(t.target.Users))
	}
	return t.target.Users[n]
}

func itoa(n int) string { return strconv.Itoa(n) }

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h[pairs[i]] = append(h[pairs[i]], pairs[i+1])
	}
	return h
}

// sorted goes through variants by their names, so that every run is the same.
func sorted[V any, M ~map[string]V](variants M) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, name := range slices.Sorted(maps.Keys(variants)) {
			if !yield(name, variants[name]) {
				return
			}
		}
	}
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:n], len(s))
}

package service

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

const (
	maxAnswer  = 1 << 20
	callFor    = 30 * time.Second
	dpopHeader = "DPoP"
)

// newTransport speaks TLS to the bank. Names under localhost lead to loopback,
// which browsers know by themselves and Go does not (RFC 6761 §6.3).
func newTransport(c Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	t := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: c.CAs, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     time.Minute,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err == nil && (host == "localhost" || strings.HasSuffix(host, ".localhost")) {
				address = net.JoinHostPort("127.0.0.1", port)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	if c.Authentication == MutualTLS {
		t.TLSClientConfig.Certificates = []tls.Certificate{c.Certificate}
	}
	return t
}

// bank speaks to the bank on behalf of one session, which can read afterwards
// what was said.
type bank struct {
	s       *Service
	session int64
}

// call is one request to the bank.
type call struct {
	step   string // which part of the protocol, for the record
	method string
	url    string
	form   url.Values   // with client authentication; nil for a GET
	token  secret.Value // access token, of API calls
	proof  bool         // with a DPoP proof, where the service uses DPoP
}

// answer is what the bank said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// refusal is an error answer of the bank: OAuth's (RFC 6749 §5.2) or a problem
// document (RFC 9457).
type refusal struct {
	Status      int    `json:"-"`
	Error_      string `json:"error"`
	Description string `json:"error_description"`
	Code        string `json:"code"`
	Resumes     string `json:"resumesAt"`
	RequestID   string `json:"requestId"`
}

func (r refusal) Error() string {
	return fmt.Sprintf("the bank answered %d %s", r.Status, r.code())
}

// Unwrap returns fault.Refused.
func (refusal) Unwrap() error { return fault.Refused }

// code returns the most telling word of the refusal.
func (r refusal) code() string {
	switch {
	case r.Code != "":
		return r.Code
	case r.Error_ != "":
		return r.Error_
	case r.Status >= http.StatusInternalServerError:
		return "bank_unavailable"
	}
	return "unexpected_answer"
}

// do makes the call and reads a JSON answer of status want into out, which may be
// nil. A demand for a nonce is met once (RFC 9449 §8, §9). Errors: refusal;
// fault.Unavailable when no answer came.
func (b *bank) do(ctx context.Context, c call, want int, out any) error {
	a, err := b.once(ctx, c)
	if err != nil {
		return err
	}
	if c.proof && b.s.proof != nil && demandsNonce(a) {
		if a, err = b.once(ctx, c); err != nil {
			return err
		}
	}
	if a.status != want {
		r := refusal{Status: a.status}
		// What is not JSON leaves the words empty, and the status speaks.
		_ = json.Unmarshal(a.body, &r)
		return r
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fault.Wrap(fault.Unavailable, "read the bank's answer", err)
	}
	return nil
}

func demandsNonce(a answer) bool {
	if a.header.Get("DPoP-Nonce") == "" {
		return false
	}
	var r refusal
	_ = json.Unmarshal(a.body, &r)
	return r.Error_ == "use_dpop_nonce" || r.Code == "use_dpop_nonce" ||
		strings.Contains(strings.Join(a.header.Values("WWW-Authenticate"), " "), `"use_dpop_nonce"`)
}

// once sends one request and records it. Assertion and proof are made anew each
// time, since each is good for one request only.
func (b *bank) once(ctx context.Context, c call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	r, err := b.request(ctx, c)
	if err != nil {
		return answer{}, err
	}
	client := http.Client{
		Transport: recorder{b, c.step, b.s.transport},
		// A redirect of a token or API endpoint is never what we want.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(r)
	if err != nil {
		return answer{}, fault.Wrap(fault.Unavailable, "call the bank", withoutAddress(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer{}, fault.Wrap(fault.Unavailable, "read the bank's answer", err)
	}
	if nonce := res.Header.Get("DPoP-Nonce"); nonce != "" {
		b.s.nonces.remember(c.url, nonce)
	}
	return answer{res.StatusCode, res.Header, body}, nil
}

// withoutAddress drops the URL from an error, whose query may hold what logs must not.
func withoutAddress(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func (b *bank) request(ctx context.Context, c call) (*http.Request, error) {
	var body io.Reader
	if c.form != nil {
		form, err := b.authenticated(c.form)
		if err != nil {
			return nil, err
		}
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, c.method, c.url, body)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "make a request", withoutAddress(err))
	}
	r.Header.Set("Accept", "application/json")
	if c.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	scheme := "Bearer" // bound to the certificate, RFC 8705 §3
	if b.s.proof != nil {
		scheme = dpopHeader
		if c.proof {
			proof, err := b.prove(c)
			if err != nil {
				return nil, err
			}
			r.Header.Set(dpopHeader, proof)
		}
	}
	if !c.token.IsEmpty() {
		r.Header.Set("Authorization", scheme+" "+c.token.Reveal())
		r.Header.Set("X-Fapi-Interaction-Id", interactionID())
	}
	return r, nil
}

// authenticated adds who the client is (RFC 7523 §2.2; RFC 8705 §2).
func (b *bank) authenticated(form url.Values) (url.Values, error) {
	out := url.Values{}
	for name, values := range form {
		out[name] = values
	}
	c := b.s.config
	out.Set("client_id", c.ClientID)
	if b.s.assertion == nil {
		return out, nil
	}
	now := c.Now().Unix()
	assertion, err := b.s.assertion.Sign("JWT", map[string]any{
		"iss": c.ClientID, "sub": c.ClientID, "aud": c.Issuer, "jti": secret.Random(16).Reveal(), "iat": now, "exp": now + 60,
	})
	if err != nil {
		return nil, err
	}
	out.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	out.Set("client_assertion", assertion)
	return out, nil
}

// prove makes a DPoP proof for a call (RFC 9449 §4.2).
func (b *bank) prove(c call) (string, error) {
	target, _, _ := strings.Cut(c.url, "?")
	claims := map[string]any{"jti": secret.Random(16).Reveal(), "htm": c.method, "htu": target, "iat": b.s.config.Now().Unix()}
	if nonce := b.s.nonces.of(c.url); nonce != "" {
		claims["nonce"] = nonce
	}
	if !c.token.IsEmpty() {
		sum := sha256.Sum256([]byte(c.token.Reveal()))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return b.s.proof.Sign("dpop+jwt", claims)
}

// interactionID returns a random UUID, which the bank echoes.
func interactionID() string {
	b, err := base64.RawURLEncoding.DecodeString(secret.Random(16).Reveal())
	if err != nil {
		panic(err) // secret.Random writes base64url
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// nonces remembers the newest DPoP nonce of each of the bank's servers.
type nonces struct {
	mu       sync.Mutex
	byOrigin map[string]string
}

func (n *nonces) remember(address, nonce string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.byOrigin[originOf(address)] = nonce
}

func (n *nonces) of(address string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byOrigin[originOf(address)]
}

func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"renkei.dev/internal/jose"
)

// endpoints are a server's addresses, as its metadata names them (RFC 8414 §2).
type endpoints struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Push          string `json:"pushed_authorization_request_endpoint"`
	Introspection string `json:"introspection_endpoint"`
	Aliases       struct {
		Token         string `json:"token_endpoint"`
		Push          string `json:"pushed_authorization_request_endpoint"`
		Introspection string `json:"introspection_endpoint"`
	} `json:"mtls_endpoint_aliases"` // RFC 8705 §5
}

// mutualTLS returns the addresses at which certificates are asked for.
func (e endpoints) mutualTLS() endpoints {
	e.Token, e.Push, e.Introspection = e.Aliases.Token, e.Aliases.Push, e.Aliases.Introspection
	return e
}

func discover(ctx context.Context, c Config) (endpoints, error) {
	p := &partner{client: newClient(&tls.Config{RootCAs: c.Trust})}
	defer p.close()
	a, err := p.send(ctx, http.MethodGet, c.Issuer+"/.well-known/openid-configuration", nil, nil)
	var at endpoints
	if err == nil && a.status == http.StatusOK {
		err = json.Unmarshal(a.body, &at)
	}
	switch {
	case err != nil:
		return at, fmt.Errorf("the server's metadata: %w", err)
	case at.Issuer != c.Issuer || at.Token == "" || at.Push == "" || at.Introspection == "" || at.Aliases.Token == "":
		return at, fmt.Errorf("the server's metadata lacks an address: %.300s", a.body)
	}
	return at, nil
}

// partner is one worker's view of the server as an API partner: connections of
// its own, and for DPoP a key of its own.
type partner struct {
	client   *http.Client
	at       endpoints
	id       string
	redirect string
	assert   *jose.Signer // nil: authenticates by its certificate
	prove    *jose.Signer // nil: its tokens are bound to the certificate
	nonces   map[string]string
	spent    time.Duration // in round trips, since the operation began
}

func newClient(settings *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: settings, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, DisableCompression: true,
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1, a connection a worker
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
}

// keyPartner is the client that signs.
func (c Config) keyPartner(at endpoints) (*partner, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p := &partner{client: newClient(&tls.Config{RootCAs: c.Trust}), at: at, id: c.KeyClient, redirect: c.RedirectURI, nonces: map[string]string{}}
	if p.assert, err = jose.NewSigner(c.KID, jose.ES256, c.Key); err != nil {
		return nil, err
	}
	p.prove, err = jose.NewProver(jose.ES256, key)
	return p, err
}

// certificatePartner is the client that shows its certificate.
func (c Config) certificatePartner(at endpoints) *partner {
	settings := &tls.Config{RootCAs: c.Trust, Certificates: []tls.Certificate{c.Certificate}}
	return &partner{client: newClient(settings), at: at.mutualTLS(), id: c.CertificateClient, redirect: c.RedirectURI}
}

func (p *partner) close() { p.client.CloseIdleConnections() }

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) wrong(what string) error {
	return fmt.Errorf("%s: HTTP %d %.300q %s", what, a.status, a.body, a.header.Get("WWW-Authenticate"))
}

// send makes one request; the time that it takes counts as the operation's.
func (p *partner) send(ctx context.Context, method, address string, header http.Header, body []byte) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(string(body)))
	if err != nil {
		return answer{}, err
	}
	if header != nil {
		r.Header = header
	}
	if body == nil {
		r.Body = nil
	}
	began := time.Now()
	got, err := p.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer got.Body.Close()
	a := answer{status: got.StatusCode, header: got.Header}
	a.body, err = io.ReadAll(got.Body)
	p.spent += time.Since(began)
	return a, err
}

// post sends a form as the client, with its assertion and, where wanted, a proof.
// A demand for a nonce is met once (RFC 9449 §8).
func (p *partner) post(ctx context.Context, address string, form url.Values, proven bool) (answer, error) {
	for again := false; ; again = true {
		form.Set("client_id", p.id)
		if p.assert != nil {
			assertion, err := p.assertion()
			if err != nil {
				return answer{}, err
			}
			form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			form.Set("client_assertion", assertion)
		}
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
		if p.prove != nil && proven {
			proof, err := p.proof(http.MethodPost, address, "")
			if err != nil {
				return answer{}, err
			}
			header["Dpop"] = []string{proof}
		}
		a, err := p.send(ctx, http.MethodPost, address, header, []byte(form.Encode()))
		if err != nil {
			return answer{}, err
		}
		p.keepNonce(address, a)
		if again || a.status != http.StatusBadRequest || !strings.Contains(string(a.body), "use_dpop_nonce") {
			return a, nil
		}
	}
}

// get calls the API with a token, proven by DPoP or by the connection.
func (p *partner) get(ctx context.Context, address, token string) (answer, error) {
	for again := false; ; again = true {
		header := http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + token}}
		if p.prove != nil {
			proof, err := p.proof(http.MethodGet, address, token)
			if err != nil {
				return answer{}, err
			}
			header["Authorization"], header["Dpop"] = []string{"DPoP " + token}, []string{proof}
		}
		a, err := p.send(ctx, http.MethodGet, address, header, nil)
		if err != nil {
			return answer{}, err
		}
		p.keepNonce(address, a)
		if again || a.status != http.StatusUnauthorized || !strings.Contains(a.header.Get("WWW-Authenticate"), "use_dpop_nonce") {
			return a, nil
		}
	}
}

// keepNonce remembers the nonce of a server; one is good at its own server alone.
func (p *partner) keepNonce(address string, a answer) {
	if n := a.header.Get("DPoP-Nonce"); n != "" && p.nonces != nil {
		p.nonces[originOf(address)] = n
	}
}

func originOf(address string) string {
	if at := strings.Index(address, "://"); at >= 0 {
		if end := strings.IndexByte(address[at+3:], '/'); end >= 0 {
			return address[:at+3+end]
		}
	}
	return address
}

func (p *partner) assertion() (string, error) {
	now := time.Now().Unix()
	return p.assert.Sign("", map[string]any{
		"iss": p.id, "sub": p.id, "aud": p.at.Issuer, "jti": chance(), "iat": now, "exp": now + 60,
	})
}

func (p *partner) proof(method, address, token string) (string, error) {
	claims := map[string]any{"jti": chance(), "htm": method, "htu": address, "iat": time.Now().Unix()}
	if n := p.nonces[originOf(address)]; n != "" {
		claims["nonce"] = n
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return p.prove.Sign("dpop+jwt", claims)
}

// tokens is a token response (RFC 6749 §5.1).
type tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Refresh string `json:"refresh_token"`
	IDToken string `json:"id_token"`
}

func (p *partner) token(ctx context.Context, form url.Values) (tokens, error) {
	a, err := p.post(ctx, p.at.Token, form, true)
	if err != nil {
		return tokens{}, err
	}
	var t tokens
	wanted := "Bearer"
	if p.prove != nil {
		wanted = "DPoP"
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &t) != nil || t.Access == "" || t.Type != wanted {
		return tokens{}, a.wrong("a token request")
	}
	return t, nil
}

// flow is an authorization request under way.
type flow struct{ state, verifier, requestURI string }

// push sends an authorization request (RFC 9126).
func (p *partner) push(ctx context.Context) (flow, error) {
	f := flow{state: chance(), verifier: chance() + chance()}
	sum := sha256.Sum256([]byte(f.verifier))
	a, err := p.post(ctx, p.at.Push, url.Values{
		"response_type": {"code"}, "redirect_uri": {p.redirect}, "scope": {"openid account.balance"}, "state": {f.state}, "nonce": {chance()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}, false)
	if err != nil {
		return f, err
	}
	var pushed struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int    `json:"expires_in"`
	}
	if a.status != http.StatusCreated || json.Unmarshal(a.body, &pushed) != nil || pushed.RequestURI == "" || pushed.ExpiresIn <= 0 {
		return f, a.wrong("a pushed request")
	}
	f.requestURI = pushed.RequestURI
	return f, nil
}

// link takes a customer through the whole way, from the pushed request to tokens.
func (p *partner) link(ctx context.Context, b *browser) (tokens, error) {
	f, err := p.push(ctx)
	if err != nil {
		return tokens{}, err
	}
	back, err := b.allow(ctx, p, p.at.Authorization+"?"+url.Values{"client_id": {p.id}, "request_uri": {f.requestURI}}.Encode())
	if err != nil {
		return tokens{}, err
	}
	q := back.Query()
	if q.Get("code") == "" || q.Get("state") != f.state || q.Get("iss") != p.at.Issuer {
		return tokens{}, fmt.Errorf("the customer came back without the code: %v", q)
	}
	t, err := p.token(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {p.redirect}, "code_verifier": {f.verifier},
	})
	if err == nil && (t.Refresh == "" || t.IDToken == "") {
		err = fmt.Errorf("a code gave no refresh token or no ID token")
	}
	return t, err
}

func chance() string { return rand.Text() }

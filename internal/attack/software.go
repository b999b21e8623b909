package attack

import (
	"crypto"
	"crypto/tls"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// The words of a client's registration.
const (
	byKey         = "private_key_jwt"
	byCertificate = "tls_client_auth"
	bySelfSigned  = "self_signed_tls_client_auth"

	boundByKey         = "dpop"
	boundByCertificate = "certificate"

	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// software is one client of the target at work: honest, unless a call says
// otherwise.
type software struct {
	Client
	lab    *lab
	prover crypto.Signer // of its DPoP proofs
}

// change alters a JWT before it is signed.
type change func(header, claims object)

// proverOf returns one key for all proofs of a client in this run.
func (l *lab) proverOf(string) crypto.Signer { return newEC() }

// with returns the same software with another key for its proofs.
func (s *software) with(prover crypto.Signer) *software {
	other := *s
	other.prover = prover
	return &other
}

// assertion proves who the client is (RFC 7523), to the issuer as its audience.
func (s *software) assertion(by ...change) string {
	now := time.Now()
	header := object{"alg": algorithmOf(s.Key), "kid": s.KID}
	claims := object{
		"iss": s.ID, "sub": s.ID, "aud": s.lab.target.Issuer, "jti": random(16), "iat": now.Unix(), "exp": now.Add(50 * time.Second).Unix(),
	}
	for _, c := range by {
		c(header, claims)
	}
	return forge(s.Key, header, claims)
}

// requestObject is a signed authorization request (RFC 9101).
func (s *software) requestObject(parameters url.Values, by ...change) string {
	now := time.Now()
	header := object{"alg": algorithmOf(s.Key), "kid": s.KID, "typ": "oauth-authz-req+jwt"}
	claims := object{
		"iss": s.ID, "client_id": s.ID, "aud": s.lab.target.Issuer, "nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": random(16),
	}
	for name := range parameters {
		claims[name] = parameters.Get(name)
	}
	for _, c := range by {
		c(header, claims)
	}
	return forge(s.Key, header, claims)
}

// proof is a DPoP proof (RFC 9449) for one request.
func (s *software) proof(of server, method, target, token string, by ...change) string {
	header := object{"typ": "dpop+jwt", "alg": algorithmOf(s.prover), "jwk": jwkOf(s.prover.Public())}
	claims := object{"jti": random(16), "htm": method, "htu": target, "iat": time.Now().Unix()}
	if n := s.lab.nonce(of); n != "" {
		claims["nonce"] = n
	}
	if token != "" {
		claims["ath"] = digest(token)
	}
	for _, c := range by {
		c(header, claims)
	}
	return forge(s.prover, header, claims)
}

// call is a request of a client to an endpoint of the authorization server. What
// is left empty is as an honest client sends it.
type call struct {
	endpoint  string // its name in the metadata
	form      url.Values
	raw       string // the body, in place of form
	query     string
	header    http.Header
	assertion string // in place of a fresh one
	asserted  change
	nobody    bool // no client authentication at all

	proofs      []string // in place of a fresh one where the client's tokens are bound to a key; noProof for none
	proved      change
	certificate *tls.Certificate // in place of its own
	node        int
	at          string // the address, in place of the metadata's
}

var noProof = []string{}

// address is where an endpoint of this client is.
func (s *software) address(endpoint string) string {
	if s.Certificate != nil {
		if at := s.lab.metadata.alias(endpoint); at != "" {
			return at
		}
	}
	return s.lab.metadata.text(endpoint)
}

// do sends a call. A demand for a nonce is met once, with all else made anew.
func (s *software) do(c call) answer {
	a := s.once(c)
	if a.code() == "use_dpop_nonce" && c.proofs == nil && c.proved == nil && c.assertion == "" {
		a = s.once(c)
	}
	return a
}

func (s *software) once(c call) answer {
	target := c.at
	if target == "" {
		target = s.address(c.endpoint)
	}
	form := url.Values{}
	maps.Copy(form, c.form)
	switch {
	case c.nobody:
	case c.assertion != "" || s.Method == byKey:
		assertion := c.assertion
		if assertion == "" {
			var by []change
			if c.asserted != nil {
				by = append(by, c.asserted)
			}
			assertion = s.assertion(by...)
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	case !form.Has("client_id"):
		form.Set("client_id", s.ID)
	}
	header := headers("Content-Type", "application/x-www-form-urlencoded")
	proofs := c.proofs
	if proofs == nil && s.Binding == boundByKey && c.endpoint == "token_endpoint" {
		var by []change
		if c.proved != nil {
			by = append(by, c.proved)
		}
		proofs = []string{s.proof(authorization, http.MethodPost, target, "", by...)}
	}
	if len(proofs) > 0 {
		header["DPoP"] = proofs
	}
	maps.Copy(header, c.header)
	certificate := s.Certificate
	if c.certificate != nil {
		certificate = c.certificate
	}
	body := c.raw
	if body == "" {
		body = form.Encode()
	}
	if c.query != "" {
		target += "?" + c.query
	}
	a := s.lab.send(request{method: http.MethodPost, url: target, header: header, body: body, certificate: certificate, node: c.node})
	s.lab.heard(authorization, a)
	return a
}

// use is a request with an access token. What is left empty is as an honest
// client sends it.
type use struct {
	method, url   string
	token         string
	authorization []string // in place of the honest header
	proofs        []string
	proved        change
	certificate   *tls.Certificate
	header        http.Header
	body          string
	query         string
}

func (s *software) scheme() string {
	if s.Binding == boundByKey {
		return "DPoP"
	}
	return "Bearer"
}

// use sends a request to a resource. A demand for a nonce is met once.
func (s *software) use(u use) answer {
	a := s.useOnce(u)
	if a.err == nil && a.status == http.StatusUnauthorized && u.proofs == nil && u.proved == nil && asksForNonce(a) {
		a = s.useOnce(u)
	}
	return a
}

func asksForNonce(a answer) bool {
	return a.code() == "use_dpop_nonce" || errorOf(a) == "use_dpop_nonce"
}

func (s *software) useOnce(u use) answer {
	method := u.method
	if method == "" {
		method = http.MethodGet
	}
	proofs := u.proofs
	if proofs == nil && s.Binding == boundByKey {
		var by []change
		if u.proved != nil {
			by = append(by, u.proved)
		}
		proofs = []string{s.proof(resource, method, u.url, u.token, by...)}
	}
	header := http.Header{}
	if u.authorization != nil {
		header["Authorization"] = u.authorization
	} else if u.token != "" {
		header["Authorization"] = []string{s.scheme() + " " + u.token}
	}
	if len(proofs) > 0 {
		header["DPoP"] = proofs
	}
	maps.Copy(header, u.header)
	certificate := s.Certificate
	if u.certificate != nil {
		certificate = u.certificate
	}
	target := u.url
	if u.query != "" {
		target += "?" + u.query
	}
	a := s.lab.send(request{method: method, url: target, header: header, body: u.body, certificate: certificate})
	s.lab.heard(resource, a)
	return a
}

// accounts is the resource that attacks ask for.
func (l *lab) accounts() string { return l.api() + "/open-api/v1/accounts" }

func (s *software) read(token string) answer { return s.use(use{url: s.lab.accounts(), token: token}) }

// push sends an authorization request (RFC 9126).
func (s *software) push(form url.Values) answer {
	return s.do(call{endpoint: "pushed_authorization_request_endpoint", form: form})
}

// asks is an honest authorization request, and the verifier of its challenge.
func (s *software) asks(changes ...string) (form url.Values, verifier string) {
	verifier = random(32)
	form = values("response_type", "code", "redirect_uri", s.RedirectURIs[0], "scope", s.wants(), "state", random(12),
		"nonce", random(12), "code_challenge", digest(verifier), "code_challenge_method", "S256")
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			form.Del(changes[i])
		} else {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form, verifier
}

func (s *software) wants() string {
	if s.Scope != "" {
		return s.Scope
	}
	return "openid account.balance"
}

// open is the address to which a customer's browser is sent.
func (s *software) open(requestURI string) string {
	return s.lab.metadata.text("authorization_endpoint") + "?" + values("client_id", s.ID, "request_uri", requestURI).Encode()
}

// grant is what one customer's consent gave a client.
type grant struct {
	form       url.Values
	verifier   string
	requestURI string
	way        *url.URL // back to the client
	code       string
	tokens     object
	prover     crypto.Signer // of a shared grant
}

func (g *grant) text(name string) string {
	s, _ := g.tokens[name].(string)
	return s
}

func (g *grant) access() string  { return g.text("access_token") }
func (g *grant) refresh() string { return g.text("refresh_token") }

// redemption is the form that redeems the grant's code.
func (g *grant) redemption(changes ...string) url.Values {
	form := values("grant_type", "authorization_code", "code", g.code, "redirect_uri", g.form.Get("redirect_uri"), "code_verifier", g.verifier)
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			form.Del(changes[i])
		} else {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

func (s *software) token(form url.Values) answer {
	return s.do(call{endpoint: "token_endpoint", form: form})
}

func (s *software) redeem(g *grant, changes ...string) answer {
	return s.token(g.redemption(changes...))
}

func (s *software) refresh(token string, changes ...string) answer {
	return s.token(values(append([]string{"grant_type", "refresh_token", "refresh_token", token}, changes...)...))
}

func (s *software) introspect(token string) answer {
	return s.do(call{endpoint: "introspection_endpoint", form: values("token", token)})
}

func (s *software) revoke(token string) answer {
	return s.do(call{endpoint: "revocation_endpoint", form: values("token", token)})
}

// active tells what introspection says of a token.
func (s *software) active(token string) bool {
	active, _ := s.introspect(token).json()["active"].(bool)
	return active
}

// code goes through the journey as a customer and returns what came back to the
// client, not yet redeemed.
func (t *trial) code(s *software, changes ...string) *grant {
	form, verifier := s.asks(changes...)
	a := s.push(form)
	g := &grant{form: form, verifier: verifier, requestURI: a.text("request_uri")}
	if g.requestURI == "" {
		t.cannot("an honest request could not be pushed: %s", a)
	}
	way, err := t.browse().link(s.open(g.requestURI), t.user(0))
	if err != nil {
		t.cannot("an honest customer could not link: %s", err)
	}
	g.way = way
	if g.code = way.Query().Get("code"); g.code == "" {
		t.cannot("an honest customer's linking gave no code: %s", way)
	}
	return g
}

// grant is code, redeemed.
func (t *trial) grant(s *software, changes ...string) *grant {
	g := t.code(s, changes...)
	a := s.redeem(g)
	if g.tokens = a.json(); a.status != http.StatusOK || g.access() == "" {
		t.cannot("an honest code was not redeemed: %s", a)
	}
	return g
}

// shared returns a grant that attacks which end nothing use together, with an
// access token that is fresh, and the software that holds its key.
func (t *trial) shared(s *software) (*grant, *software) {
	t.mu.Lock()
	g := t.standing[s.ID]
	t.mu.Unlock()
	if g != nil && s.active(g.access()) {
		return g, s.with(g.prover)
	}
	g = t.grant(s)
	g.prover = s.prover
	t.mu.Lock()
	t.standing[s.ID] = g
	t.mu.Unlock()
	return g, s
}

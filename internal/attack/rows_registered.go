package attack

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const noRegistration = "the target offers no dynamic registration, or its file has no initial access token"

// registers tells whether clients can register by themselves (RFC 7591).
func (l *lab) registers() bool {
	return l.metadata.text("registration_endpoint") != "" && l.target.InitialAccessToken != ""
}

// key is a signing key of a client that registers.
type key struct {
	crypto.Signer
	kid string
}

func newKey() key { k := newEC(); return key{k, thumbprint(k.Public())} }

func (k key) jwk() object {
	j := jwkOf(k.Public())
	j["kid"], j["use"] = k.kid, "sig"
	return j
}

func keySetOf(keys ...key) object {
	all := []object{}
	for _, k := range keys {
		all = append(all, k.jwk())
	}
	return object{"keys": all}
}

// managed is a client that registered itself, and by what it is managed (RFC 7592).
type managed struct {
	*software
	uri, token string
	metadata   object
}

// register registers a client; by changes its metadata, nil takes a member away.
func (t *trial) register(by object) (answer, key) {
	k := newKey()
	m := object{
		"client_name": "A client of the attack", "redirect_uris": []string{"https://partner.example/callback"}, "token_endpoint_auth_method": byKey,
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "dpop_bound_access_tokens": true, "jwks": keySetOf(k),
	}
	for name, v := range by {
		if m[name] = v; v == nil {
			delete(m, name)
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.cannot("%s", err)
	}
	return t.send(request{
		method: http.MethodPost, url: t.metadata.text("registration_endpoint"), body: string(raw),
		header: headers("Content-Type", "application/json", "Authorization", "Bearer "+t.target.InitialAccessToken),
	}), k
}

// registered is register for a client that must be taken. It is removed when the
// attack ends.
func (t *trial) registered(by object) *managed {
	a, k := t.register(by)
	m := &managed{uri: a.text("registration_client_uri"), token: a.text("registration_access_token"), metadata: a.json()}
	if a.status != http.StatusCreated || m.uri == "" || m.token == "" {
		t.cannot("an honest client could not register: %s", a)
	}
	m.software = &software{lab: t.lab, prover: newEC(), Client: Client{
		ID: a.text("client_id"), RedirectURIs: []string{"https://partner.example/callback"}, Method: byKey, Binding: boundByKey, Key: k.Signer, KID: k.kid,
	}}
	t.after = append(t.after, func() { m.manage(http.MethodDelete, nil) })
	return m
}

// manage sends a request to the client's own configuration endpoint, and keeps the
// token that comes back.
func (m *managed) manage(method string, by object) answer {
	r := request{method: method, url: m.uri, header: headers("Content-Type", "application/json", "Authorization", "Bearer "+m.token)}
	if by != nil {
		body := object{}
		for name, v := range m.metadata {
			if !strings.HasPrefix(name, "registration_") && name != "client_id_issued_at" && name != "client_secret_expires_at" {
				body[name] = v
			}
		}
		for name, v := range by {
			body[name] = v
		}
		raw, err := json.Marshal(body)
		if err != nil {
			return answer{err: err}
		}
		r.body = string(raw)
	}
	a := m.lab.send(r)
	if next := a.text("registration_access_token"); next != "" {
		m.token = next
	}
	return a
}

// removedKey: what is taken out of a client's key set verifies nothing more, a
// second later at the latest.
func removedKey(t *trial) {
	if !t.registers() {
		t.skip("a key that was removed from a client's set", noRegistration)
		return
	}
	m := t.registered(nil)
	old, next := key{m.Key, m.KID}, newKey()
	try := func(k key) answer {
		s := *m.software
		s.Key, s.KID = k.Signer, k.kid
		return s.tries(s.assertion())
	}
	t.works("a client's key", try(old))
	t.works("its keys changed for two", m.manage(http.MethodPut, object{"jwks": keySetOf(old, next)}))
	time.Sleep(time.Second)
	t.works("the new key", try(next))
	t.works("its keys changed for the new one", m.manage(http.MethodPut, object{"jwks": keySetOf(next)}))
	time.Sleep(time.Second)
	t.refused("the key that was removed", try(old), 401, "invalid_client")
	t.works("the key that stayed", try(next))
	again := key{newEC(), next.kid}
	t.works("its key changed for another under the same kid", m.manage(http.MethodPut, object{"jwks": keySetOf(again)}))
	time.Sleep(time.Second)
	t.refused("the key that had the kid before", try(next), 401, "invalid_client")
	t.works("the key that has it now", try(again))
}

// removedClient: with a client go its tokens.
func removedClient(t *trial) {
	if !t.registers() {
		t.skip("the client removed", noRegistration)
		return
	}
	m := t.registered(nil)
	g := t.grant(m.software)
	t.works("before its client is removed", m.read(g.access()))
	gone := m.manage(http.MethodDelete, nil)
	t.judge("the client removed", gone.status == http.StatusNoContent, "%s", gone)
	time.Sleep(time.Second) // what every node is given
	t.refusedBy("the client removed: API", m.read(g.access()), 401, 403)
	t.refusedBy("the client removed: UserInfo", m.use(use{url: t.metadata.text("userinfo_endpoint"), token: g.access()}), 401, 403)
	t.refused("the client removed: refresh", m.refresh(g.refresh()), 401, "invalid_client")
	t.refused("the client removed: introspection", m.introspect(g.access()), 401, "invalid_client")
}

// ownKeys registers a client for every algorithm that is named for assertions.
func ownKeys(t *trial) {
	if !t.registers() {
		t.skip("assertions by every named algorithm", noRegistration)
		return
	}
	for _, alg := range t.metadata.list("token_endpoint_auth_signing_alg_values_supported") {
		var k key
		switch alg {
		case "ES256":
			k = newKey()
		case "PS256", "RS256":
			signer := t.rsaKey(2048)
			k = key{signer, thumbprint(signer.Public())}
		case "EdDSA", "Ed25519":
			_, signer, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.cannot("%s", err)
			}
			k = key{signer, thumbprint(signer.Public())}
		default:
			t.skip("an assertion by "+alg, "the attack has no such key")
			continue
		}
		m := t.registered(object{"jwks": keySetOf(k)})
		m.Key, m.KID = k.Signer, k.kid
		t.works("an assertion by "+alg+", which is named", m.tries(m.assertion(func(h, _ object) { h["alg"] = alg })))
		form, _ := m.asks()
		t.works("a request object by "+alg+", which is named", m.push(values("request", m.requestObject(form, func(h, _ object) { h["alg"] = alg }))))
	}
}

// ownCertificates: a client that registered its certificate itself is known by
// that very one (RFC 8705 §2.2).
func ownCertificates(t *trial) {
	if !t.registers() || !slices.Contains(t.metadata.list("token_endpoint_auth_methods_supported"), bySelfSigned) {
		t.skip("a client with a certificate of its own making", noRegistration)
		return
	}
	mine, other := selfMade(nil, nil), selfMade(nil, nil)
	jwk := jwkOf(mine.PrivateKey.(crypto.Signer).Public())
	jwk["x5c"], jwk["kid"] = []string{base64.StdEncoding.EncodeToString(mine.Certificate[0])}, "c"
	m := t.registered(object{"token_endpoint_auth_method": bySelfSigned, "dpop_bound_access_tokens": nil, "tls_client_certificate_bound_access_tokens": true, "jwks": object{"keys": []object{jwk}}})
	m.Method, m.Binding, m.Certificate = bySelfSigned, boundByCertificate, &mine
	try := func(c *tls.Certificate) answer {
		return m.do(call{endpoint: "introspection_endpoint", form: values("token", "x"), certificate: c})
	}
	t.works("a client's own certificate", try(nil))
	t.refused("another of an own making", try(&other), 401, "invalid_client")
	stolen := tls.Certificate{Certificate: [][]byte{other.Certificate[0], mine.Certificate[0]}, PrivateKey: other.PrivateKey}
	t.refused("another with the right one behind it", try(&stolen), 401, "invalid_client")
	if t.hasCertified() {
		t.refused("another client's", try(t.certified().Certificate), 401, "invalid_client")
	}
	for name, header := range sorted(pretended(&mine)) {
		a := m.without().do(call{endpoint: "introspection_endpoint", form: values("token", "x"), header: header})
		t.refused("its own in "+name, a, 401, "invalid_client")
	}
}

// trap listens at an address of this machine until the attack ends, counts who
// comes and lets nobody in; empty: it cannot listen there.
func (t *trial) trap(address string, hits *atomic.Int64) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return ""
	}
	t.after = append(t.after, func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			hits.Add(1)
			c.Close()
		}
	}()
	return l.Addr().String()
}

// fetchedKeys: key sets that would be fetched from inside.
func fetchedKeys(t *trial) {
	var hits atomic.Int64
	listening := func(address string) string { return t.trap(address, &hits) }
	try := func(name string, c Client) {
		s := &software{Client: c, lab: t.lab, prover: newEC()}
		before := hits.Load()
		for _, endpoint := range []string{"introspection_endpoint", "pushed_authorization_request_endpoint"} {
			a := s.do(call{endpoint: endpoint, form: values("token", "x")})
			// Whoever tries to connect to where nobody is waits for seconds.
			t.judge(name+" at "+endpoint, a.err == nil && a.status >= 400 && a.took < 2*time.Second && hits.Load() == before, "%s after %s, %d connections", a, a.took.Round(time.Millisecond), hits.Load()-before)
		}
	}
	for _, c := range t.target.Clients {
		u, err := url.Parse(c.KeysAt)
		if err != nil || c.KeysAt == "" {
			continue
		}
		if listening(u.Host) == "" {
			t.skip("keys_at "+u.Host, "it cannot be listened at")
			continue
		}
		c.Key, c.KID = newEC(), "k"
		try(c.KeysAt, c)
	}
	if !t.registers() {
		if len(t.cases) == 0 {
			t.cannot("the target's file has no client with keys_at, and " + noRegistration)
		}
		t.skip("other addresses", noRegistration)
		return
	}
	_, port, err := net.SplitHostPort(listening("127.0.0.1:0"))
	if err != nil {
		t.cannot("nothing can be listened at: %s", err)
	}
	listening("[::1]:" + port)
	for _, uri := range []string{
		"https://127.0.0.1:" + port + "/jwks", "https://localhost:" + port + "/jwks", "https://localhost.:" + port + "/jwks", "https://[::1]:" + port + "/jwks", "https://[::ffff:127.0.0.1]:" + port + "/jwks",
		"https://[::ffff:7f00:1]:" + port + "/jwks", "https://0.0.0.0:" + port + "/jwks", "https://[::]:" + port + "/jwks", "https://127.1:" + port + "/jwks", "https://2130706433:" + port + "/jwks", "https://0x7f000001:" + port + "/jwks",
		"https://0177.0.0.1:" + port + "/jwks", "https://127.0.0.2:" + port + "/jwks", "https://169.254.169.254/latest/meta-data/", "https://[fe80::1]/jwks", "https://[fd00::1]/jwks", "https://10.0.0.1/jwks", "https://172.16.0.1/jwks", "https://192.168.0.1/jwks",
		"https://100.64.0.1/jwks", "https://[64:ff9b::7f00:1]:" + port + "/jwks", "https://[2002:7f00:1::]:" + port + "/jwks", "http://127.0.0.1:" + port + "/jwks", "https://x@127.0.0.1:" + port + "/jwks", "https://x.localhost:" + port + "/jwks",
		"file:///etc/passwd", "https:", "https:///jwks", "gopher://127.0.0.1:" + port,
	} {
		a, k := t.register(object{"jwks": nil, "jwks_uri": uri})
		if a.status != http.StatusCreated {
			t.judge("jwks_uri="+uri, a.err == nil && a.status == http.StatusBadRequest && hits.Load() == 0, "%s", a)
			continue
		}
		m := &managed{software: &software{lab: t.lab}, uri: a.text("registration_client_uri"), token: a.text("registration_access_token")}
		t.after = append(t.after, func() { m.manage(http.MethodDelete, nil) })
		try("jwks_uri="+uri, Client{ID: a.text("client_id"), Method: byKey, Binding: boundByKey, Key: k.Signer, KID: k.kid})
	}
	time.Sleep(100 * time.Millisecond) // whatever fetches behind our back
	t.judge("what arrived in all", hits.Load() == 0, "%d connections", hits.Load())
}

// escalations: what a client may not make of itself.
func escalations(t *trial) {
	victim := t.keyed(0)
	m := t.registered(nil)
	own := m.ID
	for name, by := range sorted(map[string]object{
		"another's client_id": {"client_id": victim.ID}, "an own client_id": {"client_id": "admin"}, "staff as registrar": {"Registered": "staff", "registered": "staff"},
		"another partner": {"partner": "mihon-kaikei", "Partner": "mihon-kaikei"}, "a sunset": {"sunset_on": "2099-01-01"}, "a secret": {"client_secret": "x"}, "trust": {"trusted": true, "skip_consent": true, "first_party": true},
	}) {
		a, _ := t.register(by)
		taken := a.json()
		gained := a.status == http.StatusCreated && (text(taken["client_id"]) == victim.ID || text(taken["client_id"]) == "admin" || taken["client_secret"] != nil || taken["sunset_on"] != nil || taken["partner"] != nil || taken["trusted"] != nil)
		t.judge("registered with "+name, a.err == nil && !gained && a.status < 500, "%s", a)
		if a.status == http.StatusCreated {
			other := &managed{software: &software{lab: t.lab}, uri: a.text("registration_client_uri"), token: a.text("registration_access_token")}
			t.after = append(t.after, func() { other.manage(http.MethodDelete, nil) })
		}
		a = m.manage(http.MethodPut, by)
		gained = a.status == http.StatusOK && (a.text("client_id") != own || a.json()["client_secret"] != nil || a.json()["sunset_on"] != nil || a.json()["partner"] != nil)
		t.judge("changed to "+name, a.err == nil && !gained && a.status < 500, "%s", a)
	}
	for name, by := range sorted(map[string]object{
		"an unknown scope": {"scope": "openid admin"}, "no keys": {"jwks": nil}, "no binding": {"dpop_bound_access_tokens": false, "tls_client_certificate_bound_access_tokens": false, "token_endpoint_auth_method": "none"}, "the implicit grant": {"grant_types": []string{"implicit"}},
		"a token in the front": {"response_types": []string{"token"}}, "RS256": {"token_endpoint_auth_signing_alg": "RS256"}, "none for ID tokens": {"id_token_signed_response_alg": "none"}, "RSA1_5": {"id_token_encrypted_response_alg": "RSA1_5"},
	}) {
		t.refused("changed to "+name, m.manage(http.MethodPut, by), 400)
	}
	t.works("the victim's client as before", victim.tries(victim.assertion()))
	t.works("the client as before", m.tries(m.assertion()))
	// Of twenty changes at once with one token, one holds.
	token := m.token
	won, odd, answers := t.race(20, func(int) answer {
		one := *m
		one.token = token
		return one.manage(http.MethodPut, object{"client_name": "raced"})
	}, 401)
	t.judge("twenty changes at once with one token: exactly one", won == 1 && odd == "", "%d succeeded of %d%s", won, len(answers), odd)
	for _, a := range answers {
		if next := a.text("registration_access_token"); next != "" {
			m.token = next
		}
	}
	t.refused("the token that was replaced", t.send(request{url: m.uri, header: headers("Authorization", "Bearer "+token)}), 401)
}

func registrations(t *trial) {
	at := t.metadata.text("registration_endpoint")
	if at == "" || t.target.InitialAccessToken == "" {
		t.cannot("the target offers no dynamic registration, or its file has no initial access token")
	}
	first, _ := t.register(nil)
	second, _ := t.register(nil)
	mine, theirs := first.text("registration_client_uri"), second.text("registration_client_uri")
	token, other := first.text("registration_access_token"), second.text("registration_access_token")
	if mine == "" || theirs == "" || token == "" {
		t.cannot("an honest client could not register: %s", first)
	}
	manage := func(method, url, token string) answer {
		r := request{method: method, url: url, header: headers("Content-Type", "application/json")}
		if token != "" {
			r.header.Set("Authorization", "Bearer "+token)
		}
		if method == http.MethodPut {
			r.body = string(first.body)
		}
		return t.send(r)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		t.refusedBy(method+" without token", manage(method, mine, ""), 401)
		t.refusedBy(method+" with another client's token", manage(method, mine, other), 401, 403)
		t.refusedBy(method+" with the initial token", manage(method, mine, t.target.InitialAccessToken), 401, 403)
		t.refusedBy(method+" with a token that is almost right", manage(method, mine, flip(token)), 401)
		t.refusedBy(method+" of an unknown client", manage(method, mine+"x", token), 401, 403, 404)
		g, _ := t.shared(t.keyed(0))
		t.refusedBy(method+" with an access token", manage(method, mine, g.access()), 401)
	}
	read := manage(http.MethodGet, mine, token)
	t.works("reading one's own", read)
	if next := read.text("registration_access_token"); next != "" && next != token {
		t.refusedBy("the token before", manage(http.MethodGet, mine, token), 401)
		token = next
	}
	escalations(t)
	gone := manage(http.MethodDelete, mine, token)
	t.judge("deleting one's own", gone.status == http.StatusNoContent, "%s", gone)
	t.refusedBy("managing what was deleted", manage(http.MethodGet, mine, token), 401)
	manage(http.MethodDelete, theirs, other)
}

package attack

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// clientAttacks are those on client authentication.
func clientAttacks() []Attack {
	return []Attack{
		{Row: "P09", Name: "client assertions replayed, misdirected, confused", Precedent: "Hydra CVE-2020-5300; fosite CVE-2020-15222; Keycloak CVE-2026-11800",
			Expect: "401 invalid_client; a jti works once, at whatever endpoint and node",
			Beyond: "a jti replayed after a restart, which is to a node as to another", Test: "TestAnAssertionIsTakenOnceOnEveryNode (internal/store/oauth_test.go)", run: assertions},
		{Row: "P10", Name: "two client authentications, or none that is registered", Precedent: "RFC 6749 §2.3; FAPI 2.0 SP §5.3.2.1",
			Expect: "401 invalid_client", run: twoMethods},
		{Row: "P34", Name: "a kid of two clients, a key that was removed", Precedent: "Centrifugo CVE-2026-49998; jwkset CVE-2025-22149",
			Expect: "401 invalid_client", run: sharedKID},
	}
}

// publicAsSecret are the spellings in which a public key, known to all, has been
// taken for the secret of HS256.
func publicAsSecret(public crypto.PublicKey) map[string][]byte {
	out := map[string][]byte{"an empty secret": {}, "the word secret": []byte("secret")}
	if der, err := x509.MarshalPKIXPublicKey(public); err == nil {
		out["the public key's DER"] = der
		out["the public key's PEM"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	if raw, err := json.Marshal(jwkOf(public)); err == nil {
		out["the public key's JWK"] = raw
	}
	return out
}

// tries sends an assertion where it costs least.
func (s *software) tries(assertion string) answer {
	return s.do(call{endpoint: "introspection_endpoint", form: values("token", "x"), assertion: assertion})
}

func assertions(t *trial) {
	s := t.keyed(0)
	t.works("an honest one", s.tries(s.assertion()))
	used := s.assertion()
	t.works("another", s.tries(used))
	t.refused("the same again", s.tries(used), 401, "invalid_client")
	form, _ := s.asks()
	t.refused("the same at PAR", s.do(call{endpoint: "pushed_authorization_request_endpoint", form: form, assertion: used}), 401, "invalid_client")
	t.refused("the same for a revocation", s.do(call{endpoint: "revocation_endpoint", form: values("token", "x"), assertion: used}), 401, "invalid_client")
	g, s := t.shared(s)
	refresh := values("grant_type", "refresh_token", "refresh_token", g.refresh())
	t.works("a refresh", s.do(call{endpoint: "token_endpoint", form: refresh}))
	a := s.do(call{endpoint: "token_endpoint", form: refresh, assertion: used})
	t.refused("the same for a refresh", a, 401, "invalid_client")
	jti := random(16)
	same := func() string { return s.assertion(func(_, c object) { c["jti"] = jti }) }
	t.works("a jti for the first time", s.tries(same()))
	t.refused("the jti in another assertion", s.tries(same()), 401, "invalid_client")
	for node := range t.target.Nodes {
		a := s.do(call{endpoint: "introspection_endpoint", form: values("token", "x"), assertion: used, node: node + 1})
		t.refused("the same at node "+t.target.Nodes[node], a, 401, "invalid_client")
	}
	if len(t.target.Nodes) == 0 {
		t.skip("a replay at another node", "the target has one; see --nodes")
	}
	t.judgeOnce("at once", func(n int) answer {
		return s.do(call{endpoint: "introspection_endpoint", form: values("token", "x"), assertion: jtiOnce(s, "race"+jti), node: n % (len(t.target.Nodes) + 1)})
	}, 401, "invalid_client")

	now := time.Now()
	for name, by := range sorted(map[string]change{
		"aud the token endpoint":          func(_, c object) { c["aud"] = t.metadata.text("token_endpoint") },
		"aud the PAR endpoint":            func(_, c object) { c["aud"] = t.metadata.text("pushed_authorization_request_endpoint") },
		"aud the endpoint itself":         func(_, c object) { c["aud"] = t.metadata.text("introspection_endpoint") },
		"aud an array with the issuer":    func(_, c object) { c["aud"] = []string{t.target.Issuer} },
		"aud us and another":              func(_, c object) { c["aud"] = []string{t.target.Issuer, "https://evil.example"} },
		"aud with a slash":                func(_, c object) { c["aud"] = t.target.Issuer + "/" },
		"aud in upper case":               func(_, c object) { c["aud"] = strings.ToUpper(t.target.Issuer) },
		"aud another":                     func(_, c object) { c["aud"] = "https://evil.example" },
		"aud the client":                  func(_, c object) { c["aud"] = s.ID },
		"aud an object":                   func(_, c object) { c["aud"] = object{"x": t.target.Issuer} },
		"no aud":                          func(_, c object) { delete(c, "aud") },
		"no exp":                          func(_, c object) { delete(c, "exp") },
		"exp a minute ago":                func(_, c object) { c["exp"] = now.Add(-time.Minute).Unix() },
		"exp in a year":                   func(_, c object) { c["exp"] = now.AddDate(1, 0, 0).Unix() },
		"exp as text":                     func(_, c object) { c["exp"] = fmt.Sprint(now.Add(time.Minute).Unix()) },
		"nbf two minutes ahead":           func(_, c object) { c["nbf"] = now.Add(2 * time.Minute).Unix() },
		"iat two minutes ahead":           func(_, c object) { c["iat"] = now.Add(2 * time.Minute).Unix() },
		"no jti":                          func(_, c object) { delete(c, "jti") },
		"an empty jti":                    func(_, c object) { c["jti"] = "" },
		"jti a number":                    func(_, c object) { c["jti"] = 7 },
		"a giant jti":                     func(_, c object) { c["jti"] = strings.Repeat("a", 10_000) },
		"sub another":                     func(_, c object) { c["sub"] = "nobody" },
		"iss another":                     func(_, c object) { c["iss"] = "nobody" },
		"no sub":                          func(_, c object) { delete(c, "sub") },
		"iss and sub of another client":   func(_, c object) { c["iss"], c["sub"] = "nobody", "nobody" },
		"iss an array":                    func(_, c object) { c["iss"] = []string{s.ID} },
		"typ dpop+jwt":                    func(h, _ object) { h["typ"] = "dpop+jwt" },
		"typ at+jwt":                      func(h, _ object) { h["typ"] = "at+jwt" },
		"typ oauth-authz-req+jwt":         func(h, _ object) { h["typ"] = "oauth-authz-req+jwt" },
		"jku":                             func(h, _ object) { h["jku"] = "https://evil.example/jwks" },
		"x5u":                             func(h, _ object) { h["x5u"] = "https://evil.example/x5u" },
		"crit":                            func(h, _ object) { h["crit"] = []string{"b64"} },
		"alg es256":                       func(h, _ object) { h["alg"] = "es256" },
		"alg ES384":                       func(h, _ object) { h["alg"] = "ES384" },
		"kid a path":                      func(h, _ object) { h["kid"] = "../../../../dev/null" },
		"kid some SQL":                    func(h, _ object) { h["kid"] = "x' OR '1'='1" },
		"kid an address":                  func(h, _ object) { h["kid"] = "https://evil.example/key" },
		"kid an object":                   func(h, _ object) { h["kid"] = object{"a": 1} },
		"kid a giant":                     func(h, _ object) { h["kid"] = strings.Repeat("k", 2000) },
		"a claim twice in another case":   func(_, c object) { c["Sub"] = "nobody" },
		"alg with a NUL":                  func(h, _ object) { h["alg"] = "ES256\x00" },
		"b64 false":                       func(h, _ object) { h["b64"] = false },
		"an own issuer among the clients": func(_, c object) { c["iss"] = t.target.Issuer },
	}) {
		t.refused(name, s.tries(s.assertion(by)), 401, "invalid_client")
	}
	claims := claimsOf(s.assertion())
	head := func(alg string) object { return object{"alg": alg, "kid": s.KID} }
	bad := func(name, compact string) { t.refused(name, s.tries(compact), 401, "invalid_client") }
	stranger, weak := newEC(), t.rsaKey(2048)
	bad("alg none", forge(nil, head("none"), claims))
	bad("alg nOnE", forge(nil, head("nOnE"), claims))
	bad("alg empty", forge(nil, head(""), claims))
	bad("a stranger's key", forge(stranger, head("ES256"), claims))
	bad("a stranger's key in jwk", forge(stranger, object{"alg": "ES256", "jwk": jwkOf(stranger.Public())}, claims))
	bad("a stranger's key in jwk beside the kid", forge(stranger, object{"alg": "ES256", "kid": s.KID, "jwk": jwkOf(stranger.Public())}, claims))
	bad("a stranger's certificate in x5c", forge(stranger, object{"alg": "ES256", "kid": s.KID, "x5c": []string{"MIIB"}}, claims))
	bad("RS256 of a stranger", forge(weak, head("RS256"), claims))
	for name, secret := range sorted(publicAsSecret(s.Key.Public())) {
		bad("HS256 by "+name, forge(secret, head("HS256"), claims))
	}
	good := s.assertion()
	parts := strings.Split(good, ".")
	bad("a signature of zeros", parts[0]+"."+parts[1]+"."+b64.EncodeToString(make([]byte, 64))) // CVE-2022-21449
	bad("no signature", parts[0]+"."+parts[1]+".")
	bad("a signature in DER", parts[0]+"."+parts[1]+"."+b64.EncodeToString([]byte{0x30, 6, 2, 1, 1, 2, 1, 1}))
	bad("padding", parts[0]+"."+parts[1]+"."+parts[2]+"=")
	bad("a request object", s.requestObject(values("response_type", "code"), func(_, c object) { c["sub"] = s.ID; delete(c, "client_id") }))
	bad("a DPoP proof", s.proof(authorization, http.MethodPost, t.metadata.text("token_endpoint"), "", func(_, c object) { c["iss"], c["sub"] = s.ID, s.ID }))
}

func jtiOnce(s *software, jti string) string {
	return s.assertion(func(_, c object) { c["jti"] = jti })
}

// judgeOnce does one thing twenty times at once: exactly one may succeed, and the
// others are told so.
func (t *trial) judgeOnce(name string, do func(n int) answer, status int, codes ...string) {
	won, odd, answers := t.race(20, do, status, codes...)
	t.judge(name+": exactly one of twenty", won == 1 && odd == "", "%d succeeded of %d%s", won, len(answers), odd)
}

// race does one thing n times at once and counts what succeeded; odd names an
// answer that is neither a success nor the refusal that is due.
func (t *trial) race(n int, do func(n int) answer, status int, codes ...string) (won int, odd string, answers []answer) {
	answers = make([]answer, n)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			answers[i] = do(i)
		})
	}
	close(begin)
	all.Wait()
	for _, a := range answers {
		switch {
		case a.err == nil && a.status >= 200 && a.status < 300:
			won++
		case a.err == nil && a.status == status && (len(codes) == 0 || slices.Contains(codes, a.code())):
		default:
			odd = ", and one saw " + a.String()
		}
	}
	return won, odd, answers
}

func twoMethods(t *trial) {
	s := t.keyed(0)
	bad := func(name string, c call) {
		c.endpoint = "introspection_endpoint"
		if c.form == nil {
			c.form = values()
		}
		c.form.Set("token", "x")
		t.refused(name, s.do(c), 401, "invalid_client")
	}
	basic := headers("Authorization", "Basic "+b64.EncodeToString([]byte(s.ID+":secret")))
	bad("an assertion and Basic", call{header: basic})
	bad("an assertion and Bearer", call{header: headers("Authorization", "Bearer x")})
	bad("an assertion and client_secret", call{form: values("client_secret", "x")})
	bad("an assertion and an empty client_secret", call{form: values("client_secret", "")})
	bad("an assertion and another client_id", call{form: values("client_id", "nobody")})
	bad("an assertion of another type", call{raw: values("token", "x", "client_assertion", s.assertion(), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer").Encode()})
	bad("an assertion without type", call{raw: values("token", "x", "client_assertion", s.assertion()).Encode()})
	bad("a type without assertion", call{nobody: true, form: values("client_id", s.ID, "client_assertion_type", assertionType)})
	bad("a client_id alone", call{nobody: true, form: values("client_id", s.ID)})
	bad("nothing", call{nobody: true})
	bad("Basic", call{nobody: true, header: basic})
	bad("client_secret", call{nobody: true, form: values("client_id", s.ID, "client_secret", "x")})
	bad("client_secret that is the client_id", call{nobody: true, form: values("client_id", s.ID, "client_secret", s.ID)})
	bad("an unknown client", call{nobody: true, form: values("client_id", "nobody")})
	for _, id := range []string{strings.ToUpper(s.ID), s.ID + " ", " " + s.ID, s.ID + "\x00", s.ID + "%", "*", ""} {
		claims := claimsOf(s.assertion())
		claims["iss"], claims["sub"] = id, id
		bad("an assertion for the client "+id, call{assertion: forge(s.Key, object{"alg": algorithmOf(s.Key), "kid": s.KID}, claims)})
	}
	cert := selfMade(nil, nil)
	if alias := t.metadata.alias("introspection_endpoint"); alias != "" {
		bad("a certificate where a key is registered", call{nobody: true, form: values("client_id", s.ID), certificate: &cert, at: alias})
	}
	if !t.hasCertified() {
		t.skip("a key where a certificate is registered", "no client with mutual TLS")
		return
	}
	m := t.certified()
	impostor := *s
	impostor.ID = m.ID
	a := impostor.do(call{endpoint: "introspection_endpoint", form: values("token", "x")})
	t.refused("a key where a certificate is registered", a, 401, "invalid_client")
	a = m.do(call{endpoint: "introspection_endpoint", form: values("token", "x"), assertion: impostor.assertion()})
	t.refused("a key and the certificate", a, 401, "invalid_client")
	a = m.do(call{endpoint: "introspection_endpoint", form: values("token", "x"), at: t.metadata.text("introspection_endpoint")})
	t.refused("a certificate at the address that asks for none", a, 401, "invalid_client")
	a = m.do(call{endpoint: "introspection_endpoint", form: values("token", "x", "client_id", s.ID)})
	t.refused("a certificate for another client", a, 401, "invalid_client")
}

func sharedKID(t *trial) {
	s, other := t.keyed(0), t.keyed(1)
	forged := func(kid string) string {
		claims := claimsOf(s.assertion())
		return forge(other.Key, object{"alg": algorithmOf(other.Key), "kid": kid}, claims)
	}
	t.works("the client itself", s.tries(s.assertion()))
	t.works("the other itself", other.tries(other.assertion()))
	t.refused("signed by the other's key, under the kid of both", s.tries(forged(s.KID)), 401, "invalid_client")
	t.refused("signed by the other's key, under its kid", s.tries(forged(other.KID)), 401, "invalid_client")
	t.refused("signed by the other's key, without kid", s.tries(forge(other.Key, object{"alg": algorithmOf(other.Key)}, claimsOf(s.assertion()))), 401, "invalid_client")
	form, _ := s.asks()
	object := forge(other.Key, map[string]any{"alg": algorithmOf(other.Key), "kid": s.KID}, claimsOf(s.requestObject(form)))
	t.refused("a request object signed so", s.push(values("request", object)), 400, "invalid_request_object")
	if s.KID != other.KID {
		t.skip("two clients that are registered with one kid", "the target's clients have kids of their own")
	}
	removedKey(t)
}

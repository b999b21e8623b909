package attack

import (
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// proofAttacks are those on proofs of possession.
func proofAttacks() []Attack {
	return []Attack{
		{Row: "P22", Name: "DPoP proofs that prove nothing", Precedent: "RFC 9449 §4.3, §7, §11; dpop jti per node",
			Expect: "400 invalid_dpop_proof or use_dpop_nonce at the authorization server, 401 at resources", run: proofs},
		{Row: "P33", Name: "UserInfo and grants without proof, with another key, with too small a scope", Precedent: "Duende GHSA-v9xq-2mvm-x8xc; Gitea CVE-2026-55982; Cloudreve CVE-2026-54560",
			Expect: "401 or 403; others' grants are unknown", run: resources},
	}
}

// errorOf is the error in a resource's challenge (RFC 6750 §3).
func errorOf(a answer) string {
	for _, challenge := range a.header["Www-Authenticate"] {
		if _, rest, ok := strings.Cut(challenge, `error="`); ok {
			code, _, _ := strings.Cut(rest, `"`)
			return code
		}
	}
	return ""
}

// badProofs are the faults of a proof that every server must see.
func (t *trial) badProofs(s *software, of server, method, target, token string) map[string][]string {
	one := func(by ...change) []string { return []string{s.proof(of, method, target, token, by...)} }
	now := time.Now()
	out := map[string][]string{
		"an empty header":        {""},
		"rubbish":                {"x"},
		"two proofs":             {s.proof(of, method, target, token), s.proof(of, method, target, token)},
		"one proof twice":        slices.Repeat(one(), 2),
		"two in one header":      {s.proof(of, method, target, token) + "," + s.proof(of, method, target, token)},
		"no typ":                 one(func(h, _ object) { delete(h, "typ") }),
		"typ JWT":                one(func(h, _ object) { h["typ"] = "JWT" }),
		"no key":                 one(func(h, _ object) { delete(h, "jwk") }),
		"another key":            one(func(h, _ object) { h["jwk"] = jwkOf(newEC().Public()) }),
		"kid in place of a key":  one(func(h, _ object) { delete(h, "jwk"); h["kid"] = s.KID }),
		"a key by address":       one(func(h, _ object) { delete(h, "jwk"); h["jku"] = "https://evil.example/jwks" }),
		"a private key":          one(func(h, _ object) { k := jwkOf(s.prover.Public()); k["d"] = random(32); h["jwk"] = k }),
		"crit":                   one(func(h, _ object) { h["crit"] = []string{"exp"} }),
		"another method":         one(func(_, c object) { c["htm"] = "PUT" }),
		"method in lower case":   one(func(_, c object) { c["htm"] = strings.ToLower(method) }),
		"no method":              one(func(_, c object) { delete(c, "htm") }),
		"another path":           one(func(_, c object) { c["htu"] = target + "x" }),
		"a path with a slash":    one(func(_, c object) { c["htu"] = target + "/" }),
		"a parent path":          one(func(_, c object) { c["htu"] = target + "/../x" }),
		"another host":           one(func(_, c object) { c["htu"] = strings.Replace(target, "https://", "https://evil.", 1) }),
		"http":                   one(func(_, c object) { c["htu"] = strings.Replace(target, "https://", "http://", 1) }),
		"a user in the address":  one(func(_, c object) { c["htu"] = strings.Replace(target, "https://", "https://x@", 1) }),
		"an address in an array": one(func(_, c object) { c["htu"] = []string{target} }),
		"no address":             one(func(_, c object) { delete(c, "htu") }),
		"an hour ago":            one(func(_, c object) { c["iat"] = now.Add(-time.Hour).Unix() }),
		"in an hour":             one(func(_, c object) { c["iat"] = now.Add(time.Hour).Unix() }),
		"iat as text":            one(func(_, c object) { c["iat"] = "now" }),
		"no iat":                 one(func(_, c object) { delete(c, "iat") }),
		"no jti":                 one(func(_, c object) { delete(c, "jti") }),
		"an empty jti":           one(func(_, c object) { c["jti"] = "" }),
		"a giant jti":            one(func(_, c object) { c["jti"] = strings.Repeat("j", 3000) }),
		"jti a number":           one(func(_, c object) { c["jti"] = 7 }),
		"a tail":                 {s.proof(of, method, target, token) + "A"},
		"padding":                {s.proof(of, method, target, token) + "="},
	}
	_, ed, _ := ed25519.GenerateKey(nil)
	weak := t.rsaKey(2048)
	header := object{"typ": "dpop+jwt", "jwk": jwkOf(s.prover.Public())}
	claims := claimsOf(s.proof(of, method, target, token))
	by := func(key any, alg string, jwk object) []string {
		h := object{"typ": "dpop+jwt", "alg": alg, "jwk": header["jwk"]}
		if jwk != nil {
			h["jwk"] = jwk
		}
		claims["jti"] = random(16)
		return []string{forge(key, h, claims)}
	}
	out["alg none"] = by(nil, "none", nil)
	out["alg NONE with a signature"] = by(s.prover, "NONE", nil)
	out["HS256 by the public key"] = by(publicAsSecret(s.prover.Public())["the public key's JWK"], "HS256", nil)
	out["HS256 with an octet key"] = by([]byte("k"), "HS256", object{"kty": "oct", "k": b64.EncodeToString([]byte("k"))})
	out["RS256"] = by(weak, "RS256", jwkOf(weak.Public()))
	out["EdDSA for an EC key"] = by(ed, "EdDSA", nil)
	out["ES256 for an Ed25519 key"] = by(s.prover, "ES256", jwkOf(ed.Public()))
	out["an assertion"] = []string{s.assertion()}
	return out
}

func proofs(t *trial) {
	s := t.keyed(0)
	g := t.code(s)
	s.redeem(g, "code_verifier", random(32)) // hands out a nonce; the code stays
	at := s.address("token_endpoint")
	redeem := func(proofs []string) answer {
		return s.once(call{endpoint: "token_endpoint", form: g.redemption(), proofs: proofs})
	}
	t.refused("at the token endpoint: none", redeem(noProof), 400, "invalid_dpop_proof")
	for name, p := range sorted(t.badProofs(s, authorization, http.MethodPost, at, "")) {
		t.refused("at the token endpoint: "+name, redeem(p), 400, "invalid_dpop_proof")
	}
	s.read("x") // a nonce of the other server
	for name, nonce := range sorted(map[string]any{
		"no nonce": nil, "an empty nonce": "", "a made-up nonce": random(20), "a nonce of the resource server": t.nonce(resource),
		"a nonce that is almost right": flip(t.nonce(authorization)), "a nonce as a list": []string{t.nonce(authorization)},
	}) {
		p := s.proof(authorization, http.MethodPost, at, "", func(_, c object) {
			if c["nonce"] = nonce; nonce == nil {
				delete(c, "nonce")
			}
		})
		t.refused("at the token endpoint: "+name, redeem([]string{p}), 400, "use_dpop_nonce", "invalid_dpop_proof")
	}
	form, _ := s.asks("dpop_jkt", thumbprint(newEC().Public()))
	parAt := s.address("pushed_authorization_request_endpoint")
	a := s.do(call{endpoint: "pushed_authorization_request_endpoint", form: form, proofs: []string{s.proof(authorization, http.MethodPost, parAt, "")}})
	t.refused("at PAR: dpop_jkt of another key", a, 400, "invalid_dpop_proof")
	for _, jkt := range []string{thumbprint(s.prover.Public()) + "\n", thumbprint(s.prover.Public()) + "=", "AAAA"} {
		form, _ = s.asks("dpop_jkt", jkt)
		t.refused("at PAR: dpop_jkt spelled oddly", s.push(form), 400, "invalid_request", "invalid_dpop_proof")
	}
	form, _ = s.asks("dpop_jkt", "x")
	t.refused("at PAR: dpop_jkt that is none", s.push(form), 400, "invalid_request", "invalid_dpop_proof")

	once := s.proof(authorization, http.MethodPost, at, "")
	a = redeem([]string{once})
	if !t.works("at the token endpoint: an honest one, with the code that all these left", a) {
		return
	}
	g.tokens = a.json()
	refreshed := s.proof(authorization, http.MethodPost, at, "")
	again := func(node int) answer {
		return s.once(call{endpoint: "token_endpoint", form: values("grant_type", "refresh_token", "refresh_token", g.refresh()), proofs: []string{refreshed}, node: node})
	}
	t.works("a proof for the first time", again(0))
	t.refused("a proof again", again(0), 400, "invalid_dpop_proof")
	for n := range t.target.Nodes {
		t.refused("a proof again at node "+t.target.Nodes[n], again(n+1), 400, "invalid_dpop_proof")
	}
	if len(t.target.Nodes) == 0 {
		t.skip("a proof again at another node", "the target has one; see --nodes")
	}
	raced := s.proof(authorization, http.MethodPost, at, "")
	t.judgeOnce("one proof at once", func(n int) answer {
		return s.once(call{endpoint: "token_endpoint", form: values("grant_type", "refresh_token", "refresh_token", g.refresh()), proofs: []string{raced}, node: n % (len(t.target.Nodes) + 1)})
	}, 400, "invalid_dpop_proof")

	token := g.access()
	t.works("at the API: an honest one", s.read(token))
	for _, where := range []string{t.accounts(), t.metadata.text("userinfo_endpoint")} {
		name := "at the API: "
		if where != t.accounts() {
			name = "at UserInfo: "
		}
		show := func(p []string) answer { return s.useOnce(use{url: where, token: token, proofs: p}) }
		t.refused(name+"none", show(noProof), 401)
		for fault, p := range sorted(t.badProofs(s, resource, http.MethodGet, where, token)) {
			t.refused(name+fault, show(p), 401)
		}
		honest := func(by change) []string { return []string{s.proof(resource, http.MethodGet, where, token, by)} }
		for fault, by := range sorted(map[string]change{
			"no ath": func(_, c object) { delete(c, "ath") }, "ath of another token": func(_, c object) { c["ath"] = digest("x") },
			"ath that is the token": func(_, c object) { c["ath"] = token }, "ath with padding": func(_, c object) { c["ath"] = digest(token) + "=" },
			"no nonce": func(_, c object) { delete(c, "nonce") }, "a made-up nonce": func(_, c object) { c["nonce"] = random(20) },
			"a nonce of the authorization server": func(_, c object) { c["nonce"] = t.nonce(authorization) },
		}) {
			t.refused(name+fault, show(honest(by)), 401)
		}
		thief := s.with(newEC())
		t.refused(name+"a thief's key", thief.use(use{url: where, token: token}), 401)
		t.refused(name+"Bearer for a bound token", s.use(use{url: where, authorization: []string{"Bearer " + token}, proofs: noProof}), 401)
		t.refused(name+"Bearer and a proof", s.useOnce(use{url: where, token: token, authorization: []string{"Bearer " + token}}), 401)
		p := honest(func(object, object) {})
		first := show(p)
		if asksForNonce(first) {
			p = honest(func(object, object) {})
			first = show(p)
		}
		t.works(name+"a proof for the first time", first)
		t.refused(name+"a proof again", show(p), 401)
	}
}

func flip(s string) string {
	if s == "" {
		return "x"
	}
	c := byte('A')
	if s[len(s)/2] == c {
		c = 'B'
	}
	return s[:len(s)/2] + string(c) + s[len(s)/2+1:]
}

func resources(t *trial) {
	s := t.keyed(0)
	info := t.metadata.text("userinfo_endpoint")
	g, s := t.shared(s)
	if strings.Contains(s.wants(), "openid") {
		t.works("UserInfo, honestly", s.use(use{url: info, token: g.access()}))
	}
	thief := s.with(newEC())
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.refused("UserInfo by "+method+" without proof", s.use(use{method: method, url: info, token: g.access(), proofs: noProof}), 401)
		t.refused("UserInfo by "+method+" with another key", thief.use(use{method: method, url: info, token: g.access()}), 401)
		t.refused("UserInfo by "+method+" without token", s.use(use{method: method, url: info, proofs: noProof}), 401)
	}
	small := t.grant(s, "scope", "account.balance")
	t.refused("UserInfo without openid", s.use(use{url: info, token: small.access()}), 403)
	details, err := json.Marshal([]object{{"type": "corporate_account_information", "actions": []string{"balance"}}})
	if err != nil {
		t.cannot("%s", err)
	}
	silent := t.grant(s, "scope", "", "authorization_details", string(details))
	t.refused("UserInfo with a token that has no scope", s.use(use{url: info, token: silent.access()}), 403)
	a := s.use(use{url: t.accounts(), token: silent.access()})
	t.judge("the API with that token", a.status == 200, "%s", a)
	var account string
	if list, _ := a.json()["accounts"].([]any); len(list) > 0 {
		first, _ := list[0].(map[string]any)
		account, _ = first["accountId"].(string)
	}
	for _, what := range []string{"transactions", "deposits"} {
		t.refused("the API's "+what+" with balance alone", s.use(use{url: t.accounts() + "/" + account + "/" + what, token: small.access()}), 403)
	}
	if t.hasCertified() {
		m := t.certified()
		theirs := t.grant(m)
		at := m.address("userinfo_endpoint")
		t.refusedBy("UserInfo with another client's certificate-bound token", s.use(use{url: info, token: theirs.access()}), 401)
		for name, certificate := range sorted(m.impostors()) {
			t.refused("UserInfo with "+name, m.use(use{url: at, token: theirs.access(), certificate: &certificate}), 401)
		}
		t.refused("UserInfo without certificate", m.use(use{url: info, token: theirs.access()}), 401)
	}
	grants := t.metadata.text("grant_management_endpoint")
	if grants == "" || !s.Own {
		t.skip("grants", "the target or its file offers no grant management")
		return
	}
	mine := t.grant(s, "grant_management_action", "create", "scope", "account.balance grant_management_query")
	id := mine.text("grant_id")
	at := grants + "/" + id
	t.works("a grant, honestly", s.use(use{url: at, token: mine.access()}))
	t.refused("a grant without proof", s.use(use{url: at, token: mine.access(), proofs: noProof}), 401)
	t.refused("a grant with another key", thief.use(use{url: at, token: mine.access()}), 401)
	t.refused("a grant as Bearer", s.use(use{url: at, authorization: []string{"Bearer " + mine.access()}, proofs: noProof}), 401)
	t.refused("a grant without its scope", s.use(use{url: at, token: small.access()}), 403)
	t.refused("ending a grant with the scope to ask", s.use(use{method: http.MethodDelete, url: at, token: mine.access()}), 403)
	t.refused("a grant with a token without scope", s.use(use{url: at, token: silent.access()}), 403)
	for name, v := range sorted(map[string]string{"unknown": "grt_" + random(24), "almost right": flip(id), "a path": "..%2f..%2fuserinfo", "all": "*"}) {
		t.refusedBy("a grant that is "+name, s.use(use{url: grants + "/" + v, token: mine.access()}), 404, 401)
	}
	own := s.token(values("grant_type", "client_credentials", "scope", "grant_management_query"))
	t.works("a token for the client's own calls", own)
	token := own.text("access_token")
	t.works("a grant, by the client's own token", s.use(use{url: at, token: token}))
	t.refusedBy("UserInfo by the client's own token", s.use(use{url: info, token: token}), 401, 403)
	t.refusedBy("the API by the client's own token", s.use(use{url: t.accounts(), token: token}), 401, 403)
	t.refusedBy("ending a grant by a token that may ask", s.use(use{method: http.MethodDelete, url: at, token: token}), 403)
	other := t.keyed(1)
	theirs := t.grant(other, "grant_management_action", "create", "scope", "account.balance grant_management_query grant_management_revoke")
	t.refused("another client's grant", s.use(use{url: grants + "/" + theirs.text("grant_id"), token: token}), 404)
	t.refused("one's own grant, by another client", other.use(use{url: at, token: theirs.access()}), 404)
	t.refused("ending another's grant", other.use(use{method: http.MethodDelete, url: at, token: theirs.access()}), 404)
	t.works("which is as it was", s.use(use{url: at, token: mine.access()}))
}

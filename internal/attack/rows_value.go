package attack

import (
	"net/http"
	"net/url"
	"strings"
)

// valueAttacks are those on the values themselves: tokens, codes, cookies, cursors.
func valueAttacks() []Attack {
	return []Attack{
		{Row: "P14", Name: "tokens, codes and cookies that are almost right", Precedent: "Zitadel CVE-2026-27840",
			Expect: "401 for tokens, 400 invalid_grant for codes, a page of the bank's for cookies", run: variants},
		{Row: "P15", Name: "other JWTs and values as access tokens", Precedent: "nuts CVE-2026-41164; RFC 9068 §4",
			Expect: "401", run: confusedTokens},
		{Row: "P25", Name: "forged cursors", Precedent: "Hydra CVE-2026-33504; Kratos, Keto",
			Expect: "400", run: cursors},
		{Row: "P26", Name: "keys and passwords out of documents", Precedent: "Hydra CVE-2026-33504 (default secrets); RFC 7515 appendix A.3",
			Expect: "401; a real server refuses to start with such keys", Beyond: "refusing to start with a demo's keys",
			Test: "TestFilesThatCannotServeAreRefused (internal/config/config_test.go)", run: documentedSecrets},
		{Row: "P31", Name: "each single-use value as every other kind", Precedent: "Keycloak CVE-2026-4282, CVE-2026-4325",
			Expect: "refused", run: otherKinds},
	}
}

// almost are the neighbours of a value: every flipped character, prefixes,
// suffixes and other spellings of the same bytes.
func almost(value string) map[string]string {
	out := map[string]string{}
	add := func(name, v string) {
		if v != value && v != "" {
			out[name] = v
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range len(value) {
		at := strings.IndexByte(alphabet, value[i])
		if at < 0 {
			add("character "+itoa(i)+" replaced", value[:i]+"A"+value[i+1:])
			continue
		}
		add("character "+itoa(i)+" flipped", value[:i]+string(alphabet[at^1<<(i%6)])+value[i+1:])
	}
	for n := len(value) - 1; n > 0; n -= max(1, len(value)/12) {
		add("the first "+itoa(n), value[:n])
		add("the last "+itoa(n), value[len(value)-n:])
	}
	last := strings.IndexByte(alphabet, value[len(value)-1])
	for bit := range 4 {
		if last >= 0 {
			add("trailing bit "+itoa(bit), value[:len(value)-1]+string(alphabet[last^1<<bit]))
		}
	}
	for name, tail := range sorted(map[string]string{"padding": "=", "more padding": "==", "a letter": "A", "a dot": ".", "a NUL": "%00", "itself": value, "a comma": ",", "a tilde": "~", "a slash": "/"}) {
		add("followed by "+name, value+tail)
	}
	add("preceded by a letter", "A"+value)
	add("in upper case", strings.ToUpper(value))
	add("in lower case", strings.ToLower(value))
	add("in plain base64", strings.NewReplacer("-", "+", "_", "/").Replace(value))
	add("backwards", backwards(value))
	add("escaped", "%"+strings.ToUpper(hex(value[0]))+value[1:])
	if kind, rest, ok := strings.Cut(value, "_"); ok {
		add("without its kind", rest)
		add("with its kind twice", kind+"_"+value)
		add("with its secret all zero", kind+"_"+rest[:min(11, len(rest))]+strings.Repeat("A", max(0, len(rest)-11)))
		add("with its name all zero", kind+"_"+strings.Repeat("A", min(11, len(rest)))+rest[min(11, len(rest)):])
	}
	return out
}

func hex(b byte) string { return string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15]) }

func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

func variants(t *trial) {
	s := t.keyed(0)
	g, s := t.shared(s)
	for name, v := range sorted(almost(g.access())) {
		t.refusedBy("access token, "+name, s.read(v), 401, 400)
	}
	t.works("the access token itself", s.read(g.access()))
	for name, v := range sorted(almost(g.refresh())) {
		t.refused("refresh token, "+name, s.refresh(v), 400, "invalid_grant", "invalid_request")
	}
	t.works("the refresh token itself", s.refresh(g.refresh()))
	c := t.code(s)
	for name, v := range sorted(almost(c.code)) {
		t.refused("code, "+name, s.redeem(c, "code", v), 400, "invalid_grant", "invalid_request")
	}
	for name, v := range sorted(map[string]string{"a line feed inside": c.code[:10] + "\n" + c.code[10:], "a carriage return behind": c.code + "\r", "a space": c.code + " "}) {
		t.refused("code, with "+name, s.redeem(c, "code", v), 400, "invalid_grant", "invalid_request")
	}
	t.works("the code itself", s.redeem(c))
	variantsOfCookies(t, s)
}

func variantsOfCookies(t *trial, s *software) {
	form, _ := s.asks()
	b := t.browse()
	p, err := b.until(s.open(s.push(form).text("request_uri")), "consent", t.user(0))
	if err != nil {
		t.cannot("an honest customer could not link: %s", err)
	}
	for _, c := range b.jar.Cookies(p.at) {
		if c.Name == deviceCookie {
			continue
		}
		for name, v := range sorted(almost(c.Value)) {
			a := t.send(request{url: p.at.String(), header: headers("Cookie", c.Name+"="+v, "Accept", "text/html")})
			shown := page{at: p.at, body: string(a.body)}
			ours := a.err == nil && a.status >= 300 && a.status < 500 && !shown.asks() && a.header.Get("Content-Security-Policy") != ""
			t.judge("cookie, "+name, ours, "%s %q", a, shown.heading())
		}
		renamed := t.send(request{url: p.at.String(), header: headers("Cookie", strings.ToLower(c.Name)+"="+c.Value)})
		t.judge("cookie under another name", !(page{body: string(renamed.body)}).asks(), "%s", renamed)
	}
	if p, err = b.visit(p.at.String()); err == nil {
		t.judge("the cookie itself", p.asks(), "%d %q", p.status, p.heading())
	}
}

func confusedTokens(t *trial) {
	s := t.keyed(0)
	g, s := t.shared(s)
	t.works("the access token itself", s.read(g.access()))
	tokens := map[string]string{
		"an ID token": g.text("id_token"), "a refresh token": g.refresh(), "a code": g.code, "a request_uri": g.requestURI,
		"an assertion": s.assertion(), "a request object": s.requestObject(values("response_type", "code")), "the client's id": s.ID,
		"a DPoP proof": s.proof(resource, http.MethodGet, t.accounts(), ""),
		"a logout token": forge(s.Key, object{"alg": algorithmOf(s.Key), "kid": s.KID, "typ": "logout+jwt"},
			object{"iss": t.target.Issuer, "aud": s.ID, "events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}}),
		"an access token of an own making": forge(s.Key, object{"alg": algorithmOf(s.Key), "kid": s.KID, "typ": "at+jwt"}, object{"iss": t.target.Issuer, "sub": "x", "aud": t.api(), "client_id": s.ID, "exp": 4e9, "scope": s.wants()}),
		"an access token with alg none":    forge(nil, object{"alg": "none", "typ": "at+jwt"}, object{"iss": t.target.Issuer, "sub": "x", "aud": t.api(), "exp": 4e9, "scope": s.wants()}),
	}
	signed := s.do(call{endpoint: "introspection_endpoint", form: values("token", g.access()), header: headers("Accept", "application/token-introspection+jwt")})
	if strings.Count(string(signed.body), ".") == 2 {
		tokens["a signed introspection"] = string(signed.body)
	}
	for name, token := range sorted(tokens) {
		if token == "" {
			t.skip(name, "the target gave none")
			continue
		}
		for _, at := range []string{t.accounts(), t.metadata.text("userinfo_endpoint")} {
			if at == "" {
				continue
			}
			where := " at " + at[strings.LastIndex(at, "/")+1:]
			t.refusedBy(name+where, s.use(use{url: at, token: token}), 401, 400)
			t.refusedBy(name+" as Bearer"+where, s.use(use{url: at, authorization: []string{"Bearer " + token}, proofs: noProof}), 401, 400)
		}
	}
}

func cursors(t *trial) {
	s := t.keyed(0)
	g := t.grant(s, "scope", "account.balance account.transactions account.deposits")
	var accounts []string
	list, _ := s.read(g.access()).json()["accounts"].([]any)
	for _, one := range list {
		if m, ok := one.(map[string]any); ok {
			id, _ := m["accountId"].(string)
			accounts = append(accounts, id)
		}
	}
	if len(accounts) == 0 {
		t.cannot("the API lists no accounts")
	}
	ask := func(account, what string, q url.Values) answer {
		return s.use(use{url: t.accounts() + "/" + account + "/" + what, token: g.access(), query: q.Encode()})
	}
	first := func(account, what string) string {
		for _, from := range []string{"", "-30", "-80"} {
			a := ask(account, what, values("limit", "1", "dateFrom", day(from)))
			if c := a.text("nextCursor"); c != "" {
				return c
			}
		}
		return ""
	}
	cursor := first(accounts[0], "transactions")
	if cursor == "" {
		t.cannot("the first account has too few entries for a second page")
	}
	t.works("the cursor itself", ask(accounts[0], "transactions", values("cursor", cursor)))
	for name, v := range sorted(almost(cursor)) {
		if strings.HasPrefix(name, "character ") && len(name)%3 != 0 && len(cursor) > 120 {
			continue // a third of them will do
		}
		t.refused("cursor, "+name, ask(accounts[0], "transactions", values("cursor", v)), 400)
	}
	t.refused("cursor, with a line feed inside", ask(accounts[0], "transactions", values("cursor", cursor[:10]+"\n"+cursor[10:])), 400)
	t.refused("cursor, followed by a carriage return", ask(accounts[0], "transactions", values("cursor", cursor+"\r")), 400)
	t.refused("for deposits", ask(accounts[0], "deposits", values("cursor", cursor)), 400)
	if len(accounts) > 1 {
		t.refused("for another account", ask(accounts[1], "transactions", values("cursor", cursor)), 400)
	}
	t.refused("for another period", ask(accounts[0], "transactions", values("cursor", cursor, "dateFrom", "2020-01-01")), 400)
	for name, v := range sorted(map[string]string{
		"plain JSON": `{"f":"2020-01-01","t":"2030-01-01","a":"0","s":4000000000}`, "JSON in base64": b64.EncodeToString([]byte(`{"f":"2020-01-01","t":"2030-01-01","a":"0","s":4000000000}`)),
		"a number": "100", "SQL": "' OR 1=1 --", "zeros": b64.EncodeToString(make([]byte, 100)), "a token": g.access(), "a giant": strings.Repeat("A", 20_000),
	}) {
		t.refusedBy(name, ask(accounts[0], "transactions", values("cursor", v)), 400, 431)
	}
	if all := t.clients(func(c Client) bool { return c.Method == byKey && c.Binding == boundByKey }); len(all) > 1 {
		other := all[1]
		theirs := t.grant(other, "scope", "account.balance account.transactions")
		a := other.use(use{url: t.accounts() + "/" + accounts[0] + "/transactions", token: theirs.access(), query: values("cursor", cursor).Encode()})
		t.refusedBy("by another client", a, 400, 403, 404)
	}
}

func documentedSecrets(t *trial) {
	s := t.keyed(0)
	claims := claimsOf(s.assertion())
	key := documentedKey()
	t.refused("an assertion signed by the key of RFC 7515 A.3", s.tries(forge(key, object{"alg": "ES256", "kid": s.KID}, claims)), 401, "invalid_client")
	for _, secret := range []string{"", "secret", "changeme", "youReallyNeedToChangeThis", "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"} {
		t.refused("an assertion by the secret "+cut(secret, 24), s.tries(forge([]byte(secret), object{"alg": "HS256", "kid": s.KID}, claims)), 401, "invalid_client")
	}
	body := object{"iss": t.target.Issuer, "sub": "x", "aud": t.api(), "client_id": s.ID, "exp": 4e9, "iat": 1, "jti": random(8), "scope": s.wants()}
	forged := forge(key, object{"alg": "ES256", "typ": "at+jwt"}, body)
	t.refusedBy("an access token by that key", s.read(forged), 401, 400)
	t.refusedBy("an access token by the secret changeme", s.read(forge([]byte("changeme"), object{"alg": "HS256", "typ": "at+jwt"}, body)), 401, 400)
	for _, pair := range []string{"admin:admin", "admin:password", "root:root", s.ID + ":secret", s.ID + ":" + s.ID, "demo:demo"} {
		id, secret, _ := strings.Cut(pair, ":")
		a := t.send(request{method: http.MethodPost, url: t.metadata.text("token_endpoint"), body: "grant_type=client_credentials",
			header: headers("Content-Type", "application/x-www-form-urlencoded", "Authorization", basic(id, secret))})
		t.refused("Basic "+pair, a, 401, "invalid_client")
	}
	for _, path := range []string{"/admin", "/debug/pprof/", "/metrics", "/debug/vars", "/.env", "/.git/config", "/actuator", "/livez", "/readyz", "/swagger", "/graphql"} {
		a := t.send(request{url: t.target.Issuer + path})
		t.judge("GET "+path, a.err == nil && a.status == http.StatusNotFound, "%s", a)
	}
	set := t.send(request{url: t.metadata.text("jwks_uri")}).json()
	keys, _ := set["keys"].([]any)
	for _, one := range keys {
		m, _ := one.(map[string]any)
		t.judge("the published key "+cut(text(m["kid"]), 12), text(m["x"]) != text(jwkOf(key.Public())["x"]), "it is the one of RFC 7515 A.3")
	}
}

func text(v any) string { s, _ := v.(string); return s }

func otherKinds(t *trial) {
	s := t.keyed(0)
	g, s := t.shared(s)
	fresh := t.code(s)
	form, _ := s.asks()
	uri := s.push(form).text("request_uri")
	b := t.browse()
	p, err := b.until(s.open(uri), "consent", t.user(0))
	if err != nil {
		t.cannot("an honest customer could not link: %s", err)
	}
	kinds := map[string]string{
		"request_uri": uri, "code": fresh.code, "access token": g.access(), "refresh token": g.refresh(), "press of a page": filled(p.form("consent")).Get("press"),
		"nonce": t.nonce(authorization), "state": form.Get("state"), "challenge": form.Get("code_challenge"), "grant": g.text("grant_id"),
	}
	if t.registers() {
		kinds["initial access token"], kinds["registration access token"] = t.target.InitialAccessToken, t.registered(nil).token
	}
	for _, c := range b.jar.Cookies(p.at) {
		kinds["cookie "+c.Name[:min(len(c.Name), 12)]] = c.Value
	}
	// The same secret under the name of another kind.
	for _, value := range []string{fresh.code, g.access(), g.refresh()} {
		if kind, rest, ok := strings.Cut(value, "_"); ok {
			for _, other := range []string{"rac_", "rat_", "rrt_", "urn:ietf:params:oauth:request_uri:"} {
				if other != kind+"_" {
					kinds[kind+" as "+other] = other + rest
				}
			}
		}
	}
	uses := map[string]func(string) (held bool, seen answer){
		"code":          func(v string) (bool, answer) { a := s.redeem(fresh, "code", v); return a.status == 400, a },
		"refresh token": func(v string) (bool, answer) { a := s.refresh(v); return a.status == 400, a },
		"access token":  func(v string) (bool, answer) { a := s.read(v); return a.status == 401 || a.status == 400, a },
		"request_uri": func(v string) (bool, answer) {
			a := t.send(request{url: s.open(v)})
			return a.status == 400 && a.location() == "", a
		},
		"assertion": func(v string) (bool, answer) { a := s.tries(v); return a.status == 401 || a.status == 400, a },
		"request object": func(v string) (bool, answer) {
			a := s.push(values("request", v))
			return a.status == 400, a
		},
		"journey": func(v string) (bool, answer) {
			a := t.send(request{url: t.target.Issuer + "/link/" + url.PathEscape(v) + "/consent"})
			return a.status >= 300 && a.status < 500 && !(page{body: string(a.body)}).asks(), a
		},
	}
	for is, value := range sorted(kinds) {
		if value == "" {
			continue
		}
		for as, try := range sorted(uses) {
			if is == as {
				continue
			}
			held, seen := try(value)
			t.judge("a "+is+" as "+as, held && seen.err == nil, "%s", seen)
		}
	}
	t.works("the code, after all that", s.redeem(fresh))
}

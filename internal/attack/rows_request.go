package attack

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// requestAttacks are those on authorization requests.
func requestAttacks() []Attack {
	return []Attack{
		{Row: "P01", Name: "redirect_uri that is almost the registered one",
			Precedent: "fosite CVE-2020-15233, CVE-2020-15234; Keycloak CVE-2023-6291, CVE-2024-1132; Pocket ID CVE-2026-28512",
			Expect:    "400 invalid_request for each, and no Location", run: redirectMutants},
		{Row: "P02", Name: "open redirector", Precedent: "Casdoor CVE-2026-5467; RFC 9700 §4.11",
			Expect: "a page of the bank's, never a redirect to an address from the request", run: openRedirect},
		{Row: "P03", Name: "request_uri missing, foreign, spent", Precedent: "RFC 9126 §4, §7.3; FAPI 2.0 SP §5.3.2.2",
			Expect: "a page of the bank's; opening twice before the login is fine, after the grant it is refused",
			Beyond: "a request_uri after its five minutes", Test: "TestAfterItsOwnLifeARequestOpensOnlyWhereItBegan (internal/demo/journey_test.go)", run: requestURIs},
		{Row: "P04", Name: "request_uri that the server would fetch", Precedent: "Keycloak CVE-2020-10770",
			Expect: "refused, and nothing is ever fetched", run: fetchedRequest},
		{Row: "P05", Name: "parameters twice, or in query and body", Precedent: "Keycloak CVE-2026-9689; RFC 6749 §3.1",
			Expect: "400 invalid_request", run: twice},
		{Row: "P06", Name: "PKCE missing, plain, downgraded, replayed", Precedent: "authentik CVE-2024-23647; RFC 9700 §2.1.1",
			Expect: "400 invalid_request when it is asked for, invalid_grant when it is redeemed; the code stays good", run: pkce},
		{Row: "P07", Name: "response type and mode coerced", Precedent: "Keycloak CVE-2026-7571",
			Expect: "never a token in the front channel", run: coerced},
		{Row: "P08", Name: "request objects that are not what they seem", Precedent: "Keycloak CVE-2026-9793; RFC 9101 §10",
			Expect: "400 invalid_request_object", run: requestObjects},
	}
}

// mutants are addresses that a careless comparison takes for the registered one.
func mutants(registered string) []string {
	u, err := url.Parse(registered)
	if err != nil {
		return nil
	}
	host, origin, path := u.Host, u.Scheme+"://"+u.Host, u.EscapedPath()
	name, port := u.Hostname(), u.Port()
	withPort := func(p string) string { return u.Scheme + "://" + name + ":" + p + path }
	all := []string{
		registered + "/", registered + "/..", registered + "/../x", registered + "/./", registered + "//", registered + "/x", registered + "x",
		registered + "?", registered + "?x=1", registered + "&x=1", registered + "#", registered + "#x", registered + "%00", registered + "%20", registered + " ",
		" " + registered, registered + "\t", registered + "\n", registered + "\r\nLocation: https://evil.example", registered + "%0d%0aLocation:%20https://evil.example",
		registered + ";x", registered + "%2f", registered + "%2e%2e", registered + "/%2e%2e/x", registered + "/..%2fx", registered + "/%252e%252e/x", registered + "\\", registered + "/\\evil.example",
		registered + "*", registered + ".evil.example", registered + "@evil.example",
		strings.ToUpper(registered), strings.ToUpper(origin) + path, origin + strings.ToUpper(path), "HTTPS://" + host + path, "Https://" + host + path,
		"http://" + host + path, "//" + host + path, host + path, path, "https:" + path, "https:///" + host + path, "https:\\\\" + host + path, "https:/" + host + path,
		origin + "//" + strings.TrimPrefix(path, "/"), origin + "/x/.." + path, origin + "/." + path, origin, origin + "/", origin + "/*", origin + path[:max(len(path)-1, 0)],
		"https://evil.example" + path, "https://evil.example/" + registered, "https://evil.example?" + registered, "https://evil.example#" + registered, "https://evil.example/?u=" + url.QueryEscape(registered),
		"https://" + host + "@evil.example" + path, "https://evil.example@" + host + path, "https://user:pw@" + host + path, "https://" + host + ":443@evil.example" + path,
		"https://" + host + ".evil.example" + path, "https://evil" + host + path, "https://x." + host + path, "https://" + name + "." + ":" + port + path, "https://" + name + "%00.evil.example" + path,
		"https://evil.example\\@" + host + path, "https://" + host + "\\.evil.example" + path, "https://evil.example%2f@" + host + path, "https://" + host + "%40evil.example" + path,
		withPort("1"), withPort("0" + port), withPort(port + "0"), withPort(""), "https://*" + path, "https://*." + name + ":" + port + path,
		"https://127.0.0.1:" + port + path, "https://[::1]:" + port + path, "https://[::ffff:127.0.0.1]:" + port + path, "https://2130706433:" + port + path, "https://0x7f000001:" + port + path, "https://0:" + port + path,
		"javascript:alert(1)//" + registered, "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "custom:" + path, "urn:ietf:wg:oauth:2.0:oob", "about:blank",
		strings.Replace(registered, "/", "%2F", 3), strings.Replace(registered, "a", "а", 1), strings.Replace(registered, "l", "ｌ", 1), "\ufeff" + registered, "\u202e" + registered,
		registered + "?code=x", registered + "?state=x#", "https://" + name + path, "null", "undefined", "0", "[" + registered + "]", "{\"x\":1}",
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func redirectMutants(t *trial) {
	s := t.keyed(0)
	honest, _ := s.asks()
	t.works("the registered one", s.push(honest))
	for _, m := range mutants(s.RedirectURIs[0]) {
		if slices.Contains(s.RedirectURIs, m) {
			continue
		}
		form, _ := s.asks("redirect_uri", m)
		a := s.push(form)
		held := a.err == nil && a.status == http.StatusBadRequest && a.code() == "invalid_request" && a.location() == ""
		t.judge("redirect_uri="+cut(m, 120), held, "%s", a)
	}
	form, _ := s.asks("redirect_uri", "")
	t.refused("no redirect_uri", s.push(form), 400, "invalid_request")
	form, _ = s.asks()
	form["redirect_uri"] = []string{s.RedirectURIs[0], "https://evil.example/"}
	t.refused("two of them", s.push(form), 400, "invalid_request")
	// Without pushing, the address must not even be looked at.
	form, _ = s.asks("redirect_uri", "https://evil.example/")
	form.Set("client_id", s.ID)
	a := t.send(request{url: t.metadata.text("authorization_endpoint") + "?" + form.Encode()})
	t.judge("at the authorization endpoint itself", a.err == nil && a.status == 400 && a.location() == "", "%s", a)
	withdrawn(t)
}

// evil tells whether an answer leads to the attacker's site, or names it as a link.
func evil(at string, a answer) bool {
	base, err := url.Parse(at)
	if err != nil {
		return false
	}
	leads := []string{a.location(), strings.TrimPrefix(a.header.Get("Refresh"), "0; url=")}
	for _, link := range links.FindAllString(string(a.body), -1) {
		leads = append(leads, attribute(link, "href"))
	}
	for _, form := range forms.FindAllString(string(a.body), -1) {
		leads = append(leads, attribute(form[:strings.IndexByte(form, '>')+1], "action"))
	}
	if found := refresh.FindStringSubmatch(string(a.body)); found != nil {
		leads = append(leads, found[1])
	}
	return slices.ContainsFunc(leads, func(to string) bool {
		u, err := base.Parse(to)
		return err != nil && strings.Contains(to, "evil.example") || err == nil && strings.Contains(u.Host, "evil.example")
	})
}

func openRedirect(t *trial) {
	s := t.keyed(0)
	at := t.metadata.text("authorization_endpoint")
	page := func(name string, v url.Values) {
		a := t.send(request{url: at + "?" + v.Encode()})
		t.judge(name, a.err == nil && a.status == 400 && a.location() == "" && !evil(at, a), "%s", a)
	}
	const to = "https://evil.example/"
	page("an unknown client", values("client_id", "nobody", "redirect_uri", to, "response_type", "code"))
	page("a known client, an unknown address", values("client_id", s.ID, "redirect_uri", to, "response_type", "code"))
	page("a known client and address, a fault in the request", values("client_id", s.ID, "redirect_uri", s.RedirectURIs[0], "response_type", "nonsense", "state", "x"))
	page("an unknown request_uri", values("client_id", s.ID, "request_uri", "urn:ietf:params:oauth:request_uri:x", "redirect_uri", to))
	page("no client", values("redirect_uri", to, "response_type", "code"))
	page("prompt=none for nobody", values("client_id", s.ID, "redirect_uri", to, "response_type", "code", "prompt", "none"))
	page("an error brought along", values("error", "access_denied", "error_uri", to, "redirect_uri", to))
	strangers(t)
	for _, path := range []string{
		"/logout", "/end_session", "/oauth2/logout", "/session/end", "/login", "/link/x", "/authorize/resume", "/callback",
	} {
		for _, parameter := range []string{"post_logout_redirect_uri", "redirect_uri", "returnTo", "next", "url", "continue"} {
			a := t.send(request{url: t.target.Issuer + path + "?" + values(parameter, to).Encode()})
			if !t.judge(path+"?"+parameter, a.err == nil && !evil(t.target.Issuer+path, a), "%s", a) {
				break
			}
		}
	}
	for _, path := range []string{"//evil.example", "//evil.example/%2e%2e", "/%5cevil.example", "/%2f%2fevil.example", "///evil.example/", "/\\evil.example"} {
		a := t.send(request{url: t.target.Issuer + path})
		t.judge("GET "+path, a.err == nil && !evil(t.target.Issuer, a), "%s", a)
	}
}

// strangers registers a client whose address is the attacker's: its errors must
// not make of the bank a way there (RFC 9700 §4.11.2).
func strangers(t *trial) {
	if !t.registers() {
		t.skip("a client that registered itself", noRegistration)
		return
	}
	m := t.registered(object{"redirect_uris": []string{"https://evil.example/callback"}})
	m.RedirectURIs = []string{"https://evil.example/callback"}
	for name, changes := range sorted(map[string][]string{
		"prompt=none": {"prompt", "none"}, "an acr out of reach": {"claims", `{"id_token":{"acr":{"essential":true,"value":"urn:none"}}}`},
	}) {
		form, _ := m.asks(changes...)
		a := m.push(form)
		if a.status != http.StatusCreated {
			t.judge("a client that registered itself, "+name, a.status == 400, "%s", a)
			continue
		}
		a = t.send(request{url: m.open(a.text("request_uri"))})
		t.judge("a client that registered itself, "+name, a.err == nil && a.status >= 400 && a.location() == "", "%s", a)
	}
}

// withdrawn: an address that its client took back while a customer is on the way
// is no longer led to.
func withdrawn(t *trial) {
	if !t.registers() {
		t.skip("an address that was withdrawn on the way", noRegistration)
		return
	}
	m := t.registered(nil)
	old := m.RedirectURIs[0]
	form, _ := m.asks()
	before, under := m.push(form).text("request_uri"), ""
	form, _ = m.asks()
	under = m.push(form).text("request_uri")
	b := t.browse()
	p, err := b.until(m.open(under), "consent", t.user(0))
	if err != nil {
		t.cannot("an honest customer could not link: %s", err)
	}
	t.works("its addresses changed", m.manage(http.MethodPut, object{"redirect_uris": []string{"https://partner.example/other"}}))
	time.Sleep(time.Second)
	a := t.send(request{url: m.open(before)})
	t.judge("an address withdrawn before the journey", a.status == 400 && a.location() == "", "%s", a)
	way, err := b.link(p.at.String(), t.user(0))
	t.judge("an address withdrawn during the journey", way == nil || !strings.HasPrefix(way.String(), old), "%v %v", way, err)
}

func requestURIs(t *trial) {
	s := t.keyed(0)
	at := t.metadata.text("authorization_endpoint")
	ours := func(name string, address string) {
		a := t.send(request{url: address})
		t.judge(name, a.err == nil && a.status == 400 && a.location() == "", "%s", a)
	}
	form, _ := s.asks()
	form.Set("client_id", s.ID)
	ours("a request that was not pushed", at+"?"+form.Encode())
	ours("an unknown request_uri", s.open("urn:ietf:params:oauth:request_uri:"+random(40)))
	ours("an empty request_uri", s.open(""))
	form.Set("request_uri", "urn:ietf:params:oauth:request_uri:"+random(40))
	ours("an unknown one beside all parameters", at+"?"+form.Encode())

	honest, _ := s.asks()
	uri := s.push(honest).text("request_uri")
	if uri == "" {
		t.cannot("an honest request could not be pushed")
	}
	other := *s
	if all := t.clients(func(c Client) bool { return c.ID != s.ID }); len(all) > 0 {
		other = *all[0]
	} else {
		other.ID = "nobody"
	}
	ours("another client's", other.open(uri))
	ours("without client_id", at+"?"+values("request_uri", uri).Encode())
	inside, _ := s.asks("request_uri", uri)
	t.refused("pushed once more", s.push(inside), 400, "invalid_request")

	g := t.code(s)
	for _, again := range []string{"once more", "and once more"} {
		ours("spent by a grant, opened "+again, s.open(g.requestURI))
	}
	b := t.browse()
	p, err := b.visit(s.open(uri))
	held := err == nil && p.form("login") != ""
	t.judge("opened by a scanner before", held, "%d %q", p.status, p.heading())
	if p, err = b.visit(s.open(uri)); err == nil {
		t.judge("opened again before the login", p.form("login") != "", "%d %q", p.status, p.heading())
	}
}

func fetchedRequest(t *trial) {
	var hits atomic.Int64
	address := t.trap("127.0.0.1:0", &hits)
	if address == "" {
		t.cannot("nothing can be listened at")
	}
	s := t.keyed(0)
	trap, port := "http://"+address, address[strings.LastIndexByte(address, ':')+1:]
	for _, uri := range []string{
		trap, trap + "/object.jwt", "http://localhost:" + port, "http://[::1]:" + port, "http://127.1:" + port, "http://2130706433:" + port,
		"https://127.0.0.1:" + port, "http://user@127.0.0.1:" + port + "/#x", "HTTP://127.0.0.1:" + port, "//127.0.0.1:" + port, "gopher://127.0.0.1:" + port,
		"urn:ietf:params:oauth:request_uri:" + trap, "file:///etc/passwd", "http://169.254.169.254/latest/meta-data/",
	} {
		a := t.send(request{url: s.open(uri)})
		t.judge("opened with request_uri="+uri, a.err == nil && a.status == 400 && a.location() == "" && hits.Load() == 0, "%s, %d connections", a, hits.Load())
		form, _ := s.asks("request_uri", uri)
		t.refused("pushed with request_uri="+uri, s.push(form), 400)
	}
	for name, by := range sorted(map[string]change{
		"request_uri inside a request object": func(_, c object) { c["request_uri"] = trap },
		"jku of a request object":             func(h, _ object) { h["jku"] = trap },
		"x5u of a request object":             func(h, _ object) { h["x5u"] = trap },
	}) {
		form, _ := s.asks()
		t.refused(name, s.push(values("request", s.requestObject(form, by))), 400)
	}
	form, _ := s.asks("claims", `{"_claim_sources":{"x":{"endpoint":"`+trap+`"}}}`)
	s.push(form)
	time.Sleep(50 * time.Millisecond) // whatever fetches behind our back
	t.judge("fetched in all", hits.Load() == 0, "%d connections", hits.Load())
}

func twice(t *trial) {
	s := t.keyed(0)
	for _, name := range []string{"response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "client_id", "claims", "request", "dpop_jkt"} {
		form, _ := s.asks()
		form[name] = []string{form.Get(name), form.Get(name)}
		t.refused("PAR with "+name+" twice", s.push(form), 400, "invalid_request")
	}
	form, _ := s.asks()
	a := s.do(call{endpoint: "pushed_authorization_request_endpoint", form: form, query: "redirect_uri=https%3A%2F%2Fevil.example%2F"})
	t.refused("PAR with a parameter in the query", a, 400, "invalid_request")
	a = s.do(call{endpoint: "pushed_authorization_request_endpoint", form: form, query: "client_id=" + s.ID})
	t.refused("PAR with client_id in the query too", a, 400, "invalid_request")
	for _, endpoint := range []string{"token_endpoint", "introspection_endpoint", "revocation_endpoint"} {
		v := values("token", "x", "token", "y", "grant_type", "refresh_token", "refresh_token", "x", "refresh_token", "y")
		t.refused(endpoint+" with its token twice", s.do(call{endpoint: endpoint, form: v}), 400, "invalid_request")
		a := s.do(call{endpoint: endpoint, form: values("token", "x", "grant_type", "refresh_token", "refresh_token", "x"), query: "client_id=" + s.ID})
		t.refused(endpoint+" with a query", a, 400, "invalid_request")
		v = values("token", "x", "grant_type", "refresh_token", "refresh_token", "x")
		v["client_assertion"] = []string{s.assertion(), s.assertion()}
		v.Set("client_assertion_type", assertionType)
		t.refused(endpoint+" with two assertions", s.do(call{endpoint: endpoint, raw: v.Encode()}), 400, "invalid_request")
	}
	honest, _ := s.asks()
	uri := s.push(honest).text("request_uri")
	for _, query := range []string{
		"client_id=" + s.ID + "&client_id=" + s.ID + "&request_uri=" + url.QueryEscape(uri),
		"client_id=" + s.ID + "&request_uri=" + url.QueryEscape(uri) + "&request_uri=" + url.QueryEscape(uri),
	} {
		a := t.send(request{url: t.metadata.text("authorization_endpoint") + "?" + query})
		t.judge("authorization endpoint with "+query[:10]+"… twice", a.err == nil && a.status == 400 && a.location() == "", "%s", a)
	}
	a = t.send(request{
		method: http.MethodPost, url: s.open(uri), header: headers("Content-Type", "application/x-www-form-urlencoded"),
		body: values("client_id", s.ID, "request_uri", uri).Encode(),
	})
	t.judge("authorization endpoint with query and body", a.err == nil && a.status == 400 && a.location() == "", "%s", a)
}

func pkce(t *trial) {
	s := t.keyed(0)
	for name, changes := range sorted(map[string][]string{
		"no challenge":                    {"code_challenge", "", "code_challenge_method", ""},
		"a method without a challenge":    {"code_challenge", ""},
		"plain":                           {"code_challenge_method", "plain"},
		"no method, which would be plain": {"code_challenge_method", ""},
		"s256, in lower case":             {"code_challenge_method", "s256"},
		"an unknown method":               {"code_challenge_method", "S512"},
		"a challenge that is no digest":   {"code_challenge", "abc"},
		"a challenge with padding":        {"code_challenge", digest("x") + "="},
		"a challenge in plain base64":     {"code_challenge", strings.Repeat("+", 43)},
		"a challenge with a line feed":    {"code_challenge", digest("x")[:20] + "\n" + digest("x")[21:]},
		"an overlong challenge":           {"code_challenge", strings.Repeat("a", 129)},
	}) {
		form, _ := s.asks(changes...)
		t.refused(name, s.push(form), 400, "invalid_request")
	}
	g := t.code(s)
	for name, verifier := range sorted(map[string]string{
		"redeemed without verifier":           "",
		"redeemed with another":               random(32),
		"redeemed with the challenge":         g.form.Get("code_challenge"),
		"redeemed with a part of the right":   g.verifier[:42],
		"redeemed with more than the right":   g.verifier + "a",
		"redeemed in another case":            strings.ToUpper(g.verifier),
		"redeemed with the digest, in base64": digest(g.verifier) + "=",
	}) {
		t.refused(name, s.redeem(g, "code_verifier", verifier), 400, "invalid_grant", "invalid_request")
	}
	t.works("the owner afterwards", s.redeem(g))
	form, _ := s.asks("code_challenge", g.form.Get("code_challenge"))
	t.refused("a challenge that led to a code before", s.push(form), 400, "invalid_request")
}

// frontChannel tells whether an address carries a token.
func frontChannel(u *url.URL) bool {
	if u == nil {
		return false
	}
	f, _ := url.ParseQuery(u.Fragment)
	for _, v := range []url.Values{u.Query(), f} {
		for _, name := range []string{"access_token", "refresh_token", "token_type", "id_token"} {
			if v.Has(name) {
				return true
			}
		}
	}
	return false
}

func coerced(t *trial) {
	s := t.keyed(0)
	offered := t.metadata.list("response_types_supported")
	for _, kind := range []string{"token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none", "CODE", "code ", " code code", "code\ttoken", "code,token"} {
		if slices.Contains(offered, kind) && s.Scope != "" && kind != "code id_token" {
			continue
		}
		form, _ := s.asks("response_type", kind)
		a := s.push(form)
		if a.status == http.StatusCreated { // harmless where it means code alone
			t.judge("response_type="+kind, strings.TrimSpace(kind) == "code" || kind == " code code", "%s", a)
			continue
		}
		t.refused("response_type="+kind, a, 400, "invalid_request", "unsupported_response_type")
	}
	for _, mode := range []string{"fragment", "form_post", "web_message", "okta_post_message", "query.jwt#", "none", "fragment.jwt "} {
		form, _ := s.asks("response_mode", mode)
		t.refused("response_mode="+mode, s.push(form), 400, "invalid_request")
	}
	// What stands outside the pushed request is nothing, on a first visit, on going
	// back and on beginning again after the login.
	form, verifier := s.asks()
	uri := s.push(form).text("request_uri")
	if uri == "" {
		t.cannot("an honest request could not be pushed")
	}
	more := "&" + values("response_type", "token id_token", "response_mode", "fragment", "redirect_uri", "https://evil.example/", "scope", "openid", "state", "forged").Encode()
	b := t.browse()
	if _, err := b.until(s.open(uri)+more, "consent", t.user(0)); err != nil {
		t.cannot("an honest customer could not link: %s", err)
	}
	p, err := b.visit(s.open(uri) + more)
	if err != nil {
		t.cannot("the journey could not be begun again: %s", err)
	}
	way, err := b.link(p.at.String(), t.user(0))
	if err != nil {
		t.cannot("an honest customer could not link: %s", err)
	}
	q := way.Query()
	sound := !frontChannel(way) && way.Fragment == "" && strings.HasPrefix(way.String(), s.RedirectURIs[0]) && q.Get("state") == form.Get("state")
	t.judge("parameters outside the pushed request, after going back", sound, "%s", way)
	g := &grant{form: form, verifier: verifier, code: q.Get("code")}
	t.works("the code is as good as ever", s.redeem(g))
}

func requestObjects(t *trial) {
	s := t.keyed(0)
	ask := func() url.Values { f, _ := s.asks(); return f }
	push := func(compact string) answer { return s.push(values("request", compact)) }
	t.works("an honest one", push(s.requestObject(ask())))
	bad := func(name, compact string) { t.refused(name, push(compact), 400, "invalid_request_object") }
	now := time.Now()
	stranger, weak := newEC(), t.rsaKey(2048)
	for name, by := range sorted(map[string]change{
		"without exp":               func(_, c object) { delete(c, "exp") },
		"without nbf":               func(_, c object) { delete(c, "nbf") },
		"exp an hour ago":           func(_, c object) { c["exp"], c["nbf"] = now.Add(-time.Hour).Unix(), now.Add(-90*time.Minute).Unix() },
		"nbf two hours ago":         func(_, c object) { c["nbf"] = now.Add(-2 * time.Hour).Unix() },
		"good for over an hour":     func(_, c object) { c["exp"] = now.Add(61 * time.Minute).Unix() },
		"nbf two minutes ahead":     func(_, c object) { c["nbf"] = now.Add(2 * time.Minute).Unix() },
		"iat two minutes ahead":     func(_, c object) { c["iat"] = now.Add(2 * time.Minute).Unix() },
		"exp as text":               func(_, c object) { c["exp"] = "never" },
		"another audience":          func(_, c object) { c["aud"] = "https://evil.example" },
		"no audience":               func(_, c object) { delete(c, "aud") },
		"an array without us":       func(_, c object) { c["aud"] = []string{"https://evil.example", s.ID} },
		"the client as audience":    func(_, c object) { c["aud"] = s.ID },
		"another issuer":            func(_, c object) { c["iss"] = "nobody" },
		"no issuer":                 func(_, c object) { delete(c, "iss") },
		"another client inside":     func(_, c object) { c["client_id"] = "nobody" },
		"the client as subject":     func(_, c object) { c["sub"] = s.ID },
		"a request inside":          func(_, c object) { c["request"] = "x" },
		"a request_uri inside":      func(_, c object) { c["request_uri"] = "urn:x" },
		"typ of a DPoP proof":       func(h, _ object) { h["typ"] = "dpop+jwt" },
		"typ of an access token":    func(h, _ object) { h["typ"] = "at+jwt" },
		"an unknown kid":            func(h, _ object) { h["kid"] = "nobody" },
		"crit":                      func(h, _ object) { h["crit"] = []string{"exp"} },
		"b64 false":                 func(h, _ object) { h["b64"] = false },
		"a key of its own":          func(h, _ object) { h["jwk"] = jwkOf(stranger.Public()) },
		"alg in another case":       func(h, _ object) { h["alg"] = "es256" },
		"signed for another header": func(h, _ object) { h["alg"] = "PS256" },
	}) {
		bad(name, s.requestObject(ask(), by))
	}
	claims := claimsOf(s.requestObject(ask()))
	head := func(alg string) object { return object{"alg": alg, "kid": s.KID, "typ": "oauth-authz-req+jwt"} }
	bad("alg none", forge(nil, head("none"), claims))
	bad("alg None", forge(nil, head("None"), claims))
	bad("alg none, with a signature", forge(s.Key, head("none"), claims))
	bad("RS256", forge(weak, head("RS256"), claims))
	bad("PS256 of a stranger", forge(weak, head("PS256"), claims))
	bad("ES256 of a stranger", forge(stranger, head("ES256"), claims))
	for name, secret := range sorted(publicAsSecret(s.Key.Public())) {
		bad("HS256 by "+name, forge(secret, head("HS256"), claims))
	}
	raw, _ := json.Marshal(claims)
	bad("a JWE around raw JSON", jwe(object{"alg": "dir", "enc": "A256GCM"}, "", string(raw)))
	bad("a JWE around a good one", jwe(object{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}, random(256), s.requestObject(ask())))
	bad("plain JSON", string(raw))
	bad("an assertion", s.assertion())
	bad("two dots", "..")
	bad("four parts", s.requestObject(ask())+".x")
	bad("an empty payload", forge(s.Key, head("ES256"), "{}"))
	bad("an array as payload", forge(s.Key, head("ES256"), "[]"))
	bad("a member twice", forge(s.Key, head("ES256"), strings.Replace(string(raw), "{", `{"iss":"nobody",`, 1)))
	good := s.requestObject(ask())
	form := ask()
	form.Set("request", good)
	form.Set("client_id", "nobody")
	a := s.push(form)
	t.judge("another client outside", a.status == 400 || a.status == 401, "%s", a)
	form = values("request", s.requestObject(values("response_type", "code")), "redirect_uri", s.RedirectURIs[0], "scope", s.wants(),
		"code_challenge", digest("x"), "code_challenge_method", "S256")
	t.refused("what it lacks is not taken from outside", s.push(form), 400)
}

// jwe has the shape of a compact JWE; nobody could ever decrypt it.
func jwe(header object, key, content string) string {
	head, _ := json.Marshal(header)
	return b64.EncodeToString(head) + "." + b64.EncodeToString([]byte(key)) + "." + random(12) + "." + b64.EncodeToString([]byte(content)) + "." + random(16)
}

package attack

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// edgeAttacks are those on HTTP itself.
func edgeAttacks() []Attack {
	return []Attack{
		{Row: "P18", Name: "Host and forwarding headers", Precedent: "Zitadel GHSA-93m4, CVE-2025-64101",
			Expect: "issuer, links and cookies unchanged, or 421", run: hosts},
		{Row: "P24", Name: "lenient Authorization headers", Precedent: "Keycloak GHSA-gv94; RFC 9110 §11.6.2",
			Expect: "400 or 401; the scheme in any case", run: authorizationHeaders},
		{Row: "P27", Name: "foreign scripts (CORS)", Precedent: "RFC 9700 §2.6; null origin",
			Expect: "no Access-Control-Allow-Origin at the authorization endpoint and the pages; nowhere with credentials", run: cors},
		{Row: "P28", Name: "307, methods, TRACE, odd paths", Precedent: "RFC 9700 §4.12",
			Expect: "303 after a form, 405 for other methods, no redirect that repeats a form", run: methods},
	}
}

func hosts(t *trial) {
	const foe = "evil.example"
	honest := t.send(request{url: t.target.Issuer + "/.well-known/oauth-authorization-server"})
	forwarded := map[string]http.Header{
		"X-Forwarded-Host":          headers("X-Forwarded-Host", foe),
		"X-Forwarded-Proto":         headers("X-Forwarded-Proto", "http"),
		"X-Forwarded-Port":          headers("X-Forwarded-Port", "1"),
		"X-Forwarded-Prefix":        headers("X-Forwarded-Prefix", "/evil"),
		"X-Forwarded-Server":        headers("X-Forwarded-Server", foe),
		"X-Original-Host":           headers("X-Original-Host", foe),
		"X-Host":                    headers("X-Host", foe),
		"X-Original-URL":            headers("X-Original-Url", "/jwks"),
		"X-Rewrite-URL":             headers("X-Rewrite-Url", "/jwks"),
		"Forwarded":                 headers("Forwarded", "for=1.2.3.4;host="+foe+";proto=http"),
		"X-HTTP-Method-Override":    headers("X-Http-Method-Override", "DELETE"),
		"all of them":               headers("X-Forwarded-Host", foe, "X-Forwarded-Proto", "http", "Forwarded", "host="+foe, "X-Original-Host", foe),
		"X_Forwarded_Host":          headers("X_Forwarded_Host", foe),
		"a Referer and an Origin":   headers("Referer", "https://"+foe+"/", "Origin", "https://"+foe),
		"X-Forwarded-Host, twice":   headers("X-Forwarded-Host", foe, "X-Forwarded-Host", foe+":1"),
		"X-ProxyUser-Ip and others": headers("X-Proxyuser-Ip", "127.0.0.1", "True-Client-Ip", "127.0.0.1", "X-Real-Ip", "127.0.0.1"),
	}
	s := t.keyed(0)
	for name, header := range sorted(forwarded) {
		a := t.send(request{url: t.target.Issuer + "/.well-known/oauth-authorization-server", header: header})
		t.judge("metadata with "+name, a.status == 200 && string(a.body) == string(honest.body), "%s", a)
		form, _ := s.asks()
		uri := s.push(form).text("request_uri")
		b := t.browse()
		b.header = header
		p, err := b.visit(s.open(uri))
		if err != nil {
			t.judge("first page with "+name, false, "%s", err)
			continue
		}
		clean := p.form("login") != "" && !strings.Contains(p.body, foe) && p.at.Host == strings.TrimPrefix(t.target.Issuer, "https://")
		t.judge("first page with "+name, clean, "%d %q at %s", p.status, p.heading(), p.at)
	}
	for _, host := range []string{foe, "localhost", strings.TrimPrefix(t.target.Issuer, "https://") + ".evil.example", "evil.example:443", "127.0.0.1", strings.TrimPrefix(t.target.Issuer, "https://") + "@" + foe} {
		for _, path := range []string{"/.well-known/oauth-authorization-server", "/authorize?client_id=x", "/link/x"} {
			a := t.send(request{url: t.target.Issuer + path, host: host})
			reflected := strings.Contains(string(a.body), foe) || strings.Contains(a.location(), foe) || slices.ContainsFunc(a.header["Set-Cookie"], func(c string) bool { return strings.Contains(c, foe) })
			t.judge(path+" for host "+host, a.err == nil && !reflected && (a.status >= 400 || string(a.body) == string(honest.body)), "%s", a)
		}
	}
	oddHosts(t)
	overHTTP2(t)
	cookies(t)
	// The address that a proof must name is the configured one, whoever is said to have been called.
	g, s := t.shared(s)
	there := strings.Replace(t.accounts(), strings.TrimPrefix(t.api(), "https://"), foe, 1)
	a := s.use(use{
		url: t.accounts(), token: g.access(), header: headers("X-Forwarded-Host", foe, "Forwarded", "host="+foe),
		proved: func(_, c object) { c["htu"] = there },
	})
	t.refused("a proof for the forwarded host", a, 401)
	a = s.lab.send(request{url: t.accounts(), host: foe, header: headers("Authorization", "DPoP "+g.access(), "DPoP", s.proof(resource, http.MethodGet, there, g.access()))})
	t.refusedBy("a proof for the Host header", a, 401, 421, 400)
	t.works("an honest call", s.read(g.access()))
}

// cookies are of the one host, over TLS, and no script's.
func cookies(t *trial) {
	s := t.keyed(0)
	form, _ := s.asks()
	b := t.browse()
	at, err := url.Parse(s.open(s.push(form).text("request_uri")))
	if err != nil {
		t.cannot("%s", err)
	}
	b.header = headers("X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http")
	for _, c := range (&http.Response{Header: b.send(http.MethodGet, at, "").header}).Cookies() {
		sound := strings.HasPrefix(c.Name, "__Host-") && c.Secure && c.HttpOnly && c.Path == "/" && c.Domain == "" && (c.SameSite == http.SameSiteLaxMode || c.SameSite == http.SameSiteStrictMode)
		t.judge("cookie "+cut(c.Name, 16), sound, "%s", cut(c.String(), 40))
	}
}

func authorizationHeaders(t *trial) {
	s := t.keyed(0)
	g, s := t.shared(s)
	token := g.access()
	for _, scheme := range []string{"DPoP", "dpop", "DPOP", "dPoP"} {
		t.works("scheme "+scheme, s.use(use{url: t.accounts(), token: token, authorization: []string{scheme + " " + token}}))
	}
	for name, header := range sorted(map[string][]string{
		"a tab":                      {"DPoP\t" + token},
		"two spaces":                 {"DPoP  " + token},
		"a space and a tab":          {"DPoP \t" + token},
		"a comma after":              {"DPoP " + token + ","},
		"two in one header":          {"DPoP " + token + ", DPoP " + token},
		"two headers":                {"DPoP " + token, "DPoP " + token},
		"a good and a bad header":    {"DPoP " + token, "Bearer x"},
		"a bad and a good header":    {"Bearer x", "DPoP " + token},
		"no scheme":                  {token},
		"no token":                   {"DPoP"},
		"an empty header":            {""},
		"quotes":                     {`DPoP "` + token + `"`},
		"a parameter":                {"DPoP token=" + token},
		"another scheme":             {"Token " + token},
		"Basic":                      {basic(token, "")},
		"a token and a tail":         {"DPoP " + token + " x"},
		"Bearer for a bound token":   {"Bearer " + token},
		"DPoPx":                      {"DPoPx " + token},
		"a non-breaking space":       {"DPoP\u00a0" + token},
		"a colon":                    {"DPoP: " + token},
		"a token that is percent-en": {"DPoP " + url.PathEscape(token) + "%00"},
	}) {
		for _, at := range []string{t.accounts(), t.metadata.text("userinfo_endpoint")} {
			t.refusedBy(name+" at "+at[strings.LastIndex(at, "/")+1:], s.use(use{url: at, token: token, authorization: header}), 400, 401)
		}
	}
	query := values("access_token", token).Encode()
	none := []string{}
	t.refusedBy("a token in the query", s.use(use{url: t.accounts(), token: token, authorization: none, query: query}), 400, 401)
	t.refusedBy("a token in query and header", s.use(use{url: t.accounts(), token: token, query: query}), 400, 401)
	info := t.metadata.text("userinfo_endpoint")
	body := use{method: http.MethodPost, url: info, token: token, authorization: none, header: headers("Content-Type", "application/x-www-form-urlencoded"), body: query}
	t.refusedBy("a token in the body of UserInfo", s.use(body), 400, 401)
	body.authorization = nil
	t.refusedBy("a token in body and header of UserInfo", s.use(body), 400, 401)
	t.refusedBy("a token in a cookie", s.use(use{url: t.accounts(), token: token, authorization: none, header: headers("Cookie", "access_token="+token)}), 400, 401)
	t.refusedBy("a token in X-Authorization", s.use(use{url: t.accounts(), token: token, authorization: none, header: headers("X-Authorization", "DPoP "+token)}), 400, 401)
	t.refusedBy("a token in Proxy-Authorization", s.use(use{url: t.accounts(), token: token, authorization: none, header: headers("Proxy-Authorization", "DPoP "+token)}), 400, 401, 407)
}

func basic(id, secret string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(id, secret)
	return r.Header.Get("Authorization")
}

func cors(t *trial) {
	s := t.keyed(0)
	form, _ := s.asks()
	uri := s.push(form).text("request_uri")
	b := t.browse()
	p, err := b.visit(s.open(uri))
	if err != nil {
		t.cannot("the first page did not open: %s", err)
	}
	pages := map[string]string{"the authorization endpoint": s.open(uri), "a page of the journey": p.at.String(), "an error page": s.open("urn:x")}
	others := map[string]string{
		"token": t.metadata.text("token_endpoint"), "PAR": t.metadata.text("pushed_authorization_request_endpoint"), "introspection": t.metadata.text("introspection_endpoint"),
		"revocation": t.metadata.text("revocation_endpoint"), "UserInfo": t.metadata.text("userinfo_endpoint"), "the API": t.accounts(), "the key set": t.metadata.text("jwks_uri"),
	}
	for _, origin := range []string{"https://evil.example", "null", t.target.Issuer + ".evil.example", "http://" + strings.TrimPrefix(t.target.Issuer, "https://"), s.RedirectURIs[0]} {
		ask := headers("Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,dpop", "Access-Control-Request-Private-Network", "true")
		for name, at := range sorted(pages) {
			for _, method := range []string{http.MethodGet, http.MethodOptions, http.MethodPost} {
				a := t.send(request{method: method, url: at, header: ask})
				allowed := a.header.Get("Access-Control-Allow-Origin")
				t.judge(method+" of "+name+" from "+origin, a.err == nil && allowed == "", "%s, allowed %q", a, allowed)
			}
		}
		for name, at := range sorted(others) {
			if at == "" {
				continue
			}
			for _, method := range []string{http.MethodOptions, http.MethodPost, http.MethodGet} {
				a := t.send(request{method: method, url: at, header: ask})
				held := a.err == nil && a.header.Get("Access-Control-Allow-Credentials") == "" && !strings.Contains(a.header.Get("Access-Control-Allow-Origin"), "evil") && a.header.Get("Access-Control-Allow-Origin") != "null"
				t.judge(method+" of "+name+" from "+origin, held, "%s, allowed %q", a, a.header.Get("Access-Control-Allow-Origin"))
			}
		}
	}
	// A foreign page's form presses no button.
	f := p.form("login")
	if f == "" {
		t.cannot("the first page has no login form")
	}
	u := t.user(0)
	for name, header := range sorted(map[string]http.Header{
		"cross-site":  headers("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"),
		"same-site":   headers("Sec-Fetch-Site", "same-site", "Origin", "https://evil.localhost"),
		"null origin": headers("Origin", "null"),
	}) {
		b.header = header
		a, err := b.post(p, f, filled(f, "login_id", u.LoginID, "password", u.Password))
		t.judge("a form of a foreign page, "+name, err == nil && a.status == http.StatusForbidden, "%d %q %v", a.status, a.heading(), err)
	}
}

func methods(t *trial) {
	s := t.keyed(0)
	form, _ := s.asks()
	uri := s.push(form).text("request_uri")
	b := t.browse()
	p, err := b.visit(s.open(uri))
	if err != nil || p.form("login") == "" {
		t.cannot("the first page did not open: %v", err)
	}
	f := p.form("login")
	u := t.user(0)
	to, _ := p.at.Parse(attribute(f[:strings.IndexByte(f, '>')+1], "action"))
	a := b.send(http.MethodPost, to, filled(f, "login_id", u.LoginID, "password", u.Password).Encode())
	t.judge("after the password", a.status == http.StatusSeeOther, "%s", a)
	a = t.send(request{url: s.open(uri)})
	t.judge("after the authorization endpoint by GET", a.status == http.StatusSeeOther, "%s", a)
	a = t.send(request{url: t.metadata.text("authorization_endpoint"), body: values("client_id", s.ID, "request_uri", uri).Encode(), header: headers("Content-Type", "application/x-www-form-urlencoded")})
	t.judge("after the authorization endpoint by POST", a.status == http.StatusSeeOther, "%s", a)

	post := []string{"token_endpoint", "pushed_authorization_request_endpoint", "introspection_endpoint", "revocation_endpoint"}
	for _, endpoint := range post {
		at := t.metadata.text(endpoint)
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "CONNECTX", "post"} {
			a := t.send(request{method: method, url: at, header: headers("Cookie", "secret=1", "X-Http-Method-Override", "POST", "X-Http-Method", "POST")})
			t.judge(method+" "+endpoint, a.err == nil && a.status == http.StatusMethodNotAllowed && !strings.Contains(string(a.body), "secret=1"), "%s", a)
		}
		a := t.send(request{method: "GET", url: at + "?_method=POST&grant_type=refresh_token"})
		t.judge("_method at "+endpoint, a.status == http.StatusMethodNotAllowed, "%s", a)
		path := at[len(t.target.Issuer):]
		for _, odd := range []string{"/" + path, path + "/", "/." + path, "/x/.." + path, strings.ToUpper(path), "/%2e" + path, path + "%2f", path + ";x=1", path + "//", path + "%00", path + ".json", "/%74" + path[2:]} {
			a := t.send(request{url: t.target.Issuer + odd, body: values("client_id", s.ID).Encode(), header: headers("Content-Type", "application/x-www-form-urlencoded")})
			moved := a.status >= 300 && a.status < 400
			known := a.code() != "" && odd != "/%74"+path[2:] // a letter may be escaped (RFC 3986 §6.2.2.2)
			t.judge("POST "+odd, a.err == nil && !moved && !known && a.status != 200, "%s", a)
		}
	}
	for name, at := range sorted(map[string]string{"the authorization endpoint": s.open(uri), "a page": p.at.String(), "the API": t.accounts(), "the metadata": t.target.Issuer + "/.well-known/oauth-authorization-server"}) {
		for _, method := range []string{"TRACE", "PUT", "DELETE", "PATCH"} {
			a := t.send(request{method: method, url: at, header: headers("Cookie", "secret=1")})
			held := a.err == nil && (a.status == 405 || a.status == 404 || a.status == 403) && !strings.Contains(string(a.body), "secret=1")
			t.judge(method+" of "+name, held, "%s", a)
		}
	}
	smuggled(t)
	for _, kind := range []string{"application/json", "multipart/form-data; boundary=x", "text/plain", "", "application/x-www-form-urlencoded; charset=utf-16", "application/xml"} {
		a := t.send(request{url: t.metadata.text("token_endpoint"), body: `{"grant_type":"client_credentials","client_id":"` + s.ID + `"}`, header: headers("Content-Type", kind)})
		t.refusedBy("a token asked for as "+kind, a, 400, 401, 415)
	}
}

package attack_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a small authorization server with its API, in memory, that is sound
// but for one hole.
type server struct {
	http    *httptest.Server
	issuer  string
	hole    string
	clients []*client

	mu       *sync.Mutex
	seen     map[string]bool // jti of assertions and proofs, challenges that led to a code
	requests map[string]*authorized
	codes    map[string]*authorized
	access   map[string]*authorized
	refresh  map[string]*authorized
	waiting  map[string]chan struct{}
}

type client struct {
	id        string
	redirects []string
	key       *ecdsa.PrivateKey
}

// authorized is a request, then its code, then its tokens.
type authorized struct {
	client *client
	form   url.Values
	spent  bool // the request
	used   bool // the code
	ended  bool
	jkt    string
}

func newServer(t *testing.T, hole string) *server {
	t.Helper()
	s := &server{hole: hole, mu: new(sync.Mutex), seen: map[string]bool{}, requests: map[string]*authorized{}, codes: map[string]*authorized{}, access: map[string]*authorized{}, refresh: map[string]*authorized{}, waiting: map[string]chan struct{}{}}
	for _, name := range []string{"a", "b"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s.clients = append(s.clients, &client{"cl_" + name, []string{"https://" + name + ".example/callback"}, key})
	}
	s.open(t)
	s.issuer = s.http.URL
	return s
}

// open begins to answer, as the issuer or as another node of it.
func (s *server) open(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /authorize", s.authorize)
	mux.HandleFunc("GET /link/{request}/{step}", s.page)
	mux.HandleFunc("POST /link/{request}/{step}", s.press)
	for path, answer := range map[string]func(*client, url.Values, *http.Request) (int, map[string]any){"par": s.par, "token": s.token, "introspect": s.introspect, "revoke": s.revoke} {
		mux.HandleFunc("POST /"+path, s.endpoint(answer))
	}
	mux.HandleFunc("/userinfo", s.resource)
	mux.HandleFunc("GET /open-api/v1/accounts", s.resource)
	s.http = httptest.NewUnstartedServer(s.ownHost(http.NewCrossOriginProtection().Handler(mux)))
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // attackers hang up
	s.http.StartTLS()
	t.Cleanup(s.http.Close)
}

// node opens another address of the same issuer, with the same store but for what
// it has seen, where that is the hole.
func (s *server) node(t *testing.T) *server {
	other := &server{
		hole: s.hole, issuer: s.issuer, clients: s.clients, mu: s.mu, seen: s.seen, requests: s.requests,
		codes: s.codes, access: s.access, refresh: s.refresh, waiting: s.waiting,
	}
	if s.has("replays remembered per node") {
		other.seen = map[string]bool{}
	}
	other.open(t)
	return other
}

func (s *server) has(hole string) bool { return hole != "" && s.hole == hole }

// together lets whoever comes first wait for a second one, as between two nodes
// that both look before either writes.
func (s *server) together(what string) {
	second, waits := s.waiting[what]
	if waits {
		delete(s.waiting, what)
		close(second)
		return
	}
	second = make(chan struct{})
	s.waiting[what] = second
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-second:
	case <-time.After(3 * time.Second): // nobody else comes
	}
}

func (s *server) ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if "https://"+r.Host != s.issuer && !s.has("issuer from the Host header") {
			http.Error(w, "misdirected", http.StatusMisdirectedRequest)
			return
		}
		if r.URL.Path == "/authorize" && s.has("CORS at the authorization endpoint") {
			w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) metadata(w http.ResponseWriter, r *http.Request) {
	at := s.issuer
	if s.has("issuer from the Host header") {
		at = "https://" + r.Host
	}
	if forwarded := r.Header.Get("X-Forwarded-Host"); forwarded != "" && s.has("issuer from X-Forwarded-Host") {
		at = "https://" + forwarded
	}
	answer(w, http.StatusOK, map[string]any{
		"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "pushed_authorization_request_endpoint": at + "/par",
		"introspection_endpoint": at + "/introspect", "revocation_endpoint": at + "/revoke", "userinfo_endpoint": at + "/userinfo", "protected_resources": []string{at},
	})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refusal(status int, code string) (int, map[string]any) {
	return status, map[string]any{"error": code}
}

// endpoint reads the form of a client that proves itself.
func (s *server) endpoint(do func(*client, url.Values, *http.Request) (int, map[string]any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("DPoP-Nonce", "nonce-as")
		form, ok := s.form(r)
		if !ok {
			answer(w, 400, map[string]any{"error": "invalid_request"})
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		c := s.authenticate(form, r)
		if c == nil {
			answer(w, 401, map[string]any{"error": "invalid_client"})
			return
		}
		status, body := do(c, form, r)
		answer(w, status, body)
	}
}

func (s *server) form(r *http.Request) (url.Values, bool) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	form, err2 := url.ParseQuery(string(raw))
	if err != nil || err2 != nil || r.URL.RawQuery != "" && !s.has("query and body mixed") {
		return nil, false
	}
	maps.Copy(form, r.URL.Query())
	for _, v := range form {
		if len(v) > 1 && !s.has("parameters twice") {
			return nil, false
		}
	}
	return form, true
}

func (s *server) authenticate(form url.Values, r *http.Request) *client {
	basic := r.Header.Get("Authorization") != "" && !s.has("Basic beside an assertion")
	if basic || form.Has("client_secret") {
		return nil
	}
	compact, id := form.Get("client_assertion"), form.Get("client_id")
	if compact == "" && id != "" && !form.Has("client_assertion_type") && s.has("client_id alone") {
		return s.named(id)
	}
	claims, head, input, signature := parts(compact)
	c := s.named(text(claims["iss"]))
	if c == nil || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || id != "" && id != c.id {
		return nil
	}
	if !s.signedBy(c, head, input, signature) || !s.fresh(c, claims) {
		return nil
	}
	return c
}

func (s *server) named(id string) *client {
	for _, c := range s.clients {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (s *server) signedBy(c *client, head map[string]any, input string, signature []byte) bool {
	alg := text(head["alg"])
	switch {
	case alg == "none" && s.has("alg none"):
		return true
	case alg == "HS256" && s.has("HS256 by the public key"):
		raw, _ := json.Marshal(jwk(&c.key.PublicKey))
		mac := hmac.New(sha256.New, raw)
		mac.Write([]byte(input))
		return hmac.Equal(mac.Sum(nil), signature)
	case head["jwk"] != nil && s.has("jwk of the header believed"):
		return verifies(keyOf(head["jwk"]), input, signature)
	}
	for name := range head {
		if !slices.Contains([]string{"alg", "kid", "typ"}, name) {
			return false
		}
	}
	if _, hasKID := head["kid"]; hasKID && head["kid"] != "k" || alg != "ES256" || text(head["typ"]) != "" {
		return false
	}
	if s.has("keys of all clients in one set") {
		return slices.ContainsFunc(s.clients, func(c *client) bool { return verifies(&c.key.PublicKey, input, signature) })
	}
	return verifies(&c.key.PublicKey, input, signature)
}

func (s *server) fresh(c *client, claims map[string]any) bool {
	for name := range claims {
		if strings.ToLower(name) != name {
			return false
		}
	}
	now := float64(time.Now().Unix())
	exp, ok := claims["exp"].(float64)
	ahead := func(name string) bool { v, _ := claims[name].(float64); return v > now+60 }
	jti := text(claims["jti"])
	array, _ := claims["aud"].([]any)
	aud := claims["aud"] == s.issuer || s.has("aud an array") && slices.Contains(array, any(s.issuer))
	if claims["sub"] != c.id || !aud || !ok || exp <= now || exp > now+3600 || ahead("nbf") || ahead("iat") || jti == "" || len(jti) > 256 {
		return false
	}
	return s.once("assertion "+c.id+jti, "assertion again", "assertion in a race")
}

// once remembers something; a second time it is false, but for the holes.
func (s *server) once(what, again, race string) bool {
	used := s.seen[what]
	if s.has(race) && !used && strings.Contains(what, "race") {
		s.together(what)
	}
	s.seen[what] = true
	return !used || s.has(again)
}

func (s *server) par(c *client, form url.Values, r *http.Request) (int, map[string]any) {
	jkt := form.Get("dpop_jkt")
	if proofs := r.Header["Dpop"]; len(proofs) > 0 {
		key, code := s.proof(proofs, "nonce-as", "POST", s.issuer+"/par", "")
		if code != "" {
			return refusal(400, code)
		}
		if jkt != "" && jkt != key {
			return refusal(400, "invalid_dpop_proof")
		}
		jkt = key
	}
	method, challenge := form.Get("code_challenge_method"), form.Get("code_challenge")
	raw, err := base64.RawURLEncoding.DecodeString(challenge)
	pkce := method == "S256" && err == nil && len(raw) == 32 && !s.seen["challenge "+challenge] ||
		s.has("PKCE plain") && method == "plain" || s.has("PKCE not needed") && challenge == ""
	switch {
	case form.Has("request"):
		return refusal(400, "invalid_request_object")
	case form.Has("request_uri"), !s.redirect(c, form.Get("redirect_uri")), form.Get("response_type") != "code", !pkce, len(jkt) != 43 && jkt != "":
		return refusal(400, "invalid_request")
	case strings.Trim(strings.ReplaceAll(strings.ReplaceAll(form.Get("scope"), "openid", ""), "account.balance", ""), " ") != "":
		return refusal(400, "invalid_scope")
	}
	uri := "urn:ietf:params:oauth:request_uri:" + chance()
	s.requests[uri] = &authorized{client: c, form: form, jkt: jkt}
	return 201, map[string]any{"request_uri": uri, "expires_in": 60}
}

func (s *server) redirect(c *client, uri string) bool {
	return slices.Contains(c.redirects, uri) ||
		s.has("redirect_uri by prefix") && strings.HasPrefix(uri, c.redirects[0]) || s.has("redirect_uri without case") && strings.EqualFold(uri, c.redirects[0])
}

func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || len(r.Form["request_uri"]) != 1 || len(r.Form["client_id"]) != 1 {
		http.Error(w, "no", 400)
		return
	}
	uri := r.Form.Get("request_uri")
	if strings.HasPrefix(uri, "http:") && s.has("request_uri fetched") {
		if a, err := http.Get(uri); err == nil {
			a.Body.Close()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.requests[uri]
	if a == nil || a.client.id != r.Form.Get("client_id") && !s.has("request_uri of any client") || a.spent && !s.has("request_uri good for ever") {
		http.Error(w, "no", 400)
		return
	}
	status := http.StatusSeeOther
	if s.has("307 after the authorization endpoint") {
		status = http.StatusTemporaryRedirect
	}
	http.Redirect(w, r, s.issuer+"/link/"+url.PathEscape(uri)+"/login", status)
}

// The journey has a page to log in and one to allow.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	at := "/link/" + url.PathEscape(r.PathValue("request"))
	switch r.PathValue("step") {
	case "login":
		fmt.Fprintf(w, `<form method="post" action="%s/login"><input name="login_id"><input name="password"></form>`, at)
	case "consent":
		fmt.Fprintf(w, `<form method="post" action="%s/consent"><input type="checkbox" name="accounts" value="1"><input type="radio" name="intent" value="proceed"></form>`, at)
	default:
		http.NotFound(w, r)
	}
}

func (s *server) press(w http.ResponseWriter, r *http.Request) {
	at := "/link/" + url.PathEscape(r.PathValue("request"))
	if r.PathValue("step") == "login" {
		http.Redirect(w, r, at+"/consent", http.StatusSeeOther)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.requests[r.PathValue("request")]
	if a == nil || a.spent || s.has("nobody can link") {
		http.Error(w, "no", 400)
		return
	}
	a.spent, s.seen["challenge "+a.form.Get("code_challenge")] = true, true
	code := "rac_" + chance()
	s.codes[code] = &authorized{client: a.client, form: a.form, jkt: a.jkt}
	back := a.form.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {a.form.Get("state")}, "iss": {s.issuer}}.Encode()
	fmt.Fprintf(w, `<meta http-equiv="refresh" content="0; url=%s">`, strings.ReplaceAll(back, "&", "&amp;"))
}

func (s *server) token(c *client, form url.Values, r *http.Request) (int, map[string]any) {
	kind := form.Get("grant_type")
	if kind != "authorization_code" && kind != "refresh_token" {
		return refusal(400, "unsupported_grant_type")
	}
	key, code := s.proof(r.Header["Dpop"], "nonce-as", "POST", s.issuer+"/token", "")
	if code != "" && !(s.has("refresh without proof") && kind == "refresh_token" && len(r.Header["Dpop"]) == 0) {
		return refusal(400, code)
	}
	if kind == "refresh_token" {
		return s.refreshed(c, form, key)
	}
	a := s.codes[form.Get("code")]
	if a == nil || a.client != c && !s.has("code of any client") {
		if a != nil && s.has("code burnt by anybody") {
			a.used = true
		}
		return refusal(400, "invalid_grant")
	}
	if a.used && !s.has("code again") {
		a.ended = !s.has("code again, tokens live on")
		return refusal(400, "invalid_grant")
	}
	verifier := sha256.Sum256([]byte(form.Get("code_verifier")))
	sound := base64.RawURLEncoding.EncodeToString(verifier[:]) == a.form.Get("code_challenge") || s.has("verifier not looked at")
	if !sound || form.Get("redirect_uri") != a.form.Get("redirect_uri") || a.jkt != "" && a.jkt != key {
		return refusal(400, "invalid_grant")
	}
	if s.has("code in a race") && s.seen["a code was redeemed"] {
		s.together(form.Get("code"))
	}
	s.seen["a code was redeemed"] = true
	a.used = true
	refresh := "rrt_" + chance()
	s.refresh[refresh] = a
	return 200, s.tokens(a, key, refresh)
}

func (s *server) tokens(a *authorized, key, refresh string) map[string]any {
	access := "rat_" + chance()
	s.access[access] = &authorized{client: a.client, form: a.form, jkt: key, ended: false}
	s.access[access].form = url.Values{"scope": a.form["scope"], "refresh": {refresh}}
	id := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x"}`)) + ".AA"
	if s.has("ID token opens the API") {
		s.access[id] = s.access[access]
	}
	return map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "DPoP", "expires_in": 60, "id_token": id, "scope": a.form.Get("scope")}
}

func (s *server) refreshed(c *client, form url.Values, key string) (int, map[string]any) {
	a := s.refresh[form.Get("refresh_token")]
	switch {
	case a == nil || a.client != c && !s.has("refresh token of any client"), a.ended:
		return refusal(400, "invalid_grant")
	case form.Has("scope") && strings.Trim(strings.ReplaceAll(strings.ReplaceAll(form.Get("scope"), "openid", ""), "account.balance", ""), " ") != "" && !s.has("scope grows"):
		return refusal(400, "invalid_scope")
	case form.Has("authorization_details"):
		return refusal(400, "invalid_request")
	case form.Has("resource"):
		return refusal(400, "invalid_target")
	}
	return 200, s.tokens(a, key, form.Get("refresh_token"))
}

// live tells whether an access token opens anything.
func (s *server) live(a *authorized) bool {
	return a != nil && !a.ended && !s.refresh[a.form.Get("refresh")].ended
}

func (s *server) introspect(c *client, form url.Values, _ *http.Request) (int, map[string]any) {
	a, r := s.access[form.Get("token")], s.refresh[form.Get("token")]
	mine := func(x *authorized) bool { return x != nil && (x.client == c || s.has("introspection of any token")) }
	if !form.Has("token") {
		return refusal(400, "invalid_request")
	}
	if mine(a) && s.live(a) || mine(r) && !r.ended {
		return 200, map[string]any{"active": true}
	}
	return 200, map[string]any{"active": false}
}

func (s *server) revoke(c *client, form url.Values, _ *http.Request) (int, map[string]any) {
	if !form.Has("token") {
		return refusal(400, "invalid_request")
	}
	for _, a := range []*authorized{s.access[form.Get("token")], s.refresh[form.Get("token")]} {
		if a != nil && a.client == c && !s.has("revocation forgotten") {
			a.ended = true
		}
	}
	return 200, nil
}

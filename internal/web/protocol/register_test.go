package protocol_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
)

func selfRegistration(cfg *oauth.Config) { cfg.Issuer.SelfRegistration = true }

// initial is an initial access token of the bank's for our partner.
func (c *conversation) initial(uses int, goodFor time.Duration) string {
	c.t.Helper()
	value, change, err := c.Engine.Issuer().IssueInitialAccessToken(oauthtest.PartnerID, uses, goodFor, audit.Actor{Kind: audit.Operator, ID: "staff"}, c.Now(), nextID())
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.in.Commit(c.t.Context(), change); err != nil {
		c.t.Fatal(err)
	}
	return value.Reveal()
}

// nextID returns ids that no engine of these tests makes.
func nextID() func() int64 { return func() int64 { ids++; return ids } }

var ids int64 = 1 << 50

// manages sends JSON to the registration endpoint or to a client's own.
func (c *conversation) manages(method, at, token string, body any, certificate *x509.Certificate) *httptest.ResponseRecorder {
	c.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	u, err := url.Parse(at)
	if err != nil {
		c.t.Fatal(err)
	}
	r := httptest.NewRequest(method, u.Path, strings.NewReader(string(raw)))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if certificate != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
	}
	return c.do(r)
}

func (c *conversation) metadataOf(s *oauthtest.Software, more map[string]any) map[string]any {
	m := map[string]any{
		"redirect_uris": []string{oauthtest.RedirectURI}, "jwks": mustJSON(s.Client.JWKS), "client_name": "Mihon",
		"scope": "openid account.balance", "software_id": "unknown to us", "contacts": []string{"x@example.jp"},
	}
	for name, value := range more {
		m[name] = value
	}
	return m
}

// registered is a client information response, as a client keeps it.
type registered struct{ id, token, uri string }

func (c *conversation) registers201(w *httptest.ResponseRecorder) registered {
	c.t.Helper()
	if w.Code != http.StatusCreated && w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		c.t.Fatalf("%d %s %v", w.Code, w.Body, w.Header())
	}
	a := answerOf(c.t, w)
	return registered{a["client_id"].(string), a["registration_access_token"].(string), a["registration_client_uri"].(string)}
}

func TestAPartnerRegistersAClientAndItWorksAtOnce(t *testing.T) {
	c := newConversation(t, selfRegistration, nil)
	if at := c.metadata()["registration_endpoint"]; at != oauthtest.IssuerURL+"/register" {
		t.Fatalf("metadata names %v", at)
	}
	w := c.manages("POST", "/register", c.initial(1, time.Hour), c.metadataOf(c.client, nil), nil)
	got := c.registers201(w)
	a := answerOf(t, w)
	if a["client_id_issued_at"] == nil || a["token_endpoint_auth_method"] != "private_key_jwt" || a["dpop_bound_access_tokens"] != true ||
		a["software_id"] != nil || a["client_secret"] != nil || !strings.HasPrefix(got.id, "cl_mihon-kaikei_") {
		t.Errorf("%v", a)
	}
	s := *c.client
	s.ID = oauth.ClientID(got.id)
	if tokens := c.tokens(&s, request(&s)); tokens["access_token"] == nil {
		t.Errorf("%v", tokens)
	}
	if a := answerOf(t, c.manages("GET", got.uri, got.token, nil, nil)); a["client_id"] != got.id || a["registration_access_token"] != got.token {
		t.Errorf("read: %v", a)
	}
}

func TestRegistrationNeedsALiveInitialTokenWithUsesLeft(t *testing.T) {
	c := newConversation(t, selfRegistration, nil)
	once, short := c.initial(1, time.Hour), c.initial(5, time.Minute)
	register := func(token string) *httptest.ResponseRecorder {
		return c.manages("POST", "/register", token, c.metadataOf(c.client, nil), nil)
	}
	first := c.registers201(register(once))
	c.Wait(2 * time.Minute)
	for name, token := range map[string]string{
		"none": "", "used up": once, "over": short, "rubbish": "rubbish", "of another kind": first.token,
		"cut": c.initial(1, time.Hour)[:20], "an assertion": c.client.Assertion(nil),
	} {
		w := register(token)
		wantError(t, w, 401, "invalid_token")
		if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: challenge %q", name, w.Header().Get("WWW-Authenticate"))
		}
	}
	p := oauthtest.Kaikei()
	p.Status = "stopped"
	token := c.initial(1, time.Hour)
	c.Partners.Put(p)
	wantError(t, register(token), 403, "access_denied")
	wantError(t, c.manages("GET", first.uri, first.token, nil, nil), 403, "access_denied")
}

func TestWhatStaffCouldNotRegisterAClientCannotEither(t *testing.T) {
	c := newConversation(t, selfRegistration, nil)
	token := c.initial(1, time.Hour)
	for name, a := range map[string]struct {
		change map[string]any
		code   string
	}{
		"a script as redirect URI": {map[string]any{"redirect_uris": []string{"javascript:alert(1)"}}, "invalid_redirect_uri"},
		"http":                     {map[string]any{"redirect_uris": []string{"http://kaikei.example/cb"}}, "invalid_redirect_uri"},
		"no redirect URI":          {map[string]any{"redirect_uris": []string{}}, "invalid_redirect_uri"},
		"markup in the name":       {map[string]any{"client_name": "<b>x</b>"}, "invalid_client_metadata"},
		"a secret":                 {map[string]any{"token_endpoint_auth_method": "client_secret_basic"}, "invalid_client_metadata"},
		"implicit":                 {map[string]any{"response_types": []string{"token"}}, "invalid_client_metadata"},
		"RS256":                    {map[string]any{"token_endpoint_auth_signing_alg": "RS256"}, "invalid_client_metadata"},
		"an unknown scope":         {map[string]any{"scope": "openid everything"}, "invalid_client_metadata"},
		"no keys":                  {map[string]any{"jwks": nil}, "invalid_client_metadata"},
		"a number":                 {map[string]any{"scope": 7}, "invalid_client_metadata"},
		"another profile":          {map[string]any{"profile": "legacy"}, "invalid_client_metadata"},
		"fetched from inside":      {map[string]any{"jwks": nil, "jwks_uri": "http://127.0.0.1/keys"}, "invalid_client_metadata"},
	} {
		w := c.manages("POST", "/register", token, c.metadataOf(c.client, a.change), nil)
		t.Log(name, w.Body)
		wantError(t, w, 400, a.code)
	}
	r := httptest.NewRequest("POST", "/register", strings.NewReader("a=b"))
	r.Header.Set("Authorization", "Bearer "+token)
	wantError(t, c.do(r), 400, "invalid_client_metadata")
	wantError(t, c.manages("POST", "/register", token, strings.Repeat("x", 1<<20), nil), 400, "invalid_client_metadata")
	// None of all these took the token's one use; and who registers names neither id nor sunset.
	a := answerOf(t, c.manages("POST", "/register", token, c.metadataOf(c.client, map[string]any{"client_id": "cl_kaikei", "sunset_on": "2030-01-01"}), nil))
	if a["client_id"] == nil || a["client_id"] == "cl_kaikei" || a["sunset_on"] != nil {
		t.Errorf("%v", a)
	}
}

// Attack row P36: another client's token, one from before a rotation, one without
// the certificate that it goes with.
func TestARegistrationIsManagedByItsOwnNewestTokenAlone(t *testing.T) {
	c := newConversation(t, selfRegistration, nil)
	initial := c.initial(3, time.Hour)
	one := c.registers201(c.manages("POST", "/register", initial, c.metadataOf(c.client, nil), nil))
	two := c.registers201(c.manages("POST", "/register", initial, c.metadataOf(c.client, nil), nil))
	update := func(id string) map[string]any {
		return c.metadataOf(c.client, map[string]any{"client_id": id, "client_name": "Renamed"})
	}
	for _, token := range []string{two.token, initial, "", "rubbish"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			wantError(t, c.manages(method, one.uri, token, update(one.id), nil), 401, "invalid_token")
		}
	}
	wantError(t, c.manages("GET", "/register/cl_nobody", one.token, nil, nil), 401, "invalid_token")
	wantError(t, c.manages("GET", "/register/cl_kaikei", one.token, nil, nil), 401, "invalid_token")

	w := c.manages("PUT", one.uri, one.token, update(one.id), nil)
	changed := c.registers201(w)
	if a := answerOf(t, w); changed.token == one.token || a["client_name"] != "Renamed" || changed.id != one.id {
		t.Errorf("%v", a)
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		wantError(t, c.manages(method, one.uri, one.token, update(one.id), nil), 401, "invalid_token")
	}
	for name, never := range map[string]any{"registration_access_token": changed.token, "client_secret": "x", "client_id": two.id, "profile": "fapi1_adv"} {
		m := update(one.id)
		m[name] = never
		if w := c.manages("PUT", one.uri, changed.token, m, nil); w.Code != http.StatusBadRequest {
			t.Errorf("%s in an update: %d %s", name, w.Code, w.Body)
		}
	}

	certificate, other := oauthtest.Certificate(t, "kaikei.example"), oauthtest.Certificate(t, "evil.example")
	bound := c.registers201(c.manages("POST", "/register", initial, c.metadataOf(c.client, nil), certificate))
	if !strings.HasPrefix(bound.uri, oauthtest.MutualTLSURL) {
		t.Errorf("managed at %s", bound.uri)
	}
	for _, shown := range []*x509.Certificate{nil, other} {
		wantError(t, c.manages("GET", bound.uri, bound.token, nil, shown), 401, "invalid_token")
	}
	if w := c.manages("GET", bound.uri, bound.token, nil, certificate); w.Code != http.StatusOK {
		t.Errorf("with its own certificate: %d %s", w.Code, w.Body)
	}
}

func TestAClientThatRemovesItselfEndsWhatItHolds(t *testing.T) {
	c := newConversation(t, selfRegistration, nil)
	got := c.registers201(c.manages("POST", "/register", c.initial(1, time.Hour), c.metadataOf(c.client, nil), nil))
	s := *c.client
	s.ID = oauth.ClientID(got.id)
	tokens := c.tokens(&s, request(&s))
	if w := c.manages("DELETE", got.uri, got.token, nil, nil); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	c.Wait(time.Second)
	wantError(t, c.manages("GET", got.uri, got.token, nil, nil), 401, "invalid_token")
	if w := c.call(&s, "GET", "/userinfo", tokens["access_token"].(string)); w.Code != http.StatusUnauthorized {
		t.Errorf("its token: %d %s", w.Code, w.Body)
	}
	wantError(t, c.token(&s, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}}), 401, "invalid_client")
	held, err := c.in.ConsentsOf(t.Context(), s.ID)
	if err != nil || len(held) > 0 {
		t.Errorf("consents left: %v %v", held, err)
	}
}

func TestTheCustomerSeesOurPageBeforeASelfRegisteredClientIsToldOfAnError(t *testing.T) {
	c := newConversation(t, selfRegistration, nil)
	got := c.registers201(c.manages("POST", "/register", c.initial(1, time.Hour), c.metadataOf(c.client, nil), nil))
	s := *c.client
	s.ID = oauth.ClientID(got.id)
	form := request(&s)
	form.Set("prompt", "none")
	w := c.open(&s, c.push(&s, form))
	if w.Code == http.StatusSeeOther || len(c.pages) != 1 || !c.pages[0].PageFirst || c.pages[0].Redirect == nil {
		t.Errorf("%d %+v (RFC 9700 §4.11.2)", w.Code, c.pages)
	}
}

func TestRegistrationThatIsNotOnOfferIsNotThere(t *testing.T) {
	c := newConversation(t, nil, nil)
	if at := c.metadata()["registration_endpoint"]; at != nil {
		t.Errorf("metadata names %v", at)
	}
	for _, a := range [][2]string{{"POST", "/register"}, {"GET", "/register/cl_kaikei"}, {"PUT", "/register/cl_kaikei"}, {"DELETE", "/register/cl_kaikei"}} {
		if w := c.manages(a[0], a[1], "rit_x", c.metadataOf(c.client, nil), nil); w.Code != http.StatusNotFound {
			t.Errorf("%s %s: %d", a[0], a[1], w.Code)
		}
	}
	if _, _, err := c.Engine.Issuer().IssueInitialAccessToken("p", 1, time.Hour, audit.Actor{}, c.Now(), nextID()); err == nil {
		t.Error("an initial access token for what is not on offer")
	}
}

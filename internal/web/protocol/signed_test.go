package protocol_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
)

// object is the parameters of a right request as claims.
func object(s *oauthtest.Software, change map[string]string) oauthtest.Claims {
	claims := oauthtest.Claims{}
	for name, values := range request(s) {
		claims[name] = values[0]
	}
	for name, value := range change {
		if value == "" {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	return claims
}

func TestASignedRequestIsTakenWholeOrNotAtAll(t *testing.T) {
	c := newConversation(t, nil, map[string]any{"require_signed_request_object": true})
	now := c.Now().Unix()
	push := func(request string, outside url.Values) *httptest.ResponseRecorder {
		form := asked(c.client, url.Values{})
		if request != "" {
			form.Set("request", request)
		}
		for k, v := range outside {
			form[k] = v
		}
		return c.post(oauth.PAREndpoint, form)
	}
	right := func(change oauthtest.Claims) string { return c.client.RequestObject(object(c.client, nil), change) }
	for name, change := range map[string]oauthtest.Claims{
		"as it should be": nil, "aud in an array": {"aud": []string{"https://x.example", oauthtest.IssuerURL}}, "nbf 8 s ahead": {"nbf": now + 8},
		"exp 60 minutes after nbf": {"exp": now + 3600},
	} {
		if w := push(right(change), nil); w.Code != http.StatusCreated {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	wantError(t, push("", request(c.client)), 400, "invalid_request")
	for name, r := range map[string]string{
		"no exp":               right(oauthtest.Claims{"exp": nil}),
		"no nbf":               right(oauthtest.Claims{"nbf": nil}),
		"over":                 right(oauthtest.Claims{"exp": now - 1}),
		"61 minutes":           right(oauthtest.Claims{"exp": now + 3660}),
		"nbf 61 minutes ago":   right(oauthtest.Claims{"nbf": now - 3660}),
		"nbf over 60 s ahead":  right(oauthtest.Claims{"nbf": now + 61}),
		"aud is another":       right(oauthtest.Claims{"aud": "https://x.example"}),
		"no aud":               right(oauthtest.Claims{"aud": nil}),
		"iss is another":       right(oauthtest.Claims{"iss": "cl_other"}),
		"no client_id":         right(oauthtest.Claims{"client_id": nil}),
		"client_id is another": right(oauthtest.Claims{"client_id": "cl_other"}),
		"sub is the client":    right(oauthtest.Claims{"sub": "cl_kaikei"}),
		"a request inside":     right(oauthtest.Claims{"request": "x"}),
		"a request_uri inside": right(oauthtest.Claims{"request_uri": "x"}),
		"an assertion":         c.client.Assertion(oauthtest.Claims{"client_id": "cl_kaikei", "nbf": now}),
		"a proof":              c.client.Proof("POST", "x", "", "", nil),
		"unsigned":             "eyJhbGciOiJub25lIn0." + strings.Split(right(nil), ".")[1] + ".",
		"another's":            c.Register(t, "cl_other", nil).RequestObject(object(c.client, nil), oauthtest.Claims{"iss": "cl_kaikei", "client_id": "cl_kaikei"}),
		"five parts":           right(nil) + ".x.y",
		"changed":              right(nil) + "A",
	} {
		t.Run(name, func(t *testing.T) { wantError(t, push(r, nil), 400, "invalid_request_object") })
	}
	// What must be inside is not taken from outside.
	for _, missing := range []string{"redirect_uri", "scope", "response_type", "code_challenge"} {
		r := c.client.RequestObject(object(c.client, map[string]string{missing: ""}), nil)
		wantError(t, push(r, url.Values{missing: request(c.client)[missing]}), 400, "invalid_request")
	}
}

func TestASignedAnswerHoldsEverythingInOneParameter(t *testing.T) {
	c := newConversation(t, nil, map[string]any{"authorization_signed_response_alg": "ES256"})
	plain := request(c.client)
	wantError(t, c.post(oauth.PAREndpoint, asked(c.client, plain)), 400, "invalid_request")
	form := request(c.client)
	form.Set("response_mode", "jwt")
	c.open(c.client, c.push(c.client, form))
	back := c.approve(c.client)
	q := back.Query()
	if len(q) != 2 || q.Get("bank") != "1" || q.Get("response") == "" {
		t.Fatalf("the way back is %s", back)
	}
	claims := claimsOf(t, c, q.Get("response"), "")
	lives := time.Unix(int64(claims["exp"].(float64)), 0).Sub(c.Now())
	if claims["iss"] != oauthtest.IssuerURL || claims["aud"] != "cl_kaikei" || claims["state"] != "s-1" || claims["code"] == nil || lives < 10*time.Second || lives > 10*time.Minute {
		t.Errorf("claims %v", claims)
	}
	if w := c.token(c.client, redemption(c.client, claims["code"].(string))); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	form = request(c.client.Again())
	form.Set("response_mode", "jwt")
	form.Set("prompt", "none")
	w := c.open(c.client, c.push(c.client, form))
	u, _ := url.Parse(w.Header().Get("Location"))
	if claims := claimsOf(t, c, u.Query().Get("response"), ""); claims["error"] != "login_required" || claims["state"] != "s-1" {
		t.Errorf("an error: %v", claims)
	}
}

func advanced(more map[string]any) map[string]any {
	m := map[string]any{"profile": "fapi1_adv", "dpop_bound_access_tokens": nil, "tls_client_certificate_bound_access_tokens": true, "response_types": []string{"code id_token", "code"}}
	for k, v := range more {
		m[k] = v
	}
	return m
}

func (c *conversation) byValue(s *oauthtest.Software, claims oauthtest.Claims) *httptest.ResponseRecorder {
	q := url.Values{"client_id": {string(s.ID)}, "request": {s.RequestObject(claims, nil)}, "response_type": {"code"}, "scope": {"everything"}, "redirect_uri": {"https://evil.example"}}
	return c.do(httptest.NewRequest("GET", "/authorize?"+q.Encode(), nil))
}

func TestFAPI1AdvancedTakesASignedRequestByValueAndAnswersHybrid(t *testing.T) {
	c := newConversation(t, nil, advanced(nil))
	without := map[string]string{"response_type": "code id_token", "code_challenge": "", "code_challenge_method": ""}
	if w := c.byValue(c.client, object(c.client, without)); w.Code != http.StatusSeeOther || len(c.began) != 1 {
		t.Fatalf("%d %v", w.Code, c.pages)
	}
	back := c.approve(c.client)
	f, err := url.ParseQuery(back.Fragment)
	if err != nil || back.RawQuery != "bank=1" || f.Get("code") == "" || f.Get("state") != "s-1" {
		t.Fatalf("the way back is %s", back)
	}
	claims := claimsOf(t, c, f.Get("id_token"), "JWT")
	if claims["c_hash"] == nil || claims["s_hash"] == nil || claims["nonce"] != "n-1" {
		t.Errorf("claims %v", claims)
	}
	certificate := oauthtest.Certificate(t, "x")
	form := asked(c.client, url.Values{"grant_type": {"authorization_code"}, "code": {f.Get("code")}, "redirect_uri": {oauthtest.RedirectURI}})
	w := c.postWith(certificate, oauth.TokenEndpoint, form)
	if got := answerOf(t, w); w.Code != http.StatusOK || got["token_type"] != "Bearer" {
		t.Errorf("%d %v", w.Code, got)
	}
	for name, change := range map[string]map[string]string{
		"code in the query":     {"response_type": "code"},
		"no nonce":              {"response_type": "code id_token", "nonce": ""},
		"a token in front":      {"response_type": "code id_token token"},
		"an id_token alone":     {"response_type": "id_token"},
		"hybrid in the query":   {"response_type": "code id_token", "response_mode": "query"},
		"another redirect_uri":  {"response_type": "code id_token", "redirect_uri": "https://evil.example"},
		"a challenge, not S256": {"response_type": "code id_token", "code_challenge_method": "plain"},
	} {
		began := len(c.began)
		if c.byValue(c.client, object(c.client.Again(), change)); len(c.began) != began {
			t.Errorf("%s began a journey", name)
		}
	}
	signed := object(c.client.Again(), map[string]string{"response_type": "code", "response_mode": "jwt"})
	began := len(c.began)
	if c.byValue(c.client, signed); len(c.began) != began+1 {
		t.Error("code with a signed answer began no journey")
	}
}

func TestFAPI1AdvancedPushesWithPKCE(t *testing.T) {
	c := newConversation(t, nil, advanced(nil))
	push := func(change map[string]string) *httptest.ResponseRecorder {
		return c.post(oauth.PAREndpoint, asked(c.client, url.Values{"request": {c.client.RequestObject(object(c.client.Again(), change), nil)}}))
	}
	hybrid := map[string]string{"response_type": "code id_token"}
	if w := push(hybrid); w.Code != http.StatusCreated {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	hybrid["code_challenge"] = ""
	wantError(t, push(hybrid), 400, "invalid_request")
	for _, aud := range []any{oauthtest.IssuerURL + "/token", oauthtest.IssuerURL + "/par", []string{"x", oauthtest.MutualTLSURL + "/par"}} {
		form := url.Values{
			"request":          {c.client.RequestObject(object(c.client.Again(), map[string]string{"response_type": "code id_token"}), nil)},
			"client_assertion": {c.client.Assertion(oauthtest.Claims{"aud": aud})}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		if w := c.post(oauth.PAREndpoint, form); w.Code != http.StatusCreated {
			t.Errorf("aud %v: %d %s", aud, w.Code, w.Body)
		}
	}
}

func TestFAPI1AdvancedWantsNonceOrStateWhateverTheAnswersMode(t *testing.T) {
	c := newConversation(t, nil, advanced(nil))
	for name, a := range map[string]struct {
		change map[string]string
		begins bool
	}{
		"openid without nonce":       {map[string]string{"nonce": ""}, false},
		"openid without state":       {map[string]string{"state": ""}, true},
		"plain OAuth without nonce":  {map[string]string{"nonce": "", "scope": "account.balance"}, true},
		"plain OAuth without state":  {map[string]string{"state": "", "scope": "account.balance"}, false},
		"a hybrid answer, no nonce":  {map[string]string{"nonce": "", "response_type": "code id_token"}, false},
		"everything that it can ask": {nil, true},
	} {
		change := map[string]string{"response_type": "code", "response_mode": "jwt"}
		if a.change["response_type"] != "" {
			change["response_mode"] = ""
		}
		for k, v := range a.change {
			change[k] = v
		}
		began := len(c.began)
		w := c.byValue(c.client, object(c.client.Again(), change))
		if begins := len(c.began) > began; begins != a.begins {
			t.Errorf("%s: began %v, %d %s", name, begins, w.Code, w.Header().Get("Location"))
		}
	}
}

// A client has one profile: what another may send by value it may not.
func TestFAPI2ClientsCannotBringARequestByValue(t *testing.T) {
	c := newConversation(t, nil, nil)
	if w := c.byValue(c.client, object(c.client, nil)); len(c.pages) != 1 || w.Header().Get("Location") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestALoginThatIsNotTheOneAskedForLeadsBackWithAnError(t *testing.T) {
	c := newConversation(t, nil, nil)
	got := c.tokens(c.client, request(c.client))
	for name, a := range map[string]struct {
		change func(url.Values)
		user   corebank.UserID
		acr    string
		want   string
	}{
		"the hinted user":      {func(f url.Values) { f.Set("id_token_hint", got["id_token"].(string)) }, "usr_hanako", "urn:demo:password", ""},
		"another than hinted":  {func(f url.Values) { f.Set("id_token_hint", got["id_token"].(string)) }, "usr_taro", "urn:demo:password", "login_required"},
		"another than the sub": {func(f url.Values) { f.Set("claims", `{"id_token":{"sub":{"value":"sub_other"}}}`) }, "usr_hanako", "urn:demo:password", "login_required"},
		"a weaker login": {func(f url.Values) {
			f.Set("claims", `{"id_token":{"acr":{"essential":true,"values":["urn:demo:password"]}}}`)
		}, "usr_hanako", "urn:demo:less", "unmet_authentication_requirements"},
		"a login that is a wish": {func(f url.Values) { f.Set("acr_values", "urn:demo:more") }, "usr_hanako", "urn:demo:password", ""},
		"a login as strong as due": {func(f url.Values) {
			f.Set("claims", `{"id_token":{"acr":{"essential":true,"value":"urn:demo:password"}}}`)
		}, "usr_hanako", "urn:demo:password", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.client.Again()
			form := request(s)
			a.change(form)
			c.open(s, c.push(s, form))
			approval := c.approval(s)
			approval.Subject, approval.ACR = a.user, a.acr
			back, change, err := c.Engine.Approve(t.Context(), c.began[len(c.began)-1].Handle, approval)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.in.Commit(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(back.URL)
			if q := u.Query(); q.Get("error") != a.want || (q.Get("code") == "") != (a.want != "") {
				t.Errorf("the way back is %s", back.URL)
			}
		})
	}
	form := request(c.client.Again())
	form.Set("claims", `{"id_token":{"acr":{"essential":true,"value":"urn:out:of:reach"}}}`)
	w := c.open(c.client, c.push(c.client, form))
	if u, _ := url.Parse(w.Header().Get("Location")); u == nil || u.Query().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("out of reach: %d %v", w.Code, w.Header())
	}
	form = request(c.client.Again())
	form.Set("id_token_hint", c.client.Assertion(nil))
	wantError(t, c.post(oauth.PAREndpoint, asked(c.client, form)), 400, "invalid_request")
}

func TestARequestMayBePostedToTheAuthorizationEndpoint(t *testing.T) {
	c := newConversation(t, nil, nil)
	uri := c.push(c.client, request(c.client))
	w := c.post(oauth.AuthorizeEndpoint, url.Values{"client_id": {"cl_kaikei"}, "request_uri": {uri}})
	if w.Code != http.StatusSeeOther || len(c.began) != 1 {
		t.Errorf("%d", w.Code)
	}
}

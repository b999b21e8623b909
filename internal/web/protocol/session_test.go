package protocol_test

import (
	"net/http/httptest"
	"net/url"
	"testing"
)

// protocol.md §1: step 6 is never skipped, so prompt=none ends in login_required
// or, where a session lasts, in consent_required.
func TestPromptNoneSaysWhatIsMissing(t *testing.T) {
	c := newConversation(t, nil, nil)
	for _, k := range []struct {
		name, cookie, want string
		change             func(url.Values)
	}{
		{"without a session", "", "login_required", nil},
		{"with one", "__Host-session=ses_x", "consent_required", nil},
		{"with one that may not be used", "__Host-session=ses_x", "login_required", func(f url.Values) { f.Set("max_age", "60") }},
	} {
		form := request(c.client)
		form.Set("prompt", "none")
		if k.change != nil {
			k.change(form)
		}
		uri := c.push(c.client, form)
		r := httptest.NewRequest("GET", "/authorize?"+url.Values{"client_id": {string(c.client.ID)}, "request_uri": {uri}}.Encode(), nil)
		if k.cookie != "" {
			r.Header.Set("Cookie", k.cookie)
		}
		w := c.do(r)
		back, err := url.Parse(w.Header().Get("Location"))
		if err != nil || back.Query().Get("error") != k.want || back.Query().Get("iss") == "" {
			t.Errorf("%s: %d %s", k.name, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestWhatAsksForALoginOfItsOwn(t *testing.T) {
	c := newConversation(t, nil, nil)
	for name, k := range map[string]struct {
		form url.Values
		want bool
	}{
		"nothing":               {url.Values{}, false},
		"prompt=consent":        {url.Values{"prompt": {"consent"}}, false},
		"prompt=login":          {url.Values{"prompt": {"consent login"}}, true},
		"prompt=select_account": {url.Values{"prompt": {"select_account"}}, true},
		"max_age":               {url.Values{"max_age": {"86400"}}, true},
		"a user by subject":     {url.Values{"claims": {`{"id_token":{"sub":{"value":"someone"}}}`}}, true},
	} {
		form := request(c.client)
		for key, v := range k.form {
			form[key] = v
		}
		uri := c.push(c.client, form)
		c.began = nil
		c.do(httptest.NewRequest("GET", "/authorize?"+url.Values{"client_id": {string(c.client.ID)}, "request_uri": {uri}}.Encode(), nil))
		if len(c.began) != 1 || c.began[0].Asked.Relogin != k.want {
			t.Errorf("%s: %+v", name, c.began)
		}
	}
}

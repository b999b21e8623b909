package toolbox_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/toolbox"
)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var now = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

func TestAProofIsHeldAgainstItsRequest(t *testing.T) {
	right := toolbox.Use{Method: "POST", URL: "https://link.example.jp/token?x=1#y", Token: secret.Of("rat_x"), Nonce: "n1"}
	made, err := toolbox.Proof(newKey(t), right, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*toolbox.Use)
		at     time.Duration
		wrong  string // empty: it holds
	}{
		{"right", func(*toolbox.Use) {}, 0, ""},
		{"nothing to compare with", func(u *toolbox.Use) { *u = toolbox.Use{} }, 0, ""},
		{"the same address in other letters", func(u *toolbox.Use) { u.URL = "HTTPS://LINK.example.jp:443/token" }, 0, ""},
		{"another method", func(u *toolbox.Use) { u.Method = "GET" }, 0, "htm"},
		{"another path", func(u *toolbox.Use) { u.URL = "https://link.example.jp/par" }, 0, "htu"},
		{"another port", func(u *toolbox.Use) { u.URL = "https://link.example.jp:8443/token" }, 0, "htu"},
		{"another token", func(u *toolbox.Use) { u.Token = secret.Of("rat_y") }, 0, "ath"},
		{"another nonce", func(u *toolbox.Use) { u.Nonce = "n2" }, 0, "nonce"},
		{"much later", func(*toolbox.Use) {}, 6 * time.Minute, "iat"},
		{"much earlier", func(*toolbox.Use) {}, -2 * time.Minute, "iat"},
	} {
		use := right
		c.change(&use)
		var out strings.Builder
		err := toolbox.CheckProof(&out, made.Reveal(), use, now.Add(c.at))
		if c.wrong == "" && err != nil || c.wrong != "" && (fault.Of(err) != fault.Refused || !strings.Contains(out.String(), "WRONG  "+c.wrong+":")) {
			t.Errorf("%s: %v\n%s", c.name, err, out.String())
		}
	}
	forged := made.Reveal()[:len(made.Reveal())-6] + "AAAAAA"
	if err := toolbox.CheckProof(io.Discard, forged, right, now); fault.Of(err) != fault.Refused || !strings.Contains(err.Error(), "signature") {
		t.Errorf("forged: %v", err)
	}
}

// server is an issuer that demands a nonce, as far as it takes to push.
func server(t *testing.T, nonces int) (*httptest.Server, *[]http.Header) {
	t.Helper()
	var seen []http.Header
	mux := http.NewServeMux()
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "authorization_endpoint": %q, "pushed_authorization_request_endpoint": %q}`, s.URL, s.URL+"/authorize", s.URL+"/par")
	})
	mux.HandleFunc("POST /par", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		h := r.Header.Clone()
		for name, values := range r.PostForm {
			h["form "+name] = values
		}
		seen = append(seen, h)
		if len(seen) <= nonces {
			w.Header().Set("DPoP-Nonce", fmt.Sprint("n", len(seen)))
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error": "use_dpop_nonce"}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"request_uri": "urn:x", "expires_in": 300}`)
	})
	return s, &seen
}

func TestADemandForANonceIsMetOnceWithAFreshAssertion(t *testing.T) {
	s, seen := server(t, 1)
	key := newKey(t)
	who := toolbox.Client{ID: "cl_x", Key: key, DPoPKey: newKey(t)}
	got, err := toolbox.Push(t.Context(), s.Client(), who, toolbox.Request{Issuer: s.URL, Params: map[string]string{"scope": "openid"}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if want := s.URL + "/authorize?client_id=cl_x&request_uri=urn%3Ax"; got.AuthorizeURL != want || got.ExpiresIn != 300 || got.Nonce == "" || got.JKT == "" {
		t.Errorf("got %+v, want the address %s", got, want)
	}
	if len(*seen) != 2 {
		t.Fatalf("asked %d times", len(*seen))
	}
	first, second := (*seen)[0], (*seen)[1]
	if first["form client_assertion"][0] == second["form client_assertion"][0] {
		t.Error("one assertion went twice")
	}
	proof, err := jose.ParseProof(second.Get("DPoP"), []jose.Algorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(proof.Payload, &claims); err != nil || claims["nonce"] != "n1" || claims["htu"] != s.URL+"/par" {
		t.Errorf("%s, %v", proof.Payload, err)
	}

	s, _ = server(t, 9)
	if _, err := toolbox.Push(t.Context(), s.Client(), who, toolbox.Request{Issuer: s.URL, Params: map[string]string{}}, time.Now); fault.Of(err) != fault.Refused {
		t.Errorf("a server that is never content: %v", err)
	}
}

func TestAnIssuerMustBeWhoItSays(t *testing.T) {
	s, _ := server(t, 0)
	if _, err := toolbox.Discover(t.Context(), s.Client(), strings.Replace(s.URL, "127.0.0.1", "localhost", 1)); err == nil {
		t.Error("an issuer under another name was believed")
	}
	for _, issuer := range []string{"", "link.example.jp", "ftp://x", "://"} {
		if _, err := toolbox.Discover(t.Context(), s.Client(), issuer); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

package protocol_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
)

// tries is how often each bad request is sent: the quickest time counts, so that
// a busy machine does not.
const tries = 5

// within and memory are what a request that is too much may cost (protocol.md §4
// item 12).
const (
	within = 50 * time.Millisecond
	memory = 4 << 20 // bytes for a request, whatever its size
)

// header is a JOSE header, or any part of a compact serialization.
func header(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// tooMuch names what nobody may send, each with what makes a request of it anew.
func (c *conversation) tooMuch() map[string]func() *http.Request {
	form := func(path, body string, headers ...string) func() *http.Request {
		return func() *http.Request {
			r := httptest.NewRequest("POST", path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			return r
		}
	}
	push := func(name, value string) func() *http.Request {
		return func() *http.Request {
			f := asked(c.client, request(c.client))
			f.Set(name, value)
			return form("/par", f.Encode())()
		}
	}
	assertion := func(compact string) func() *http.Request {
		return form("/token", url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {compact},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}.Encode())
	}
	proof := func(compact string) func() *http.Request {
		return func() *http.Request {
			return form("/token", asked(c.client, url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}}).Encode(), "DPoP", compact)()
		}
	}
	claims := header(fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"jti":"x","exp":%d}`, c.client.ID, c.client.ID, oauthtest.IssuerURL, c.Now().Unix()+60))
	signature := strings.Repeat("A", 86)
	deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	giant := strings.Repeat("A", 40_000)
	initial := c.initial(1, time.Hour)
	registers := func(body string) func() *http.Request {
		return func() *http.Request {
			r := httptest.NewRequest("POST", "/register", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+initial)
			return r
		}
	}
	return map[string]func() *http.Request{
		"a parameter twice":             form("/token", "grant_type=client_credentials&grant_type=client_credentials"),
		"an unknown parameter twice":    form("/token", "x=1&x=1"),
		"100 kB of scope":               push("scope", "openid "+strings.Repeat("account.balance ", 6_400)),
		"a scope of 100 kB in one word": push("scope", strings.Repeat("a", 100_000)),
		"10^5 parameters":               form("/token", strings.Repeat("a=1&", 100_000)),
		"10^5 parameters without name":  form("/par", strings.Repeat("=&", 100_000)),
		"10^5 parameters in the query": func() *http.Request {
			return httptest.NewRequest("GET", "/authorize?"+strings.Repeat("a=1&", 100_000), nil)
		},
		"a megabyte":                             form("/token", "scope="+strings.Repeat("a", 1<<20)),
		"a megabyte at the browser's endpoint":   form("/authorize", "scope="+strings.Repeat("a", 1<<20)),
		"deep authorization_details":             push("authorization_details", "["+deep+"]"),
		"deep claims":                            push("claims", deep),
		"10^4 authorization_details":             push("authorization_details", "["+strings.Repeat(`{"type":"corporate_account_information","actions":["balance"]},`, 250)+"{}]"),
		"a field of authorization_details twice": push("authorization_details", `[{"type":"x","type":"corporate_account_information","actions":["balance"]}]`),
		"a request object of 60 kB":              push("request", header(`{"alg":"ES256"}`)+"."+giant+"."+signature),
		"a request object of deep claims":        push("request", header(`{"alg":"ES256","kid":"k1"}`)+"."+header(deep)+"."+signature),
		"an assertion with a deep header":        assertion(header(deep) + "." + claims + "." + signature),
		"an assertion with a giant header":       assertion(header(`{"alg":"ES256","x":"`+giant[:30_000]+`"}`) + "." + claims + "." + signature),
		"an assertion of deep claims":            assertion(header(`{"alg":"ES256"}`) + "." + header(deep) + "." + signature),
		"a thousand dots":                        assertion(strings.Repeat("a.", 1000)),
		"an encrypted assertion, 10^9 rounds":    assertion(header(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":1000000000,"p2s":"AAAA"}`) + ".AAAA.AAAA.AAAA.AAAA"),
		"a compressed assertion":                 assertion(header(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`) + "..AAAA.AAAA.AAAA"),
		"an unsigned assertion":                  assertion(header(`{"alg":"none"}`) + "." + claims + "."),
		"a critical extension":                   assertion(header(`{"alg":"ES256","kid":"k1","crit":["b64"],"b64":false}`) + "." + claims + "." + signature),
		"a proof by a giant RSA key":             proof(header(`{"typ":"dpop+jwt","alg":"PS256","jwk":{"kty":"RSA","e":"AQAB","n":"`+giant[:5_000]+`"}}`) + "." + claims + "." + signature),
		"a proof by a giant RSA exponent":        proof(header(`{"typ":"dpop+jwt","alg":"PS256","jwk":{"kty":"RSA","e":"`+strings.Repeat("_", 340)+`","n":"`+strings.Repeat("_", 342)+`"}}`) + "." + claims + "." + signature),
		"a proof off its curve":                  proof(header(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"`+giant[:43]+`","y":"`+giant[:43]+`"}}`) + "." + claims + "." + signature),
		"a proof of 9 kB":                        proof(header(`{"typ":"dpop+jwt","alg":"ES256"}`) + "." + giant[:9_000] + "." + signature),
		"a token of 60 kB":                       form("/userinfo", "", "Authorization", "DPoP "+giant+giant[:20_000]),
		"a key set of 10^4 keys":                 registers(`{"redirect_uris":["https://a.example/"],"jwks":{"keys":[` + strings.Repeat(`{"kty":"x"},`, 5_000) + `{}]}}`),
		"deep metadata":                          registers(deep),
		"a megabyte of metadata":                 registers(`{"client_name":"` + strings.Repeat("a", 1<<20) + `"}`),
		"10^4 redirect URIs":                     registers(`{"redirect_uris":["https://a.example/"` + strings.Repeat(`,"https://b.example/"`, 2_500) + `]}`),
	}
}

func TestWhatIsTooMuchIsRefusedAtOnceInFlatMemory(t *testing.T) {
	c := newConversation(t, func(cfg *oauth.Config) { selfRegistration(cfg) }, nil)
	for name, make := range c.tooMuch() {
		t.Run(name, func(t *testing.T) {
			quickest, least := time.Hour, uint64(1<<62)
			for range tries {
				r, w := make(), httptest.NewRecorder()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				began := time.Now()
				c.issuer.ServeHTTP(w, r)
				quickest = min(quickest, time.Since(began))
				runtime.ReadMemStats(&after)
				least = min(least, after.TotalAlloc-before.TotalAlloc)
				page := len(c.pages) > 0 && strings.HasPrefix(r.URL.Path, "/authorize")
				if w.Code < 400 || w.Code >= 500 || w.Body.Len() > 4<<10 || (w.Body.Len() == 0) != page {
					t.Fatalf("%d with %d bytes: %.200s", w.Code, w.Body.Len(), w.Body)
				}
			}
			if quickest > within {
				t.Errorf("refused after %s", quickest)
			}
			if least > memory {
				t.Errorf("took %d kB", least>>10)
			}
		})
	}
	// And nothing of it stays.
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 8 {
		for _, make := range c.tooMuch() {
			c.issuer.ServeHTTP(httptest.NewRecorder(), make())
		}
	}
	c.pages = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d kB are kept of what was refused", grown>>10)
	}
}

package oauth

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"renkei.dev/internal/jose"
)

// What is accepted has one reading only; what is not is a Failure in words that
// may go outside. No text makes a parser panic.

func wordsMayGoOutside(t *testing.T, f *Failure) {
	t.Helper()
	if f == nil {
		return
	}
	for _, r := range f.Word {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			t.Fatalf("error_description %q (RFC 6749 §5.2)", f.Word)
		}
	}
}

func FuzzForm(f *testing.F) {
	for _, seed := range []string{"", "a=1&b=2", "a=1&a=2", "a=%zz", "a=1;b=2", "resource=x&resource=y", "a[]=1", "=1", "&&", "a=%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := ParseForm(text)
		if err != nil {
			wordsMayGoOutside(t, err.(*Failure))
			return
		}
		same, err := url.ParseQuery(text)
		if err != nil {
			t.Fatalf("accepted what the standard library refuses: %q", text)
		}
		for name, values := range form.values {
			if len(values) != len(same[name]) || values[0] != same[name][0] || len(values) > 1 && name != "resource" {
				t.Fatalf("%q is %q here and %q there", name, values, same[name])
			}
		}
	})
}

func FuzzAuthorizationDetails(f *testing.F) {
	for _, seed := range []string{
		`[{"type":"corporate_account_information","actions":["balance"]}]`,
		`[{"type":"corporate_account_information","actions":["balance","balance"]}]`,
		`[{"type":"corporate_account_information","actions":["balance"],"historyDays":30,"accounts":["acc_x"]}]`,
		`[{"type":"x","type":"corporate_account_information","actions":["balance"]}]`, `[]`, `{}`, `[[[[[[[[[]]]]]]]]]`, `null`, `[null]`, `[{"Type":"corporate_account_information"}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, failure := parseDetails([]byte(text), nil)
		wordsMayGoOutside(t, failure)
		if failure != nil || len(all) == 0 {
			return
		}
		again, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if _, failure := parseDetails(again, nil); failure != nil {
			t.Fatalf("what was accepted is refused when it is written again: %s", again)
		}
		for _, d := range all {
			if d.Type != DetailsType || len(d.Actions) == 0 {
				t.Fatalf("accepted %+v", d)
			}
		}
	})
}

func FuzzRedirectURI(f *testing.F) {
	for _, seed := range []string{
		"https://a.example/cb", "http://a.example/cb", "https://a.example/cb#x", "https://u@a.example/", "https://a.example\\@b.example/",
		"javascript:alert(1)", "https://a.example/../x", "https://a.example?code=1", "//a.example", "https://*.example/", "https://a.example/\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if redirectURIFault(text) != "" {
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(text, "\\ \t\r\n<>\"#*") {
			t.Fatalf("accepted %q", text)
		}
		// The way back leads to the same place, with its own query kept.
		back, err := url.Parse(Redirect{URL: text + mark(text) + encodeParameters(map[string]string{"code": "c", "iss": "i"})}.URL)
		if err != nil || back.Host != u.Host || back.Path != u.Path || back.Query().Get("code") != "c" {
			t.Fatalf("the way back from %q is %v", text, back)
		}
	})
}

func mark(uri string) string {
	if strings.Contains(uri, "?") {
		return "&"
	}
	return "?"
}

func FuzzClientMetadata(f *testing.F) {
	key, err := jose.Generate(jose.ES256, time.Unix(1_800_000_000, 0), time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	key.State = jose.Active
	ring, err := jose.NewRing([]jose.Key{key}, time.Unix(1_800_000_000, 0))
	if err != nil {
		f.Fatal(err)
	}
	issuer := Issuer{URL: "https://bank.example", MutualTLSURL: "https://mtls.bank.example", Profiles: []Profile{FAPI2, FAPI1Adv}, Keys: ring}
	jwks := string(ring.JWKS())
	for _, seed := range []string{
		`{"redirect_uris":["https://a.example/cb"],"jwks":` + jwks + `}`,
		`{"redirect_uris":["javascript:alert(1)"],"jwks":` + jwks + `}`,
		`{"client_name":"<b>x</b>","redirect_uris":["https://a.example/cb"],"jwks":` + jwks + `}`,
		`{"jwks":{"keys":[{"kty":"oct","k":"x"}]}}`, `{"profile":"legacy"}`, `{"scope":"openid everything"}`, `{"client_id":"sub_x"}`, `null`, `[]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := issuer.ParseClient("p", []byte(text))
		if err != nil {
			return
		}
		if c.DPoPBound == c.CertificateBound || !c.May(grantCode) != (len(c.RedirectURIs) == 0) || !utf8.ValidString(c.Name) {
			t.Fatalf("accepted %s as %+v", text, c)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := issuer.ParseClient("p", again); err != nil {
			t.Fatalf("what was accepted is refused when it is written again: %v", err)
		}
	})
}

func FuzzDPoPHeader(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6Im5vbmUifQ.e30.", "....", strings.Repeat("A", 9000)} {
		f.Add(seed)
	}
	e := &Engine{nonces: nonces{key: make([]byte, 32)}}
	f.Fuzz(func(t *testing.T, header string) {
		if _, failure := e.checkProof([]string{header}, proofUse{server: authorizationServer, method: "POST", target: "https://bank.example/token"}); failure == nil {
			t.Fatalf("a proof without anybody's key was accepted: %q", header)
		} else {
			wordsMayGoOutside(t, failure)
		}
	})
}

func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"https://bank.example/token", "HTTPS://BANK.example:443/token?x#y", "https://bank.example/%74oken", "https://x@bank.example/token", "https://[::1]:443/", "https:bank", "\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, htu string) {
		if !sameTarget(htu, "https://bank.example/token") {
			return
		}
		u, err := url.Parse(htu)
		if err != nil || !strings.EqualFold(u.Hostname(), "bank.example") || u.EscapedPath() != "/token" || u.User != nil || !strings.EqualFold(u.Scheme, "https") {
			t.Fatalf("%q counts as our token endpoint", htu)
		}
	})
}

func FuzzDistinguishedName(f *testing.F) {
	for _, seed := range []string{"CN=a", `CN=a\,b, O=c`, "CN=a+OU=b,C=JP", "2.5.4.3=a", "CN=#04024869", `CN=a\`, `CN=\41`, "CN", "=x", "CN=a;O=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if names, err := parseDN(text); err == nil && len(names) == 0 {
			t.Fatalf("%q is a name without components", text)
		}
	})
}

func FuzzRequestObjectClaims(f *testing.F) {
	for _, seed := range []string{`{"scope":"openid","max_age":60,"claims":{"id_token":null},"resource":["a","b"]}`, `{}`, `null`, `[]`, `{"a":1e999}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := formOfClaims([]byte(text))
		if err != nil {
			return
		}
		for _, never := range []string{"iss", "aud", "exp", "nbf"} {
			if len(form.All(never)) > 0 {
				t.Fatalf("%s became a parameter", never)
			}
		}
	})
}

func FuzzHandle(f *testing.F) {
	f.Add("1.AAAA.2")
	f.Add(string(newHandle(Key{ID: 7}, time.Unix(1_800_000_000, 0)).handle()))
	f.Fuzz(func(t *testing.T, text string) {
		if b, ok := Handle(text).parse(); ok {
			if again, ok := b.handle().parse(); !ok || again != b {
				t.Fatalf("%q is read twice as %v and %v", text, b, again)
			}
		}
	})
}

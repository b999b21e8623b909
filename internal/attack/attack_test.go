package attack_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"crypto/x509"

	"renkei.dev/internal/attack"
)

// A check that cannot fail says nothing. So each attack below meets a server that
// has exactly the hole it looks for, and before that the same server without any.

func (s *server) target(t *testing.T) attack.Target {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.http.Certificate())
	target := attack.Target{Issuer: s.issuer, Roots: roots, Users: []attack.User{{LoginID: "hanako", Password: "x"}}}
	for _, c := range s.clients {
		target.Clients = append(target.Clients, attack.Client{
			ID: c.id, RedirectURIs: c.redirects, Method: "private_key_jwt", Binding: "dpop", Key: c.key, KID: "k",
		})
	}
	return target
}

func run(t *testing.T, hole string, rows ...string) []attack.Result {
	t.Helper()
	results, err := attack.Run(t.Context(), attack.Options{Target: newServer(t, hole).target(t), Only: rows})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// soundRows are those that the small server can stand up to.
var soundRows = []string{"P01", "P03", "P04", "P05", "P06", "P09", "P10", "P11", "P12", "P13", "P15", "P16", "P17", "P18", "P22", "P24", "P27", "P34"}

func TestAServerWithoutHolesHolds(t *testing.T) {
	for _, r := range run(t, "", soundRows...) {
		if r.Outcome != attack.Held {
			t.Errorf("%s is %s: %+v %+v", r.Row, r.Outcome, r.Through(), r.Missing)
		}
	}
}

func TestEachHoleIsFound(t *testing.T) {
	for hole, want := range map[string]struct{ row, variant string }{
		"redirect_uri by prefix":               {"P01", "redirect_uri="},
		"redirect_uri without case":            {"P01", "redirect_uri="},
		"request_uri good for ever":            {"P03", "spent by a grant"},
		"request_uri of any client":            {"P03", "another client's"},
		"request_uri fetched":                  {"P04", "fetched in all"},
		"parameters twice":                     {"P05", "twice"},
		"query and body mixed":                 {"P05", "query"},
		"PKCE plain":                           {"P06", "plain"},
		"PKCE not needed":                      {"P06", "no challenge"},
		"verifier not looked at":               {"P06", "redeemed"},
		"alg none":                             {"P09", "alg none"},
		"HS256 by the public key":              {"P09", "HS256 by the public key"},
		"assertion again":                      {"P09", "the same again"},
		"assertion in a race":                  {"P09", "exactly one of twenty"},
		"aud an array":                         {"P09", "aud an array"},
		"jwk of the header believed":           {"P09", "a stranger's key in jwk"},
		"Basic beside an assertion":            {"P10", "Basic"},
		"client_id alone":                      {"P10", "a client_id alone"},
		"code of any client":                   {"P11", "another client"},
		"code burnt by anybody":                {"P11", "the owner afterwards"},
		"code again":                           {"P12", "the code once more"},
		"code again, tokens live on":           {"P12", "the access token afterwards"},
		"code in a race":                       {"P12", "fifty redemptions"},
		"refresh token of any client":          {"P13", "another client"},
		"refresh without proof":                {"P13", "no proof"},
		"scope grows":                          {"P13", "for scope"},
		"ID token opens the API":               {"P15", "an ID token"},
		"introspection of any token":           {"P16", "by another client"},
		"revocation forgotten":                 {"P17", "introspection at once"},
		"issuer from the Host header":          {"P18", "evil.example"},
		"issuer from X-Forwarded-Host":         {"P18", "X-Forwarded-Host"},
		"bearer for a bound token":             {"P22", "Bearer for a bound token"},
		"proof again":                          {"P22", "a proof again"},
		"proof of any key":                     {"P22", "a thief's key"},
		"proof of any address":                 {"P22", "another host"},
		"proof of any age":                     {"P22", "an hour ago"},
		"nonce not looked at":                  {"P22", "made-up nonce"},
		"ath not looked at":                    {"P22", "ath of another token"},
		"two proofs":                           {"P22", "two proofs"},
		"token in the query":                   {"P24", "a token in the query"},
		"Authorization split at any space":     {"P24", "two spaces"},
		"CORS at the authorization endpoint":   {"P27", "authorization endpoint"},
		"keys of all clients in one set":       {"P34", "signed by the other's key"},
		"307 after the authorization endpoint": {"P28", "after the authorization endpoint by POST"},
	} {
		t.Run(hole, func(t *testing.T) {
			t.Parallel()
			r := run(t, hole, want.row)[0]
			if r.Outcome != attack.Through {
				t.Fatalf("%s is %s: %+v", r.Row, r.Outcome, r.Missing)
			}
			for _, c := range r.Through() {
				if strings.Contains(c.Name, want.variant) {
					return
				}
			}
			t.Errorf("it got through, but not by %q: %+v", want.variant, r.Through())
		})
	}
}

func TestNodesOfOneIssuerShareTheirMemory(t *testing.T) {
	for hole, want := range map[string]attack.Outcome{"": attack.Held, "replays remembered per node": attack.Through} {
		s := newServer(t, hole)
		target := s.target(t)
		target.Nodes = []string{strings.TrimPrefix(s.node(t).http.URL, "https://")}
		results, err := attack.Run(t.Context(), attack.Options{Target: target, Only: []string{"P09", "P12", "P22"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Outcome != want && (hole == "" || r.Row != "P12") {
				t.Errorf("%q: %s is %s: %+v %+v", hole, r.Row, r.Outcome, r.Through(), r.Missing)
			}
		}
	}
}

func TestWhatCannotBeRunIsNeverHeld(t *testing.T) {
	for _, r := range run(t, "", "P21", "P35", "P36") {
		if r.Outcome != attack.NotRun || len(r.Missing) == 0 || r.Missing[0].Why == "" {
			t.Errorf("%s is %s: %+v", r.Row, r.Outcome, r.Missing)
		}
	}
	for _, r := range run(t, "nobody can link", "P11", "P12", "P14", "P33") {
		if r.Outcome != attack.NotRun {
			t.Errorf("%s is %s although nobody can link: %+v", r.Row, r.Outcome, r.Missing)
		}
	}
}

func TestOtherMachinesAreNotAttackedByMistake(t *testing.T) {
	for _, issuer := range []string{"https://192.0.2.1", "https://[2001:db8::1]:8443"} {
		_, err := attack.Run(t.Context(), attack.Options{Target: attack.Target{Issuer: issuer}})
		if err == nil || !strings.Contains(err.Error(), "not on this machine") {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestTheListIsWholeAndNamesTestsThatExist(t *testing.T) {
	named := regexp.MustCompile(`^(\w+) \((internal/\S+_test\.go)\)$`)
	seen := map[string]bool{}
	for _, a := range attack.All() {
		if seen[a.Row] || a.Name == "" || a.Precedent == "" || a.Expect == "" || (a.Beyond == "") != (a.Test == "") {
			t.Errorf("%s is there twice or says too little", a.Row)
		}
		seen[a.Row] = true
		if a.Test == "" {
			continue
		}
		found := named.FindStringSubmatch(a.Test)
		if found == nil {
			t.Errorf("%s names %q", a.Row, a.Test)
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", "..", found[2]))
		if err != nil || !strings.Contains(string(text), "func "+found[1]+"(") {
			t.Errorf("%s names %s, which does not exist", a.Row, a.Test)
		}
	}
	for n := 1; n <= 38; n++ {
		row := "P" + string(rune('0'+n/10)) + string(rune('0'+n%10))
		if !seen[row] {
			t.Errorf("the list has no %s", row)
		}
	}
}

func TestAFileOfATargetIsReadWithAllItsFaults(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t, "")
	put := func(name, text string) string {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	der, err := x509.MarshalPKCS8PrivateKey(s.clients[0].key)
	if err != nil {
		t.Fatal(err)
	}
	put("key.pem", "a line before\n"+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	put("token", "abc\n")
	target, err := attack.ReadTarget(put("good.yaml", `
issuer: https://localhost:9440
initial_access_token_file: token
clients:
  - {id: cl_a, redirect_uris: [https://a.example/cb], method: private_key_jwt, binding: dpop, key: key.pem}
users:
  - {login_id: hanako, password: x, pins: {"1000101": "1101"}}
`))
	if err != nil || len(target.Clients) != 1 || target.Clients[0].KID == "" || target.InitialAccessToken != "abc" || target.Users[0].PINs["1000101"] != "1101" {
		t.Fatalf("%+v %v", target, err)
	}
	_, err = attack.ReadTarget(put("bad.yaml", `
issuer: localhost
ca: none.pem
clients:
  - {id: cl_a, redirect_uris: [https://a.example/cb], method: private_key_jwt, binding: dpop, key: none.pem}
  - {id: cl_b, method: tls_client_auth, binding: x}
users: [{login_id: hanako}]
`))
	for _, fault := range []string{"issuer must be", "ca is no PEM", "cl_a: key cannot be read", "cl_b: redirect_uris are missing", "cl_b: binding must be", "cl_b: certificate and certificate_key", "users[0] needs"} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("the faults do not say %q: %v", fault, err)
		}
	}
}

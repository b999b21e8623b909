package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/fault"
)

const rightServers = `    resource_servers:
      - name: data
        audience: https://data.mihon.example.jp
        tokens: signed
        certificates: tls/mihon.crt
      - name: hub
        audience: https://hub.mihon.example.jp/v1
        keys: hub.jwks.json
    step_up:
      - functions: [transactions, deposits]
        acr: [password_question, certificate_password]
        max_age: 30d
    self_registration: true
`

// servers is the example with other resource servers, demands and registration.
func servers(t *testing.T, settings string) (File, Material, error) {
	t.Helper()
	dir := folder(t)
	put(t, dir, "hub.jwks.json", []byte(`{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`))
	put(t, dir, "none.jwks.json", []byte(`{"keys":[]}`))
	change(t, dir, "    self_registration: false", "    # told below", "    rules:\n", settings+"    rules:\n")
	return Read(filepath.Join(dir, "renkei.yaml"), now)
}

func TestResourceServersAndDemandsAreReadWithTheirFiles(t *testing.T) {
	f, m, err := servers(t, rightServers)
	if err != nil {
		t.Fatal(err)
	}
	in, material := f.Institutions[0], m.Institutions[0].ResourceServers
	if len(in.ResourceServers) != 2 || in.ResourceServers[0].Tokens != "signed" || in.ResourceServers[1].Tokens != "opaque" || !in.SelfRegistration {
		t.Errorf("read %+v", in)
	}
	if len(material) != 2 || len(material[0].Certificates) != 1 || len(material[1].JWKS) == 0 {
		t.Errorf("read %+v", material)
	}
	if len(in.StepUp) != 1 || in.StepUp[0].MaxAge != 30*24*time.Hour || len(in.StepUp[0].ACR) != 2 {
		t.Errorf("read %+v", in.StepUp)
	}
}

func TestWhatAResourceServerCannotBeIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"no proof of itself":     {"        certificates: tls/mihon.crt\n", "", "resource_servers[0] needs either certificates or keys"},
		"two proofs":             {"certificates: tls/mihon.crt", "certificates: tls/mihon.crt\n        keys: hub.jwks.json", "resource_servers[0] needs either"},
		"a file that is none":    {"hub.jwks.json", "no.jwks.json", "resource_servers[1].keys cannot be read"},
		"an empty key set":       {"hub.jwks.json", "none.jwks.json", "resource_servers[1].keys hold no key"},
		"a file without keys":    {"hub.jwks.json", "tls/mihon.crt", "resource_servers[1].keys cannot be used"},
		"one name twice":         {"name: hub", "name: data", "resource_servers[1].name"},
		"one audience twice":     {"https://hub.mihon.example.jp/v1", "https://data.mihon.example.jp", "resource_servers[1].audience stands twice"},
		"an audience in clear":   {"https://hub.mihon", "http://hub.mihon", "resource_servers[1].audience must be an https address"},
		"tokens of another kind": {"tokens: signed", "tokens: paper", "resource_servers[0].tokens must be opaque or signed"},
		"an unknown function":    {"[transactions, deposits]", "[transfers]", "step_up[0].functions must name some of"},
		"an unknown login":       {"[password_question, certificate_password]", "[fingerprint]", "step_up[0].acr must be of"},
		"a demand of nothing":    {"        acr: [password_question, certificate_password]\n        max_age: 30d\n", "", "step_up[0] demands nothing"},
		"a function twice":       {"    self_registration", "      - functions: [deposits]\n        max_age: 1d\n    self_registration", "step_up[1].functions names deposits, which an earlier one names too"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(rightServers, c.from) {
				t.Fatalf("there is no %q to change", c.from)
			}
			_, _, err := servers(t, strings.Replace(rightServers, c.from, c.to, 1))
			if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestFAPI1AdvancedNeedsMutualTLS(t *testing.T) {
	dir := folder(t)
	change(t, dir, "profiles: [fapi2]", "profiles: [fapi2, fapi1_adv]", "    mutual_tls:", "    # mutual_tls:", "      origin: https://mtls.mihon.example.jp\n      listen: \":8445\"\n", "")
	if _, _, err := Read(filepath.Join(dir, "renkei.yaml"), now); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "it needs mutual_tls") {
		t.Errorf("got %v", err)
	}
}

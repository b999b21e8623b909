package demo_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var shownCommands = regexp.MustCompile(`(?s)<p class="notice command"><code>(.*?)</code></p>`)

// TestTheCommandsOfTheStartPageLeadToABalance types what the page shows, with the
// values that it says to put in.
func TestTheCommandsOfTheStartPageLeadToABalance(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil && os.Getenv("CI") == "" {
		t.Skip("no curl here")
	}
	d, renkei := startDemo(t), build(t, "../..")
	var shown []string
	for _, found := range shownCommands.FindAllStringSubmatch(d.openBrowser(t, "").open(d.start).body, -1) {
		shown = append(shown, plain(found[1]))
	}
	if len(shown) != 7 { // the trust, four calls, two tools
		t.Fatalf("the page shows %d commands: %q", len(shown), shown)
	}
	typed := func(command string, answer any, values ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "sh", "-c", strings.NewReplacer(append(values, "go run ./cmd/renkei", renkei)...).Replace(command))
		var errs strings.Builder
		c.Stderr = &errs
		out, err := c.Output()
		if err == nil && answer != nil {
			err = json.Unmarshal(out, answer)
		}
		if err != nil {
			t.Fatalf("%s\n%v\n%s%s", c.Args[2], err, out, errs.String())
		}
		return string(out)
	}
	var pushed struct {
		Open     string `json:"authorize_url"`
		Verifier string `json:"code_verifier"`
	}
	typed(shown[1]+" --json", &pushed)
	var tokens struct {
		Access string `json:"access_token"`
		ID     string `json:"id_token"`
	}
	typed(shown[2], &tokens, "=CODE_VERIFIER", "="+pushed.Verifier, "=CODE", "="+d.walks(t, pushed.Open).Get("code"))
	var list struct {
		Accounts []struct{ AccountID string }
	}
	typed(shown[3], &list, "ACCESS_TOKEN", tokens.Access)
	if len(list.Accounts) == 0 {
		t.Fatal("no accounts")
	}
	if balance := typed(shown[4], nil, "ACCESS_TOKEN", tokens.Access, "ACCOUNT_ID", list.Accounts[0].AccountID); !strings.Contains(balance, "JPY") {
		t.Errorf("the balance: %s", balance)
	}
	if said := typed(shown[5], nil, "ID_TOKEN", tokens.ID); !strings.Contains(said, "ok") || !strings.Contains(said, "signature") {
		t.Errorf("the ID token: %s", said)
	}
	if proof := typed(shown[6], nil); strings.Count(proof, ".") != 2 {
		t.Errorf("the proof: %s", proof)
	}
}

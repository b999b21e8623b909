package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/config"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// prepared is a directory for which one RSA key was made, and not a hundred.
func prepared(t *testing.T, suite string) string {
	t.Helper()
	made := newRSA
	t.Cleanup(func() { newRSA = made })
	newRSA = sync.OnceValue(func() *rsa.PrivateKey { return made() })
	dir := t.TempDir()
	if err := prepare(dir, suite, defaultPort); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAServerTakesWhatIsPrepared(t *testing.T) {
	dir := prepared(t, "https://localhost:8443/")
	settings, material, err := config.Read(filepath.Join(dir, "renkei.yaml"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	in := settings.Institutions[0]
	ring, err := jose.NewRing(material.Institutions[0].SigningKeys, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	issuer := oauth.Issuer{URL: string(in.Login.Origin), MutualTLSURL: string(in.MutualTLS.Origin), Profiles: []oauth.Profile{oauth.FAPI2, oauth.FAPI1Adv}, Keys: ring}
	files, err := filepath.Glob(filepath.Join(dir, "partners", "*.json"))
	if err != nil || len(files) != 2*len(pairs()) {
		t.Fatalf("%d partners for %d pairs: %v", len(files), len(pairs()), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, half, err := partner.ParseMetadata(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if _, err := issuer.ParseClient(p.ID, half); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if bytes.Contains(text, []byte(`"d"`)) {
			t.Errorf("%s holds a private key", file)
		}
	}
	if err := prepare(dir, "https://localhost:8443/", defaultPort); err == nil {
		t.Error("a prepared directory was made anew")
	}
}

const kept = "../../docs/conformance"

func TestThePlansThatAreKeptAreThoseThatRun(t *testing.T) {
	var names []string
	for _, r := range runs() {
		names = append(names, r.name()+".json")
		want, err := withoutKeys(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(kept, "plans", r.name()+".json"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what runs (%v); write it anew with: conformance table", r.name(), err)
		}
		if !json.Valid(want) || bytes.Contains(want, []byte("PRIVATE")) {
			t.Errorf("%s is no JSON, or holds a key", r.name())
		}
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("two runs have one name")
	}
	entries, err := os.ReadDir(filepath.Join(kept, "plans"))
	if err != nil || len(entries) != len(names) {
		t.Errorf("%d plans are kept, %d run: %v", len(entries), len(names), err)
	}
}

func TestEveryRunHasItsResultsAndWhatDidNotPassIsExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(kept, "results.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || !slices.Equal(rows[0], columns) {
		t.Fatalf("%v: %v", rows[0], err)
	}
	explained, err := os.ReadFile(filepath.Join(kept, "..", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]int{}
	for _, row := range rows[1:] {
		modules[row[0]]++
		switch row[4] {
		case "PASSED":
		case "REVIEW", "WARNING", "SKIPPED":
			if !bytes.Contains(explained, []byte("`"+row[3]+"`")) {
				t.Errorf("%s: %s is %s, and docs/conformance.md does not say why", row[0], row[3], row[4])
			}
		default:
			t.Errorf("%s: %s is %s", row[0], row[3], row[4])
		}
		if row[5] == "" || row[6] == "" {
			t.Errorf("%s: %s was measured by no suite, or of no commit", row[0], row[3])
		}
	}
	for _, r := range runs() {
		if modules[r.name()] == 0 {
			t.Errorf("%s has no results", r.name())
		}
	}
}

// suiteOf is a suite whose tests end as their names say.
func suiteOf(t *testing.T, modules ...string) *httptest.Server {
	t.Helper()
	answer := func(w http.ResponseWriter, v any) {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/server", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]string{"version": "1.2.3"}) })
	mux.HandleFunc("POST /api/plan", func(w http.ResponseWriter, r *http.Request) {
		var c map[string]any
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil || c["alias"] == "" || r.URL.Query().Get("planName") == "" {
			t.Errorf("a plan of %v: %v", c, err)
		}
		var all []map[string]any
		for _, m := range modules {
			all = append(all, map[string]any{"testModule": m, "variant": map[string]string{}})
		}
		answer(w, map[string]any{"id": "plan", "modules": all})
	})
	mux.HandleFunc("POST /api/runner", func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]string{"id": r.URL.Query().Get("test")})
	})
	var mu sync.Mutex
	begun := map[string]bool{}
	mux.HandleFunc("POST /api/runner/{id}", func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		begun[r.PathValue("id")] = true
	})
	mux.HandleFunc("GET /api/info/{id}", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch id := r.PathValue("id"); {
		case !begun[id]:
			answer(w, map[string]any{"status": "CONFIGURED", "result": nil})
		case id == "breaks":
			answer(w, map[string]any{"status": "INTERRUPTED", "result": "UNKNOWN"})
		default:
			answer(w, map[string]any{"status": "FINISHED", "result": strings.ToUpper(id)})
		}
	})
	mux.HandleFunc("GET /api/log/{id}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, []map[string]any{{"result": "SUCCESS", "src": "Fine"}, {"result": "FAILURE", "src": "Bad", "msg": "why", "requirements": []string{"X-1"}}})
	})
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestARunKeepsWhatTheSuiteSays(t *testing.T) {
	s := suiteOf(t, "passed", "failed", "breaks")
	dir := prepared(t, s.URL+"/")
	one := runs()[0]
	for range 2 { // a second run takes the first one's place
		if err := runAll(t.Context(), dir, s.URL+"/", "abc", chosen{plans: []string{"=" + one.name()}}, 2, false); err != nil {
			t.Fatal(err)
		}
	}
	all := known(dir, one)
	if len(all) != 3 {
		t.Fatalf("%d results", len(all))
	}
	for i, want := range []string{"PASSED", "FAILED", "INTERRUPTED"} {
		r := all[i]
		if r.Result != want || r.Plan != one.plan || r.Suite != "1.2.3" || r.Commit != "abc" {
			t.Errorf("%+v, want %s", r, want)
		}
		if want == "PASSED" && len(r.Notes) > 0 || want != "PASSED" && (len(r.Notes) != 1 || r.Notes[0].Condition != "Bad") {
			t.Errorf("%s has the notes %v", r.Module, r.Notes)
		}
	}
	again := known(dir, one)[0].At.Add(-time.Hour)
	all[0].At, all[1].At = again, again
	if err := keep(dir, one, all); err != nil {
		t.Fatal(err)
	}
	if err := runAll(t.Context(), dir, s.URL+"/", "abc", chosen{plans: []string{"=" + one.name()}}, 1, true); err != nil {
		t.Fatal(err)
	}
	if all := known(dir, one); !all[0].At.Equal(again) || all[1].At.Equal(again) {
		t.Error("resumed, a run repeats what did not pass and nothing else")
	}
	out := t.TempDir()
	if err := table(dir, out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "results.md"))
	if err != nil || !bytes.Contains(text, []byte("| `"+one.name()+"` | 1 | 0 | 0 | 0 | 1 | 1 |")) {
		t.Errorf("%s: %v", text, err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runAll(stopped, dir, s.URL+"/", "abc", chosen{}, 1, false); err == nil {
		t.Error("a run that was stopped said nothing")
	}
}

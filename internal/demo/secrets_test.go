package demo_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"renkei.dev/internal/app"
	"renkei.dev/internal/demo"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// marks are the secrets that went over the wire, each with what it is.
type marks struct {
	mu   sync.Mutex
	seen map[string]string
}

func (m *marks) add(what, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.seen[value]; !known && len(value) >= 8 { // shorter ones stand anywhere by chance
		m.seen[value] = what
	}
}

// kinds are what must have been seen for the test to mean anything.
func (m *marks) kinds() []string {
	return slices.Compact(slices.Sorted(maps.Values(m.seen)))
}

// found returns what of the secrets stands in a text.
func (m *marks) found(text []byte) []string {
	var out []string
	for value, what := range m.seen {
		for _, spelling := range []string{value, url.QueryEscape(value)} {
			if at := bytes.Index(text, []byte(spelling)); at >= 0 {
				out = append(out, what+" after …"+string(text[max(0, at-60):at]))
				break
			}
		}
	}
	return out
}

// marked is a transport that hears every secret that goes through it.
type marked struct {
	wire  http.RoundTripper
	marks *marks
}

var secretFields = []string{"client_assertion", "code", "code_verifier", "refresh_token", "token", "access_token", "id_token", "request_uri",
	"request", "password", "answer", "registration_access_token"}

func (m marked) form(text string) {
	form, err := url.ParseQuery(text)
	if err != nil {
		return
	}
	for _, name := range secretFields {
		m.marks.add(name, form.Get(name))
	}
}

// RoundTrip notes what is secret on the way there and back.
func (m marked) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		m.form(string(body))
	}
	m.form(r.URL.RawQuery)
	m.marks.add("DPoP proof", r.Header.Get("DPoP"))
	if _, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		m.marks.add("bearer of Authorization", token)
	}
	answer, err := m.wire.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, c := range answer.Cookies() {
		m.marks.add("cookie", c.Value)
	}
	if to, err := url.Parse(answer.Header.Get("Location")); err == nil {
		m.form(to.RawQuery)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	var said map[string]any
	if json.Unmarshal(body, &said) == nil {
		for _, name := range []string{"access_token", "refresh_token", "id_token", "request_uri", "registration_access_token"} {
			if text, ok := said[name].(string); ok {
				m.marks.add(name, text)
			}
		}
	}
	return answer, nil
}

// Every secret of a whole life of two clients is marked as it goes by, and looked
// for in everything that is left: logs at every level, files, the write-ahead log,
// dumps, the audit log and the pages that say what went wrong (protocol.md §4).
func TestNoMarkedSecretIsLeftAnywhere(t *testing.T) {
	databases := map[string]func(*testing.T) string{"sqlite": func(*testing.T) string { return "" }}
	if private.Start() == nil || os.Getenv("CI") != "" {
		databases["postgres"] = func(t *testing.T) string { return private.Create(t) }
	}
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			at := database(t)
			m := &marks{seen: map[string]string{}}
			ran := startDemoOn(t, at)
			wrongs := ran.livesWith(t, m)
			for _, needed := range []string{"DPoP proof", "access_token", "answer", "client_assertion", "code", "code_verifier", "cookie", "id_token",
				"password", "refresh_token", "registration_access_token", "request_uri"} {
				if !slices.Contains(m.kinds(), needed) {
					t.Fatalf("no %s went over the wire, only %v", needed, m.kinds())
				}
			}
			for where, content := range wrongs {
				for _, what := range m.found(content) {
					// A page links to itself in the other language, by the address that it was opened at.
					if !strings.HasPrefix(what, "request_uri") {
						t.Errorf("%s tells a %s", where, what)
					}
				}
			}
			ran.leftIn(t, at, func(where string, content []byte) {
				for _, what := range m.found(content) {
					t.Errorf("%s holds a %s", where, what)
				}
			})
		})
	}
}

// livesWith takes customers, a partner's client and one that registers itself
// through what they can do, right and wrong, and returns what the bank said to the
// wrong.
func (d *running) livesWith(t *testing.T, m *marks) map[string][]byte {
	t.Helper()
	listens := func(holder string) *browser {
		b := d.openBrowser(t, holder)
		b.client.Transport = marked{b.client.Transport, m}
		return b
	}
	_, password, _, pins := d.user(t, "pin.none")
	b := listens("")
	d.begins(b, 0).press("API連携", "login_id", "pin.none", "password", "sentinel-of-a-wrong-password")
	p := d.begins(b, 0).press("API連携", "login_id", "pin.none", "password", password).press("次へ")
	p.press("登録", p.typed(pins)...).press("確定").allows()
	_, password, answer, _ := d.user(t, "risk.cert")
	p = d.begins(listens("risk.cert"), 1).follow(certificate).press("API連携", "password", password)
	p.press("認証", "answer", "sentinel of a wrong answer").press("認証", "answer", answer).allows()

	c := d.clientOf(t, "mihon-kaikei")
	c.wire = marked{c.wire, m}
	sender := &http.Client{Transport: c}
	ctx := oidc.ClientContext(t.Context(), sender)
	provider, err := oidc.NewProvider(ctx, c.issuer)
	if err != nil {
		t.Fatal(err)
	}
	endpoints := c.endpoints(t, provider)
	provider = endpoints.NewProvider(ctx)
	client := oauth2.Config{ClientID: c.id, RedirectURL: c.callback, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "account.balance"}}
	client.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	verifier := oauth2.GenerateVerifier()
	address := pushed(ctx, t, client, endpoints.Pushed, client.AuthCodeURL(rand.Text(), oidc.Nonce(rand.Text()), oauth2.S256ChallengeOption(verifier)))
	back := d.walksBy(t, listens(""), address)
	token, err := client.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	api := d.manifest.Institutions[0].API + "/open-api/v1/accounts"
	answers(ctx, t, oauth2.NewClient(ctx, oauth2.StaticTokenSource(token)), api, http.StatusOK)
	token.Expiry = time.Now().Add(-time.Minute)
	fresh, err := client.TokenSource(ctx, token).Token()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(fresh)); err != nil {
		t.Fatal(err)
	}

	wrongs := map[string][]byte{}
	said := func(what string, answer *http.Response, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if wrongs[what], err = io.ReadAll(answer.Body); err != nil || answer.StatusCode < 400 {
			t.Fatalf("%s: %s %v", what, answer.Status, err)
		}
	}
	post := func(what string, form url.Values) {
		t.Helper()
		answer, err := sender.PostForm(endpoints.TokenURL, form)
		said(what, answer, err)
	}
	post("a code used twice", url.Values{"client_id": {c.id}, "grant_type": {"authorization_code"}, "code": {back.Get("code")}, "code_verifier": {verifier}, "redirect_uri": {c.callback}})
	post("a refresh token whose consent ended", url.Values{"client_id": {c.id}, "grant_type": {"refresh_token"}, "refresh_token": {fresh.RefreshToken}})
	post("a refresh token as a code", url.Values{"client_id": {c.id}, "grant_type": {"authorization_code"}, "code": {fresh.RefreshToken}, "code_verifier": {verifier}})
	gone, err := oauth2.NewClient(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: fresh.AccessToken, TokenType: "DPoP"})).Get(api)
	said("a token whose consent ended", gone, err)
	wrongs["a request that was spent"] = []byte(listens("").open(address).body)
	wrongs["a code at the authorization endpoint"] = []byte(listens("").open(c.issuer + "/authorize?" + back.Encode()).body)

	bank := d.manifest.Institutions[0]
	own := listens("")
	status, registered := own.asks("POST", bank.Issuer+"/register", bank.InitialAccessToken, clientMetadata(t))
	if status != http.StatusCreated {
		t.Fatalf("%d %v", status, registered)
	}
	for what, at := range map[string]string{"another's registration": "cl_mihon-kaikei", "a client that is not there": "cl_nobody"} {
		status, refusal := own.asks("GET", bank.Issuer+"/register/"+at, registered["registration_access_token"].(string), "")
		raw, err := json.Marshal(refusal)
		if wrongs[what] = raw; err != nil || status != http.StatusUnauthorized {
			t.Fatalf("%s: %d %v", what, status, err)
		}
	}
	return wrongs
}

// leftIn shows look everything that a demo leaves behind, while it runs and after.
func (d *running) leftIn(t *testing.T, database string, look func(where string, content []byte)) {
	t.Helper()
	files := func(root string, told ...string) {
		err := filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			if name, err := filepath.Rel(root, at); err != nil || slices.Contains(told, filepath.ToSlash(name)) {
				return err
			}
			content, err := os.ReadFile(at)
			if err != nil && !os.IsNotExist(err) { // a database's own may go while we look
				return err
			}
			look(strings.TrimPrefix(at, root), content)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	told := []string{"demo.json", "attack.json", "partners/initial-access-token"} // what people and scripts are told
	files(d.folder, told...)

	settings, material, err := demo.Settings(d.folder, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	box, err := secret.NewBox(material.SealingKeys)
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	if _, err := store.Backup(t.Context(), app.StoreConfig(settings, material, box, slog.New(slog.DiscardHandler)), &zipped); err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(&zipped)
	if err != nil {
		t.Fatal(err)
	}
	dump, err := io.ReadAll(unzipped)
	if err != nil || !bytes.Contains(dump, []byte("oauth.code_redeemed")) {
		t.Fatalf("the backup holds no audit log, %v", err)
	}
	look("the backup", dump)
	if database != "" {
		private.Exec(t, "CHECKPOINT")
		u, err := url.Parse(database)
		if err != nil {
			t.Fatal(err)
		}
		files(filepath.Join(u.Query().Get("host"), "data"))
		programs, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
		if err != nil || len(programs) == 0 {
			t.Fatal("there is no pg_dump beside the server", err)
		}
		dump, err := exec.CommandContext(t.Context(), programs[len(programs)-1], "--dbname="+database).Output()
		if err != nil || !bytes.Contains(dump, []byte("oauth.code_redeemed")) {
			t.Fatalf("pg_dump: %v", err)
		}
		look("pg_dump", dump)
	}
	d.stop()
	files(d.folder, told...)
	look("the log", []byte(d.log.String()))
}

package protocol_test

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
	"renkei.dev/internal/web/protocol"
)

// conversation is the edge over a real engine and SQLite, and one client.
type conversation struct {
	*oauthtest.World
	t         testing.TB
	issuer    http.Handler
	mutualTLS http.Handler
	client    *oauthtest.Software
	in        *store.Institution
	path      string
	began     []oauth.Interaction
	pages     []*oauth.AuthorizeFailure
	consents  int
	customer  atomic.Pointer[error] // what the bank says of the customer; nil: let in
}

func newConversation(t testing.TB, change func(*oauth.Config), metadata map[string]any) *conversation {
	t.Helper()
	box, err := secret.NewBox(map[uint32][]byte{1: make([]byte, secret.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	c := &conversation{t: t, path: filepath.Join(t.TempDir(), "renkei.db")}
	db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + c.path, Box: box})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c.in = db.Institution("demo")
	c.World = oauthtest.New(t, c.in, change)
	o := protocol.Options{
		Engine: c.Engine, Log: slog.New(slog.DiscardHandler),
		Start: func(w http.ResponseWriter, _ *http.Request, i oauth.Interaction) {
			c.began = append(c.began, i)
			w.WriteHeader(http.StatusSeeOther)
		},
		SignedIn: func(r *http.Request) bool { return strings.Contains(r.Header.Get("Cookie"), "__Host-session=") },
		ErrorPage: func(w http.ResponseWriter, _ *http.Request, f *oauth.AuthorizeFailure) {
			c.pages = append(c.pages, f)
			w.WriteHeader(http.StatusBadRequest)
		},
	}
	c.issuer, c.mutualTLS = protocol.Handler(o), protocol.MutualTLSHandler(o)
	c.client = c.Register(t, "cl_kaikei", metadata)
	return c
}

func (c *conversation) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		c.mutualTLS.ServeHTTP(w, r)
	} else {
		c.issuer.ServeHTTP(w, r)
	}
	return w
}

// asked is a request of a client that proves itself by an assertion.
func asked(s *oauthtest.Software, form url.Values) url.Values {
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", s.Assertion(nil))
	return form
}

func (c *conversation) post(endpoint oauth.Endpoint, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", string(endpoint), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return c.do(r)
}

// postWith is post over mutual TLS.
func (c *conversation) postWith(certificate *x509.Certificate, endpoint oauth.Endpoint, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", string(endpoint), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.TLS = tlsOf(certificate)
	return c.do(r)
}

func tlsOf(certificate *x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
}

func request(s *oauthtest.Software) url.Values {
	return url.Values{
		"response_type": {"code"}, "redirect_uri": {oauthtest.RedirectURI}, "scope": {"openid account.balance"},
		"state": {"s-1"}, "nonce": {"n-1"}, "code_challenge": {s.Challenge()}, "code_challenge_method": {"S256"},
	}
}

func (c *conversation) push(s *oauthtest.Software, form url.Values) string {
	c.t.Helper()
	w := c.post(oauth.PAREndpoint, asked(s, form))
	if w.Code != http.StatusCreated {
		c.t.Fatalf("PAR: %d %s", w.Code, w.Body)
	}
	return answerOf(c.t, w)["request_uri"].(string)
}

func answerOf(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	return m
}

func (c *conversation) open(s *oauthtest.Software, uri string) *httptest.ResponseRecorder {
	return c.do(httptest.NewRequest("GET", "/authorize?"+url.Values{"client_id": {string(s.ID)}, "request_uri": {uri}}.Encode(), nil))
}

// approve plays the journey for the interaction that began last.
func (c *conversation) approve(s *oauthtest.Software) *url.URL {
	c.t.Helper()
	i := c.began[len(c.began)-1]
	a := c.approval(s)
	back, change, err := c.Engine.Approve(c.t.Context(), i.Handle, a)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.in.Commit(c.t.Context(), change); err != nil {
		c.t.Fatal(err)
	}
	u, err := url.Parse(back.URL)
	if err != nil {
		c.t.Fatal(err)
	}
	return u
}

func (c *conversation) approval(s *oauthtest.Software) oauth.Approval {
	c.t.Helper()
	c.consents++
	id := fmt.Sprintf("cns_%d", c.consents)
	c.sql(`INSERT INTO consents (institution, id, user_id, company_id, partner_id, client_id, state, end_reason,
		functions, accounts, history_days, given_at, ends_at, ended_at, replaces, terms, journey)
		VALUES ('demo', ?, 'usr_hanako', 'cmp_mihon', ?, ?, 'issued', '', '["balance"]', '["001-1-2000002"]', 180, ?, ?, 0, '', '', '')`,
		id, string(oauthtest.PartnerID), string(s.ID), c.Now().UnixMicro(), c.Now().Add(90*24*time.Hour).UnixMicro())
	return oauth.Approval{
		Subject: "usr_hanako", Company: "cmp_mihon", AuthTime: c.Now(), ACR: "urn:demo:password", AMR: []string{"pwd"}, Consent: id,
	}
}

// sql changes the database as another process would.
func (c *conversation) sql(statement string, args ...any) {
	c.t.Helper()
	db, err := sql.Open("sqlite", "file:"+c.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement, args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *conversation) code(s *oauthtest.Software, form url.Values) string {
	c.t.Helper()
	if w := c.open(s, c.push(s, form)); w.Code != http.StatusSeeOther {
		c.t.Fatalf("authorize: %d", w.Code)
	}
	return c.approve(s).Query().Get("code")
}

func (c *conversation) token(s *oauthtest.Software, form url.Values) *httptest.ResponseRecorder {
	return c.post(oauth.TokenEndpoint, asked(s, form), "DPoP", s.Proof("POST", oauthtest.IssuerURL+"/token", c.Engine.Nonce(), "", nil))
}

func redemption(s *oauthtest.Software, code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {oauthtest.RedirectURI}, "code_verifier": {s.Verifier}}
}

func wantError(t testing.TB, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), `"error":"`+code+`"`) {
		t.Errorf("got %d %s, want %d %s", w.Code, w.Body, status, code)
	}
	for _, r := range w.Body.String() {
		if r > '~' || r == '\\' {
			t.Errorf("%q is not the ASCII of RFC 6749 §5.2", w.Body)
			break
		}
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("an error may be cached: %v", w.Header())
	}
}

func toJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts always marshal
	}
	return raw
}

func mustJSON(raw json.RawMessage) any {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(err) // it was registered
	}
	return v
}

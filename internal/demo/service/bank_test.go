package service_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"renkei.dev/internal/jose"
	"renkei.dev/internal/pki"
	"renkei.dev/internal/secret"
)

// bank is a bank's server as the specifications let a client expect it, strict in
// all that they demand of the client.
type bank struct {
	t        *testing.T
	server   *httptest.Server
	clientID string
	keys     *jose.Set // of the client's assertions; nil: mutual TLS
	nonce    string
	trouble  string // problem code of the second account's balance

	mu         sync.Mutex
	pushed     url.Values // of the last PAR
	jkt        string
	code       string
	access     map[string]string // token → thumbprint
	refresh    string
	redeemed   int
	refreshes  int
	revoked    bool
	seen       map[string]bool // jti
	down       bool
	proofsWant bool
}

func newBank(t *testing.T, clientID string, keys *jose.Set) *bank {
	b := &bank{t: t, clientID: clientID, keys: keys, proofsWant: keys != nil, nonce: "nonce-1", access: map[string]string{}, seen: map[string]bool{}}
	m := http.NewServeMux()
	m.HandleFunc("GET /.well-known/oauth-authorization-server", b.metadata)
	m.HandleFunc("POST /par", b.par)
	m.HandleFunc("POST /token", b.token)
	m.HandleFunc("POST /revoke", b.revoke)
	m.HandleFunc("GET /open-api/v1/accounts", b.api(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"accounts":[{"accountId":"ac_1","branchName":"本店","branchCode":"001","accountTypeName":"普通","accountNumber":"1234567","accountName":"株式会社見本商店"},
			{"accountId":"ac_2","branchName":"駅前支店","branchCode":"002","accountTypeName":"当座","accountNumber":"7654321","accountName":"株式会社見本商店"}]}`)
	}))
	m.HandleFunc("GET /open-api/v1/accounts/{id}/balance", b.api(func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") == "ac_2" && b.trouble != "" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"code":%q,"status":403}`, b.trouble)
			return
		}
		io.WriteString(w, `{"balance":"1234567","withdrawableAmount":"1200000"}`)
	}))
	m.HandleFunc("GET /open-api/v1/accounts/{id}/transactions", b.api(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"transactions":[{"entryId":"e1","transactionDate":"2026-11-20","transactionType":"1","amount":"55000","balance":"1234567","remarks":"フリコミ ミホン"}]}`)
	}))
	b.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		down := b.down
		b.mu.Unlock()
		if down {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		m.ServeHTTP(w, r)
	}))
	b.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	b.server.StartTLS()
	t.Cleanup(b.server.Close)
	return b
}

func (b *bank) refuse(w http.ResponseWriter, status int, code, why string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":%q,"error_description":%q}`, code, why)
}

func (b *bank) metadata(w http.ResponseWriter, r *http.Request) {
	u := b.server.URL
	json.NewEncoder(w).Encode(map[string]any{
		"issuer": u, "authorization_endpoint": u + "/authorize", "pushed_authorization_request_endpoint": u + "/par",
		"token_endpoint": u + "/token", "revocation_endpoint": u + "/revoke",
	})
}

// proof checks a DPoP proof (RFC 9449 §4.3) and demands a nonce.
func (b *bank) proof(w http.ResponseWriter, r *http.Request, token string, status int) (string, bool) {
	if !b.proofsWant {
		if len(r.TLS.PeerCertificates) == 0 {
			b.refuse(w, http.StatusUnauthorized, "invalid_client", "no certificate")
			return "", false
		}
		return pki.Thumbprint(r.TLS.PeerCertificates[0]), true
	}
	p, err := jose.ParseProof(r.Header.Get("DPoP"), []string{jose.ES256})
	if err != nil {
		b.refuse(w, status, "invalid_dpop_proof", err.Error())
		return "", false
	}
	var c struct{ Jti, Htm, Htu, Nonce, Ath string }
	if err := json.Unmarshal(p.Payload, &c); err != nil {
		b.refuse(w, status, "invalid_dpop_proof", err.Error())
		return "", false
	}
	ath := ""
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		ath = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if c.Htm != r.Method || c.Htu != b.server.URL+r.URL.Path || c.Ath != ath || c.Jti == "" || b.seen[c.Jti] {
		b.refuse(w, status, "invalid_dpop_proof", fmt.Sprintf("%+v", c))
		return "", false
	}
	if c.Nonce != b.nonce {
		w.Header().Set("DPoP-Nonce", b.nonce)
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		}
		b.refuse(w, status, "use_dpop_nonce", "")
		return "", false
	}
	b.seen[c.Jti] = true
	return p.Thumbprint, true
}

// client checks who asks.
func (b *bank) client(w http.ResponseWriter, r *http.Request) bool {
	if r.PostFormValue("client_id") != b.clientID {
		b.refuse(w, http.StatusUnauthorized, "invalid_client", "client_id")
		return false
	}
	if b.keys == nil {
		return true // the certificate is looked at in proof
	}
	token, err := b.keys.Verify(r.PostFormValue("client_assertion"), jose.Rules{Algorithms: []string{jose.ES256}})
	if err != nil || r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		b.refuse(w, http.StatusUnauthorized, "invalid_client", "assertion")
		return false
	}
	var c struct{ Iss, Sub, Aud, Jti string }
	if err := json.Unmarshal(token.Payload, &c); err != nil || c.Iss != b.clientID || c.Sub != b.clientID || c.Aud != b.server.URL || c.Jti == "" || b.seen[c.Jti] {
		b.refuse(w, http.StatusUnauthorized, "invalid_client", fmt.Sprintf("%+v", c))
		return false
	}
	b.seen[c.Jti] = true
	return true
}

func (b *bank) par(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.client(w, r) {
		return
	}
	jkt, ok := b.proof(w, r, "", http.StatusBadRequest)
	if !ok {
		return
	}
	f := r.PostForm
	if f.Get("response_type") != "code" || f.Get("code_challenge_method") != "S256" || len(f.Get("code_challenge")) != 43 || len(f.Get("state")) < 22 {
		b.refuse(w, http.StatusBadRequest, "invalid_request", "")
		return
	}
	b.pushed, b.jkt = f, jkt
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, `{"request_uri":"urn:ietf:params:oauth:request_uri:0123456789abcdefghijk","expires_in":300}`)
}

// allow is what the customer does at the bank; it returns the way back.
func (b *bank) allow(address string) string {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("client_id") != b.clientID || len(u.Query()) != 2 || !strings.HasPrefix(address, b.server.URL+"/authorize?") {
		b.t.Fatalf("the browser was sent to %s", address)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.code = "co_" + secret.Random(32).Reveal()
	return b.pushed.Get("redirect_uri") + "?" + url.Values{"code": {b.code}, "state": {b.pushed.Get("state")}, "iss": {b.server.URL}}.Encode()
}

func (b *bank) token(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.client(w, r) {
		return
	}
	jkt, ok := b.proof(w, r, "", http.StatusBadRequest)
	if !ok {
		return
	}
	f := r.PostForm
	switch f.Get("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		if b.code == "" || f.Get("code") != b.code || base64.RawURLEncoding.EncodeToString(sum[:]) != b.pushed.Get("code_challenge") ||
			f.Get("redirect_uri") != b.pushed.Get("redirect_uri") || jkt != b.jkt {
			b.refuse(w, http.StatusBadRequest, "invalid_grant", "")
			return
		}
		b.code = ""
		b.redeemed++
		b.refresh = "rt_" + secret.Random(32).Reveal()
	case "refresh_token":
		if f.Get("refresh_token") != b.refresh || b.revoked {
			b.refuse(w, http.StatusBadRequest, "invalid_grant", "")
			return
		}
		b.refreshes++
	}
	access := "at_" + secret.Random(32).Reveal()
	b.access[access] = jkt
	kind := "Bearer"
	if b.proofsWant {
		kind = "DPoP"
	}
	json.NewEncoder(w).Encode(map[string]any{
		"access_token": access, "token_type": kind, "expires_in": 900, "refresh_token": b.refresh,
		"authorization_details": []map[string]any{{"type": "corporate_account_information", "actions": []string{"balance", "transactions"}}},
	})
}

func (b *bank) revoke(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client(w, r) && r.PostFormValue("token") == b.refresh {
		b.revoked = true
	}
}

func (b *bank) api(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if (scheme == "DPoP") != b.proofsWant {
			b.refuse(w, http.StatusUnauthorized, "invalid_token", "scheme")
			return
		}
		jkt, ok := b.proof(w, r, token, http.StatusUnauthorized)
		if !ok {
			return
		}
		if b.access[token] != jkt || b.revoked {
			b.refuse(w, http.StatusUnauthorized, "invalid_token", "")
			return
		}
		next(w, r)
	}
}

// roots certifies the fake bank.
func (b *bank) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(b.server.Certificate())
	return pool
}

package demo_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"renkei.dev/internal/app"
	"renkei.dev/internal/audit"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
)

// software is a partner of its own beside the demo's two, whose requests a test
// sends to the node that it wants.
type software struct {
	f              *fleet
	partner, id    string
	issuer, api    string
	callback       string
	signer, prover *jose.Signer
	wire           *http.Client

	mu     sync.Mutex
	nonces map[string]string // by host
}

// register makes a partner known by the bank's desk, whose requests go to the next
// node each.
func (f *fleet) register(id string) *software {
	f.t.Helper()
	s, metadata := f.software(id)
	desk := f.d.desk(f.t)
	if _, _, err := app.RegisterPartner(f.t.Context(), desk.Store, desk.Issuer, metadata, audit.Actor{Kind: audit.Operator, ID: "test"}, time.Now()); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// software makes a partner and the metadata that the bank registers it by.
func (f *fleet) software(id string) (*software, []byte) {
	f.t.Helper()
	s := &software{
		f: f, partner: id, id: "cl_" + id, callback: "https://" + id + ".localhost/callback", nonces: map[string]string{},
		issuer: f.d.manifest.Institutions[0].Issuer, api: f.d.manifest.Institutions[0].API,
	}
	keys := [2]*ecdsa.PrivateKey{}
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			f.t.Fatal(err)
		}
	}
	signing := jose.Key{KID: "k1", Algorithm: jose.ES256, State: jose.Active, ExpiresAt: time.Now().Add(time.Hour), Private: keys[0]}
	ring, err := jose.NewRing([]jose.Key{signing}, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	if s.signer, err = jose.NewSigner("k1", jose.ES256, keys[0]); err != nil {
		f.t.Fatal(err)
	}
	if s.prover, err = jose.NewProver(jose.ES256, keys[1]); err != nil {
		f.t.Fatal(err)
	}
	metadata, err := json.Marshal(map[string]any{
		"partner": map[string]any{
			"id": id, "service": id, "corporation": "見本ソフト株式会社", "registration_number": "関東財務局長（電代）第9003号",
			"contact": map[string]string{"desk": "窓口", "phone": "03-0000-9003"}, "functions": []string{"balance", "transactions"}, "chooses_functions": true,
			"required_functions": []string{"balance"}, "contract_from": "2026-04-01",
		},
		"client": map[string]any{
			"client_id": s.id, "redirect_uris": []string{s.callback}, "token_endpoint_auth_method": "private_key_jwt",
			"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"}, "scope": "account.balance account.transactions partner",
			"jwks": json.RawMessage(ring.JWKS()), "dpop_bound_access_tokens": true,
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	s.wire = &http.Client{Transport: f.browser("").client.Transport, CheckRedirect: nowhere}
	return s, metadata
}

func nowhere(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// at is the same software, all of whose requests go to one node over connections
// that are kept.
func (s *software) at(n *node) *software {
	wire := s.f.d.openBrowser(s.f.t, "").client.Transport.(*http.Transport)
	wire.MaxIdleConnsPerHost = 64
	return s.over(wire, n.dial)
}

func (s *software) over(wire *http.Transport, dial func(context.Context, string, string) (net.Conn, error)) *software {
	wire.DialContext, wire.ForceAttemptHTTP2, wire.ResponseHeaderTimeout = dial, false, 15*time.Second
	return &software{
		f: s.f, partner: s.partner, id: s.id, issuer: s.issuer, api: s.api, callback: s.callback, signer: s.signer, prover: s.prover,
		wire: &http.Client{Transport: wire, CheckRedirect: nowhere}, nonces: map[string]string{},
	}
}

// reply is an answer to the software, with what the tests read of it.
type reply struct {
	status int
	body   string

	RequestURI   string `json:"request_uri"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
	Accounts     []struct {
		ID string `json:"accountId"`
	} `json:"accounts"`
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// call sends a request, with an assertion where there is a form, and meets one
// demand for a nonce. The error is of the connection.
func (s *software) call(ctx context.Context, method, target, token string, form url.Values) (reply, error) {
	answer, err := s.once(ctx, method, target, token, form)
	if err == nil && (answer.Error == "use_dpop_nonce" || answer.status == http.StatusUnauthorized && strings.Contains(answer.body, "use_dpop_nonce")) {
		return s.once(ctx, method, target, token, form)
	}
	return answer, err
}

func (s *software) once(ctx context.Context, method, target, token string, form url.Values) (reply, error) {
	u, err := url.Parse(target)
	if err != nil {
		return reply{}, err
	}
	now := time.Now().Unix()
	var body io.Reader
	if form != nil {
		sent := url.Values{"client_id": {s.id}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
		for name, values := range form {
			sent[name] = values
		}
		assertion, err := s.signer.Sign("JWT", map[string]any{
			"iss": s.id, "sub": s.id, "aud": s.issuer, "jti": secret.Random(16).Reveal(), "iat": now, "exp": now + 60,
		})
		if err != nil {
			return reply{}, err
		}
		sent.Set("client_assertion", assertion)
		body = strings.NewReader(sent.Encode())
	}
	proof := map[string]any{"jti": secret.Random(16).Reveal(), "htm": method, "htu": target, "iat": now}
	s.mu.Lock()
	if nonce := s.nonces[u.Host]; nonce != "" {
		proof["nonce"] = nonce
	}
	s.mu.Unlock()
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		proof["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	signed, err := s.prover.Sign("dpop+jwt", proof)
	if err != nil {
		return reply{}, err
	}
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("DPoP", signed)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		r.Header.Set("Authorization", "DPoP "+token)
	}
	answer, err := s.wire.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	if nonce := answer.Header.Get("DPoP-Nonce"); nonce != "" {
		s.mu.Lock()
		s.nonces[u.Host] = nonce
		s.mu.Unlock()
	}
	read, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{}, err
	}
	out := reply{status: answer.StatusCode, body: string(read)}
	_ = json.Unmarshal(read, &out) // what is no JSON has its status alone
	return out, nil
}

// must is a call that has to be answered with a status.
func (s *software) must(want int, method, target, token string, form url.Values) reply {
	s.f.t.Helper()
	answer, err := s.call(s.f.t.Context(), method, target, token, form)
	if err != nil || answer.status != want {
		s.f.t.Fatalf("%s %s: %v, %v", method, target, answer, err)
	}
	return answer
}

// asking is a request for the balance, and its PKCE verifier.
func (s *software) asking() (form url.Values, verifier string) {
	verifier = secret.Random(32).Reveal()
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{
		"response_type": {"code"}, "redirect_uri": {s.callback}, "scope": {"account.balance account.transactions"}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}, verifier
}

// start is where a pushed request is opened.
func (s *software) start(requestURI string) string {
	return s.issuer + "/authorize?" + url.Values{"client_id": {s.id}, "request_uri": {requestURI}}.Encode()
}

// code reads the code from the page that hands over to the partner.
func (s *software) code(p page) string {
	s.f.t.Helper()
	found := refresh.FindStringSubmatch(p.body)
	if found == nil {
		s.f.t.Fatalf("%s leads nowhere: %s", p.at, plain(p.body))
	}
	u, err := url.Parse(html.UnescapeString(found[1]))
	if err != nil || u.Query().Get("code") == "" {
		s.f.t.Fatalf("it leads to %s, %v", found[1], err)
	}
	return u.Query().Get("code")
}

func (s *software) redeeming(code, verifier string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {s.callback}, "code_verifier": {verifier}}
}

func (s *software) token() string    { return s.issuer + "/token" }
func (s *software) accounts() string { return s.api + "/open-api/v1/accounts" }
func credentials() url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}}
}
func refreshing(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// link walks a password user's journey to its tokens.
func (s *software) link(b *browser, user string) reply {
	s.f.t.Helper()
	id, password, _, pins := s.f.d.user(s.f.t, user)
	form, verifier := s.asking()
	uri := s.must(http.StatusCreated, http.MethodPost, s.issuer+"/par", "", form).RequestURI
	p := b.open(s.start(uri)).press("API連携", "login_id", id, "password", password).shows("認可業務選択").press("次へ")
	if strings.Contains(p.body, "照会用暗証番号登録") {
		p = p.press("登録", p.typed(pins)...).press("確定")
	}
	code := s.code(p.shows("情報アクセス許可").press("許可", "intent", "proceed"))
	return s.must(http.StatusOK, http.MethodPost, s.token(), "", s.redeeming(code, verifier))
}

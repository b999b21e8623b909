package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/store"
)

// protocolWorld is an engine over a database, and one client of a partner.
type protocolWorld struct {
	*oauthtest.World
	t      testing.TB
	in     *store.Institution
	client *oauthtest.Software
}

var consentNumber atomic.Int64

func newProtocol(t testing.TB, db *store.DB, changes map[string]any) *protocolWorld {
	t.Helper()
	return newProtocolOf(t, db, nil, changes)
}

// newProtocolOf is newProtocol for an issuer with settings of its own.
func newProtocolOf(t testing.TB, db *store.DB, settings func(*oauth.Config), changes map[string]any) *protocolWorld {
	t.Helper()
	in := db.Institution("demo")
	w := &protocolWorld{World: oauthtest.New(t, in, settings), t: t, in: in}
	w.client = w.Register(t, "cl_kaikei", changes)
	return w
}

// call is a client's request with a right assertion and, for its tokens, proof.
func (w *protocolWorld) call(s *oauthtest.Software, e oauth.Endpoint, form url.Values) oauth.Call {
	w.t.Helper()
	if !form.Has("client_assertion") {
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", s.Assertion(nil))
	}
	f, err := oauth.ParseForm(form.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	c := oauth.Call{Endpoint: e, Form: f, Address: "192.0.2.1"}
	if e == oauth.TokenEndpoint {
		c.Proofs = []string{s.Proof("POST", oauthtest.IssuerURL+string(e), w.Engine.Nonce(), "", nil)}
	}
	return c
}

func asking(s *oauthtest.Software) url.Values {
	return url.Values{
		"response_type": {"code"}, "redirect_uri": {oauthtest.RedirectURI}, "scope": {"openid account.balance account.transactions"},
		"state": {"a state"}, "nonce": {"n-1"}, "code_challenge": {s.Challenge()}, "code_challenge_method": {"S256"},
	}
}

func (w *protocolWorld) push(s *oauthtest.Software, form url.Values) string {
	w.t.Helper()
	p, err := w.Engine.Push(w.t.Context(), w.call(s, oauth.PAREndpoint, form))
	if err != nil {
		w.t.Fatalf("push: %v", err)
	}
	return p.RequestURI.Reveal()
}

func (w *protocolWorld) begin(s *oauthtest.Software, requestURI string) (oauth.Interaction, error) {
	f, err := oauth.ParseForm(url.Values{"client_id": {string(s.ID)}, "request_uri": {requestURI}}.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Engine.Begin(w.t.Context(), oauth.AuthorizeRequest{Form: f})
}

// consent keeps a customer's consent as the journey does, and returns its id.
func (w *protocolWorld) consent(s *oauthtest.Software) string {
	w.t.Helper()
	id := fmt.Sprintf("cns_%d", consentNumber.Add(1))
	err := w.in.Write(w.t.Context(), func(ctx context.Context, t store.Tx) error {
		return t.Must(ctx, `INSERT INTO consents (institution, id, user_id, company_id, partner_id, client_id, state, end_reason,
			functions, accounts, history_days, given_at, ends_at, ended_at, replaces, terms, journey)
			VALUES ($1, $2, 'usr_hanako', 'cmp_mihon', $3, $4, 'issued', '', '["balance","transactions"]', '["001-1-2000002"]', 180, $5, $6, 0, '', '', '')`,
			"demo", id, string(oauthtest.PartnerID), string(s.ID), w.Now().UnixMicro(), w.Now().Add(90*24*time.Hour).UnixMicro())
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *protocolWorld) approval(s *oauthtest.Software) oauth.Approval {
	return oauth.Approval{
		Subject: "usr_hanako", Company: "cmp_mihon", AuthTime: w.Now(), ACR: "urn:demo:password", AMR: []string{"pwd"}, Consent: w.consent(s),
		Extent: oauth.Extent{Functions: []corebank.BusinessFunction{"balance", "transactions"}, HistoryDays: 180},
	}
}

// code takes a request to its code.
func (w *protocolWorld) code(s *oauthtest.Software, form url.Values) (code string, consent string) {
	w.t.Helper()
	i, err := w.begin(s, w.push(s, form))
	if err != nil {
		w.t.Fatalf("begin: %v", err)
	}
	a := w.approval(s)
	back, change, err := w.Engine.Approve(w.t.Context(), i.Handle, a)
	if err != nil {
		w.t.Fatalf("approve: %v", err)
	}
	if err := w.in.Commit(w.t.Context(), change); err != nil {
		w.t.Fatalf("commit: %v", err)
	}
	return parameter(w.t, back, "code"), a.Consent
}

func parameter(t testing.TB, back oauth.Redirect, name string) string {
	t.Helper()
	u, err := url.Parse(back.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

func (w *protocolWorld) redeeming(s *oauthtest.Software, code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {oauthtest.RedirectURI}, "code_verifier": {s.Verifier},
	}
}

func (w *protocolWorld) redeem(s *oauthtest.Software, code string) (oauth.Tokens, error) {
	return w.Engine.Token(w.t.Context(), w.call(s, oauth.TokenEndpoint, w.redeeming(s, code)))
}

func (w *protocolWorld) refresh(s *oauthtest.Software, token string) (oauth.Tokens, error) {
	return w.Engine.Token(w.t.Context(), w.call(s, oauth.TokenEndpoint, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}))
}

const balances = oauthtest.APIURL + "/open-api/v1/accounts/x/balance"

func (w *protocolWorld) open(s *oauthtest.Software, token string) (oauth.Access, error) {
	return w.Engine.Access(w.t.Context(), w.opening(s, token))
}

func (w *protocolWorld) opening(s *oauthtest.Software, token string) oauth.AccessRequest {
	return oauth.AccessRequest{
		Authorization: []string{"DPoP " + token}, Proofs: []string{s.Proof("GET", balances, w.Engine.ResourceNonce(), token, nil)},
		Method: "GET", Target: balances, Audience: oauthtest.APIURL, Functions: []corebank.BusinessFunction{"balance"},
	}
}

func wantFailure(t testing.TB, err error, code oauth.Code) {
	t.Helper()
	f, ok := errors.AsType[*oauth.Failure](err)
	if !ok || f.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

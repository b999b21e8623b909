package accountapi_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/corebank/sandbox"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
	"renkei.dev/internal/web/accountapi"
)

// ownToken is one of the client's own, behind which there is no customer.
const ownToken = "own"

const origin = "https://api.bank.example"

// desk is the API over a real linkage service, database and sandbox bank. Only
// the judge of tokens is a stand-in: a token is the login id of whose consent it
// opens, and covers all accounts of the company.
type desk struct {
	t       testing.TB
	handler http.Handler
	bank    *sandbox.Bank
	linkage *linkage.Service
	tokens  *tokens
	log     *deniedLog
	mu      sync.Mutex
	at      time.Time
}

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

func (d *desk) advance(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = d.at.Add(by)
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t, at: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC), log: &deniedLog{}}
	box, err := secret.NewBox(map[uint32][]byte{1: []byte(strings.Repeat("k", 32))})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(dir, "renkei.db"), Box: box, Now: d.now, Passive: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if d.bank, err = sandbox.Open(t.Context(), sandbox.Config{File: filepath.Join(dir, "bank.db"), Now: d.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.bank.Close() })
	ids, err := store.NewIDs(1, d.now)
	if err != nil {
		t.Fatal(err)
	}
	d.linkage = &linkage.Service{
		Institution: "test", Key: []byte(strings.Repeat("p", 32)), Store: db.Institution("test"), Bank: d.bank, Box: box,
		Rules:  linkage.Rules{BankFor: 20 * time.Second, PINsOfColleague: true, MaxPINTries: 3},
		NextID: ids.Next, Now: d.now,
	}
	d.tokens = &tokens{bank: d.bank, history: 400}
	d.handler = accountapi.Handler(accountapi.Options{
		Origin: origin, Tokens: d.tokens, PINs: d.linkage, Bank: d.bank, Partners: d.tokens, Alias: alias, Box: box, Denials: d.log,
		Address: func(*http.Request) string { return "192.0.2.1" }, Now: d.now, Log: slog.New(slog.DiscardHandler),
	})
	return d
}

func alias(p partner.ID, a corebank.AccountID) string { return "acc_" + string(p) + "_" + string(a) }

// register brings PINs of all accounts of a user into force.
func (d *desk) register(login corebank.LoginID, state linkage.PINState, pin func(sandbox.Account) string) {
	d.t.Helper()
	m, c, _ := d.bank.Member(login)
	var seeds []linkage.SeedPIN
	for _, a := range c.Accounts {
		seeds = append(seeds, linkage.SeedPIN{
			Account: a.ID, User: m.User, State: state, PIN: corebank.InquiryPIN{Value: secret.Of(pin(a))},
		})
	}
	if err := d.linkage.SeedPINs(d.t.Context(), seeds); err != nil {
		d.t.Fatal(err)
	}
}

func right(a sandbox.Account) string { return a.PIN }

func (d *desk) account(login corebank.LoginID, n int) string {
	_, c, _ := d.bank.Member(login)
	return alias("kaikei", c.Accounts[n].ID)
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (d *desk) get(token, path string, change ...func(*http.Request)) answer {
	d.t.Helper()
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodGet, origin+path, nil)
	if token != "" {
		r.Header.Set("Authorization", "DPoP "+token)
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header()}
	if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
		d.t.Fatalf("%s: %v in %q", path, err, w.Body.String())
	}
	return a
}

// wants fails unless the answer is the problem with a code.
func (a answer) wants(t testing.TB, status int, code string) {
	t.Helper()
	if a.status != status || a.body["code"] != code {
		t.Errorf("got %d %v (%v), want %d %s", a.status, a.body["code"], a.body["detail"], status, code)
	}
}

type tokens struct {
	mu      sync.Mutex
	bank    *sandbox.Bank
	history int
	lacks   corebank.BusinessFunction
	fails   *oauth.Failure
	last    oauth.AccessRequest
}

func (k *tokens) ResourceNonce() string { return "nonce-1" }

func (k *tokens) Access(_ context.Context, r oauth.AccessRequest) (oauth.Access, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = r
	if k.fails != nil {
		return oauth.Access{}, k.fails
	}
	if r.TokenElsewhere {
		return oauth.Access{}, &oauth.Failure{Code: oauth.InvalidRequest, Word: "a token goes into the Authorization header"}
	}
	if len(r.Authorization) != 1 {
		return oauth.Access{}, &oauth.Failure{Code: oauth.InvalidToken}
	}
	_, token, _ := strings.Cut(r.Authorization[0], " ")
	if token == ownToken && (r.Scope == "" || r.Scope == oauth.ScopePartner) {
		return oauth.Access{Client: "cl_kaikei", Partner: "kaikei", Subject: "cl_kaikei", Scope: oauth.ScopePartner}, nil
	}
	m, c, ok := k.bank.Member(corebank.LoginID(token))
	if !ok {
		return oauth.Access{}, &oauth.Failure{Code: oauth.InvalidToken, Word: "the access token is unknown"}
	}
	a := oauth.Access{
		Client: "cl_kaikei", Partner: "kaikei", Consent: "cns_1", User: m.ID, Company: c.ID,
		Extent: oauth.Extent{Functions: corebank.Functions, HistoryDays: k.history, EndsAt: time.Now().Add(time.Hour)},
	}
	for _, account := range c.Accounts {
		a.Extent.Accounts = append(a.Extent.Accounts, account.ID)
	}
	for _, needed := range r.Functions {
		if needed == k.lacks {
			return oauth.Access{}, &oauth.Failure{Code: oauth.InsufficientScope, Word: "account." + string(needed)}
		}
	}
	return a, nil
}

// Partner returns the partner that every token here is of.
func (k *tokens) Partner(_ context.Context, id partner.ID) (partner.Partner, error) {
	return partner.Partner{
		ID: id, Service: "見本会計", Corporation: "見本ソフト株式会社", RegistrationNumber: "第9001号", Status: partner.Active,
		Contact: partner.Contact{Desk: "窓口", Phone: "03-0000-9001"}, Functions: corebank.Functions, HistoryDays: 365,
		ContractFrom:  time.Date(2026, 4, 1, 0, 0, 0, 0, corebank.Japan),
		ContractUntil: time.Date(2027, 4, 1, 0, 0, 0, 0, corebank.Japan),
	}, nil
}

// Registration returns the client that every token here is of.
func (k *tokens) Registration(_ context.Context, id oauth.ClientID) (oauth.Client, error) {
	return oauth.Client{
		ID: id, Profile: oauth.FAPI2, SunsetOn: "2027-03-31", Registered: oauth.ByStaff, AuthMethod: oauth.PrivateKeyJWT, DPoPBound: true,
		GrantTypes: []string{"client_credentials"}, Scope: "partner",
	}, nil
}

// deniedLog keeps what was denied.
type deniedLog struct {
	mu   sync.Mutex
	acts []audit.Act
	fail error
}

func (l *deniedLog) Commit(_ context.Context, changes ...audit.Change) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range changes {
		l.acts = append(l.acts, c.Act())
	}
	return l.fail
}

var secretOf = secret.Of

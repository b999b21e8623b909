// Package accountapi is the account-information API that access tokens open:
// accounts, balances, entries and received transfers (docs/openapi/account-api.yaml).
//
// It decides nothing of its own: what a token opens is oauth's to say, whether an
// inquiry PIN may be used is linkage's, and the figures are the bank's. It turns
// their answers into JSON and their refusals into the problems of one catalogue,
// in which one code has one cause and one next action. It knows no SQL and keeps
// nothing but what the bank said of a user half a second ago and by which ids
// partners know accounts. Start with routes.
package accountapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// Tokens says what an access token opens; an oauth.Engine does.
type Tokens interface {
	Access(ctx context.Context, r oauth.AccessRequest) (oauth.Access, error)
	Registration(ctx context.Context, id oauth.ClientID) (oauth.Client, error)
	ResourceNonce() string
}

// PINs lends inquiry PINs to calls of the bank; a linkage.Service does.
type PINs interface {
	UsePIN(ctx context.Context, user corebank.UserID, account corebank.AccountID, call func(context.Context, corebank.InquiryPIN) error) error
	PINStates(ctx context.Context, user corebank.UserID, accounts []corebank.AccountID) (map[corebank.AccountID]linkage.PINState, error)
}

// Log keeps what was refused; a store.Institution does.
type Log interface {
	Commit(ctx context.Context, changes ...audit.Change) error
}

// Options are what the API is made of. All are needed unless said otherwise.
type Options struct {
	Origin string // of the API: a token's audience, and what a proof's htu begins with
	Tokens Tokens
	PINs   PINs
	Bank   corebank.Connector
	// Partners finds the partner that calls for itself.
	Partners partner.Registry
	Alias    func(partner.ID, corebank.AccountID) string // by which a partner knows an account
	Box      *secret.Box                                 // seals cursors
	Denials  Log
	Address  func(*http.Request) string // the client's network address, for the audit log
	Now      func() time.Time
	Log      *slog.Logger
}

// base is where the API begins.
const base = "/open-api/v1/"

// routes are all that the API answers; {accountId} stands for one segment.
func (a *api) routes() []route {
	return []route{
		{"accounts", a.accounts, nil, ""},
		{"accounts/{accountId}/balance", a.balance, needs(corebank.BalanceInquiry), ""},
		{"accounts/{accountId}/transactions", a.transactions, needs(corebank.TransactionInquiry), ""},
		{"accounts/{accountId}/deposits", a.deposits, needs(corebank.DepositInquiry), ""},
		{"partner", a.partner, nil, oauth.ScopePartner},
	}
}

type route struct {
	path   string
	answer func(*call) (any, error)
	needs  []corebank.BusinessFunction
	own    string // the scope of a client's own token, which alone opens it; empty: a customer's
}

func needs(f ...corebank.BusinessFunction) []corebank.BusinessFunction { return f }

type api struct {
	Options
	table   []route
	bank    lately
	aliases aliases
}

// Handler returns the API of one institution, for requests at its origin.
func Handler(o Options) http.Handler {
	a := &api{Options: o, bank: lately{bank: o.Bank, now: o.Now}, aliases: aliases{make: o.Alias}}
	a.table = a.routes()
	return a
}

// ServeHTTP answers one call. A path is taken as it came: no cleaning, no
// redirect, no second spelling of a slash, so that what a proof was signed for is
// what is answered.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{api: a, w: w, r: r, requestID: newUUID(), now: a.Now()}
	c.headers()
	if r.URL.RawPath == "" {
		if code, ok := strings.CutPrefix(r.URL.Path, base+"problems/"); ok {
			c.explain(code)
			return
		}
	}
	route, account, ok := a.find(r)
	if ok {
		r.Pattern = r.Method + " " + base + route.path // as http.ServeMux tells
	}
	switch {
	case !ok:
		c.refuse(problem{code: "not_found"})
		return
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		c.refuse(problem{code: "method_not_allowed"})
		return
	}
	if err := c.open(route); err != nil {
		c.refuse(err)
		return
	}
	if err := c.choose(account); err != nil {
		c.refuse(err)
		return
	}
	body, err := route.answer(c)
	if err != nil {
		c.refuse(err)
		return
	}
	c.write(http.StatusOK, "application/json", body)
}

// find returns the route of a path and the account that stands in it.
func (a *api) find(r *http.Request) (route, string, bool) {
	rest, ok := strings.CutPrefix(r.URL.Path, base)
	if !ok || r.URL.RawPath != "" {
		return route{}, "", false
	}
	for _, candidate := range a.table {
		before, after, with := strings.Cut(candidate.path, "{accountId}")
		if !with {
			if rest == candidate.path {
				return candidate, "", true
			}
			continue
		}
		account, begins := strings.CutPrefix(rest, before)
		account, ends := strings.CutSuffix(account, after)
		if begins && ends && account != "" && !strings.Contains(account, "/") {
			return candidate, account, true
		}
	}
	return route{}, "", false
}

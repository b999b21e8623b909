package service

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

const (
	detailsType     = "corporate_account_information"
	metadataFor     = 5 * time.Minute
	expiryMargin    = 30 * time.Second // a token that ends sooner is refreshed first
	parallelFetches = 4
)

// metadata is what the service reads of the bank's (RFC 8414).
type metadata struct {
	Issuer        string    `json:"issuer"`
	Authorization string    `json:"authorization_endpoint"`
	Aliases       endpoints `json:"mtls_endpoint_aliases"`
	endpoints
}

type endpoints struct {
	PAR    string `json:"pushed_authorization_request_endpoint"`
	Token  string `json:"token_endpoint"`
	Revoke string `json:"revocation_endpoint"`
}

// metadataCache keeps the bank's metadata for a few minutes.
type metadataCache struct {
	now       func() time.Time
	mu        sync.Mutex
	known     *metadata
	fetchedAt time.Time
}

func (m *metadataCache) get() *metadata {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || m.now().Sub(m.fetchedAt) > metadataFor {
		return nil
	}
	return m.known
}

func (m *metadataCache) set(known *metadata) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known, m.fetchedAt = known, m.now()
}

// discover reads the bank's metadata; anew always fetches. An issuer other than
// ours is refused: it would be another's metadata (RFC 8414 §3.3).
func (b *bank) discover(ctx context.Context, anew bool) (*metadata, error) {
	if known := b.s.metadata.get(); known != nil && !anew {
		return known, nil
	}
	m := &metadata{}
	if err := b.do(ctx, call{step: "discovery", method: http.MethodGet, url: wellKnown(b.s.config.Issuer)}, http.StatusOK, m); err != nil {
		return nil, err
	}
	if m.Issuer != b.s.config.Issuer || m.Authorization == "" || m.PAR == "" || m.Token == "" || m.Revoke == "" {
		return nil, fault.New(fault.Unavailable, "the bank's metadata are of the issuer %q or incomplete", m.Issuer)
	}
	if b.s.config.Authentication == MutualTLS {
		// RFC 8705 §5: a client with a certificate goes to the aliases.
		for alias, endpoint := range map[string]*string{m.Aliases.PAR: &m.PAR, m.Aliases.Token: &m.Token, m.Aliases.Revoke: &m.Revoke} {
			if alias != "" {
				*endpoint = alias
			}
		}
	}
	b.s.metadata.set(m)
	return m, nil
}

// wellKnown puts the well-known path between host and path (RFC 8414 §3.1).
func wellKnown(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer
	}
	u.Path = "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")
	return u.String()
}

// begin pushes an authorization request (RFC 9126) and returns where the browser
// goes with it.
func (b *bank) begin(ctx context.Context, functions []string, language string) (string, error) {
	m, err := b.discover(ctx, true)
	if err != nil {
		return "", err
	}
	details, err := json.Marshal([]map[string]any{{"type": detailsType, "actions": functions, "historyDays": b.s.config.HistoryDays}})
	if err != nil {
		return "", fault.Wrap(fault.Internal, "write authorization_details", err)
	}
	state, verifier := secret.Random(24), secret.Random(48)
	challenge := sha256.Sum256([]byte(verifier.Reveal()))
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	if err := b.do(ctx, call{step: "par", method: http.MethodPost, url: m.PAR, proof: true, form: url.Values{
		"response_type":         {"code"},
		"redirect_uri":          {b.s.config.URL + CallbackPath},
		"state":                 {state.Reveal()},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
		"authorization_details": {string(details)},
		"ui_locales":            {language},
	}}, http.StatusCreated, &pushed); err != nil {
		return "", err
	}
	if err := b.s.keep.beginAttempt(ctx, b.session, state, attempt{Verifier: verifier.Reveal()}); err != nil {
		return "", err
	}
	to := m.Authorization + "?" + url.Values{"client_id": {b.s.config.ClientID}, "request_uri": {pushed.RequestURI}}.Encode()
	b.recordFront(ctx, "authorize", to)
	return to, nil
}

// tokens is a token answer (RFC 6749 §5.1, RFC 9396 §7).
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Details      []struct {
		Type    string   `json:"type"`
		Actions []string `json:"actions"`
	} `json:"authorization_details"`
}

// into puts the answer into a link. Errors: fault.Unavailable when the token is
// of another kind than asked for: one that is not bound is not used.
func (t tokens) into(l *link, s *Service) error {
	kind := "Bearer"
	if s.proof != nil {
		kind = dpopHeader
	}
	if t.AccessToken == "" || !strings.EqualFold(t.TokenType, kind) {
		return fault.New(fault.Unavailable, "the bank's answer holds no %s token", kind)
	}
	l.AccessToken, l.ExpiresAt = t.AccessToken, s.config.Now().Add(time.Duration(t.ExpiresIn)*time.Second)
	if t.RefreshToken != "" {
		l.RefreshToken = t.RefreshToken
	}
	if len(t.Details) > 0 {
		l.Granted = nil
	}
	for _, d := range t.Details {
		if d.Type == detailsType {
			l.Granted = append(l.Granted, d.Actions...)
		}
	}
	return nil
}

// redeem exchanges a code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).
func (b *bank) redeem(ctx context.Context, code, verifier string) (link, error) {
	m, err := b.discover(ctx, false)
	if err != nil {
		return link{}, err
	}
	var t tokens
	if err := b.do(ctx, call{step: "token", method: http.MethodPost, url: m.Token, proof: true, form: url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {b.s.config.URL + CallbackPath},
		"code_verifier": {verifier},
	}}, http.StatusOK, &t); err != nil {
		return link{}, err
	}
	var l link
	return l, t.into(&l, b.s)
}

// refresh gets a new access token (RFC 6749 §6).
func (b *bank) refresh(ctx context.Context, l *link) error {
	m, err := b.discover(ctx, false)
	if err != nil {
		return err
	}
	var t tokens
	if err := b.do(ctx, call{step: "refresh", method: http.MethodPost, url: m.Token, proof: true, form: url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {l.RefreshToken},
	}}, http.StatusOK, &t); err != nil {
		return err
	}
	return t.into(l, b.s)
}

// revoke ends the grant (RFC 7009): with its refresh token everything of it.
func (b *bank) revoke(ctx context.Context, l link) error {
	m, err := b.discover(ctx, false)
	if err != nil {
		return err
	}
	return b.do(ctx, call{step: "revoke", method: http.MethodPost, url: m.Revoke, form: url.Values{
		"token": {l.RefreshToken}, "token_type_hint": {"refresh_token"},
	}}, http.StatusOK, nil)
}

// get calls the account API; a token that is over is refreshed first, and one that
// the bank no longer takes once more.
func (b *bank) get(ctx context.Context, l *link, step, path string, out any) error {
	if b.s.config.Now().Add(expiryMargin).After(l.ExpiresAt) {
		if err := b.refresh(ctx, l); err != nil {
			return err
		}
	}
	c := call{step: step, method: http.MethodGet, url: b.s.config.API + "/open-api/v1" + path, token: secret.Of(l.AccessToken), proof: true}
	err := b.do(ctx, c, http.StatusOK, out)
	if r, ok := errors.AsType[refusal](err); ok && r.Status == http.StatusUnauthorized && r.code() == "invalid_token" {
		if err := b.refresh(ctx, l); err != nil {
			return err
		}
		c.token = secret.Of(l.AccessToken)
		return b.do(ctx, c, http.StatusOK, out)
	}
	return err
}

// account is an account as the bank's API described it, with what was fetched.
type account struct {
	ID        string    `json:"id"`
	Branch    string    `json:"branch"`
	Type      string    `json:"type"`
	Number    string    `json:"number"`
	Holder    string    `json:"holder"`
	Memo      string    `json:"memo,omitempty"`
	Balance   string    `json:"balance,omitempty"`   // whole yen; empty: never fetched
	Available string    `json:"available,omitempty"` // 支払可能残高
	FetchedAt time.Time `json:"fetched_at"`
	Problem   string    `json:"problem,omitempty"` // code of why the last fetch brought no figure
}

// fetch reads accounts and, where allowed, balances into the link. What stands in
// the way of one account is kept beside it; only what concerns all is an error.
func (b *bank) fetch(ctx context.Context, l *link) error {
	var list struct {
		Accounts []struct {
			ID     string `json:"accountId"`
			Branch string `json:"branchName"`
			Code   string `json:"branchCode"`
			Type   string `json:"accountTypeName"`
			Number string `json:"accountNumber"`
			Holder string `json:"accountName"`
			Memo   string `json:"accountMemo"`
		} `json:"accounts"`
	}
	if err := b.get(ctx, l, "accounts", "/accounts", &list); err != nil {
		return err
	}
	before := l.Accounts
	l.Accounts = make([]account, len(list.Accounts))
	for i, a := range list.Accounts {
		branch := a.Branch
		if a.Code != "" {
			branch += "(" + a.Code + ")"
		}
		l.Accounts[i] = account{ID: a.ID, Branch: branch, Type: a.Type, Number: a.Number, Holder: a.Holder, Memo: a.Memo}
		// The last figure stays, with its time, when the next does not come.
		if j := slices.IndexFunc(before, func(o account) bool { return o.ID == a.ID }); j >= 0 {
			l.Accounts[i].Balance, l.Accounts[i].Available, l.Accounts[i].FetchedAt = before[j].Balance, before[j].Available, before[j].FetchedAt
		}
	}
	l.FetchedAt, l.Problem = b.s.config.Now(), ""
	if !slices.Contains(l.Granted, "balance") {
		return nil
	}
	var wait sync.WaitGroup
	places := make(chan struct{}, parallelFetches)
	for i := range l.Accounts {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			shared := *l // so that no two refresh into one link
			b.balance(ctx, &shared, &l.Accounts[i])
		})
	}
	wait.Wait()
	return nil
}

func (b *bank) balance(ctx context.Context, l *link, a *account) {
	var answer struct {
		Balance   string `json:"balance"`
		Available string `json:"withdrawableAmount"`
	}
	err := b.get(ctx, l, "balance", "/accounts/"+url.PathEscape(a.ID)+"/balance", &answer)
	if err != nil {
		a.Problem = problemCode(err)
		return
	}
	a.Balance, a.Available, a.FetchedAt, a.Problem = answer.Balance, answer.Available, b.s.config.Now(), ""
}

// problemCode returns the word by which a failure is explained to people.
func problemCode(err error) string {
	if r, ok := errors.AsType[refusal](err); ok {
		return r.code()
	}
	return "bank_unreachable"
}

// entry is one line of a statement.
type entry struct {
	ID       string `json:"entryId"`
	Date     string `json:"transactionDate"`
	In       string `json:"transactionType"` // 1 in, 2 out
	Amount   string `json:"amount"`
	Balance  string `json:"balance"`
	Kind     string `json:"transactionKind"`
	Remarks  string `json:"remarks"`
	Remitter string `json:"remitterName"`
}

// entries reads one page of an account's statement since a date. kind is
// transactions or deposits.
func (b *bank) entries(ctx context.Context, l *link, account, kind, since, cursor string) (lines []entry, next string, err error) {
	var list struct {
		Transactions []entry `json:"transactions"`
		Deposits     []entry `json:"deposits"`
		Next         string  `json:"nextCursor"`
	}
	query := url.Values{"limit": {"100"}}
	if cursor != "" {
		query.Set("cursor", cursor)
	} else {
		query.Set("dateFrom", since)
	}
	if err := b.get(ctx, l, kind, "/accounts/"+url.PathEscape(account)+"/"+kind+"?"+query.Encode(), &list); err != nil {
		return nil, "", err
	}
	return append(list.Transactions, list.Deposits...), list.Next, nil
}

// load fetches into a link and keeps beside it what stood in the way.
func (b *bank) load(ctx context.Context, l *link) {
	if err := b.fetch(ctx, l); err != nil {
		l.Problem = problemCode(err)
	}
}

// withoutEnd lets work that must not stop half-way outlive the browser's request.
func withoutEnd(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

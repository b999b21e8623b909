package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// worker is one closed loop: when an operation ended, it begins the next.
type worker struct {
	*partner
	config  Config
	kind    Workload
	browser *browser
	tokens  []tokens
	n       int
	balance string // address of the balance of the customer's account
}

// introspected is how many live tokens a worker asks about in turn.
const introspected = 20

// newWorker brings a worker to where its loop can begin. Users are its own, one
// for each of the two clients.
func (c Config) newWorker(ctx context.Context, at endpoints, kind Workload, i int) (*worker, error) {
	w := &worker{config: c, kind: kind, browser: &browser{user: c.Users[2*i]}}
	var err error
	switch kind {
	case Introspection, BalanceCertificate:
		w.partner, w.browser.user = c.certificatePartner(at), c.Users[2*i+1]
	default:
		if w.partner, err = c.keyPartner(at); err != nil {
			return nil, err
		}
	}
	switch kind {
	case CodeFlow, Refresh, BalanceDPoP, BalanceCertificate:
		var t tokens
		if t, err = w.link(ctx, w.browser); err == nil {
			w.tokens = []tokens{t}
		}
	case Introspection:
		for range introspected {
			var t tokens
			if t, err = w.token(ctx, own()); err != nil {
				break
			}
			w.tokens = append(w.tokens, t)
		}
	}
	if err == nil && (kind == BalanceDPoP || kind == BalanceCertificate) {
		if err = w.findAccount(ctx); err == nil {
			err = w.inquire(ctx) // the bank checks a PIN with care the first time
		}
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// own asks for a token for the partner's own calls.
func own() url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}}
}

// operate does one operation and checks its answers.
func (w *worker) operate(ctx context.Context) error {
	w.n++
	switch w.kind {
	case Push:
		_, err := w.push(ctx)
		return err
	case CodeFlow:
		_, err := w.link(ctx, w.browser)
		return err
	case Refresh:
		return w.refresh(ctx)
	case ClientCredentials:
		_, err := w.token(ctx, own())
		return err
	case Introspection:
		active, err := w.introspect(ctx, w.tokens[w.n%len(w.tokens)].Access)
		if err == nil && !active {
			err = fmt.Errorf("a live token is said to be none")
		}
		return err
	case BalanceDPoP, BalanceCertificate:
		return w.inquire(ctx)
	}
	return fmt.Errorf("there is no workload %q", w.kind)
}

func (w *worker) refresh(ctx context.Context) error {
	t, err := w.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.tokens[0].Refresh}})
	if err == nil && (t.Access == w.tokens[0].Access || t.IDToken == "") {
		err = fmt.Errorf("a refresh gave the old access token, or no ID token")
	}
	if err == nil && t.Refresh != "" {
		w.tokens[0] = t
	}
	return err
}

func (w *worker) introspect(ctx context.Context, token string) (bool, error) {
	a, err := w.post(ctx, w.at.Introspection, url.Values{"token": {token}}, false)
	if err != nil {
		return false, err
	}
	var told struct {
		Active *bool `json:"active"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &told) != nil || told.Active == nil {
		return false, a.wrong("an introspection")
	}
	return *told.Active, nil
}

// findAccount asks for the accounts that the customer linked.
func (w *worker) findAccount(ctx context.Context) error {
	a, err := w.get(ctx, w.config.API+"/open-api/v1/accounts", w.tokens[0].Access)
	if err != nil {
		return err
	}
	var list struct {
		Accounts []struct {
			ID string `json:"accountId"`
		} `json:"accounts"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &list) != nil || len(list.Accounts) == 0 {
		return a.wrong("a list of accounts")
	}
	w.balance = w.config.API + "/open-api/v1/accounts/" + list.Accounts[0].ID + "/balance"
	return nil
}

func (w *worker) inquire(ctx context.Context) error {
	a, err := w.get(ctx, w.balance, w.tokens[0].Access)
	if err != nil {
		return err
	}
	var b struct {
		Balance  string `json:"balance"`
		Currency string `json:"currencyCode"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &b) != nil || b.Balance == "" || b.Currency != "JPY" {
		return a.wrong("a balance inquiry")
	}
	return nil
}

// refusals checks after the measurement that a token which nobody issued opens
// nothing: a server that says yes to everything is not to look fast.
func (w *worker) refusals(ctx context.Context) error {
	switch w.kind {
	case Refresh:
		a, err := w.post(ctx, w.at.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tampered(w.tokens[0].Refresh)}}, true)
		if err == nil && (a.status != http.StatusBadRequest || !strings.Contains(string(a.body), "invalid_grant")) {
			err = a.wrong("a tampered refresh token")
		}
		return err
	case Introspection:
		active, err := w.introspect(ctx, tampered(w.tokens[0].Access))
		if err == nil && active {
			err = fmt.Errorf("a tampered token is said to be live")
		}
		return err
	case BalanceDPoP, BalanceCertificate:
		a, err := w.get(ctx, w.balance, tampered(w.tokens[0].Access))
		if err == nil && a.status != http.StatusUnauthorized {
			err = a.wrong("a tampered access token")
		}
		return err
	}
	return nil
}

// tampered changes one character in the secret of a token.
func tampered(token string) string {
	b := []byte(token)
	at := len(b) - 8
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}

package store_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net/url"
	"sync/atomic"
	"testing"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/store"
)

const dataURL = "https://data.bank.example"

// introspecting is a world with a resource server beside the account API, and a
// call of it over mutual TLS.
func introspecting(t testing.TB, db *store.DB, signed bool, settings func(*oauth.Config)) (w *protocolWorld, ask func(token string) oauth.Call) {
	t.Helper()
	certificate := oauthtest.Certificate(t, "data.bank.example")
	w = newProtocolOf(t, db, func(cfg *oauth.Config) {
		server := &oauth.ResourceServer{ID: "rs_data", Certificates: []*x509.Certificate{certificate}}
		cfg.Issuer.APIs = append(cfg.Issuer.APIs, oauth.API{URL: dataURL, SignedTokens: signed, Server: server})
		if settings != nil {
			settings(cfg)
		}
	}, nil)
	return w, func(token string) oauth.Call {
		f, err := oauth.ParseForm(url.Values{"client_id": {"rs_data"}, "token": {token}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		return oauth.Call{Endpoint: oauth.IntrospectEndpoint, AtMutualTLS: true, Form: f, Certificates: []*x509.Certificate{certificate}}
	}
}

func (w *protocolWorld) dataTokens() oauth.Tokens {
	w.t.Helper()
	form := asking(w.client)
	form.Set("resource", dataURL)
	code, _ := w.code(w.client, form)
	got, err := w.redeem(w.client, code)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

func active(t testing.TB, w *protocolWorld, c oauth.Call) bool {
	t.Helper()
	i, err := w.Engine.Introspect(t.Context(), c, false)
	if err != nil {
		t.Fatal(err)
	}
	var told struct{ Active bool }
	if err := json.Unmarshal(i.Body, &told); err != nil {
		t.Fatal(err)
	}
	return told.Active
}

func TestEitherKindOfTokenIsIntrospectedUntilItIsRevoked(t *testing.T) {
	for name, signed := range map[string]bool{"opaque": false, "signed": true} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, db *store.DB) {
				w, ask := introspecting(t, db, signed, nil)
				got := w.dataTokens()
				again, err := w.refresh(w.client, got.Refresh.Reveal())
				if err != nil {
					t.Fatal(err)
				}
				if !active(t, w, ask(got.Access.Reveal())) || !active(t, w, ask(again.Access.Reveal())) {
					t.Error("a live token is not active")
				}
				if err := w.Engine.Revoke(t.Context(), w.call(w.client, oauth.RevokeEndpoint, url.Values{"token": {got.Access.Reveal()}})); err != nil {
					t.Fatal(err)
				}
				if active(t, w, ask(got.Access.Reveal())) || !active(t, w, ask(again.Access.Reveal())) {
					t.Error("the revocation of one token ended another, or not that one")
				}
				if err := w.Engine.Revoke(t.Context(), w.call(w.client, oauth.RevokeEndpoint, url.Values{"token": {got.Refresh.Reveal()}})); err != nil {
					t.Fatal(err)
				}
				if active(t, w, ask(again.Access.Reveal())) {
					t.Error("a token outlives its grant")
				}
			})
		})
	}
}

// countingStore counts what reaches the database.
type countingStore struct {
	oauth.Store
	looks, commits atomic.Int64
}

func (c *countingStore) AccessToken(ctx context.Context, k oauth.Key) (oauth.AccessToken, error) {
	c.looks.Add(1)
	return c.Store.AccessToken(ctx, k)
}

func (c *countingStore) Client(ctx context.Context, id oauth.ClientID) (oauth.Client, error) {
	c.looks.Add(1)
	return c.Store.Client(ctx, id)
}

func (c *countingStore) Commit(ctx context.Context, changes ...audit.Change) error {
	c.commits.Add(1)
	return c.Store.Commit(ctx, changes...)
}

func TestAnIntrospectionOverMutualTLSIsOneLookUpAndNoCommit(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		counted := &countingStore{}
		w, ask := introspecting(t, db, false, func(cfg *oauth.Config) {
			counted.Store = cfg.Store
			cfg.Store = counted
		})
		token := w.dataTokens().Access.Reveal()
		active(t, w, ask(token)) // the client is known from here on
		looks, commits := counted.looks.Load(), counted.commits.Load()
		for range 10 {
			active(t, w, ask(token))
		}
		if n := counted.looks.Load() - looks; n != 10 {
			t.Errorf("10 introspections took %d look-ups", n)
		}
		if n := counted.commits.Load() - commits; n != 0 {
			t.Errorf("10 introspections took %d commits", n)
		}
	})
}

func BenchmarkIntrospectByMutualTLS(b *testing.B) {
	for name, url := range databases(b) {
		if name == "serializable" {
			continue
		}
		b.Run(name, func(b *testing.B) {
			w, ask := introspecting(b, open(b, store.Config{URL: url(b)}), false, nil)
			c := ask(w.dataTokens().Access.Reveal())
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := w.Engine.Introspect(b.Context(), c, false); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

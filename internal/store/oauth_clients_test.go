package store_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/store"
)

// selfRegistering is a world whose institution lets partners register clients.
func selfRegistering(t testing.TB, db *store.DB) *protocolWorld {
	t.Helper()
	return newProtocolOf(t, db, func(cfg *oauth.Config) { cfg.Issuer.SelfRegistration = true }, nil)
}

func (w *protocolWorld) initial(uses int) string {
	w.t.Helper()
	staff := audit.Actor{Kind: audit.Operator, ID: "staff"}
	value, change, err := w.Engine.Issuer().IssueInitialAccessToken(oauthtest.PartnerID, uses, time.Hour, staff, w.Now(), func() int64 { return 1<<50 + consentNumber.Add(1) })
	if err == nil {
		err = w.in.Commit(w.t.Context(), change)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return value.Reveal()
}

func (w *protocolWorld) registration(token string, more map[string]any) oauth.RegistrationRequest {
	w.t.Helper()
	m := map[string]any{"redirect_uris": []string{oauthtest.RedirectURI}, "jwks": w.client.Client.JWKS, "scope": "openid account.balance account.transactions"}
	for name, value := range more {
		m[name] = value
	}
	raw, err := json.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	return oauth.RegistrationRequest{Authorization: []string{"Bearer " + token}, Metadata: raw}
}

type information struct {
	ID    oauth.ClientID `json:"client_id"`
	Token string         `json:"registration_access_token"`
	Name  string         `json:"client_name"`
}

func informationOf(t testing.TB, raw []byte) information {
	t.Helper()
	var i information
	if err := json.Unmarshal(raw, &i); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestAnInitialTokenRegistersAsManyClientsAsItHasUsesAndNoMore(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := selfRegistering(t, db)
		token := w.initial(3)
		answers, errs := inParallel(make([]struct{}, 16), func(struct{}) ([]byte, error) {
			return w.Engine.Register(t.Context(), w.registration(token, nil))
		})
		if len(answers) != 3 {
			t.Fatalf("%d of 16 registrations with 3 uses succeeded", len(answers))
		}
		for _, err := range errs {
			wantFailure(t, err, oauth.InvalidToken)
		}
		clients, err := w.in.Clients(t.Context(), oauthtest.PartnerID)
		if err != nil || len(clients) != 4 {
			t.Errorf("%d clients, %v", len(clients), err)
		}
		left, err := w.in.InitialAccessTokens(t.Context(), oauthtest.PartnerID)
		if err != nil || len(left) != 1 || left[0].UsesLeft != 0 {
			t.Errorf("%+v %v", left, err)
		}
	})
}

func TestARevokedInitialTokenRegistersNobodyAndIsRevokedOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := selfRegistering(t, db)
		token, other := w.initial(5), w.initial(1)
		if _, err := w.Engine.Register(t.Context(), w.registration(token, nil)); err != nil {
			t.Fatal(err)
		}
		all, err := w.in.InitialAccessTokens(t.Context(), oauthtest.PartnerID)
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v %v", all, err)
		}
		revoked := oauth.InitialAccessTokenRevoked{
			ID: all[0].Key.ID, Partner: oauthtest.PartnerID, Reason: "lost in a mail", At: w.Now(), By: audit.Actor{Kind: audit.Operator, ID: "staff"},
		}
		foreign := revoked
		foreign.Partner = "somebody-else"
		if err := w.in.Commit(t.Context(), foreign); err == nil || fault.Of(err) != fault.Conflict {
			t.Errorf("as another partner's: %v", err)
		}
		if err := db.Institution("elsewhere").Commit(t.Context(), revoked); err == nil || fault.Of(err) != fault.Conflict {
			t.Errorf("by another institution: %v", err)
		}
		done, errs := inParallel(make([]struct{}, 8), func(struct{}) (struct{}, error) {
			return struct{}{}, w.in.Commit(t.Context(), revoked)
		})
		if len(done) != 1 {
			t.Errorf("revoked %d times", len(done))
		}
		for _, err := range errs {
			if fault.Of(err) != fault.Conflict {
				t.Error(err)
			}
		}
		_, err = w.Engine.Register(t.Context(), w.registration(token, nil))
		wantFailure(t, err, oauth.InvalidToken)
		if clients, err := w.in.Clients(t.Context(), oauthtest.PartnerID); err != nil || len(clients) != 2 {
			t.Errorf("%d clients, %v: the one that it registered before is to stay", len(clients), err)
		}
		if _, err := w.Engine.Register(t.Context(), w.registration(other, nil)); err != nil {
			t.Errorf("the partner's other token: %v", err)
		}
		rows := 0
		err = db.AuditLog().Each(t.Context(), store.Which{Name: oauth.InitialTokenRevokedName, Word: "lost in a mail"}, func(audit.Row) error { rows++; return nil })
		if err != nil || rows != 1 {
			t.Errorf("%d rows of the audit log, %v", rows, err)
		}
	})
}

func TestOfManyChangesOfOneRegistrationOneSucceeds(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := selfRegistering(t, db)
		raw, err := w.Engine.Register(t.Context(), w.registration(w.initial(1), nil))
		if err != nil {
			t.Fatal(err)
		}
		mine := informationOf(t, raw)
		names := make([]string, 8)
		for i := range names {
			names[i] = fmt.Sprintf("Name %d", i)
		}
		answers, errs := inParallel(names, func(name string) ([]byte, error) {
			return w.Engine.ChangeRegistration(t.Context(), w.registration(mine.Token, map[string]any{"client_id": mine.ID, "client_name": name}), mine.ID)
		})
		if len(answers) != 1 {
			t.Fatalf("%d of 8 changes by one token succeeded", len(answers))
		}
		for _, err := range errs {
			wantFailure(t, err, oauth.InvalidToken)
		}
		now := informationOf(t, answers[0])
		again, err := w.Engine.ReadRegistration(t.Context(), w.registration(now.Token, nil), mine.ID)
		if err != nil || informationOf(t, again).Name != now.Name {
			t.Errorf("%s %v", again, err)
		}
	})
}

func TestARemovedClientTakesItsConsentsWithIt(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := selfRegistering(t, db)
		raw, err := w.Engine.Register(t.Context(), w.registration(w.initial(1), nil))
		if err != nil {
			t.Fatal(err)
		}
		mine := informationOf(t, raw)
		s := *w.client
		s.ID = mine.ID
		code, _ := w.code(&s, asking(&s))
		got, err := w.redeem(&s, code)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Engine.RemoveRegistration(t.Context(), w.registration(mine.Token, nil), mine.ID); err != nil {
			t.Fatal(err)
		}
		err = w.Engine.RemoveRegistration(t.Context(), w.registration(mine.Token, nil), mine.ID)
		wantFailure(t, err, oauth.InvalidToken)
		_, err = w.open(&s, got.Access.Reveal())
		wantFailure(t, err, oauth.InvalidToken)
		w.Wait(time.Second)
		_, err = w.Engine.Token(t.Context(), w.call(&s, oauth.TokenEndpoint, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh.Reveal()}}))
		wantFailure(t, err, oauth.InvalidClient)
		for _, name := range []string{"oauth.initial_token_issued", "oauth.client_registered", "oauth.client_removed", "oauth.grant_revoked"} {
			if w.acts(name) == 0 {
				t.Errorf("no act %s", name)
			}
		}
	})
}

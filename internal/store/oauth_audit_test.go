package store_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/store"
)

// acts counts the audit rows of a name.
func (w *protocolWorld) acts(name string) int {
	w.t.Helper()
	var n int
	if err := w.in.Row(w.t.Context(), `SELECT COUNT(*) FROM audit WHERE institution = $1 AND name = $2`, []any{"demo", name}, &n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestEveryChangeAndEveryRefusalHasItsAct(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		code, _ := w.code(w.client, asking(w.client))
		bad := w.redeeming(w.client, code)
		bad.Del("code_verifier")
		if _, err := w.Engine.Token(t.Context(), w.call(w.client, oauth.TokenEndpoint, bad)); err == nil {
			t.Fatal("redeemed without its verifier")
		}
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.refresh(w.client, got.Refresh.Reveal()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.redeem(w.client, code); err == nil {
			t.Fatal("redeemed twice")
		}
		for name, want := range map[string]int{
			"oauth.request_pushed": 1, "oauth.code_issued": 1, "oauth.code_redeemed": 1, "oauth.token_refreshed": 1, "oauth.code_reused": 1,
			"oauth.client_registered": 1, "oauth.refused": 2,
		} {
			if n := w.acts(name); n != want {
				t.Errorf("%s stands in the log %d times, want %d", name, n, want)
			}
		}
	})
}

// A flood of strangers is proved without being stored.
func TestAFloodOfStrangersIsCountedAndNotKept(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		knock := func() {
			form, err := oauth.ParseForm(url.Values{"client_id": {"cl_nobody"}}.Encode())
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Engine.Token(t.Context(), oauth.Call{Endpoint: oauth.TokenEndpoint, Form: form})
			wantFailure(t, err, oauth.InvalidClient)
		}
		for range 200 {
			knock()
		}
		kept := w.acts("oauth.refused")
		if kept > 60 {
			t.Errorf("%d rows", kept)
		}
		w.Wait(time.Minute)
		knock()
		var entry string
		err := w.in.Row(t.Context(), `SELECT entry FROM audit WHERE institution = $1 AND name = 'oauth.refused' ORDER BY seq DESC LIMIT 1`, []any{"demo"}, &entry)
		if want := fmt.Sprintf(`"left_out_before":"%d"`, 200-kept); err != nil || !strings.Contains(entry, want) {
			t.Errorf("%s, %v; want %s", entry, err, want)
		}
	})
}

func TestARevocationIsDoneOrTheAnswerSaysOtherwise(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		broken := &brokenStore{Store: in}
		w := &protocolWorld{World: oauthtest.New(t, broken, nil), t: t, in: in}
		w.client = w.Register(t, "cl_kaikei", nil)
		code, _ := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{got.Access.Reveal(), got.Refresh.Reveal()} {
			broken.broken.Store(true)
			revoking := w.call(w.client, oauth.RevokeEndpoint, url.Values{"token": {token}})
			if err := w.Engine.Revoke(t.Context(), revoking); fault.Of(err) != fault.Unavailable {
				t.Errorf("a revocation that was not kept: %v", err)
			}
			broken.broken.Store(false)
			if err := w.Engine.Revoke(t.Context(), revoking); err != nil {
				t.Errorf("the same again: %v", err)
			}
			_, err := w.open(w.client, got.Access.Reveal())
			wantFailure(t, err, oauth.InvalidToken)
		}
	})
}

func TestInstitutionsDoNotMeet(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		code, _ := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		// The same issuer over another institution's part of the database, which no
		// configuration makes: not even then do its tokens open anything.
		other := oauthtest.New(t, db.Institution("other"), nil)
		_, err = other.Engine.Access(t.Context(), w.opening(w.client, got.Access.Reveal()))
		wantFailure(t, err, oauth.InvalidToken)
		_, err = other.Engine.Token(t.Context(), w.call(w.client, oauth.TokenEndpoint, w.redeeming(w.client, code)))
		wantFailure(t, err, oauth.InvalidClient)
	})
}

func TestARefreshIsCutToWhatIsAllowedNow(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		code, _ := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		narrower := w.client.Client
		narrower.Scope = "openid account.balance"
		change := oauth.ClientChanged{Client: narrower, Version: 1, By: operator(), At: w.Now()}
		if err := w.in.Commit(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		if err := w.in.Commit(t.Context(), change); fault.Of(err) != fault.Conflict {
			t.Errorf("a change of a version that is gone: %v", err)
		}
		w.Wait(time.Second)
		again, err := w.refresh(w.client, got.Refresh.Reveal())
		if err != nil || again.Scope != "openid account.balance" {
			t.Errorf("granted %q, %v", again.Scope, err)
		}
		wider := w.call(w.client, oauth.TokenEndpoint, url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh.Reveal()}, "scope": {"account.deposits"},
		})
		_, err = w.Engine.Token(t.Context(), wider)
		wantFailure(t, err, oauth.InvalidScope)
		p := oauthtest.Kaikei()
		p.Functions = p.Functions[1:] // no balance any more
		w.Partners.Put(p)
		_, err = w.open(w.client, again.Access.Reveal())
		wantFailure(t, err, oauth.InsufficientScope)
	})
}

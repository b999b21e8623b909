package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/store"
)

// What must hold of the protocol on every database (protocol.md §4) and has no
// test elsewhere in this package.

func TestOfManyRefreshesByOneRequestOneSucceedsAndTheTokenStaysGood(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		code, _ := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh.Reveal()}}
		same := slices.Repeat([]oauth.Call{w.call(w.client, oauth.TokenEndpoint, form)}, 32)
		answers, errs := inParallel(same, func(c oauth.Call) (oauth.Tokens, error) { return w.Engine.Token(t.Context(), c) })
		if len(answers) != 1 {
			t.Fatalf("%d of 32 refreshes by one request succeeded", len(answers))
		}
		for _, err := range errs {
			wantFailure(t, err, oauth.InvalidClient) // its assertion is spent
		}
		if _, err := w.refresh(w.client, got.Refresh.Reveal()); err != nil {
			t.Errorf("a replay by somebody cost the client its token: %v", err)
		}
	})
}

// proofs are DPoP headers that are no proof, each with a name.
func (w *protocolWorld) noProofs(method, target, nonce, token string) map[string][]string {
	one := func(c oauthtest.Claims) string { return w.client.Proof(method, target, nonce, token, c) }
	return map[string][]string{
		"no header": nil, "an empty one": {""}, "two": {one(nil), one(nil)}, "an empty one beside a proof": {"", one(nil)},
		"a space": {" "}, "two in one": {one(nil) + ", " + one(nil)}, "the word": {"DPoP"},
		"another's key":   {w.client.WithProver(w.t).Proof(method, target, nonce, token, nil)},
		"another address": {one(oauthtest.Claims{"htu": "https://evil.example/"})}, "no jti": {one(oauthtest.Claims{"jti": nil})},
	}
}

func TestWithoutItsOneProofNothingTurnsIntoBearerAnywhere(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		form := asking(w.client)
		form.Set("grant_management_action", "create")
		form.Set("scope", "openid account.balance grant_management_query grant_management_revoke")
		code, _ := w.code(w.client, form)
		token := oauthtest.IssuerURL + "/token"
		for name, proofs := range w.noProofs("POST", token, w.Engine.Nonce(), "") {
			if name == "another's key" {
				continue // at the token endpoint that key is what a token is bound to
			}
			for _, grant := range []url.Values{w.redeeming(w.client, code), {"grant_type": {"client_credentials"}, "scope": {"partner"}}} {
				c := w.call(w.client, oauth.TokenEndpoint, grant)
				c.Proofs = proofs
				got, err := w.Engine.Token(t.Context(), c)
				wantFailure(t, err, oauth.InvalidDPoPProof)
				if !got.Access.IsEmpty() {
					t.Errorf("%s: a %s token came out", name, got.Type)
				}
			}
		}
		got, err := w.redeem(w.client, code) // and the code is as good as before
		if err != nil {
			t.Fatal(err)
		}
		access, grants := got.Access.Reveal(), oauthtest.IssuerURL+"/grants/"+string(got.Grant)
		for _, at := range []struct {
			name, target string
			call         func(oauth.AccessRequest) error
		}{
			{"the API", balances, func(r oauth.AccessRequest) error {
				r.Audience = oauthtest.APIURL
				_, err := w.Engine.Access(t.Context(), r)
				return err
			}},
			{"UserInfo", oauthtest.IssuerURL + "/userinfo", func(r oauth.AccessRequest) error {
				_, err := w.Engine.UserInfo(t.Context(), r)
				return err
			}},
			{"a grant", grants, func(r oauth.AccessRequest) error {
				_, err := w.Engine.QueryGrant(t.Context(), r, got.Grant)
				return err
			}},
			{"a grant's end", grants, func(r oauth.AccessRequest) error { return w.Engine.RevokeGrant(t.Context(), r, got.Grant) }},
		} {
			for name, proofs := range w.noProofs("GET", at.target, w.Engine.ResourceNonce(), access) {
				for _, scheme := range []string{"DPoP", "Bearer", "dpop", "bearer"} {
					r := oauth.AccessRequest{Authorization: []string{scheme + " " + access}, Proofs: proofs, Method: "GET", Target: at.target}
					if err := at.call(r); err == nil {
						t.Errorf("%s opens with %s and %s", at.name, scheme, name)
					}
				}
			}
			good := oauth.AccessRequest{Method: "GET", Target: at.target, Authorization: []string{"DPoP " + access},
				Proofs: []string{w.client.Proof("GET", at.target, w.Engine.ResourceNonce(), access, nil)}}
			if err := at.call(good); err != nil {
				t.Errorf("%s with its proof: %v", at.name, err)
			}
		}
	})
}

func TestALoginIsToldEverywhereAsItHappened(t *testing.T) {
	logins := []oauth.Approval{
		{ACR: "password", AMR: []string{"pwd"}}, {ACR: "password_question", AMR: []string{"pwd", "kba"}}, {ACR: "certificate_password", AMR: []string{"pwd", "swk"}},
	}
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		for _, login := range logins {
			s := w.client.Again()
			form := asking(s)
			form.Set("claims", `{"userinfo":{"acr":null,"amr":null,"auth_time":null}}`)
			i, err := w.begin(s, w.push(s, form))
			if err != nil {
				t.Fatal(err)
			}
			a := w.approval(s)
			at := w.Now()
			a.AuthTime, a.ACR, a.AMR = at, login.ACR, login.AMR
			w.Wait(3 * time.Minute) // the customer reads
			back, change, err := w.Engine.Approve(t.Context(), i.Handle, a)
			if err == nil {
				err = w.in.Commit(t.Context(), change)
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.redeem(s, parameter(t, back, "code"))
			if err != nil {
				t.Fatal(err)
			}
			w.Wait(time.Minute)
			again, err := w.refresh(s, got.Refresh.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			for where, raw := range map[string][]byte{
				"the ID token": w.payload(got.IDToken.Reveal()), "a refreshed one": w.payload(again.IDToken.Reveal()),
				"UserInfo": w.userInfo(s, again.Access.Reveal()),
			} {
				var told struct {
					AuthTime int64    `json:"auth_time"`
					ACR      string   `json:"acr"`
					AMR      []string `json:"amr"`
				}
				if err := json.Unmarshal(raw, &told); err != nil {
					t.Fatal(err)
				}
				if told.AuthTime != at.Unix() || told.ACR != login.ACR || !slices.Equal(told.AMR, login.AMR) {
					t.Errorf("%s tells of %s: %+v", where, login.ACR, told)
				}
			}
		}
	})
}

func (w *protocolWorld) payload(compact string) []byte {
	w.t.Helper()
	token, err := w.Ring.Set().Verify(compact, jose.Rules{Algorithms: []string{jose.ES256}})
	if err != nil {
		w.t.Fatal(err)
	}
	return token.Payload
}

func (w *protocolWorld) userInfo(s *oauthtest.Software, token string) []byte {
	w.t.Helper()
	const target = oauthtest.IssuerURL + "/userinfo"
	info, err := w.Engine.UserInfo(w.t.Context(), oauth.AccessRequest{Method: "GET", Target: target, Authorization: []string{"DPoP " + token},
		Proofs: []string{s.Proof("GET", target, w.Engine.ResourceNonce(), token, nil)}})
	if err != nil {
		w.t.Fatal(err)
	}
	return info.Body
}

// keyHost is a partner's jwks_uri.
type keyHost struct {
	set    atomic.Pointer[string]
	silent atomic.Bool
	asked  atomic.Int64
}

func (h *keyHost) fetch(context.Context, string) ([]byte, error) {
	h.asked.Add(1)
	if h.silent.Load() {
		return nil, fault.New(fault.Unavailable, "nobody answers")
	}
	return []byte(*h.set.Load()), nil
}

func (h *keyHost) holds(keys ...json.RawMessage) {
	text := `{"keys":[`
	for i, k := range keys {
		if i > 0 {
			text += ","
		}
		text += string(k)
	}
	text += "]}"
	h.set.Store(&text)
}

// firstKey is the key in a client's set, with changes to it.
func firstKey(t testing.TB, s *oauthtest.Software, changes map[string]any) json.RawMessage {
	t.Helper()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(s.Client.JWKS, &set); err != nil {
		t.Fatal(err)
	}
	for name, value := range changes {
		set.Keys[0][name] = value
	}
	raw, err := json.Marshal(set.Keys[0])
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAKeyVerifiesForItsOwnClientItsOwnUseAndOnlyWhileItIsPublished(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		host := &keyHost{}
		w := newProtocolOf(t, db, func(cfg *oauth.Config) { cfg.FetchKeys = host.fetch }, nil)
		other := w.Register(t, "cl_other", nil) // its key has the same kid as ours
		fetched := *other
		fetched.ID = "cl_fetched"
		w.registerWithAddress(&fetched)
		host.holds(firstKey(t, other, nil))
		asks := func(s *oauthtest.Software) error {
			_, err := w.Engine.Token(t.Context(), w.call(s, oauth.TokenEndpoint, url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}}))
			return err
		}
		for name, s := range map[string]*oauthtest.Software{"its own": w.client, "the other's": other, "the fetched": &fetched} {
			if err := asks(s); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		swapped := *w.client
		swapped.Signer = other.Signer
		wantFailure(t, asks(&swapped), oauth.InvalidClient)

		// A set that holds the key for encryption only, then no key, then another's.
		for name, keys := range map[string][]json.RawMessage{
			"the key for encryption":        {firstKey(t, other, map[string]any{"use": "enc"})},
			"no key":                        nil,
			"another key under its kid":     {firstKey(t, w.client, nil)},
			"the key for another algorithm": {firstKey(t, other, map[string]any{"alg": "ES384"})},
		} {
			host.holds(keys...)
			w.Wait(6 * time.Minute) // beyond how long fetched keys count as fresh
			if err := asks(&fetched); err == nil || fault.Of(err) == fault.Internal {
				t.Errorf("%s: %v", name, err)
			}
			host.holds(firstKey(t, other, nil))
			w.Wait(6 * time.Minute)
			if err := asks(&fetched); err != nil {
				t.Errorf("after %s: %v", name, err)
			}
		}
		// A host that is silent for a while costs nothing; one that stays silent does.
		host.silent.Store(true)
		w.Wait(10 * time.Minute)
		if err := asks(&fetched); err != nil {
			t.Errorf("a silent host: %v", err)
		}
		w.Wait(2 * time.Hour)
		if err := asks(&fetched); fault.Of(err) != fault.Unavailable {
			t.Errorf("after two hours of silence: %v", err)
		}
	})
}

// registerWithAddress registers a client that publishes its keys.
func (w *protocolWorld) registerWithAddress(s *oauthtest.Software) {
	w.t.Helper()
	metadata := fmt.Sprintf(`{"client_id":%q,"grant_types":["client_credentials"],"scope":"partner","jwks_uri":"https://kaikei.example/jwks","dpop_bound_access_tokens":true}`, s.ID)
	c, err := w.Engine.Issuer().ParseClient(oauthtest.PartnerID, []byte(metadata))
	if err == nil {
		err = w.in.Commit(w.t.Context(), oauth.ClientRegistered{Client: c, By: audit.Actor{Kind: audit.Operator, ID: "staff"}, At: w.Now()})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestACodeThatIsReusedByAnotherClientEndsNothing(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		other := w.Register(t, "cl_other", nil)
		code, _ := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		form := w.redeeming(w.client, code)
		_, err = w.Engine.Token(t.Context(), w.call(other, oauth.TokenEndpoint, form))
		wantFailure(t, err, oauth.InvalidGrant)
		if _, err := w.open(w.client, got.Access.Reveal()); err != nil {
			t.Errorf("another's attempt ended the tokens: %v", err)
		}
		if strings.Contains(fmt.Sprint(err), "used before") {
			t.Error("another client learns that the code was used")
		}
	})
}

// RFC 9700 §2.1.1
func TestAChallengeThatLedToACodeIsNotTakenAgain(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		w.push(w.client, asking(w.client)) // it led to none yet
		w.code(w.client, asking(w.client))
		call := w.call(w.client, oauth.PAREndpoint, asking(w.client))
		_, err := w.Engine.Push(t.Context(), call)
		wantFailure(t, err, oauth.InvalidRequest)
		if !strings.Contains(fmt.Sprint(err), "code_challenge was used before") {
			t.Errorf("it is told %v", err)
		}
		var kept int
		if err := w.in.Row(t.Context(), `SELECT count(*) FROM pushed_requests WHERE institution = $1`, []any{"demo"}, &kept); err != nil || kept != 2 {
			t.Errorf("%d requests are kept instead of 2, %v", kept, err)
		}
		w.push(w.client.Again(), asking(w.client.Again()))
	})
}

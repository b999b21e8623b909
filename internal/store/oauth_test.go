package store_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/store"
)

func TestAPartnerGoesFromItsRequestToTheAccountAndBack(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		code, consent := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		if got.Type != "DPoP" || got.Scope != "openid account.balance account.transactions" || got.IDToken.IsEmpty() || got.Refresh.IsEmpty() || got.ExpiresIn != 15*time.Minute {
			t.Errorf("answered %+v", got)
		}
		a, err := w.open(w.client, got.Access.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if a.Consent != consent || a.User != "usr_hanako" || a.Company != "cmp_mihon" || len(a.Extent.Accounts) != 1 {
			t.Errorf("opened %+v", a)
		}
		again, err := w.refresh(w.client, got.Refresh.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if !again.Refresh.Equal(got.Refresh) || again.Access.Equal(got.Access) {
			t.Error("a refresh gives a new access token and keeps its own (FAPI 2.0)")
		}
		if _, err := w.open(w.client, again.Access.Reveal()); err != nil {
			t.Errorf("the new token: %v", err)
		}
		if err := w.Engine.Revoke(t.Context(), w.call(w.client, oauth.RevokeEndpoint, url.Values{"token": {got.Refresh.Reveal()}})); err != nil {
			t.Fatal(err)
		}
		_, err = w.open(w.client, again.Access.Reveal())
		wantFailure(t, err, oauth.InvalidToken)
		_, err = w.refresh(w.client, got.Refresh.Reveal())
		wantFailure(t, err, oauth.InvalidGrant)
	})
}

func TestOfManyRedemptionsOfOneCodeOneSucceedsAndTheRestEndIt(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		code, _ := w.code(w.client, asking(w.client))
		calls := make([]oauth.Call, 32)
		for i := range calls {
			calls[i] = w.call(w.client, oauth.TokenEndpoint, w.redeeming(w.client, code))
		}
		answers, errs := inParallel(calls, func(c oauth.Call) (oauth.Tokens, error) { return w.Engine.Token(t.Context(), c) })
		if len(answers) != 1 {
			t.Fatalf("%d of 32 redemptions succeeded", len(answers))
		}
		for _, err := range errs {
			wantFailure(t, err, oauth.InvalidGrant)
		}
		_, err := w.open(w.client, answers[0].Access.Reveal())
		wantFailure(t, err, oauth.InvalidToken)
		_, err = w.refresh(w.client, answers[0].Refresh.Reveal())
		wantFailure(t, err, oauth.InvalidGrant)
	})
}

// inParallel runs f over all inputs at once.
func inParallel[In, Out any](all []In, f func(In) (Out, error)) (done []Out, errs []error) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	start := make(chan struct{})
	for _, in := range all {
		wait.Go(func() {
			<-start
			out, err := f(in)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else {
				done = append(done, out)
			}
		})
	}
	close(start)
	wait.Wait()
	return done, errs
}

func TestACodeThatComesBackEndsWhatItGave(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		code, consent := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the error is the same each time
			_, err = w.redeem(w.client, code)
			wantFailure(t, err, oauth.InvalidGrant)
		}
		_, err = w.open(w.client, got.Access.Reveal())
		wantFailure(t, err, oauth.InvalidToken)
		var state, reason string
		if err := w.in.Row(t.Context(), `SELECT state, end_reason FROM consents WHERE institution = $1 AND id = $2`, []any{"demo", consent}, &state, &reason); err != nil || state != "ended" || reason != "code_reused" {
			t.Errorf("the consent is %s %s, %v", state, reason, err)
		}
	})
}

func TestARepeatedRequestIsAReplayAndNoReuseOfTheCode(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		code, _ := w.code(w.client, asking(w.client))
		first := w.call(w.client, oauth.TokenEndpoint, w.redeeming(w.client, code))
		got, err := w.Engine.Token(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Engine.Token(t.Context(), first) // what an eavesdropper can do
		wantFailure(t, err, oauth.InvalidClient)
		if _, err := w.open(w.client, got.Access.Reveal()); err != nil {
			t.Errorf("a replayed request ended the tokens: %v", err)
		}
	})
}

func TestWhatFailsLeavesTheCodeForItsOwner(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		other := w.Register(t, "cl_other", nil)
		form := asking(w.client)
		form.Set("dpop_jkt", thumbprintOf(t, w.client))
		code, _ := w.code(w.client, form)
		for _, c := range []struct {
			name string
			want oauth.Code
			call func() oauth.Call
		}{
			{"another client", oauth.InvalidGrant, func() oauth.Call {
				return w.call(other, oauth.TokenEndpoint, w.redeeming(w.client, code))
			}},
			{"no verifier", oauth.InvalidGrant, func() oauth.Call {
				f := w.redeeming(w.client, code)
				f.Del("code_verifier")
				return w.call(w.client, oauth.TokenEndpoint, f)
			}},
			{"a wrong verifier", oauth.InvalidGrant, func() oauth.Call {
				f := w.redeeming(w.client, code)
				f.Set("code_verifier", strings.Repeat("a", 43))
				return w.call(w.client, oauth.TokenEndpoint, f)
			}},
			{"another redirect_uri", oauth.InvalidGrant, func() oauth.Call {
				f := w.redeeming(w.client, code)
				f.Set("redirect_uri", oauthtest.RedirectURI+"&x=1")
				return w.call(w.client, oauth.TokenEndpoint, f)
			}},
			{"another DPoP key than dpop_jkt", oauth.InvalidGrant, func() oauth.Call {
				return w.call(w.client.WithProver(t), oauth.TokenEndpoint, w.redeeming(w.client, code))
			}},
			{"no proof", oauth.InvalidDPoPProof, func() oauth.Call {
				c := w.call(w.client, oauth.TokenEndpoint, w.redeeming(w.client, code))
				c.Proofs = nil
				return c
			}},
			{"a proof without nonce", oauth.UseDPoPNonce, func() oauth.Call {
				c := w.call(w.client, oauth.TokenEndpoint, w.redeeming(w.client, code))
				c.Proofs = []string{w.client.Proof("POST", oauthtest.IssuerURL+"/token", "", "", nil)}
				return c
			}},
			{"a wrong assertion", oauth.InvalidClient, func() oauth.Call {
				f := w.redeeming(w.client, code)
				f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
				f.Set("client_assertion", w.client.Assertion(oauthtest.Claims{"aud": "https://evil.example"}))
				return w.call(w.client, oauth.TokenEndpoint, f)
			}},
		} {
			_, err := w.Engine.Token(t.Context(), c.call())
			if f, ok := errors.AsType[*oauth.Failure](err); !ok || f.Code != c.want {
				t.Errorf("%s: %v, want %s", c.name, err, c.want)
			}
		}
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatalf("the code is gone for its owner: %v", err)
		}
		_, err = w.Engine.Token(t.Context(), w.call(other, oauth.TokenEndpoint, w.redeeming(w.client, code)))
		wantFailure(t, err, oauth.InvalidGrant)
		if _, err := w.open(w.client, got.Access.Reveal()); err != nil {
			t.Errorf("another client's attempt ended the tokens: %v", err)
		}
	})
}

func thumbprintOf(t testing.TB, s *oauthtest.Software) string {
	t.Helper()
	p, err := s.Thumbprint()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOfManyCompletionsOfOneRequestOneSucceeds(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		uri := w.push(w.client, asking(w.client))
		handles := make([]oauth.Handle, 32)
		for n := range handles { // opening spends nothing
			i, err := w.begin(w.client, uri)
			if err != nil {
				t.Fatal(err)
			}
			handles[n] = i.Handle
		}
		done, errs := inParallel(handles, func(h oauth.Handle) (oauth.Redirect, error) {
			back, change, err := w.Engine.Approve(t.Context(), h, w.approval(w.client))
			if err != nil {
				return back, err
			}
			return back, w.in.Commit(t.Context(), change)
		})
		if len(done) != 1 {
			t.Fatalf("%d of 32 journeys completed one request", len(done))
		}
		for _, err := range errs {
			if fault.Of(err) != fault.Conflict {
				t.Errorf("a loser got %v", err)
			}
		}
		_, err := w.begin(w.client, uri)
		if f, ok := errors.AsType[*oauth.AuthorizeFailure](err); !ok || f.Page != oauth.BadRequest || f.Redirect != nil {
			t.Errorf("a spent request opened: %v", err)
		}
	})
}

func TestAProofOpensOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		code, _ := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		one := w.opening(w.client, got.Access.Reveal())
		many := make([]oauth.AccessRequest, 32)
		for i := range many {
			many[i] = one
		}
		done, errs := inParallel(many, func(r oauth.AccessRequest) (oauth.Access, error) { return w.Engine.Access(t.Context(), r) })
		if len(done) != 1 {
			t.Fatalf("one proof opened %d times", len(done))
		}
		for _, err := range errs {
			wantFailure(t, err, oauth.InvalidDPoPProof)
		}
	})
}

func TestAnAssertionIsTakenOnceOnEveryNode(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocol(t, db, nil)
		second := oauthtest.New(t, w.in, nil) // another node: nothing in memory
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"partner"}}
		c := w.call(w.client, oauth.TokenEndpoint, form)
		if _, err := w.Engine.Token(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		c.Proofs = []string{w.client.Proof("POST", oauthtest.IssuerURL+"/token", w.Engine.Nonce(), "", nil)}
		_, err := second.Engine.Token(t.Context(), c)
		wantFailure(t, err, oauth.InvalidClient)
	})
}

// brokenStore fails every Commit with what a database says that is not there.
type brokenStore struct {
	oauth.Store
	broken atomic.Bool
}

func (b *brokenStore) Commit(ctx context.Context, changes ...audit.Change) error {
	if b.broken.Load() {
		return fault.New(fault.Unavailable, "the disk is gone")
	}
	return b.Store.Commit(ctx, changes...)
}

func TestAStoreThatFailsIsNoReplayAndTheRetryWorks(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		broken := &brokenStore{Store: in}
		w := &protocolWorld{World: oauthtest.New(t, broken, nil), t: t, in: in}
		w.client = w.Register(t, "cl_kaikei", nil)
		code, _ := w.code(w.client, asking(w.client))
		broken.broken.Store(true)
		_, err := w.redeem(w.client, code)
		if fault.Of(err) != fault.Unavailable {
			t.Errorf("a failing store: %v", err)
		}
		if _, isFailure := errors.AsType[*oauth.Failure](err); isFailure {
			t.Errorf("a failing store was told as %v", err)
		}
		broken.broken.Store(false)
		if _, err := w.redeem(w.client, code); err != nil {
			t.Errorf("the retry: %v", err)
		}
	})
}

func TestEveryKindOfValueIsRefusedAsEveryOther(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newProtocolOf(t, db, func(cfg *oauth.Config) {
			cfg.Issuer.SelfRegistration = true
			cfg.Issuer.APIs = append(cfg.Issuer.APIs, oauth.API{URL: dataURL, SignedTokens: true})
		}, nil)
		uri := w.push(w.client, asking(w.client.Again()))
		spare, _ := w.code(w.client, asking(w.client.Again()))
		code, _ := w.code(w.client, asking(w.client))
		got, err := w.redeem(w.client, code)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]string{
			"request_uri": uri, "code": spare, "access token": got.Access.Reveal(), "refresh token": got.Refresh.Reveal(),
			"ID token": got.IDToken.Reveal(), "assertion": w.client.Assertion(nil), "nonce": w.Engine.Nonce(),
		}
		initial := w.initial(1)
		raw, err := w.Engine.Register(t.Context(), w.registration(initial, nil))
		if err != nil {
			t.Fatal(err)
		}
		mine := informationOf(t, raw)
		values["initial access token"], values["registration access token"] = w.initial(1), mine.Token
		signed, err := w.Engine.Token(t.Context(), w.call(w.client, oauth.TokenEndpoint, url.Values{
			"grant_type": {"client_credentials"}, "scope": {"partner"}, "resource": {dataURL}}))
		if err != nil {
			t.Fatal(err)
		}
		values["signed access token"] = signed.Access.Reveal()
		prefixes := []string{"", "rac_", "rat_", "rrt_", "rit_", "rgt_", "urn:ietf:params:oauth:request_uri:"}
		for kind, value := range values {
			for _, p := range prefixes {
				v := value
				if p != "" { // the same bytes under another prefix
					v = p + value[strings.LastIndexAny(value, "_:")+1:]
				}
				if v != values["code"] {
					if _, err := w.redeem(w.client, v); err == nil {
						t.Errorf("%s as a code: %q", kind, v)
					}
				}
				if v != values["refresh token"] {
					if _, err := w.refresh(w.client, v); err == nil {
						t.Errorf("%s as a refresh token: %q", kind, v)
					}
				}
				if v != values["access token"] {
					if _, err := w.open(w.client, v); err == nil {
						t.Errorf("%s as an access token: %q", kind, v)
					}
				}
				if v != values["request_uri"] {
					if _, err := w.begin(w.client, v); err == nil {
						t.Errorf("%s as a request_uri: %q", kind, v)
					}
				}
				if v != values["initial access token"] {
					if _, err := w.Engine.Register(t.Context(), w.registration(v, nil)); err == nil {
						t.Errorf("%s as an initial access token: %q", kind, v)
					}
				}
				if v != values["registration access token"] {
					if _, err := w.Engine.ReadRegistration(t.Context(), w.registration(v, nil), mine.ID); err == nil {
						t.Errorf("%s as a registration access token: %q", kind, v)
					}
				}
			}
		}
	})
}

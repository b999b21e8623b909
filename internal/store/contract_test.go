package store_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/login"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/store"
)

// kept is what a story left in an institution, for those who look for it.
type kept struct {
	s                              *story
	tokens                         oauth.Tokens
	request, code, access, refresh oauth.Key
	initial, management            oauth.Key
	press, once, session           secret.Digest
	grant                          oauth.GrantID
	journey                        linkage.JourneyID
	consent                        linkage.ConsentID
	user                           corebank.UserID
	account                        corebank.AccountID
}

// needs is what the consent page needs.
func (k kept) needs() linkage.Needs {
	return linkage.Needs{Linked: true, User: k.user, Partner: oauthtest.PartnerID, Now: k.s.Now(), Accounts: []corebank.AccountID{k.account}}
}

// promise is what one method of a Store does. ask returns what it found in an
// institution, a zero value for nothing.
type promise struct {
	ask func(ctx context.Context, in *store.Institution, k kept) (any, error)
	// everywhere: it finds something in every institution, or changes it.
	everywhere bool
}

// promises has every method of every engine's Store.
var promises = map[string]promise{
	"Client": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		c, err := in.Client(ctx, k.s.client.ID)
		return c.ID, err
	}},
	"InitialAccessToken": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		token, err := in.InitialAccessToken(ctx, k.initial)
		return token.Partner, err
	}},
	"ManagedClient": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		m, err := in.ManagedClient(ctx, k.s.client.ID, k.management)
		return m.Client.ID, err
	}},
	"ConsentsOf": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		all, err := in.ConsentsOf(ctx, k.s.client.ID)
		return len(all), err
	}},
	"PushedRequest": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		p, err := in.PushedRequest(ctx, k.request)
		return p.Request.RedirectURI, err
	}},
	"Code": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		c, err := in.Code(ctx, k.code)
		return c.Client, err
	}},
	"RefreshToken": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		r, err := in.RefreshToken(ctx, k.refresh)
		return r.Client, err
	}},
	"AccessToken": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		a, err := in.AccessToken(ctx, k.access)
		return a.Client, err
	}},
	"UseAccessToken": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		a, err := in.UseAccessToken(ctx, k.access, oauth.ProofUse{At: k.s.Now(), Proof: oauth.Replay{
			Digest: secret.DigestOf("proof", "test", secret.Random(16)), Until: k.s.Now().Add(time.Minute),
		}})
		return a.Client, err
	}},
	"Grant": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		_, standing, err := in.Grant(ctx, k.s.client.ID, k.grant)
		return standing.Consent, err
	}},
	"Partner": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		p, err := in.Partner(ctx, oauthtest.PartnerID)
		return p.ID, err
	}},
	"Partners": {ask: func(ctx context.Context, in *store.Institution, _ kept) (any, error) {
		all, err := in.Partners(ctx)
		return len(all), err
	}},
	"Counters": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		all, err := in.Counters(ctx, login.Key{Way: login.ByAnswer, Subject: string(k.user)}, login.Key{Way: login.ByPIN, Subject: string(k.account)})
		if err == nil && len(all) != 2 {
			return nil, fmt.Errorf("%d counters for two keys", len(all))
		}
		for i := range all {
			all[i].Key = login.Key{} // it stands there of one that never counted too
		}
		return slices.ContainsFunc(all, func(c login.Counter) bool { return !reflect.ValueOf(c).IsZero() }), err
	}, everywhere: true},
	"Sightings": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		all, err := in.Sightings(ctx, k.user)
		return len(all), err
	}},
	"Journey": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		row, _, state, err := in.Journey(ctx, k.journey)
		return string(row.User) + string(state), err
	}},
	"JourneyWith": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		row, _, state, kept, err := in.JourneyWith(ctx, k.journey, k.needs())
		return string(row.User) + string(state) + fmt.Sprint(len(kept.PINs)), err
	}},
	"Kept": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		kept, err := in.Kept(ctx, k.needs())
		if err == nil && len(kept.Counters) != 1 {
			return nil, fmt.Errorf("%d counters for an account", len(kept.Counters))
		}
		return len(kept.PINs) * len(kept.Linked), err
	}},
	"Known": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		known, err := in.Known(ctx, k.user, []login.Key{{Way: login.ByAnswer, Subject: string(k.user)}}, []corebank.AccountID{k.account})
		if err == nil && len(known.Tries) != 1 {
			return nil, fmt.Errorf("%d counters for a key", len(known.Tries))
		}
		return len(known.PINs) * len(known.Seen), err
	}},
	"LoginPress": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		p, err := in.LoginPress(ctx, k.press)
		return len(p.Outcome), err
	}},
	"CertificateTaken": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		return in.CertificateTaken(ctx, k.once)
	}},
	"PINs": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		all, err := in.PINs(ctx, []corebank.AccountID{k.account})
		return len(all), err
	}},
	"Session": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		s, err := in.Session(ctx, k.session)
		return s.User, err
	}},
	"Consent": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		c, err := in.Consent(ctx, k.consent)
		return c.User, err
	}},
	"PINInUse": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		all, _, _, err := in.PINInUse(ctx, k.account, k.s.Now())
		return len(all), err
	}},
	"PINBudget": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		c, _, err := in.PINBudget(ctx, k.account, k.s.Now())
		return c.Key.Way, err
	}, everywhere: true},
	"PendingPINs": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		all, err := in.PendingPINs(ctx, 10)
		return len(all), err
	}},
	"TakePINSlot": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		slot := linkage.PINSlot{Account: k.account, Number: 1, Holder: 7, Until: k.s.Now().Add(time.Minute)}
		if taken, err := in.TakePINSlot(ctx, slot, k.s.Now()); err != nil || !taken {
			return taken, err
		}
		slot.Holder = 8
		if taken, err := in.TakePINSlot(ctx, slot, k.s.Now()); err != nil || taken {
			return nil, fmt.Errorf("a slot was taken twice: %v", err)
		}
		return true, nil
	}, everywhere: true},
	"DropPINSlot": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		slot := linkage.PINSlot{Account: k.account, Number: 2, Holder: 7, Until: k.s.Now().Add(time.Minute)}
		if _, err := in.TakePINSlot(ctx, slot, k.s.Now()); err != nil {
			return nil, err
		}
		if err := in.DropPINSlot(ctx, slot); err != nil {
			return nil, err
		}
		slot.Holder = 8
		return in.TakePINSlot(ctx, slot, k.s.Now())
	}, everywhere: true},
	"Forget": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		return true, in.Forget(ctx, k.s.Now().Add(-time.Hour))
	}, everywhere: true},
	"Leftovers": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		left, err := in.Leftovers(ctx, linkage.LeftoversAsked{Now: k.s.Now().AddDate(1, 0, 0), Limit: 10})
		return len(left.Expired), err
	}},
	"Commit": {ask: func(ctx context.Context, in *store.Institution, k kept) (any, error) {
		return true, in.Commit(ctx, denial("contract"))
	}, everywhere: true},
}

func TestEveryMethodOfEveryStoreKeepsItsPromise(t *testing.T) {
	var methods []string
	for _, s := range []reflect.Type{reflect.TypeFor[oauth.Store](), reflect.TypeFor[linkage.Store](), reflect.TypeFor[partner.Store](), reflect.TypeFor[login.Store]()} {
		for i := range s.NumMethod() {
			methods = append(methods, s.Method(i).Name)
		}
	}
	slices.Sort(methods)
	if methods = slices.Compact(methods); !slices.Equal(methods, slices.Sorted(maps.Keys(promises))) {
		t.Fatalf("the Stores have %v, and there are promises of %v", methods, slices.Sorted(maps.Keys(promises)))
	}
	eachWith(t, store.Config{Passive: true}, func(t *testing.T, db *store.DB) {
		k := leave(t, db)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		for _, name := range methods {
			p := promises[name]
			t.Run(name, func(t *testing.T) {
				got, err := p.ask(over, db.Institution("whole"), k)
				if err == nil || fault.Of(err) != fault.Unavailable {
					t.Errorf("for who has gone: %v, %v", got, err)
				}
				got, err = p.ask(t.Context(), db.Institution("whole"), k)
				if err != nil || reflect.ValueOf(got).IsZero() {
					t.Errorf("where it is: %v, %v", got, err)
				}
				got, err = p.ask(t.Context(), db.Institution("another"), k)
				found := err == nil && !reflect.ValueOf(got).IsZero()
				if err != nil && fault.Of(err) != fault.NotFound || found && !p.everywhere {
					t.Errorf("in another institution: %v, %v", got, err)
				}
			})
		}
	})
}

// leave tells a story up to its tokens and returns what it left; the rest of what
// is looked for is put beside it.
func leave(t *testing.T, db *store.DB) kept {
	t.Helper()
	s := storyOf(t, db, openBank(t), "whole", &line{})
	tokens, _ := s.use()
	k := kept{s: s, tokens: tokens, user: "usr_" + storyUser, account: "001-1-1000501"}
	for _, c := range []audit.Change{
		partner.Registered{Partner: oauthtest.Kaikei(), By: audit.Actor{Kind: audit.System}, At: s.Now()},
	} {
		if err := s.in().Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	k.once, k.session = secret.DigestOf("once", "test", secret.Of("1")), secret.DigestOf("session", "test", secret.Of("1"))
	k.initial = oauth.Key{ID: 71, Digest: secret.DigestOf("initial", "test", secret.Of("1"))}
	k.management = oauth.Key{ID: 72, Digest: secret.DigestOf("management", "test", secret.Of("1"))}
	err := s.in().Write(t.Context(), func(ctx context.Context, x store.Tx) error {
		for _, put := range []struct {
			sql  string
			args []any
		}{
			{`INSERT INTO certificate_hops (institution, secret, journey, until) VALUES ($1, $2, 5, $3)`, []any{"whole", k.once[:], s.Now().UnixMicro()}},
			{`INSERT INTO sign_in_sessions (institution, digest, user_id, auth_at, method, questioned, until) VALUES ($1, $2, $3, 1, 'password', 1, 9000000000000000)`,
				[]any{"whole", k.session[:], string(k.user)}},
			{`INSERT INTO initial_access_tokens (id, institution, digest, partner_id, uses_left, issued_at, expires_at) VALUES ($1, $2, $3, 'p', 1, 1, 2)`,
				[]any{k.initial.ID, "whole", k.initial.Digest[:]}},
			{`UPDATE clients SET management_token = $2, management_digest = $3 WHERE institution = $1`, []any{"whole", k.management.ID, k.management.Digest[:]}},
			{`INSERT INTO inquiry_pins (institution, account_id, user_id, user_name, company_id, state, pin, version, consent_id, changed_at)
				VALUES ($1, 'zzz', 'usr', 'U', 'cmp', 'pending', $2, 1, '', 1)`, []any{"whole", []byte{1}}},
		} {
			if err := x.Do(ctx, put.sql, put.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	row := func(sql string, dest ...any) {
		t.Helper()
		if err := s.in().Row(t.Context(), sql, []any{"whole"}, dest...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	key := func(table string, to *oauth.Key) {
		t.Helper()
		var digest []byte
		row(`SELECT id, digest FROM `+table+` WHERE institution = $1 ORDER BY id DESC LIMIT 1`, &to.ID, &digest)
		to.Digest = secret.Digest(digest)
	}
	key("pushed_requests", &k.request)
	key("codes", &k.code)
	key("access_tokens", &k.access)
	key("refresh_tokens", &k.refresh)
	var press []byte
	var grant, consent, user string
	var journey int64
	row(`SELECT press FROM login_presses WHERE institution = $1 LIMIT 1`, &press)
	row(`SELECT grant_id, consent_id FROM grants WHERE institution = $1`, &grant, &consent)
	row(`SELECT id, user_id FROM journeys WHERE institution = $1`, &journey, &user)
	k.press = secret.Digest(press)
	k.grant, k.consent, k.journey, k.user = oauth.GrantID(grant), linkage.ConsentID(consent), linkage.JourneyID(journey), corebank.UserID(user)
	return k
}

// in is the story's institution, by a way that nothing breaks.
func (s *story) in() *store.Institution { return s.whole.Institution(s.name) }

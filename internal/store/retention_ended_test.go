package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/store"
)

const (
	aDay     = 24 * time.Hour
	keptLong = 3650 * aDay
)

// endings is an institution with consents that began long ago.
type endings struct {
	t   *testing.T
	in  *store.Institution
	now time.Time
	ids *store.IDs
}

func newEndings(t *testing.T, in *store.Institution) *endings {
	t.Helper()
	began := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	ids, err := store.NewIDs(1, func() time.Time { return began })
	if err != nil {
		t.Fatal(err)
	}
	return &endings{t: t, in: in, now: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), ids: ids}
}

// plant adds n consents in a state, each with a grant and a refresh token; ago is
// when they ended.
func (e *endings) plant(n int, state string, ago time.Duration) {
	e.t.Helper()
	err := e.in.PlantConsents(e.t.Context(), store.Planted{Partner: "p", Client: "cl", N: n, IDs: e.ids})
	if err == nil {
		ended := int64(0)
		if state == "ended" {
			ended = e.now.Add(-ago).UnixMicro()
		}
		err = e.in.Write(e.t.Context(), func(ctx context.Context, x store.Tx) error {
			return x.Do(ctx, `UPDATE consents SET user_id = $2, state = $3, ended_at = $4 WHERE institution = $1 AND user_id LIKE 'usr_planted.%'`,
				e.in.ID(), groupOf(state, ago), state, ended)
		})
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

func groupOf(state string, ago time.Duration) string { return fmt.Sprintf("%s %d", state, ago/aDay) }

func (e *endings) count(sql string, args ...any) (n int) {
	e.t.Helper()
	if err := e.in.Row(e.t.Context(), `SELECT COUNT(*) FROM `+sql, append([]any{e.in.ID()}, args...), &n); err != nil {
		e.t.Fatal(err)
	}
	return n
}

// left returns how many consents, grants and refresh tokens of a group there are.
func (e *endings) left(state string, ago time.Duration) [3]int {
	e.t.Helper()
	of := func(table, key string) int {
		return e.count(table+` t JOIN consents c ON c.institution = t.institution AND c.id = t.`+key+` WHERE t.institution = $1 AND c.user_id = $2`,
			groupOf(state, ago))
	}
	return [3]int{of("consents", "id"), of("grants", "consent_id"), of("refresh_tokens", "consent_id")}
}

func TestWhatEndedLongAgoGoesOnTwoNodesWhileGrantsGetNewConsents(t *testing.T) {
	besides(t, func(t *testing.T, name, url string) {
		cfg := store.Config{URL: url, Serializable: name == "serializable"}
		first := open(t, cfg)
		cfg.Node = 1
		second := open(t, cfg)
		e := newEndings(t, first.Institution("demo"))
		others := newEndings(t, first.Institution("other"))
		others.ids = e.ids
		e.plant(300, "active", 0)
		e.plant(300, "suspended", 0)
		others.plant(200, "ended", 4000*aDay)
		e.plant(300, "ended", 89*aDay)
		e.plant(400, "ended", 91*aDay)
		e.plant(1500, "ended", 3651*aDay)
		var renewed []int64
		var alive string
		err := e.in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
			renewed = nil
			if err := x.QueryRow(ctx, `SELECT MIN(id) FROM consents WHERE institution = $1 AND state = 'active'`, e.in.ID()).Scan(&alive); err != nil {
				return err
			}
			rs, err := x.Query(ctx, `SELECT g.id FROM grants g JOIN consents c ON c.institution = g.institution AND c.id = g.consent_id
					WHERE g.institution = $1 AND c.user_id = $2 ORDER BY g.id`, e.in.ID(), groupOf("ended", 91*aDay))
			if err != nil {
				return err
			}
			defer rs.Close()
			for rs.Next() {
				var id int64
				if err := rs.Scan(&id); err != nil {
					return err
				}
				renewed = append(renewed, id)
			}
			return rs.Err()
		})
		if err != nil || len(renewed) != 400 {
			t.Fatalf("%d grants, %v", len(renewed), err)
		}

		var working sync.WaitGroup
		for _, in := range []*store.Institution{e.in, e.in, second.Institution("demo"), second.Institution("demo")} {
			ended := in.NewEnded(keptLong)
			working.Go(func() {
				for range 2 { // who loses all races removes nothing
					if err := ended.Forget(t.Context(), e.now); err != nil {
						t.Errorf("forget: %v", err)
					}
				}
			})
		}
		var moved []int64
		working.Go(func() {
			slices.Reverse(renewed) // towards who removes
			for _, id := range renewed {
				err := e.in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
					return x.Must(ctx, `UPDATE grants SET consent_id = $3 WHERE institution = $1 AND id = $2`, e.in.ID(), id, alive)
				})
				switch {
				case err == nil:
					moved = append(moved, id)
				case !errors.Is(err, fault.Conflict):
					t.Errorf("renew: %v", err)
				}
			}
		})
		working.Wait()
		t.Logf("%d of %d grants were renewed first", len(moved), len(renewed))
		for _, id := range moved {
			if e.count(`grants WHERE institution = $1 AND id = $2`, id) != 1 {
				t.Errorf("grant %d went although it had got a consent that lives", id)
			}
		}
		if got, want := e.left("active", 0), [3]int{300, 300 + len(moved), 300}; got != want {
			t.Errorf("of what lives there are %v, not %v", got, want)
		}
		for _, c := range []struct {
			e     *endings
			state string
			ago   time.Duration
			want  [3]int
		}{
			{e, "suspended", 0, [3]int{300, 300, 300}},
			{e, "ended", 89 * aDay, [3]int{300, 300, 300}},
			{e, "ended", 91 * aDay, [3]int{400, 0, 0}},
			{e, "ended", 3651 * aDay, [3]int{}},
			{others, "ended", 4000 * aDay, [3]int{200, 200, 200}},
		} {
			if got := c.e.left(c.state, c.ago); got != c.want {
				t.Errorf("of %s, %q, there are %v, not %v", c.e.in.ID(), groupOf(c.state, c.ago), got, c.want)
			}
		}
		for _, table := range []string{"grants", "refresh_tokens"} {
			if n := e.count(table + ` t WHERE t.institution = $1 AND NOT EXISTS
					(SELECT 1 FROM consents c WHERE c.institution = t.institution AND c.id = t.consent_id)`); n > 0 {
				t.Errorf("%d of %s name a consent that is gone", n, table)
			}
		}
	})
}

func TestAConsentGoesOnlyWhenAllTokensWereLookedThrough(t *testing.T) {
	besides(t, func(t *testing.T, name, url string) {
		told := &toldMeter{}
		db := open(t, store.Config{URL: url, Serializable: name == "serializable", Meter: told})
		e := newEndings(t, db.Institution("demo"))
		e.plant(2100, "ended", 3651*aDay)
		ended := e.in.NewEnded(keptLong)
		ended.LookAt(1000)
		for _, want := range [][]forgotten{
			{{"refresh_tokens", 1000, 0}, {"grants", 1000, 0}},
			{{"refresh_tokens", 1000, 0}, {"grants", 1000, 0}},
			{{"refresh_tokens", 100, 0}, {"grants", 100, 0}, {"consents", 1000, 1100}, {"consents", 1000, 100}, {"consents", 100, 0}},
			nil,
		} {
			*told = toldMeter{}
			if err := ended.Forget(t.Context(), e.now); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(told.forgot, want) {
				t.Fatalf("a round removed %v, not %v", told.forgot, want)
			}
		}
	})
}

func TestATokenOfAConsentThatIsGoneIsNotAPartnersOwn(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		e := newEndings(t, db.Institution("demo"))
		key := oauth.Key{ID: e.ids.Next()}
		err := e.in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
			return x.Do(ctx, `INSERT INTO access_tokens (id, institution, digest, client_id, consent_id, grant_id, bound_by, thumbprint, scope, functions, audience, auth_time, expires_at)
				VALUES ($1, $2, $3, 'cl', 'cns_gone', 'grt_gone', 'dpop', 'thumb', 'openid', '[]', 'a', 1, $4)`,
				key.ID, e.in.ID(), key.Digest[:], e.now.UnixMicro())
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.in.AccessToken(t.Context(), key); !errors.Is(err, fault.NotFound) {
			t.Errorf("look-up: %v", err)
		}
		if _, err := e.in.UseAccessToken(t.Context(), key, oauth.ProofUse{At: e.now.Add(-aDay), Thumbprint: "thumb"}); !errors.Is(err, fault.NotFound) {
			t.Errorf("use: %v", err)
		}
	})
}

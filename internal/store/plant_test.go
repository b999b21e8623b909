package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/store"
)

func TestAStoreIsFilledWithLiveConsentsForAMeasurement(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		ids, err := store.NewIDs(1, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		const n = 10_030 // more than one commit, and in the last statement fewer rows than in others
		in := db.Institution("demo")
		var told []int
		err = in.PlantConsents(t.Context(), store.Planted{Partner: "bench", Client: "cl_bench", N: n, IDs: ids, Done: func(n int) { told = append(told, n) }})
		if err != nil || !slices.Equal(told, []int{10_000, n}) {
			t.Fatalf("%v, told of %v", err, told)
		}
		for _, user := range []string{"usr_planted.00000000", "usr_planted.00010029"} {
			all, err := in.ConsentsTo(t.Context(), corebank.UserID(user), "bench")
			if err != nil || len(all) != 1 || all[0].State != linkage.Active || all[0].Live(time.Now()) != nil {
				t.Errorf("%s has %+v, %v", user, all, err)
			}
		}
		var whole int
		if err := in.Row(t.Context(), `SELECT COUNT(*) FROM (
			SELECT c.id, g.grant_id FROM refresh_tokens r
				JOIN grants g ON g.institution = r.institution AND g.id = r.grant_row AND g.consent_id = r.consent_id
				JOIN consents c ON c.institution = r.institution AND c.id = r.consent_id
				WHERE r.institution = $1
			INTERSECT SELECT consent_id, grant_id FROM access_tokens WHERE institution = $1) AS whole`, []any{in.ID()}, &whole); err != nil || whole != n {
			t.Errorf("%d consents have all that is theirs, not %d (%v)", whole, n, err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := in.PlantConsents(ended, store.Planted{Partner: "bench", Client: "cl_bench", N: 10, IDs: ids}); err == nil {
			t.Error("it went on after its end")
		}
	})
}

func TestOnlyAnEmptyDatabaseIsMeasuredOn(t *testing.T) {
	make, ok := databases(t)["postgres"]
	if !ok {
		t.Skip("without PostgreSQL")
	}
	url := make(t)
	s, err := store.OpenScratch(t.Context(), url)
	if err != nil || s.Backend == 0 {
		t.Fatalf("an empty one: %v", err)
	}
	db, err := store.Open(t.Context(), store.Config{URL: url, Box: box(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.OpenScratch(t.Context(), url) // as after a measurement that was broken off
	if err != nil {
		t.Fatalf("what a measurement left: %v", err)
	}
	if err := again.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if db, err = store.Open(t.Context(), store.Config{URL: url, Box: box(t)}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.OpenScratch(t.Context(), url); !errors.Is(err, fault.Refused) || !strings.Contains(err.Error(), "empty") {
		t.Errorf("one in use: %v", err)
	}
}

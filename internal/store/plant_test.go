package store_test

import (
	"errors"
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
		in := db.Institution("demo")
		var told int
		err = in.PlantConsents(t.Context(), store.Planted{Partner: "bench", Client: "cl_bench", N: 1250, IDs: ids, Done: func(n int) { told = n }})
		if err != nil || told != 1250 {
			t.Fatalf("%v, told of %d", err, told)
		}
		for _, user := range []string{"usr_planted.00000000", "usr_planted.00001249"} {
			all, err := in.ConsentsTo(t.Context(), corebank.UserID(user), "bench")
			if err != nil || len(all) != 1 || all[0].State != linkage.Active || all[0].Live(time.Now()) != nil {
				t.Errorf("%s has %+v, %v", user, all, err)
			}
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

package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/store"
)

var registeredAt = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func operator() audit.Actor { return audit.Actor{Kind: audit.Operator, ID: "staff"} }

func kaikei() partner.Partner {
	return partner.Partner{
		ID: "mihon-kaikei", Service: "見本会計", Corporation: "見本ソフト株式会社", RegistrationNumber: "関東財務局長（電代）第999号",
		Contact:   partner.Contact{Desk: "お客さま窓口", Phone: "03-0000-0000", Mail: "desk@example.jp", URL: "https://example.jp/"},
		Functions: corebank.Functions, Required: []corebank.BusinessFunction{corebank.BalanceInquiry},
		ChoosesFunctions: true, ConsentFor: 30 * 24 * time.Hour, HistoryDays: 180, Status: partner.Active,
		ContractFrom: registeredAt, ContractUntil: registeredAt.AddDate(1, 0, 0),
	}
}

func TestAPartnerComesBackAsItWasRegistered(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		want := kaikei()
		if err := in.Commit(t.Context(), partner.Registered{Partner: want, By: operator(), At: registeredAt}); err != nil {
			t.Fatal(err)
		}
		if got, err := in.Partner(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		if all, err := in.Partners(t.Context()); err != nil || len(all) != 1 || all[0].ID != want.ID {
			t.Errorf("listed %v, %v", all, err)
		}
	})
}

func TestAnIDIsRegisteredOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		c := partner.Registered{Partner: kaikei(), By: operator(), At: registeredAt}
		if err := in.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := in.Commit(t.Context(), c); !errors.Is(err, fault.Conflict) {
			t.Errorf("a second registration: %v", err)
		}
	})
}

func TestAnInstitutionSeesOnlyItsOwnPartners(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		if err := db.Institution("one").Commit(t.Context(), partner.Registered{Partner: kaikei(), By: operator(), At: registeredAt}); err != nil {
			t.Fatal(err)
		}
		other := db.Institution("other")
		if _, err := other.Partner(t.Context(), kaikei().ID); !errors.Is(err, fault.NotFound) {
			t.Errorf("another institution's partner: %v", err)
		}
		if all, err := other.Partners(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("listed %v, %v", all, err)
		}
	})
}

func TestAPartnerIsStoppedOnlyWhereItStands(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		in := db.Institution("demo")
		if err := in.Commit(t.Context(), partner.Registered{Partner: kaikei(), By: operator(), At: registeredAt}); err != nil {
			t.Fatal(err)
		}
		stop := partner.StatusChanged{Partner: kaikei().ID, From: partner.Active, To: partner.Stopped, Reason: "trouble", By: operator(), At: registeredAt}
		if err := in.Commit(t.Context(), stop); err != nil {
			t.Fatal(err)
		}
		if err := in.Commit(t.Context(), stop); !errors.Is(err, fault.Conflict) {
			t.Errorf("stopped twice: %v", err)
		}
		if p, err := in.Partner(t.Context(), kaikei().ID); err != nil || p.Status != partner.Stopped {
			t.Errorf("it stands at %q, %v", p.Status, err)
		}
	})
}

package partner

import (
	"errors"
	"slices"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

func TestAPartnerLinksOnlyWhileItsContractRunsAndItIsNotStopped(t *testing.T) {
	from := time.Date(2026, 4, 1, 0, 0, 0, 0, corebank.Japan)
	until := time.Date(2027, 4, 1, 0, 0, 0, 0, corebank.Japan)
	for _, c := range []struct {
		name   string
		status Status
		at     time.Time
		want   Reason // empty: it may link
	}{
		{"before the first day", Active, from.Add(-time.Nanosecond), ContractNotEffective},
		{"from the first moment of the first day", Active, from, ""},
		{"until the last moment of the last day", Active, until.Add(-time.Nanosecond), ""},
		{"after the last day", Active, until, ContractNotEffective},
		{"stopped", Stopped, from, PartnerStopped},
		{"without a status, which no row should have", "", from, PartnerStopped},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Partner{ID: "p", Status: c.status, ContractFrom: from, ContractUntil: until}.Linkable(c.at)
			why, _ := errors.AsType[NotLinkable](err)
			if why.Reason != c.want || (err == nil) != (c.want == "") || err != nil && !errors.Is(err, fault.Refused) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := (Partner{Status: Active, ContractFrom: from}).Linkable(until.AddDate(50, 0, 0)); err != nil {
		t.Errorf("a contract without an agreed end: %v", err)
	}
}

func TestOfferedIsWhatWasAskedAndMayBeHadAndWhatMustBeHad(t *testing.T) {
	const b, tr, d = corebank.BalanceInquiry, corebank.TransactionInquiry, corebank.DepositInquiry
	p := Partner{Functions: []corebank.BusinessFunction{b, tr}, Required: []corebank.BusinessFunction{b}}
	for _, c := range []struct {
		name        string
		asked, want []corebank.BusinessFunction
	}{
		{"nothing asked is all it may have", nil, []corebank.BusinessFunction{b, tr}},
		{"what it may not have is left out", []corebank.BusinessFunction{d, tr, b}, []corebank.BusinessFunction{b, tr}},
		{"what it must have comes unasked", []corebank.BusinessFunction{tr}, []corebank.BusinessFunction{b, tr}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := p.Offered(c.asked); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestPairwiseIDsDifferForEveryPartnerInstitutionKindAndKey(t *testing.T) {
	key, other := make([]byte, 32), slices.Repeat([]byte{1}, 32)
	ids := []string{
		AccountAlias(key, "p", "i", "001-1-2000002"),
		AccountAlias(key, "q", "i", "001-1-2000002"),
		AccountAlias(key, "p", "j", "001-1-2000002"),
		AccountAlias(key, "p", "i", "001-1-2000003"),
		AccountAlias(other, "p", "i", "001-1-2000002"),
		Subject(key, "p", "i", "001-1-2000002"),
	}
	first := ids[0]
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
		t.Errorf("%d different ids of %d", n, len(ids))
	}
	if again := AccountAlias(slices.Clone(key), "p", "i", "001-1-2000002"); again != first {
		t.Error("a renewal would make a new account at the partner")
	}
}

package linkage

import (
	"slices"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
)

// Extent is how far a consent goes.
type Extent struct {
	Functions   []corebank.BusinessFunction
	Accounts    []corebank.AccountID
	HistoryDays int
	EndsAt      time.Time // the first instant after its last day in Japan
}

// ConsentState is where a consent stands.
type ConsentState string

// The states of a consent.
const (
	Issued    ConsentState = "issued" // given; the partner has not redeemed the code yet
	Active    ConsentState = "active"
	Suspended ConsentState = "suspended" // until the stop is lifted
	Ended     ConsentState = "ended"
)

// EndReason is why a consent ended, in one word of a closed list.
type EndReason string

// The reasons why a consent ends.
const (
	EndedByCustomer EndReason = "customer"
	EndedByCompany  EndReason = "company_admin"
	EndedByBank     EndReason = "bank"
	EndedByPartner  EndReason = "partner"
	EndedByRenewal  EndReason = "replaced"
	EndedUnused     EndReason = "unused"      // the code was never redeemed
	EndedByReuse    EndReason = "code_reused" // the code was redeemed twice
	EndedByTime     EndReason = "expired"
)

// Consent is one customer's permission for one partner (認可). Several of one
// user to one partner live side by side.
type Consent struct {
	ID        ConsentID
	User      corebank.UserID
	Company   corebank.CompanyID
	Partner   partner.ID
	Client    string
	State     ConsentState
	EndReason EndReason
	Extent    Extent
	GivenAt   time.Time
	EndedAt   time.Time
	Replaces  ConsentID // ends when this one's code is redeemed
	Terms     string
	Journey   InquiryNumber
}

// Dead says why a consent opens nothing now.
type Dead struct {
	State  ConsentState // Suspended, Ended, or Issued for a code not yet redeemed
	Reason EndReason
}

func (e Dead) Error() string { return "the consent is " + string(e.State) + " " + string(e.Reason) }

// Unwrap returns fault.Expired after the last day, else fault.Refused.
func (e Dead) Unwrap() error {
	if e.Reason == EndedByTime {
		return fault.Expired
	}
	return fault.Refused
}

// Live returns nil when the consent opens something at now, else a Dead.
func (c Consent) Live(now time.Time) error {
	switch {
	case c.State != Active:
		return Dead{c.State, c.EndReason}
	case !now.Before(c.Extent.EndsAt):
		return Dead{Ended, EndedByTime}
	}
	return nil
}

// Covers tells whether the account is in the extent.
func (e Extent) Covers(a corebank.AccountID) bool { return slices.Contains(e.Accounts, a) }

// Allows tells whether the function is in the extent.
func (e Extent) Allows(f corebank.BusinessFunction) bool { return slices.Contains(e.Functions, f) }

// OldestDay returns the earliest day that the extent lets a partner see at now.
func (e Extent) OldestDay(now time.Time) corebank.Date {
	return corebank.DateOf(now.AddDate(0, 0, -e.HistoryDays))
}

// LastDay returns the last day of the extent, that day included.
func (e Extent) LastDay() corebank.Date { return corebank.DateOf(e.EndsAt.Add(-time.Nanosecond)) }

// renewalWindow is the last part of a consent's life, in which a renewal adds
// to its end (journey.md rule 10).
const renewalWindow = 30 * 24 * time.Hour

// endOf returns the end of a consent that is given at now for life: the last
// day is today plus the life's days, and counts.
func endOf(now time.Time, life time.Duration) time.Time {
	y, m, d := now.In(corebank.Japan).Date()
	days := int(life / (24 * time.Hour))
	return time.Date(y, m, d+days+1, 0, 0, 0, 0, corebank.Japan).UTC()
}

// renewedEnd returns the end of a consent that renews one which ends at old:
// within the window the life is added to the old end, before it the later of
// the old end and a new consent's, so that renewing never loses a day.
func renewedEnd(now, old time.Time, life time.Duration) time.Time {
	fresh := endOf(now, life)
	switch {
	case !now.Before(old): // over already: nothing is left to add to
		return fresh
	case !now.Before(old.Add(-renewalWindow)):
		y, m, d := old.In(corebank.Japan).Date()
		return time.Date(y, m, d+int(life/(24*time.Hour)), 0, 0, 0, 0, corebank.Japan).UTC()
	case old.After(fresh):
		return old
	}
	return fresh
}

package linkage

import (
	"errors"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

func dayAt(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(time.DateOnly, s, corebank.Japan)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestARenewalNeverLosesADay(t *testing.T) {
	const life = 90 * 24 * time.Hour
	now := dayAt(t, "2026-11-24").Add(13 * time.Hour)
	cases := []struct{ name, oldLast, wantLast string }{
		{"early: today + life is later", "2027-01-31", "2027-02-22"},
		{"early: the old end is later", "2027-06-30", "2027-06-30"},
		{"within the last 30 days it adds", "2026-12-10", "2027-03-10"},
		{"on the last day itself", "2026-11-24", "2027-02-22"},
		{"over already: as a new one", "2026-11-01", "2027-02-22"},
	}
	for _, c := range cases {
		got := Extent{EndsAt: renewedEnd(now, dayAt(t, c.oldLast).AddDate(0, 0, 1), life)}.LastDay()
		if string(got) != c.wantLast {
			t.Errorf("%s: until %s, not %s", c.name, got, c.wantLast)
		}
	}
	if got := (Extent{EndsAt: endOf(now, life)}).LastDay(); got != "2027-02-22" {
		t.Errorf("a new one ends on %s", got)
	}
	late := dayAt(t, "2026-11-24").Add(23*time.Hour + 59*time.Minute)
	if !endOf(late, life).Equal(endOf(now, life)) {
		t.Error("the end depends on the hour")
	}
}

func TestAConsentIsLiveUntilTheEndOfItsLastDay(t *testing.T) {
	c := Consent{State: Active, Extent: Extent{EndsAt: dayAt(t, "2027-02-23")}}
	if err := c.Live(dayAt(t, "2027-02-23").Add(-time.Microsecond)); err != nil {
		t.Errorf("late on the last day: %v", err)
	}
	if err := c.Live(dayAt(t, "2027-02-23")); !errors.Is(err, fault.Expired) {
		t.Errorf("the day after: %v", err)
	}
	for _, s := range []ConsentState{Issued, Suspended, Ended} {
		c.State = s
		if err := c.Live(dayAt(t, "2027-01-01")); !errors.Is(err, fault.Refused) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestAnExtentCoversOnlyWhatWasTicked(t *testing.T) {
	e := Extent{Functions: corebank.Functions[:1], Accounts: []corebank.AccountID{"a"}, HistoryDays: 90}
	if !e.Covers("a") || e.Covers("b") || !e.Allows(corebank.BalanceInquiry) || e.Allows(corebank.DepositInquiry) {
		t.Error("the extent is wider or narrower than what it says")
	}
	if got := e.OldestDay(dayAt(t, "2026-11-24")); got != "2026-08-26" {
		t.Errorf("the oldest day is %s", got)
	}
}

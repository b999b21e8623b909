package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/store"
)

// toldMeter keeps what it is told of rows that went.
type toldMeter struct{ forgot []forgotten }

type forgotten struct {
	table      string
	rows, left int64
}

func (*toldMeter) Committed(int, time.Duration, bool) {}
func (*toldMeter) Sealed(int, error)                  {}
func (m *toldMeter) Forgot(_, table string, rows, left int64) {
	if rows > 0 {
		m.forgot = append(m.forgot, forgotten{table, rows, left})
	}
}

func TestWhatIsOverIsForgottenHoweverMuchThereIs(t *testing.T) {
	besides(t, func(t *testing.T, name, url string) {
		told := &toldMeter{}
		db := open(t, store.Config{URL: url, Serializable: name == "serializable", Meter: told})
		now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		in, other := db.Institution("demo"), db.Institution("other")
		fill := func(in *store.Institution, first, n int, until time.Time) {
			t.Helper()
			err := in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
				for i := range n {
					var digest [32]byte
					digest[0], digest[1], digest[2] = byte(first+i), byte((first+i)>>8), byte((first+i)>>16)
					if err := x.Do(ctx, `INSERT INTO replays (institution, until, digest) VALUES ($1, $2, $3)`, in.ID(), until.UnixMicro(), digest[:]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		fill(in, 0, 2500, now.Add(-time.Second)) // more than one batch
		fill(in, 3000, 3, now.Add(time.Second))
		fill(other, 0, 4, now.Add(-time.Second))
		if err := in.ForgetOAuth(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if want := []forgotten{{"replays", 1000, 1500}, {"replays", 1000, 500}, {"replays", 500, 0}}; !slices.Equal(told.forgot, want) {
			t.Errorf("the meter was told %v, not %v", told.forgot, want)
		}
		for in, want := range map[*store.Institution]int{in: 3, other: 4} {
			var left int
			if err := in.Row(t.Context(), `SELECT COUNT(*) FROM replays WHERE institution = $1`, []any{in.ID()}, &left); err != nil || left != want {
				t.Errorf("%s has %d rows, not %d (%v)", in.ID(), left, want, err)
			}
		}
	})
}

// However many PINs there are, a sweep looks at a few of them, and all had their
// turn after some sweeps.
func TestPINsThatNobodyNeedsAreFoundAFewAtATime(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		long := d.clock.Now().Add(-200 * 24 * time.Hour)
		const accounts = 10
		err := d.in.Write(t.Context(), func(ctx context.Context, x store.Tx) error {
			for i := range accounts {
				account := fmt.Sprintf("zzz-%d", i)
				if err := x.Do(ctx, `INSERT INTO inquiry_pins (institution, account_id, user_id, user_name, company_id, state, pin, version, consent_id, changed_at)
					VALUES ($1, $2, 'usr_long', 'L', $3, 'registered', $4, 1, $5, $6)`,
					d.in.ID(), account, fmt.Sprintf("cmp_long%d", i), []byte{1}, "cns_"+account, long.UnixMicro()); err != nil {
					return err
				}
				state, over := "ended", long
				if i == 3 {
					state, over = "active", time.Time{}
				}
				if i == 7 {
					over = d.clock.Now().Add(-time.Hour)
				}
				if err := x.Do(ctx, `INSERT INTO consents (institution, id, user_id, company_id, partner_id, client_id, state, end_reason,
					functions, accounts, history_days, given_at, ends_at, ended_at, replaces, terms, journey)
					VALUES ($1, $2, 'usr_long', $3, 'fixed', 'c', $4, '', '[]', $5, 90, 1, 9000000000000000, $6, '', '', '')`,
					d.in.ID(), "cns_"+account, fmt.Sprintf("cmp_long%d", i), state, `["`+account+`"]`, max(0, over.UnixMicro())); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		kept := func() (n int) {
			t.Helper()
			if err := d.in.Row(t.Context(), `SELECT COUNT(*) FROM inquiry_pins WHERE institution = $1 AND user_id = 'usr_long'`, []any{d.in.ID()}, &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		sweeps := 0
		for last := accounts; ; sweeps++ {
			if _, err := d.svc.Sweep(t.Context(), 3); err != nil {
				t.Fatal(err)
			}
			now := kept()
			if last-now > 3 {
				t.Fatalf("one sweep of 3 removed %d", last-now)
			}
			if last = now; now == 2 || sweeps == 100 {
				break
			}
		}
		for _, account := range []corebank.AccountID{"zzz-3", "zzz-7"} { // of a live consent, and of one that ended just now
			if pins, err := d.in.PINs(t.Context(), []corebank.AccountID{account}); err != nil || len(pins) != 1 {
				t.Errorf("%s: %v, %v", account, pins, err)
			}
		}
		if d.acts(linkage.LeftoversDiscarded, "zzz-0 of usr_long") != 1 {
			t.Error("it is not in the log that a PIN went")
		}
	})
}

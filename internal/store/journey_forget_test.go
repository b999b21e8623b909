package store_test

import (
	"testing"
	"time"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/store"
)

func TestAJourneyThatWasLeftIsForgottenAfterADayThoughNothingElseIsOver(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		b := d.open("fixed")
		b.press(d.logIn("ok.pw"))
		b.stands(linkage.ConsentStep)
		kept := func() (n int) {
			t.Helper()
			if err := d.in.Row(t.Context(), `SELECT COUNT(*) FROM journeys WHERE institution = $1`, []any{d.in.ID()}, &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		sweep := func() {
			t.Helper()
			if _, err := d.svc.Sweep(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
		}
		d.clock.Advance(23 * time.Hour)
		sweep()
		if kept() != 1 || d.acts(linkage.LeftoversDiscarded, "") != 0 {
			t.Errorf("within its day %d journeys are kept", kept())
		}
		d.clock.Advance(2 * time.Hour)
		sweep()
		if kept() != 0 {
			t.Error("a day later the journey is still kept")
		}
		sweep()
		if n := d.acts(linkage.LeftoversDiscarded, ""); n != 0 {
			t.Errorf("%d acts say that something was cleared away, though it held nothing", n)
		}
	})
}

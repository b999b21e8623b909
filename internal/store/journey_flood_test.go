package store_test

import (
	"testing"
	"time"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/store"
)

// docs/decisions/0042: whoever reaches the server can press without end, and
// rows are only ever added.
func TestAFloodOfRefusedPressesIsProvedWithoutBeingStored(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		customer := d.open("fixed")
		customer.press(d.logIn("ok.pw"))
		foreign := customer.visit()
		foreign.Cookie = d.open("fixed").cookie
		stale := customer.visit()
		stale.Press = "over"
		for range 100 {
			if _, err := d.svc.Refuse(t.Context(), foreign); halted(err) != linkage.RequestUnknown {
				t.Fatalf("a foreign press ends with %v", err)
			}
			if r, err := d.svc.Refuse(t.Context(), stale); err != nil || !r.Stale {
				t.Fatalf("a press of a page that is over leads to %+v, %v", r, err)
			}
		}
		if n, m := d.acts(linkage.PressRefused, `"foreign"`), d.acts(linkage.PressRefused, `"stale"`); n != 60 || m != 60 {
			t.Errorf("%d foreign and %d stale presses are in the log", n, m)
		}
		d.clock.Advance(time.Minute)
		if _, err := d.svc.Refuse(t.Context(), foreign); halted(err) != linkage.RequestUnknown {
			t.Errorf("a foreign press ends with %v", err)
		}
		if n := d.acts(linkage.PressRefused, `"left_out_before":"40"`); n != 1 {
			t.Errorf("%d rows say how many were left out", n)
		}
		customer.load()
		customer.press(d.svc.Refuse)
		customer.stands(linkage.HandoverStep)
	})
}

package store_test

import (
	"strings"
	"testing"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/store"
)

// The partner named another user than the one who logged in, which the protocol
// finds out last of all: then nothing of what was allowed may be kept.
func TestWhatTheProtocolCannotGrantIsARefusal(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.paper.denies = "another_user"
		b := d.open("fixed")
		b.press(d.logIn("pin.none"))
		b.press(b.pins())
		b.press(d.svc.ConfirmPINs)
		b.press(b.allow())
		b.stands(linkage.HandoverStep)
		h := b.at.Handover
		if h.Allowed || h.Receipt != nil || h.Reason != "another_user" || h.Way == nil || !strings.Contains(h.Way.URL, "error=") {
			t.Errorf("the customer is told %+v", h)
		}
		if _, staged, _, err := d.in.Journey(t.Context(), b.id); err != nil || len(staged) != 0 {
			t.Errorf("%d PINs are still staged, %v", len(staged), err)
		}
		if kept, err := d.in.PINs(t.Context(), []corebank.AccountID{"001-1-1000501"}); err != nil || len(kept) != 0 {
			t.Errorf("a PIN came into force without a consent, %v", err)
		}
		var consents int64
		if err := d.in.Row(t.Context(), `SELECT COUNT(*) FROM consents WHERE institution = $1`, []any{"demo"}, &consents); err != nil || consents != 0 {
			t.Errorf("%d consents are on record, %v", consents, err)
		}
	})
}

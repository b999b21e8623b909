package store

import (
	"context"
	"time"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/login"
)

func (in *Institution) applyConsentEnded(ctx context.Context, t tx, c linkage.ConsentEnded) error {
	err := t.Must(ctx, `UPDATE consents SET state = 'ended', end_reason = $3, ended_at = $4
		WHERE institution = $1 AND id = $2 AND state <> 'ended'`, in.id, string(c.ID), string(c.Why), micros(c.At))
	if err != nil {
		return err
	}
	return in.dropUnneededPINs(ctx, t, c.ID, c.At)
}

// dropUnneededPINs removes the PINs of the accounts and the company of an ended
// consent that no other consent which is not over names.
func (in *Institution) dropUnneededPINs(ctx context.Context, t tx, ended linkage.ConsentID, now time.Time) error {
	return t.Do(ctx, `DELETE FROM inquiry_pins WHERE institution = $1 AND `+onlyNeededBy, in.id, string(ended), micros(now))
}

// dropItsPINs removes, of those, the ones that came into force with the consent:
// what was there before it stays, since nothing was ever fetched by it.
func (in *Institution) dropItsPINs(ctx context.Context, t tx, unused linkage.ConsentID, now time.Time) error {
	return t.Do(ctx, `DELETE FROM inquiry_pins WHERE institution = $1 AND consent_id = $2 AND `+onlyNeededBy,
		in.id, string(unused), micros(now))
}

// onlyNeededBy is of a PIN whose account the consent $2 names, and no other that
// is not over at $3.
const onlyNeededBy = `company_id = (SELECT company_id FROM consents e WHERE e.institution = $1 AND e.id = $2)
	AND EXISTS (SELECT 1 FROM consents e WHERE e.institution = $1 AND e.id = $2 AND e.accounts LIKE ` + inAccounts + `)
	AND NOT EXISTS (SELECT 1 FROM consents o WHERE o.institution = $1 AND o.company_id = inquiry_pins.company_id
		AND o.state <> 'ended' AND o.ends_at > $3 AND o.accounts LIKE ` + inAccounts + `)`

// inAccounts is the pattern by which an account is found in a JSON array of
// accounts; ids of accounts hold neither quotes nor patterns.
const inAccounts = `'%"' || inquiry_pins.account_id || '"%'`

func (in *Institution) applyConsentHeld(ctx context.Context, t tx, c linkage.ConsentHeld) error {
	return t.Must(ctx, `UPDATE consents SET state = $4 WHERE institution = $1 AND id = $2 AND state = $3`,
		in.id, string(c.ID), string(c.From), string(c.To))
}

func (in *Institution) applyUnlocked(ctx context.Context, t tx, c login.Unlocked) error {
	return in.applyCounted(ctx, t, []login.Counted{c.Counted})
}

// Leftovers returns what is over and still holds something.
func (in *Institution) Leftovers(ctx context.Context, a linkage.LeftoversAsked) (linkage.Leftovers, error) {
	var left linkage.Leftovers
	rs, err := in.read.Query(ctx, `SELECT DISTINCT j.id FROM journey_pins p
		JOIN journeys j ON j.institution = p.institution AND j.id = p.journey
		WHERE p.institution = $1 AND (j.touched_at <= $2 OR j.began_at <= $3) LIMIT $4`,
		in.id, micros(a.IdleBefore), micros(a.BeganBefore), a.Limit)
	if left.Staged, err = collect(rs, err, "find what timed out", func(r row) (linkage.JourneyID, error) {
		var id int64
		err := r.Scan(&id)
		return linkage.JourneyID(id), err
	}); err != nil {
		return left, err
	}
	ids := func(sql string, at time.Time) ([]linkage.ConsentID, error) {
		rs, err := in.read.Query(ctx, sql, in.id, micros(at), a.Limit)
		return collect(rs, err, "find consents that are over", func(r row) (linkage.ConsentID, error) {
			var id string
			err := r.Scan(&id)
			return linkage.ConsentID(id), err
		})
	}
	if left.Unused, err = ids(`SELECT id FROM consents
		WHERE institution = $1 AND state = 'issued' AND given_at <= $2 LIMIT $3`, a.IssuedBefore); err != nil {
		return left, err
	}
	if left.Expired, err = ids(`SELECT id FROM consents
		WHERE institution = $1 AND state IN ('active', 'suspended') AND ends_at <= $2 LIMIT $3`, a.Now); err != nil {
		return left, err
	}
	var ways int
	err = in.read.QueryRow(ctx, `SELECT COUNT(*) FROM journeys
		WHERE institution = $1 AND way_until > 0 AND way_until <= $2`, in.id, micros(a.Now)).Scan(&ways)
	if left.WaysOver = ways > 0; err != nil {
		return left, failed(err, "find ways back that are over")
	}
	var outlived int
	err = in.read.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM journeys WHERE institution = $1 AND began_at < $2)
		+ (SELECT COUNT(*) FROM login_presses WHERE institution = $1 AND until < $2)
		+ (SELECT COUNT(*) FROM certificate_hops WHERE institution = $1 AND until < $2)
		+ (SELECT COUNT(*) FROM login_rates WHERE institution = $1 AND minute < $2)`, in.id, micros(a.ForgetFrom)).Scan(&outlived)
	left.Outlived = outlived > 0
	return left, failed(err, "find what nobody comes back to")
}

func (in *Institution) applyDiscarded(ctx context.Context, t tx, c linkage.Discarded) error {
	for _, id := range c.Staged {
		if err := t.Do(ctx, `DELETE FROM journey_pins WHERE institution = $1 AND journey = $2`, in.id, int64(id)); err != nil {
			return err
		}
	}
	for _, id := range c.Unused {
		err := t.Must(ctx, `UPDATE consents SET state = 'ended', end_reason = 'unused', ended_at = $3
			WHERE institution = $1 AND id = $2 AND state = 'issued'`, in.id, string(id), micros(c.Now))
		if err != nil {
			return err
		}
		if err := in.dropItsPINs(ctx, t, id, c.Now); err != nil {
			return err
		}
	}
	for _, id := range c.Expired {
		err := t.Do(ctx, `UPDATE consents SET state = 'ended', end_reason = 'expired', ended_at = ends_at
			WHERE institution = $1 AND id = $2 AND state IN ('active', 'suspended') AND ends_at <= $3`,
			in.id, string(id), micros(c.Now))
		if err != nil {
			return err
		}
	}
	return in.forget(ctx, t, c)
}

// forget removes what nobody can need any more.
func (in *Institution) forget(ctx context.Context, t tx, c linkage.Discarded) error {
	err := t.Do(ctx, `UPDATE journeys SET way = $2, way_until = 0
		WHERE institution = $1 AND way_until > 0 AND way_until <= $3`, in.id, []byte{}, micros(c.Now))
	if err != nil {
		return err
	}
	for _, sql := range []string{
		`DELETE FROM journeys WHERE institution = $1 AND began_at < $2`,
		`DELETE FROM login_presses WHERE institution = $1 AND until < $2`,
		`DELETE FROM certificate_hops WHERE institution = $1 AND until < $2`,
		`DELETE FROM login_rates WHERE institution = $1 AND minute < $2`,
		`DELETE FROM pin_slots WHERE institution = $1 AND until < $2`,
	} {
		if err := t.Do(ctx, sql, in.id, micros(c.ForgetFrom)); err != nil {
			return err
		}
	}
	// PINs that no consent needs go when the last that did has expired long ago.
	return t.Do(ctx, `DELETE FROM inquiry_pins WHERE institution = $1 AND consent_id <> '' AND changed_at < $2
		AND NOT EXISTS (SELECT 1 FROM consents o WHERE o.institution = $1 AND o.company_id = inquiry_pins.company_id
			AND (o.state <> 'ended' OR o.ended_at >= $2) AND o.accounts LIKE `+inAccounts+`)`, in.id, micros(c.KeptFrom))
}

package store

import (
	"context"
	"time"

	"renkei.dev/internal/corebank"
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
	return t.Apply(ctx, dropPINs, in.id, string(ended), micros(now))
}

var dropPINs = doBy(`DELETE FROM inquiry_pins WHERE institution = $1 AND `+onlyNeededBy, "text", "text", "bigint")

// dropOutgrownPINs is dropPINs of a consent that another, $4, took the place of:
// where that one names the same accounts it looks no further.
var dropOutgrownPINs = doBy(`DELETE FROM inquiry_pins WHERE institution = $1
	AND company_id = (SELECT e.company_id FROM consents e WHERE e.institution = $1 AND e.id = $2
		AND NOT EXISTS (SELECT 1 FROM consents n WHERE n.institution = $1 AND n.id = $4 AND n.company_id = e.company_id
			AND n.accounts = e.accounts AND n.ended_at = 0 AND n.ends_at > $3))
	AND `+onlyNamedBy, "text", "text", "bigint", "text")

// dropItsPINs removes, of those, the ones that came into force with the consent:
// what was there before it stays, since nothing was ever fetched by it.
func (in *Institution) dropItsPINs(ctx context.Context, t tx, unused linkage.ConsentID, now time.Time) error {
	return t.Do(ctx, `DELETE FROM inquiry_pins WHERE institution = $1 AND consent_id = $2 AND `+onlyNeededBy,
		in.id, string(unused), micros(now))
}

// onlyNeededBy is of a PIN whose account the consent $2 names, and no other that
// is not over at $3.
const onlyNeededBy = `company_id = (SELECT company_id FROM consents e WHERE e.institution = $1 AND e.id = $2) AND ` + onlyNamedBy

// onlyNamedBy is onlyNeededBy among the PINs of the company.
const onlyNamedBy = `EXISTS (SELECT 1 FROM consents e WHERE e.institution = $1 AND e.id = $2 AND e.accounts LIKE ` + inAccounts + `)
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
	err = in.read.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT 1 AS one FROM journeys
		WHERE institution = $1 AND way_until > 0 AND way_until <= $2 LIMIT $3) AS ways`, in.id, micros(a.Now), a.Limit).Scan(&left.Ways)
	if err != nil {
		return left, failed(err, "find ways back that are over")
	}
	left.PINs, left.PINsThrough, err = in.outgrownPINs(ctx, a)
	return left, err
}

// notNeededSince is of a PIN that no consent needs and none needed since $2.
const notNeededSince = `consent_id <> '' AND changed_at < $2 AND NOT EXISTS
	(SELECT 1 FROM consents o WHERE o.institution = $1 AND o.company_id = inquiry_pins.company_id
		AND (o.state <> 'ended' OR o.ended_at >= $2) AND o.accounts LIKE ` + inAccounts + `)`

// outgrownPINs looks through some of the PINs for those that nobody needs, and
// returns the last that it looked at; none at the end. A look-up of all of them
// would take longer the more customers there are.
func (in *Institution) outgrownPINs(ctx context.Context, a linkage.LeftoversAsked) (outgrown []linkage.PINName, through linkage.PINName, err error) {
	type looked struct {
		name linkage.PINName
		over bool
	}
	rs, err := in.read.Query(ctx, `SELECT account_id, user_id, CASE WHEN `+notNeededSince+` THEN 1 ELSE 0 END FROM inquiry_pins
		WHERE institution = $1 AND (account_id, user_id) > ($3, $4) ORDER BY account_id, user_id LIMIT $5`,
		in.id, micros(a.KeptFrom), string(a.PINsAfter.Account), string(a.PINsAfter.User), a.Limit)
	all, err := collect(rs, err, "find PINs that nobody needs", func(r row) (l looked, err error) {
		var account, user string
		var over int64
		err = r.Scan(&account, &user, &over)
		return looked{linkage.PINName{Account: corebank.AccountID(account), User: corebank.UserID(user)}, over == 1}, err
	})
	for _, l := range all {
		if l.over {
			outgrown = append(outgrown, l.name)
		}
	}
	if len(all) == a.Limit {
		through = all[len(all)-1].name
	}
	return outgrown, through, err
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
	for _, p := range c.PINs {
		err := t.Do(ctx, `DELETE FROM inquiry_pins WHERE institution = $1 AND account_id = $3 AND user_id = $4 AND `+notNeededSince,
			in.id, micros(c.KeptFrom), string(p.Account), string(p.User))
		if err != nil {
			return err
		}
	}
	return t.Do(ctx, `UPDATE journeys SET way = $2, way_until = 0 WHERE institution = $1 AND id IN
		(SELECT id FROM journeys WHERE institution = $1 AND way_until > 0 AND way_until <= $3 ORDER BY way_until LIMIT $4)`,
		in.id, []byte{}, micros(c.Now), c.Ways)
}

// Forget removes journeys, presses, one-time secrets and rates from before from,
// in batches. Nobody can come back to them.
func (in *Institution) Forget(ctx context.Context, from time.Time) error {
	if err := in.forget(ctx, byID("journeys"), idAt(from)); err != nil {
		return err
	}
	for _, gone := range []old{
		byTime("login_presses", "press", "until"),
		byTime("certificate_hops", "secret", "until"),
		byTime("login_rates", "subject, minute", "minute"),
		byTime("sign_in_sessions", "digest", "until"),
		byTime("pin_slots", "account_id, number", "until"),
	} {
		if err := in.forget(ctx, gone, micros(from)); err != nil {
			return err
		}
	}
	return nil
}

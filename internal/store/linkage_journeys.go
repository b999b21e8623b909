package store

import (
	"context"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

const journeyColumns = `number, partner_id, client_id, user_id, company_id, step, version, button, press,
	claim, claim_button, claim_until, began_at, touched_at, ended_at, consent_id, sealed, way, way_until`

var journeyByID = lookUpOne(`SELECT `+journeyColumns+`,
		COALESCE((SELECT c.state FROM consents c WHERE c.institution = j.institution AND c.id = j.consent_id), ''),
		(SELECT COUNT(*) FROM journey_pins p WHERE p.institution = j.institution AND p.journey = j.id)
	FROM journeys j WHERE j.institution = $1 AND j.id = $2`, "text", "bigint")

// journeyRow is where journeyByID is read to.
type journeyRow struct {
	linkage.Row
	state linkage.ConsentState // of its consent
	pins  int                  // that it staged
	none  bool
}

// asked is the look-up of a journey.
func (j *journeyRow) asked(institution string, id linkage.JourneyID) asked {
	j.none = true
	return asked{journeyByID, []any{institution, int64(id)}, func(_ int, r row) error {
		j.none, j.ID = false, id
		return j.scan(r)
	}}
}

func (j *journeyRow) scan(r row) error {
	var number, partnerID, user, company, step, button, claimButton, consent, state string
	var press []byte
	var claimUntil, began, touched, ended, wayUntil int64
	err := r.Scan(&number, &partnerID, &j.Client, &user, &company, &step, &j.Version, &button, &press,
		&j.Claim, &claimButton, &claimUntil, &began, &touched, &ended, &consent, &j.Sealed, &j.Way, &wayUntil, &state, &j.pins)
	j.Number, j.Partner, j.User = linkage.InquiryNumber(number), partner.ID(partnerID), corebank.UserID(user)
	j.Company, j.Step, j.Button = corebank.CompanyID(company), linkage.Step(step), linkage.Button(button)
	j.ClaimButton, j.Consent, j.state = linkage.Button(claimButton), linkage.ConsentID(consent), linkage.ConsentState(state)
	j.ClaimUntil, j.BeganAt, j.TouchedAt = fromMicros(claimUntil), fromMicros(began), fromMicros(touched)
	j.EndedAt, j.WayUntil = fromMicros(ended), fromMicros(wayUntil)
	copy(j.Press[:], press)
	return err
}

// Journey returns a journey, what it staged, and the state of its consent.
// Errors: fault.NotFound.
func (in *Institution) Journey(ctx context.Context, id linkage.JourneyID) (linkage.Row, []linkage.StagedPIN, linkage.ConsentState, error) {
	row, staged, state, _, err := in.JourneyWith(ctx, id, linkage.Needs{})
	return row, staged, state, err
}

// JourneyWith is Journey and Kept in one.
func (in *Institution) JourneyWith(ctx context.Context, id linkage.JourneyID, n linkage.Needs) (linkage.Row, []linkage.StagedPIN, linkage.ConsentState, linkage.Kept, error) {
	var j journeyRow
	var k keptRows
	err := in.together(ctx, append(k.asked(in.id, n), j.asked(in.id, id))...)
	if err == nil && j.none {
		return linkage.Row{}, nil, "", k.kept(n), found(errNone, "find a journey")
	}
	if err != nil {
		return linkage.Row{}, nil, "", linkage.Kept{}, found(err, "find a journey")
	}
	var staged []linkage.StagedPIN
	if j.pins > 0 {
		staged, err = in.stagedPINs(ctx, id)
	}
	return j.Row, staged, j.state, k.kept(n), err
}

var stagedByJourney = lookUpBy(`SELECT account_id, state, pin, version, staged_at FROM journey_pins
	WHERE institution = $1 AND journey = $2 ORDER BY account_id`, "text", "bigint")

func (in *Institution) stagedPINs(ctx context.Context, id linkage.JourneyID) ([]linkage.StagedPIN, error) {
	var all []linkage.StagedPIN
	err := in.read.Each(ctx, stagedByJourney, into(&all, func(r row) (linkage.StagedPIN, error) {
		var p linkage.StagedPIN
		var account, state string
		var at int64
		err := r.Scan(&account, &state, &p.Sealed, &p.Version, &at)
		p.Account, p.State, p.At = corebank.AccountID(account), linkage.PINState(state), fromMicros(at)
		return p, err
	}), in.id, int64(id))
	return all, failed(err, "find what a journey staged")
}

// insertJourney adds a journey; one that a session lets somebody into only while
// that session is there, and if it lasted when the journey was opened.
func (in *Institution) insertJourney(ctx context.Context, t tx, r linkage.Row, session *secret.Digest) error {
	args := []any{
		in.id, int64(r.ID), string(r.Number), string(r.Partner), r.Client, string(r.User), string(r.Company),
		string(r.Step), r.Version, string(r.Button), r.Press[:], r.Claim, string(r.ClaimButton), micros(r.ClaimUntil),
		micros(r.BeganAt), micros(r.TouchedAt), micros(r.EndedAt), string(r.Consent), r.Sealed, notNil(r.Way), micros(r.WayUntil),
	}
	if session == nil {
		return t.Apply(ctx, addJourney, args...)
	}
	return t.Apply(ctx, addJourneyInSession, append(args, session[:])...)
}

var journeyTypes = []string{"text", "bigint", "text", "text", "text", "text", "text", "text", "bigint", "text", "bytea", "bigint", "text", "bigint",
	"bigint", "bigint", "bigint", "text", "bytea", "bytea", "bigint"}

var (
	addJourney = mustBy(`INSERT INTO journeys (institution, id, `+journeyColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
		ON CONFLICT (institution, id) DO NOTHING`, journeyTypes...)

	addJourneyInSession = mustBy(`INSERT INTO journeys (institution, id, `+journeyColumns+`)
		SELECT s.institution, $2, $3, $4, $5, s.user_id, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21
		FROM sign_in_sessions s WHERE s.institution = $1 AND s.digest = $22 AND s.user_id = $6 AND s.until > $15
		ON CONFLICT (institution, id) DO NOTHING`, append(journeyTypes, "bytea")...)
)

// notNil keeps an empty blob from being stored as NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (in *Institution) applyJourneyBegun(ctx context.Context, t tx, c linkage.JourneyBegun) error {
	return in.insertJourney(ctx, t, c.Row, c.Session)
}

func (in *Institution) applyJourneyClaimed(ctx context.Context, t tx, c linkage.JourneyClaimed) error {
	err := t.Must(ctx, `UPDATE journeys SET claim = $4, claim_button = $5, claim_until = $6
		WHERE institution = $1 AND id = $2 AND version = $3 AND (claim = 0 OR claim_until <= $7)`,
		in.id, int64(c.ID), c.Version, c.Claim, string(c.Button), micros(c.Until), micros(c.Now))
	if err != nil {
		return err
	}
	return in.applyCounted(ctx, t, c.Counters)
}

func (in *Institution) applyJourneyMoved(ctx context.Context, t tx, c linkage.JourneyMoved) error {
	r := c.Row
	if !c.Begun {
		err := t.Apply(ctx, moveJourney, in.id, int64(r.ID), string(r.User), string(r.Company), string(r.Step), r.Version, string(r.Button),
			micros(r.TouchedAt), micros(r.EndedAt), string(r.Consent), r.Sealed, notNil(r.Way), micros(r.WayUntil),
			c.From, c.Claim, micros(c.Now))
		if err != nil {
			return err
		}
	}
	if err := in.applyCounted(ctx, t, c.Counters); err != nil {
		return err
	}
	if err := in.applySeen(ctx, t, c.Seen); err != nil {
		return err
	}
	if err := in.applySession(ctx, t, c.Session, c.Ends); err != nil {
		return err
	}
	for _, p := range c.Stage {
		err := t.Do(ctx, `INSERT INTO journey_pins (institution, journey, account_id, state, pin, version, staged_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (institution, journey, account_id) DO UPDATE SET state = excluded.state, pin = excluded.pin,
				version = excluded.version, staged_at = excluded.staged_at`,
			in.id, int64(r.ID), string(p.Account), string(p.State), p.Sealed, p.Version, micros(p.At))
		if err != nil {
			return err
		}
	}
	if c.Consent != nil {
		if err := in.insertConsent(ctx, t, *c.Consent); err != nil {
			return err
		}
	}
	return in.settleStaged(ctx, t, c)
}

var moveJourney = mustBy(`UPDATE journeys SET user_id = $3, company_id = $4, step = $5, version = $6, button = $7,
		claim = 0, claim_button = '', claim_until = 0, touched_at = $8, ended_at = $9, consent_id = $10,
		sealed = $11, way = $12, way_until = $13
	WHERE institution = $1 AND id = $2 AND version = $14 AND (claim = $15 OR $15 = 0 AND claim_until <= $16)`,
	"text", "bigint", "text", "text", "text", "bigint", "text", "bigint", "bigint", "text", "bytea", "bytea", "bigint", "bigint", "bigint", "bigint")

// settleStaged brings what was staged into force, or discards it.
func (in *Institution) settleStaged(ctx context.Context, t tx, c linkage.JourneyMoved) error {
	if f := c.InForce; f != nil {
		err := t.Do(ctx, `INSERT INTO inquiry_pins
				(institution, account_id, user_id, user_name, company_id, state, pin, version, consent_id, changed_at)
			SELECT institution, account_id, $3, $4, $5, state, pin, version, $6, CAST($7 AS BIGINT) FROM journey_pins
			WHERE institution = $1 AND journey = $2
			ON CONFLICT (institution, account_id, user_id) DO UPDATE SET user_name = excluded.user_name,
				company_id = excluded.company_id, state = excluded.state, pin = excluded.pin, version = excluded.version,
				consent_id = excluded.consent_id, changed_at = excluded.changed_at`,
			in.id, int64(c.Row.ID), string(f.User), f.Name, string(f.Company), string(f.Consent), micros(f.At))
		if err != nil {
			return err
		}
	}
	if c.InForce == nil && !c.Drop {
		return nil
	}
	return t.Do(ctx, `DELETE FROM journey_pins WHERE institution = $1 AND journey = $2`, in.id, int64(c.Row.ID))
}

func (in *Institution) applyJourneyTouched(ctx context.Context, t tx, c linkage.JourneyTouched) error {
	return t.Must(ctx, `UPDATE journeys SET touched_at = $4 WHERE institution = $1 AND id = $2 AND version = $3`,
		in.id, int64(c.ID), c.Version, micros(c.At))
}

// LoginPress returns what became of a press of API連携. Errors: fault.NotFound.
func (in *Institution) LoginPress(ctx context.Context, press secret.Digest) (linkage.LoginPressRow, error) {
	r := linkage.LoginPressRow{Press: press}
	var until int64
	err := in.read.QueryRow(ctx, `SELECT nonce, until, outcome FROM login_presses WHERE institution = $1 AND press = $2`,
		in.id, press[:]).Scan(&r.Nonce, &until, &r.Outcome)
	r.Until = fromMicros(until)
	return r, found(err, "find a press")
}

func (in *Institution) applyLoginClaimed(ctx context.Context, t tx, c linkage.LoginClaimed) error {
	if err := in.applyRate(ctx, t, c.Rate); err != nil {
		return err
	}
	err := t.Must(ctx, `INSERT INTO login_presses (institution, press, nonce, until, outcome) VALUES ($1, $2, $3, $4, $6)
		ON CONFLICT (institution, press) DO UPDATE SET nonce = excluded.nonce, until = excluded.until
		WHERE login_presses.outcome = $6 AND login_presses.until <= $5`,
		in.id, c.Row.Press[:], c.Row.Nonce, micros(c.Row.Until), micros(c.Now), []byte{})
	if err != nil {
		return err
	}
	return in.applyCounted(ctx, t, c.Counters)
}

func (in *Institution) applyLoginSettled(ctx context.Context, t tx, c linkage.LoginSettled) error {
	err := t.Must(ctx, `UPDATE login_presses SET outcome = $4 WHERE institution = $1 AND press = $2 AND nonce = $3 AND outcome = $5`,
		in.id, c.Row.Press[:], c.Row.Nonce, c.Row.Outcome, []byte{})
	if err != nil {
		return err
	}
	if err := in.applyCounted(ctx, t, c.Counters); err != nil {
		return err
	}
	if err := in.applySeen(ctx, t, c.Seen); err != nil {
		return err
	}
	if err := in.applySession(ctx, t, c.Session, nil); err != nil {
		return err
	}
	if c.Begins == nil {
		return nil
	}
	return in.insertJourney(ctx, t, *c.Begins, nil)
}

// CertificateTaken returns which journey took a one-time secret. Errors:
// fault.NotFound.
func (in *Institution) CertificateTaken(ctx context.Context, once secret.Digest) (linkage.JourneyID, error) {
	var id int64
	err := in.read.QueryRow(ctx, `SELECT journey FROM certificate_hops WHERE institution = $1 AND secret = $2`,
		in.id, once[:]).Scan(&id)
	return linkage.JourneyID(id), found(err, "find a one-time secret")
}

func (in *Institution) applyCertificateTaken(ctx context.Context, t tx, c linkage.CertificateTaken) error {
	return t.Must(ctx, `INSERT INTO certificate_hops (institution, secret, journey, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (institution, secret) DO NOTHING`, in.id, c.Secret[:], int64(c.Journey), micros(c.Until))
}

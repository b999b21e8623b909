package store

import (
	"context"
	"encoding/json"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/partner"
)

const consentColumns = `id, user_id, company_id, partner_id, client_id, state, end_reason, functions, accounts,
	history_days, given_at, ends_at, ended_at, replaces, terms, journey`

// Consent returns a consent. Errors: fault.NotFound.
func (in *Institution) Consent(ctx context.Context, id linkage.ConsentID) (linkage.Consent, error) {
	c, err := scanConsent(in.read.QueryRow(ctx,
		`SELECT `+consentColumns+` FROM consents WHERE institution = $1 AND id = $2`, in.id, string(id)))
	return c, found(err, "find consent "+string(id))
}

const consentsOfUserTo = `SELECT ` + consentColumns + ` FROM consents
	WHERE institution = $1 AND user_id = $2 AND partner_id = $3 AND state <> 'ended'`

var (
	consentsTo = lookUpBy(consentsOfUserTo+` ORDER BY given_at DESC, id`, "text", "text", "text")
	// liveConsentsTo are those that open something at $4.
	liveConsentsTo = lookUpBy(consentsOfUserTo+` AND state = 'active' AND ends_at > $4 ORDER BY given_at DESC, id`, "text", "text", "text", "bigint")
)

// ConsentsTo returns the consents of a user to a partner that are not ended, the
// newest first.
func (in *Institution) ConsentsTo(ctx context.Context, user corebank.UserID, p partner.ID) ([]linkage.Consent, error) {
	var all []linkage.Consent
	err := in.read.Each(ctx, consentsTo, into(&all, scanConsent), in.id, string(user), string(p))
	return all, failed(err, "find a user's consents")
}

// WhichConsents says which consents are wanted; empty fields want all.
type WhichConsents struct {
	State   linkage.ConsentState
	Partner partner.ID
	User    corebank.UserID
}

// EachConsent calls f with the consents that are wanted, by id; f may change them.
func (in *Institution) EachConsent(ctx context.Context, w WhichConsents, f func(linkage.Consent) error) error {
	const page = 1000
	for after := ""; ; {
		rs, err := in.read.Query(ctx, `SELECT `+consentColumns+` FROM consents WHERE institution = $1 AND id > $2
			AND (CAST($3 AS TEXT) = '' OR state = $3) AND (CAST($4 AS TEXT) = '' OR partner_id = $4)
			AND (CAST($5 AS TEXT) = '' OR user_id = $5) ORDER BY id LIMIT $6`,
			in.id, after, string(w.State), string(w.Partner), string(w.User), page)
		all, err := collect(rs, err, "list consents", scanConsent)
		if err != nil {
			return err
		}
		for _, c := range all {
			if err := f(c); err != nil {
				return err
			}
		}
		if len(all) < page {
			return nil
		}
		after = string(all[len(all)-1].ID)
	}
}

func scanConsent(r row) (linkage.Consent, error) {
	var c linkage.Consent
	var id, user, company, partnerID, state, why, functions, accounts, replaces, journey string
	var given, ends, ended int64
	err := r.Scan(&id, &user, &company, &partnerID, &c.Client, &state, &why, &functions, &accounts,
		&c.Extent.HistoryDays, &given, &ends, &ended, &replaces, &c.Terms, &journey)
	if err != nil {
		return linkage.Consent{}, err
	}
	c.ID, c.User, c.Company = linkage.ConsentID(id), corebank.UserID(user), corebank.CompanyID(company)
	c.Partner, c.State, c.EndReason = partner.ID(partnerID), linkage.ConsentState(state), linkage.EndReason(why)
	c.Replaces, c.Journey = linkage.ConsentID(replaces), linkage.InquiryNumber(journey)
	c.GivenAt, c.Extent.EndsAt, c.EndedAt = fromMicros(given), fromMicros(ends), fromMicros(ended)
	if c.Extent.Functions, err = listOf[corebank.BusinessFunction](functions); err != nil {
		return linkage.Consent{}, fault.Wrap(fault.Internal, "read the functions of consent "+id, err)
	}
	if c.Extent.Accounts, err = listOf[corebank.AccountID](accounts); err != nil {
		return linkage.Consent{}, fault.Wrap(fault.Internal, "read the accounts of consent "+id, err)
	}
	return c, nil
}

func (in *Institution) insertConsent(ctx context.Context, t tx, c linkage.Consent) error {
	functions, err := json.Marshal(c.Extent.Functions)
	if err != nil {
		return fault.Wrap(fault.Internal, "write the functions of a consent", err)
	}
	accounts, err := json.Marshal(c.Extent.Accounts)
	if err != nil {
		return fault.Wrap(fault.Internal, "write the accounts of a consent", err)
	}
	return t.Apply(ctx, addConsent, in.id, string(c.ID), string(c.User), string(c.Company), string(c.Partner), c.Client, string(c.State), string(c.EndReason),
		string(functions), string(accounts), c.Extent.HistoryDays, micros(c.GivenAt), micros(c.Extent.EndsAt), micros(c.EndedAt),
		string(c.Replaces), c.Terms, string(c.Journey))
}

var addConsent = mustBy(`INSERT INTO consents (institution, `+consentColumns+`)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
	"text", "text", "text", "text", "text", "text", "text", "text", "text", "text", "bigint", "bigint", "bigint", "bigint", "text", "text", "text")

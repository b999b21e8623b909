package store

import (
	"context"
	"errors"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/login"
)

const pinColumns = `account_id, user_id, user_name, company_id, state, pin, version, consent_id, changed_at`

var pinsByAccounts = lookUpsBy{
	sql: `SELECT ` + pinColumns + ` FROM inquiry_pins WHERE institution = $1 AND account_id IN (?) ORDER BY account_id, user_id`,
	key: "?", or: ", ", first: []string{"text"}, types: []string{"text"},
}

func pinsAsked(institution string, accounts []corebank.AccountID, all *[]linkage.StoredPIN) asked {
	args := append(make([]any, 0, 1+len(accounts)), institution)
	for _, a := range accounts {
		args = append(args, string(a))
	}
	return asked{pinsByAccounts.of(len(accounts)), args, into(all, scanPIN)}
}

// PINs returns what is kept of the accounts, of all users.
func (in *Institution) PINs(ctx context.Context, accounts []corebank.AccountID) ([]linkage.StoredPIN, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	var all []linkage.StoredPIN
	err := in.together(ctx, pinsAsked(in.id, accounts, &all))
	return all, failed(err, "find inquiry PINs")
}

// PINInUse returns what a call of the bank needs of what is kept of one account, of
// all users, with the counter of its tries, in one look-up: every inquiry of a
// partner begins with it. held
// is how many slots were held at now, counted only where the counter counts
// something; all of it is one snapshot.
func (in *Institution) PINInUse(ctx context.Context, account corebank.AccountID, now time.Time) (pins []linkage.StoredPIN, counter login.Counter, held int, err error) {
	counter = login.New(linkage.PINKey(account))
	var flying int64
	err = in.read.Each(ctx, pinInUse, func(n int, r row) error {
		if n == 0 {
			pins = nil
		}
		p := linkage.StoredPIN{Account: account}
		var user, state string
		err := r.Scan(&user, &state, &p.Sealed, &p.Version,
			&counter.Version, &counter.Taken, &counter.Wrong, &counter.Cap, &counter.Era, &counter.Flying, &flying, &held)
		p.User, p.State = corebank.UserID(user), linkage.PINState(state)
		pins = append(pins, p)
		return err
	}, in.id, string(account), micros(now))
	counter.FlyingUntil = fromMicros(flying)
	return pins, counter, held, failed(err, "find an inquiry PIN")
}

var pinInUse = lookUpBy(`SELECT user_id, state, pin, p.version,
		COALESCE(c.version, 0), COALESCE(taken, 0), COALESCE(wrong, 0), COALESCE(cap, -1),
		COALESCE(era, 0), COALESCE(flying, 0), COALESCE(flying_until, 0),
		CASE WHEN COALESCE(taken, 0) = 0 AND COALESCE(cap, -1) = -1 THEN 0 ELSE (SELECT COUNT(*) FROM pin_slots s
			WHERE s.institution = p.institution AND s.account_id = p.account_id AND s.until > $3) END
	FROM inquiry_pins p
	LEFT JOIN login_counters c ON c.institution = p.institution AND c.way = 'pin' AND c.subject = p.account_id
	WHERE p.institution = $1 AND p.account_id = $2 ORDER BY user_id`, "text", "text", "bigint")

// PINBudget returns the counter of an account's tries and how many of its slots
// were held at now, in one snapshot.
func (in *Institution) PINBudget(ctx context.Context, account corebank.AccountID, now time.Time) (counter login.Counter, held int, err error) {
	counter = login.New(linkage.PINKey(account))
	rs, err := in.read.Query(ctx, `SELECT way, subject, version, taken, wrong, cap, stops, stopped_until, era, flying, flying_until,
			(SELECT COUNT(*) FROM pin_slots s WHERE s.institution = c.institution AND s.account_id = c.subject AND s.until > $3)
		FROM login_counters c WHERE institution = $1 AND way = 'pin' AND subject = $2`, in.id, string(account), micros(now))
	_, err = collect(rs, err, "count tries of a PIN", func(r row) (_ struct{}, err error) {
		counter, err = scanCounter(with{r, []any{&held}})
		return struct{}{}, err
	})
	return counter, held, err
}

// with is a row whose last columns go elsewhere.
type with struct {
	row
	last []any
}

func (w with) Scan(dest ...any) error { return w.row.Scan(append(dest, w.last...)...) }

// PendingPINs returns up to limit PINs that are to be checked, the oldest first.
func (in *Institution) PendingPINs(ctx context.Context, limit int) ([]linkage.StoredPIN, error) {
	rs, err := in.read.Query(ctx, `SELECT `+pinColumns+` FROM inquiry_pins
		WHERE institution = $1 AND state = 'pending' ORDER BY changed_at LIMIT $2`, in.id, limit)
	return collect(rs, err, "find inquiry PINs to be checked", scanPIN)
}

func scanPIN(r row) (linkage.StoredPIN, error) {
	var p linkage.StoredPIN
	var account, user, company, state, consent string
	var at int64
	err := r.Scan(&account, &user, &p.Name, &company, &state, &p.Sealed, &p.Version, &consent, &at)
	p.Account, p.User, p.Company = corebank.AccountID(account), corebank.UserID(user), corebank.CompanyID(company)
	p.State, p.Consent, p.At = linkage.PINState(state), linkage.ConsentID(consent), fromMicros(at)
	return p, err
}

func (in *Institution) applyPINJudged(ctx context.Context, t tx, c linkage.PINJudged) error {
	if c.To == "" {
		return in.applyCounted(ctx, t, c.Counters)
	}
	err := t.Must(ctx, `UPDATE inquiry_pins SET state = $4, changed_at = $5
		WHERE institution = $1 AND account_id = $2 AND user_id = $3 AND version = $6 AND state = $7`,
		in.id, string(c.PIN.Account), string(c.PIN.User), string(c.To), micros(c.Done.At), c.PIN.Version, string(c.PIN.State))
	if err != nil {
		return err
	}
	return in.applyCounted(ctx, t, c.Counters)
}

func (in *Institution) applyPINsSeeded(ctx context.Context, t tx, c linkage.PINsSeeded) error {
	for _, p := range c.PINs {
		err := t.Do(ctx, `INSERT INTO inquiry_pins (institution, `+pinColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (institution, account_id, user_id) DO UPDATE SET user_name = excluded.user_name,
				company_id = excluded.company_id, state = excluded.state, pin = excluded.pin, version = excluded.version,
				consent_id = excluded.consent_id, changed_at = excluded.changed_at`,
			in.id, string(p.Account), string(p.User), p.Name, string(p.Company), string(p.State), p.Sealed, p.Version,
			string(p.Consent), micros(p.At))
		if err != nil {
			return err
		}
	}
	return nil
}

// TakePINSlot takes a slot that nobody holds at now, or takes the holder's own
// again; false when another holds it.
func (in *Institution) TakePINSlot(ctx context.Context, s linkage.PINSlot, now time.Time) (bool, error) {
	err := in.write(ctx, func(ctx context.Context, t tx) error {
		return t.Must(ctx, `INSERT INTO pin_slots (institution, account_id, number, holder, until) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (institution, account_id, number) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE pin_slots.holder = excluded.holder OR pin_slots.until <= $6`,
			in.id, string(s.Account), s.Number, s.Holder, micros(s.Until), micros(now))
	})
	if errors.Is(err, fault.Conflict) {
		return false, nil
	}
	return err == nil, failed(err, "take a slot for an inquiry PIN")
}

// DropPINSlot gives a slot back.
func (in *Institution) DropPINSlot(ctx context.Context, s linkage.PINSlot) error {
	return failed(in.write(ctx, func(ctx context.Context, t tx) error {
		return t.Do(ctx, `DELETE FROM pin_slots WHERE institution = $1 AND account_id = $2 AND number = $3 AND holder = $4`,
			in.id, string(s.Account), s.Number, s.Holder)
	}), "give back a slot for an inquiry PIN")
}

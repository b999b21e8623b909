package sandbox

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// CheckPIN checks an account's inquiry PIN.
func (b *Bank) CheckPIN(ctx context.Context, account corebank.AccountID, pin corebank.InquiryPIN) error {
	_, err := b.unlock(ctx, "CheckPIN", account, pin)
	return err
}

// unlock is the door to every inquiry: the bank is open, the account is there,
// and the PIN is right.
func (b *Bank) unlock(ctx context.Context, call string, account corebank.AccountID, pin corebank.InquiryPIN) (*vault, error) {
	v, ok := b.accounts[account]
	if !ok {
		return nil, fault.New(fault.NotFound, "find account %s", account)
	}
	if err := b.wait(ctx, v.company, true); err != nil {
		return nil, err
	}
	closed, err := b.closed(ctx, v)
	switch {
	case err != nil:
		return nil, err
	case closed:
		return nil, corebank.AccountClosed{}
	}
	if call == "CheckPIN" && (v.company.Habit.PINsClose || v.Seed == SeedPending) {
		return nil, corebank.Closed{OpensAt: b.nextMorning(), Reason: "暗証番号の確認は日中に行います"}
	}
	b.calls.count(call, string(account))
	if v.knows(pin) {
		return v, nil
	}
	defer b.locks.lock("inquiry " + string(account))() // who waited finds it known
	if v.knows(pin) {
		return v, nil
	}
	if err := b.check(ctx, v.pins(), string(account), secret.Of(v.PIN), pin.Value); err != nil {
		v.right.Store(nil) // wrong ones count again before a right one is believed from memory
		return nil, err
	}
	right := pin.Value
	v.right.Store(&right)
	return v, nil
}

// knows tells whether a PIN was right before, as inquiries repeat it.
func (v *vault) knows(pin corebank.InquiryPIN) bool {
	right := v.right.Load()
	return right != nil && right.Equal(pin.Value)
}

// pins is the kind of an account's PIN, with the tries that the bank allows it.
func (v *vault) pins() kind {
	if v.Tries > 0 {
		return kind{pins.name, v.Tries}
	}
	return pins
}

// closed tells whether an account has been closed.
func (b *Bank) closed(ctx context.Context, v *vault) (bool, error) {
	if v.Closed || v.ClosesAfter == 0 {
		return v.Closed, nil
	}
	var often int
	err := b.db.QueryRowContext(ctx, `SELECT often FROM inquiries WHERE account = $1`, v.ID).Scan(&often)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, corebank.Unavailable{Unchecked: true, Cause: err}
	}
	return often >= v.ClosesAfter, nil
}

// inquired counts a balance inquiry of an account that is to be closed after some.
func (b *Bank) inquired(ctx context.Context, v *vault) error {
	if v.ClosesAfter == 0 {
		return nil
	}
	_, err := b.db.ExecContext(ctx, `INSERT INTO inquiries (account, often) VALUES ($1, 1)
		ON CONFLICT (account) DO UPDATE SET often = often + 1`, v.ID)
	if err != nil {
		return corebank.Unavailable{Cause: err}
	}
	return nil
}

// Balance returns an account's balances.
func (b *Bank) Balance(ctx context.Context, account corebank.AccountID, pin corebank.InquiryPIN) (corebank.Balance, error) {
	v, err := b.unlock(ctx, "Balance", account, pin)
	if err != nil {
		return corebank.Balance{}, err
	}
	if err := b.inquired(ctx, v); err != nil {
		return corebank.Balance{}, err
	}
	now := b.now()
	balance := v.ledger.balanceAt(now)
	balance.At = now.UTC()
	return balance, nil
}

// Transactions returns a page of an account's entries.
func (b *Bank) Transactions(ctx context.Context, account corebank.AccountID, pin corebank.InquiryPIN, q corebank.EntryQuery) (corebank.EntryPage, error) {
	return b.page(ctx, "Transactions", account, pin, q, func(corebank.Entry) bool { return true })
}

// Deposits returns a page of an account's received transfers.
func (b *Bank) Deposits(ctx context.Context, account corebank.AccountID, pin corebank.InquiryPIN, q corebank.EntryQuery) (corebank.EntryPage, error) {
	return b.page(ctx, "Deposits", account, pin, q, func(e corebank.Entry) bool { return e.Remitter != "" })
}

func (b *Bank) page(ctx context.Context, call string, account corebank.AccountID, pin corebank.InquiryPIN, q corebank.EntryQuery, wanted func(corebank.Entry) bool) (corebank.EntryPage, error) {
	now := b.now()
	oldest, newest := corebank.DateOf(now.AddDate(-keptYears, 0, 0)), corebank.DateOf(now)
	if q.From > q.To || q.Limit < 1 || q.Limit > 500 {
		return corebank.EntryPage{}, fault.New(fault.Invalid, "ask for entries from %s to %s, %d at once", q.From, q.To, q.Limit)
	}
	if q.From < oldest || q.To > newest {
		return corebank.EntryPage{}, corebank.PeriodOutOfRange{Oldest: oldest, Newest: newest}
	}
	scope := strings.Join([]string{call, string(account), string(q.From), string(q.To)}, " ")
	skip, err := b.cursor(scope, q.After)
	if err != nil {
		return corebank.EntryPage{}, err
	}
	v, err := b.unlock(ctx, call, account, pin)
	if err != nil {
		return corebank.EntryPage{}, err
	}
	page := corebank.EntryPage{Oldest: oldest}
	seen := 0
	for _, e := range v.ledger.between(now, q.From, q.To) {
		if !wanted(e) {
			continue
		}
		if seen++; seen <= skip {
			continue
		}
		if len(page.Entries) == q.Limit {
			page.Next = b.newCursor(scope, skip+q.Limit)
			break
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}

// A cursor says how many entries of its own query came before, with a MAC: one
// of another account, period or bank is refused. Entries are only ever added
// after all others, so that a count stays right.
func (b *Bank) newCursor(scope string, skip int) string {
	n := strconv.Itoa(skip)
	sum := secret.MAC(b.key, "cursor", scope, secret.Of(n))
	return n + "." + base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (b *Bank) cursor(scope, text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, _, _ := strings.Cut(text, ".")
	skip, err := strconv.Atoi(n)
	if err != nil || skip < 0 || !secret.Of(b.newCursor(scope, skip)).Equal(secret.Of(text)) {
		return 0, fault.New(fault.Invalid, "read a cursor")
	}
	return skip, nil
}

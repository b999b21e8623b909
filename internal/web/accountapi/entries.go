package accountapi

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	"renkei.dev/internal/corebank"
)

// entryList is the answer of GET accounts/{accountId}/transactions and deposits,
// oldest first; one of the two lists is there, if only empty.
type entryList struct {
	AccountID    string        `json:"accountId"`
	Currency     string        `json:"currencyCode"`
	DateFrom     corebank.Date `json:"dateFrom"`
	DateTo       corebank.Date `json:"dateTo"`
	Oldest       corebank.Date `json:"oldestAvailableDate"` // for this consent at this bank
	BaseDate     string        `json:"baseDate"`
	BaseTime     string        `json:"baseTime"`
	Count        int           `json:"count"`
	HasNext      bool          `json:"hasNext"`
	NextCursor   string        `json:"nextCursor,omitempty"`
	Transactions *[]entry      `json:"transactions,omitempty"`
	Deposits     *[]entry      `json:"deposits,omitempty"`
}

// entry is one line. entryId never changes and tells identical entries of one
// day apart; what is cancelled or corrected is named by its entryId.
type entry struct {
	EntryID   corebank.EntryID `json:"entryId"`
	Posted    corebank.Date    `json:"transactionDate"`
	Value     corebank.Date    `json:"valueDate"`
	Direction string           `json:"transactionType"` // 1: in, 2: out
	Amount    string           `json:"amount"`
	Balance   string           `json:"balance"`
	Kind      string           `json:"transactionKind,omitempty"`
	Remarks   string           `json:"remarks"`
	Cancels   corebank.EntryID `json:"cancels,omitempty"`
	Corrects  corebank.EntryID `json:"corrects,omitempty"`
	Bank      string           `json:"bankName,omitempty"`
	Branch    string           `json:"branchName,omitempty"`
	*transfer
}

// transfer is what a received transfer tells beside: of deposits alone, since
// customers allow it separately.
type transfer struct {
	Remitter       string `json:"remitterName"`
	RemitterBank   string `json:"remitterBank"`
	RemitterBranch string `json:"remitterBranch"`
	EDI            string `json:"ediInfo,omitempty"`
	Cancellation   string `json:"cancellation"` // 1: takes an earlier entry back, 0: does not
}

func (a *api) transactions(c *call) (any, error) {
	list, entries, err := c.entries(corebank.TransactionInquiry, c.api.Bank.Transactions)
	if err != nil {
		return nil, err
	}
	lines := make([]entry, 0, len(entries))
	for _, e := range entries {
		line := lineOf(e)
		line.Bank, line.Branch = e.Bank, e.Branch
		lines = append(lines, line)
	}
	list.Transactions = &lines
	return list, nil
}

func (a *api) deposits(c *call) (any, error) {
	list, entries, err := c.entries(corebank.DepositInquiry, c.api.Bank.Deposits)
	if err != nil {
		return nil, err
	}
	lines := make([]entry, 0, len(entries))
	for _, e := range entries {
		line := lineOf(e)
		line.transfer = &transfer{Remitter: e.Remitter, RemitterBank: e.Bank, RemitterBranch: e.Branch, EDI: e.EDI, Cancellation: "0"}
		if e.Cancels != "" {
			line.Cancellation = "1"
		}
		lines = append(lines, line)
	}
	list.Deposits = &lines
	return list, nil
}

func lineOf(e corebank.Entry) entry {
	return entry{
		EntryID: e.ID, Posted: e.PostingDate, Value: e.ValueDate, Direction: string(e.Direction),
		Amount: yen(e.Amount), Balance: yen(e.Balance), Kind: e.Kind, Remarks: e.Remarks, Cancels: e.Cancels, Corrects: e.Corrects,
	}
}

type inquiry func(context.Context, corebank.AccountID, corebank.InquiryPIN, corebank.EntryQuery) (corebank.EntryPage, error)

// entries asks the bank for the page that was asked for.
func (c *call) entries(f corebank.BusinessFunction, ask inquiry) (entryList, []corebank.Entry, error) {
	if err := c.parameters("dateFrom", "dateTo", "limit", "cursor"); err != nil {
		return entryList{}, nil, err
	}
	q, open, err := c.period(f)
	if err != nil {
		return entryList{}, nil, err
	}
	var page corebank.EntryPage
	use := func(ctx context.Context, pin corebank.InquiryPIN) (err error) {
		page, err = ask(ctx, c.account, pin, q)
		return err
	}
	err = c.ask(f, use)
	if out, beyond := errors.AsType[corebank.PeriodOutOfRange](err); beyond && open && out.Oldest > q.From && out.Oldest <= q.To {
		// "From the first one" begins where the bank's memory does.
		q.From = out.Oldest
		err = c.ask(f, use)
	}
	if err != nil {
		return entryList{}, nil, c.narrowed(err)
	}
	list := entryList{
		AccountID: c.alias, Currency: currency, DateFrom: q.From, DateTo: q.To,
		Oldest: max(page.Oldest, c.oldest()), Count: len(page.Entries), HasNext: page.Next != "",
	}
	list.BaseDate, list.BaseTime = moment(c.now)
	if page.Next != "" {
		list.NextCursor = c.seal(cursor{Function: f, From: q.From, To: q.To, After: page.Next, At: c.now.Unix()})
	}
	return list, page.Entries, nil
}

// oldest is the earliest day that the consent lets the partner see.
func (c *call) oldest() corebank.Date {
	return corebank.DateOf(c.now.AddDate(0, 0, -c.access.Extent.HistoryDays))
}

// narrowed makes the bank's word on what it keeps that of the consent.
func (c *call) narrowed(err error) error {
	if out, ok := errors.AsType[corebank.PeriodOutOfRange](err); ok {
		out.Oldest = max(out.Oldest, c.oldest())
		return out
	}
	return err
}

const (
	usualLimit = 100
	maxLimit   = 500
)

// period reads which entries are asked for: without dates today's, without
// dateTo until today, without dateFrom from the first one (open). A cursor
// brings its own period, which dates may repeat but not change.
func (c *call) period(f corebank.BusinessFunction) (q corebank.EntryQuery, open bool, err error) {
	q.Limit = usualLimit
	if text := c.query.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > maxLimit {
			return q, false, problem{code: "invalid_request", detail: "limit is a number from 1 to 500"}
		}
	}
	q.From, q.To = corebank.Date(c.query.Get("dateFrom")), corebank.Date(c.query.Get("dateTo"))
	for _, d := range []corebank.Date{q.From, q.To} {
		if _, err := time.Parse(time.DateOnly, string(d)); d != "" && err != nil {
			return q, false, problem{code: "invalid_request", detail: "dates are written YYYY-MM-DD"}
		}
	}
	if sealed := c.query.Get("cursor"); sealed != "" {
		k, err := c.openCursor(sealed, f)
		switch {
		case err != nil:
			return q, false, err
		case q.From != "" && q.From != k.From, q.To != "" && q.To != k.To:
			return q, false, problem{code: "invalid_request", detail: "the cursor is for another period"}
		}
		q.From, q.To, q.After = k.From, k.To, k.After
		return q, false, nil
	}
	today := corebank.DateOf(c.now)
	open = q.From == "" && q.To != ""
	switch {
	case open:
		q.From = c.oldest()
	case q.From == "":
		q.From = today
	}
	if q.To == "" {
		q.To = today
	}
	switch {
	case q.From < c.oldest() || q.To > today || q.To < c.oldest():
		return q, false, corebank.PeriodOutOfRange{Oldest: c.oldest(), Newest: today}
	case q.From > q.To:
		return q, false, problem{code: "invalid_request", detail: "dateFrom is after dateTo"}
	}
	return q, open, nil
}

// parameters refuses those that the call does not know, so that a misspelt date
// is not taken for none, and those that stand twice.
func (c *call) parameters(known ...string) error {
	for name, values := range c.query {
		if !slices.Contains(known, name) {
			return problem{code: "invalid_request", detail: "unknown parameter " + url.QueryEscape(name[:min(len(name), 40)])}
		}
		if len(values) > 1 {
			return problem{code: "invalid_request", detail: "parameter " + name + " stands twice"}
		}
	}
	return nil
}

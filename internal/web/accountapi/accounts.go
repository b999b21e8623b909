package accountapi

import (
	"slices"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
)

// accountList is the answer of GET accounts.
type accountList struct {
	BaseDate string    `json:"baseDate"`
	BaseTime string    `json:"baseTime"`
	Accounts []account `json:"accounts"`
}

type account struct {
	AccountID   string `json:"accountId"`
	BranchCode  string `json:"branchCode,omitempty"`
	BranchName  string `json:"branchName,omitempty"`
	TypeCode    string `json:"accountTypeCode,omitempty"`
	TypeName    string `json:"accountTypeName,omitempty"`
	Number      string `json:"accountNumber,omitempty"`
	PrimaryCode string `json:"primaryAccountCode,omitempty"` // 1: 代表口座, 2: any other
	Name        string `json:"accountName,omitempty"`
	NameKana    string `json:"accountNameKana,omitempty"`
	Memo        string `json:"accountMemo,omitempty"`
	Currency    string `json:"currencyCode,omitempty"`
	Status      string `json:"status"`
}

// currency is that of every account, for now.
const currency = "JPY"

var typeNames = map[corebank.AccountType]string{
	corebank.Ordinary: "普通", corebank.Current: "当座", corebank.Savings: "貯蓄", corebank.Other: "その他",
}

// pinStatuses are the words for what hinders an account for want of its PIN.
var pinStatuses = map[linkage.PINState]string{
	linkage.Unregistered: "pin_missing", linkage.Rejected: "pin_rejected", linkage.Pending: "pin_pending", linkage.Registered: "active",
}

// listAccounts lists every account of the consent, in the bank's order, with what
// hinders it; one that the user may no longer see has an id and that word alone.
func (c *call) listAccounts() (any, error) {
	if err := c.parameters(); err != nil {
		return nil, err
	}
	if len(c.access.Extent.Functions) == 0 { // what the accounts were consented for is gone
		return nil, c.denied(problem{code: "insufficient_scope"})
	}
	known, err := c.user()
	if err != nil {
		return nil, err
	}
	if err := c.permitted(known); err != nil {
		return nil, err
	}
	consented := c.access.Extent.Accounts
	pins, err := c.PINs.PINStates(c.r.Context(), c.access.User, consented)
	if err != nil {
		return nil, err
	}
	list := accountList{Accounts: make([]account, 0, len(consented))}
	list.BaseDate, list.BaseTime = moment(known.at)
	seen := map[corebank.AccountID]bool{}
	for _, a := range known.accounts {
		if !slices.Contains(consented, a.ID) {
			continue
		}
		seen[a.ID] = true
		shown := account{
			AccountID: c.aliases.of(c.access.Partner, a.ID), BranchCode: a.BranchCode, BranchName: a.BranchName,
			TypeCode: string(a.Type), TypeName: typeNames[a.Type], Number: a.Number, PrimaryCode: "2",
			Name: a.Holder, NameKana: a.HolderKana, Memo: a.Memo, Currency: currency, Status: pinStatuses[pins[a.ID]],
		}
		if a.Primary {
			shown.PrimaryCode = "1"
		}
		if a.Closed {
			shown.Status = "closed"
		}
		list.Accounts = append(list.Accounts, shown)
	}
	for _, id := range consented {
		if !seen[id] {
			list.Accounts = append(list.Accounts, account{AccountID: c.aliases.of(c.access.Partner, id), Status: "no_permission"})
		}
	}
	return list, nil
}

func (a *api) accounts(c *call) (any, error) { return c.listAccounts() }

// moment is a time as the API writes it, date and time of day in Japan.
func moment(t time.Time) (date, timeOfDay string) {
	t = t.In(corebank.Japan)
	return t.Format(time.DateOnly), t.Format("15:04:05-07:00")
}

package accountapi

import (
	"context"
	"strconv"

	"renkei.dev/internal/corebank"
)

// balances is the answer of GET accounts/{accountId}/balance. Amounts are
// strings of digits, so that no partner's parser rounds them.
type balances struct {
	AccountID        string `json:"accountId"`
	Currency         string `json:"currencyCode"`
	Current          string `json:"balance"`
	Withdrawable     string `json:"withdrawableAmount"`
	PreviousDay      string `json:"previousDayBalance"`
	PreviousMonthEnd string `json:"previousMonthBalance"`
	BaseDate         string `json:"baseDate"`
	BaseTime         string `json:"baseTime"`
}

func (a *api) balance(c *call) (any, error) {
	if err := c.parameters(); err != nil {
		return nil, err
	}
	var b corebank.Balance
	err := c.ask(corebank.BalanceInquiry, func(ctx context.Context, pin corebank.InquiryPIN) (err error) {
		b, err = c.Bank.Balance(ctx, c.account, pin)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := balances{
		AccountID: c.alias, Currency: currency, Current: yen(b.Current), Withdrawable: yen(b.Withdrawable),
		PreviousDay: yen(b.PreviousDay), PreviousMonthEnd: yen(b.PreviousMonthEnd),
	}
	out.BaseDate, out.BaseTime = moment(b.At)
	return out, nil
}

func yen(y corebank.Yen) string { return strconv.FormatInt(int64(y), 10) }

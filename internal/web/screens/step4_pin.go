package screens

import (
	"context"
	"net/http"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

// pinPage is AL-400.
type pinPage struct {
	look.Page
	Press       string
	Action      string
	Error       string // at the list as a whole
	Rows        []pinRow
	Same        bool   // 同じ番号を使う, as sent
	OffersSame  bool   // more than one account takes a number
	Postpone    string // あとで登録して進む; empty: no such button
	Star        bool   // a row is 登録済み＊
	Pending     bool   // a row is 申請中
	FieldsWords pinWords
}

// pinWords are the column heads that cards on narrow screens repeat.
type pinWords struct{ Chosen, State, Account, Memo, PIN string }

type pinRow struct {
	Account string
	Value   string // of the box
	Memo    string
	State   string // 登録状態, in words
	Mood    string // good, wait, bad or still
	By      string
	BoxID   string
	PINID   string
	Chosen  bool
	Takes   bool // a number can be typed
	Error   string
	Shown   bool // AL-410: ●●●●
}

func pinID(a corebank.AccountID) string { return "pin-" + string(a) }

func (s *Screens) pinPage(r *http.Request, j linkage.Journey, typed form) *pinPage {
	p := &pinPage{
		Page: s.page(r, j, "AL-400", "pin.heading"), Press: j.Press, Action: address(j.ID, actionOf(linkage.Register)),
		Same: typed.has("same", "yes"),
	}
	p.Wide = true
	p.Error = p.ProblemAt("pins")
	p.Rows = pinRows(p.Page, j, j.PIN.Rows)
	takes := 0
	for i := range p.Rows {
		row := &p.Rows[i]
		if typed != nil {
			row.Chosen = typed.has("chosen", row.Value)
		}
		if row.Takes {
			takes++
		}
		p.Star = p.Star || j.PIN.Rows[i].State == linkage.Staged
		p.Pending = p.Pending || j.PIN.Rows[i].State == linkage.Pending
	}
	p.OffersSame = takes > 1
	if j.PIN.CanPostpone {
		p.Postpone = address(j.ID, actionOf(linkage.Postpone))
	}
	p.FieldsWords = pinHeads(p.Page)
	return p
}

func pinHeads(p look.Page) pinWords {
	return pinWords{p.T("pin.chosen"), p.T("pin.state"), p.T("pin.account"), p.T("pin.memo"), p.T("pin.current")}
}

// pinRows are the rows of AL-400 and AL-410. What is wrong now stands in the
// journey's errors; what the last 登録 could not do stands in the rows.
func pinRows(p look.Page, j linkage.Journey, rows []linkage.PINRow) []pinRow {
	var all []pinRow
	for _, r := range rows {
		row := pinRow{
			Account: accountName(p.Words, r.Account), Value: string(r.Account.ID), Memo: r.Account.Memo,
			BoxID: "chosen-" + string(r.Account.ID), PINID: pinID(r.Account.ID),
			Chosen: r.Chosen, Takes: !r.Stopped, Shown: r.ThisTime,
		}
		row.State, row.Mood = pinState(p, r.State)
		if r.By != "" {
			row.By = p.T("pin.by_colleague", "user", r.By)
		}
		at := linkage.FieldError{Field: linkage.PINField, Account: r.Account.ID, Fault: r.Fault, Left: r.Left}
		for _, e := range j.Errors {
			if e.Field == linkage.PINField && e.Account == r.Account.ID {
				at = e
			}
		}
		switch {
		case at.Fault != "":
			row.Error = faultWords(p.Words, at)
		case r.Stopped:
			row.Error = p.T("fault.pin_stopped")
		}
		all = append(all, row)
	}
	return all
}

func pinState(p look.Page, s linkage.PINState) (words, mood string) {
	switch s {
	case linkage.Registered:
		return p.T("pin.registered"), "good"
	case linkage.Staged:
		return p.T("pin.staged"), "good"
	case linkage.Pending:
		return p.T("pin.pending"), "wait"
	case linkage.Rejected:
		return p.T("pin.rejected"), "bad"
	}
	return p.T("pin.unregistered"), "still"
}

func (s *Screens) registerPINs(ctx context.Context, v linkage.Visit, f form) (linkage.Result, error) {
	p := linkage.PINPress{Same: f.has("same", "yes")}
	for _, account := range f.all("chosen") {
		id := corebank.AccountID(account)
		p.Rows = append(p.Rows, linkage.PINPressRow{Account: id, Chosen: true, PIN: f.secret(pinID(id))})
	}
	return s.Linkage.RegisterPINs(ctx, v, p)
}

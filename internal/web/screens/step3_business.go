package screens

import (
	"context"
	"net/http"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

// businessPage is AL-300.
type businessPage struct {
	look.Page
	Press         string
	Action        string
	Error         string
	Rows          []businessRow
	Choices       bool // more than one box: すべて選ぶ makes sense
	Linked        bool // a row is 連携済
	Subscriptions bool // a row has a 申込状況
}

type businessRow struct {
	ID           string // of the box, and its value
	Name         string
	Data         string // what the partner gets
	Linked       bool
	Subscription string
	Selectable   bool
	Chosen       bool
	Required     bool
	Note         string // why there is no box
}

func (s *Screens) businessPage(r *http.Request, j linkage.Journey, typed form) *businessPage {
	p := &businessPage{
		Page: s.page(r, j, "AL-300", "business.heading"), Press: j.Press, Action: address(j.ID, actionOf(linkage.Next)),
	}
	p.Wide = true
	p.Error = p.ProblemAt("functions")
	boxes := 0
	for _, b := range j.Business.Rows {
		row := businessRow{
			ID: string(b.Function), Name: p.T(functionKeys[b.Function].name), Data: p.T(functionKeys[b.Function].data),
			Linked: b.Linked, Selectable: b.Selectable, Required: b.Required,
			Chosen: b.Chosen, Subscription: subscription(p.Page, b.Subscription),
		}
		if typed != nil && b.Selectable {
			row.Chosen = typed.has("functions", row.ID)
		}
		switch {
		case b.Selectable:
			boxes++
		case !b.Permitted:
			row.Note = p.T("business.not_permitted_note")
		case b.Required:
			row.Note = p.T("business.required_note")
		case b.Waiting:
			row.Note = p.T("business.waiting_note")
		default:
			row.Note = p.T("business.not_enrolled_note")
		}
		p.Linked = p.Linked || b.Linked
		p.Subscriptions = p.Subscriptions || row.Subscription != ""
		p.Rows = append(p.Rows, row)
	}
	p.Choices = boxes > 1
	return p
}

func subscription(p look.Page, s corebank.Subscription) string {
	switch s {
	case corebank.Enrolled:
		return p.T("business.enrolled")
	case corebank.Applied:
		return p.T("business.applied")
	}
	return ""
}

func (s *Screens) chooseFunctions(ctx context.Context, v linkage.Visit, f form) (linkage.Result, error) {
	var chosen []corebank.BusinessFunction
	for _, name := range f.all("functions") {
		chosen = append(chosen, corebank.BusinessFunction(name))
	}
	return s.Linkage.ChooseFunctions(ctx, v, linkage.FunctionsPress{Functions: chosen})
}

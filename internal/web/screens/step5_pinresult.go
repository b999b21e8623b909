package screens

import (
	"net/http"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

// pinResultPage is AL-410.
type pinResultPage struct {
	look.Page
	Press       string
	Confirm     string // where 確定 is posted
	More        string // where 照会用暗証番号の追加登録 is posted
	Rows        []pinRow
	Pending     bool
	FieldsWords pinWords
}

func (s *Screens) pinResultPage(r *http.Request, j linkage.Journey) *pinResultPage {
	p := &pinResultPage{
		Page: s.page(r, j, "AL-410", "pinresult.heading"), Press: j.Press,
		Confirm: address(j.ID, actionOf(linkage.Confirm)), More: address(j.ID, actionOf(linkage.RegisterMore)),
	}
	p.Wide = true
	p.Rows = pinRows(p.Page, j, j.PINResult.Rows)
	for _, row := range j.PINResult.Rows {
		p.Pending = p.Pending || row.State == linkage.Pending
	}
	p.FieldsWords = pinHeads(p.Page)
	return p
}

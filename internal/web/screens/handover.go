package screens

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

// handoverPage is AL-510: the way back to the partner, and after it the receipt.
type handoverPage struct {
	look.Page
	Allowed bool
	Words1  string // what became of it
	Words2  string // what happens next
	Way     *way
	Receipt []look.Fact
	// FormOrigin is where the form of the way back is posted to, if it is one.
	FormOrigin string
}

// way is a link or, for response_mode=form_post, a form.
type way struct {
	Address template.URL
	Fields  []look.Fact
	Label   string
	Form    bool
}

// wayOf makes a way back of what the protocol decided. The address is the
// partner's registered one, so only its scheme is looked at: the page offers
// nothing that a browser would run.
func wayOf(label string, r *linkage.Redirect) (*way, string) {
	if r == nil {
		return nil, ""
	}
	to, err := url.Parse(r.URL)
	if err != nil || to.Scheme != "https" && to.Scheme != "http" {
		return nil, ""
	}
	w := &way{Address: template.URL(to.String()), Label: label, Form: r.Form != nil}
	if r.Form == nil {
		return w, ""
	}
	for name, value := range r.Form {
		w.Fields = append(w.Fields, look.Fact{Name: name, Value: value})
	}
	slices.SortFunc(w.Fields, func(a, b look.Fact) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return w, to.Scheme + "://" + to.Host
}

func (s *Screens) handoverPage(r *http.Request, j linkage.Journey) *handoverPage {
	h := j.Handover
	heading := "handover.heading_refused"
	if h.Allowed {
		heading = "handover.heading_allowed"
	}
	p := &handoverPage{Page: s.page(r, j, "AL-510", heading), Allowed: h.Allowed}
	service := j.Partner.Service
	p.Way, p.FormOrigin = wayOf(p.T("handover.back", "service", service), h.Way)
	switch {
	case h.Allowed:
		p.Words1 = p.T("handover.allowed", "service", service)
	case h.Reason == linkage.RefusedByCustomer:
		p.Words1 = p.T("handover.refused_by_customer")
	case h.Reason == linkage.TimedOut:
		p.Words1 = p.T("handover.timed_out")
	default:
		p.Words1 = p.T("handover.not_completed")
	}
	switch {
	case p.Way != nil:
		p.Words2 = p.T("handover.returning", "service", service, "host", hostOf(h.Way.URL))
		if !p.Way.Form {
			p.Refresh = string(p.Way.Address)
		}
	case h.Allowed:
		p.Words2 = p.T("handover.returned", "service", service)
	default:
		p.Words2 = p.T("handover.refused_done")
	}
	if h.Receipt != nil {
		p.Receipt = receipt(p.Page, j)
	}
	return p
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// receipt is what the customer keeps of a consent.
func receipt(p look.Page, j linkage.Journey) []look.Fact {
	c := j.Handover.Receipt
	var accounts []string
	for _, a := range c.Accounts {
		accounts = append(accounts, accountName(p.Words, a))
	}
	facts := []look.Fact{
		{Name: p.T("handover.given"), Value: p.DateTime(c.GivenAt)},
		{Name: p.T("handover.consent"), Value: string(c.Consent)},
		{Name: p.T("consent.company"), Value: j.Company},
		{Name: p.T("consent.acting"), Value: p.T("consent.acting_line", "user", j.User, "role", p.T(roleKey(j.Role)))},
	}
	facts = append(facts, whom(p, j)...)
	facts = append(facts,
		look.Fact{Name: p.T("consent.functions"), Lines: functionLines(p, c.Functions)},
		look.Fact{Name: p.T("consent.accounts"), Lines: accounts},
		look.Fact{Name: p.T("consent.history"), Value: p.T("consent.history_days", "n", c.HistoryDays)},
		look.Fact{Name: p.T("consent.until"), Value: p.T("consent.until_day", "date", p.Day(string(c.LastDay)))},
		look.Fact{Name: p.T("consent.cancel"), Value: p.Own(p.Look.Brand.Cancel)},
		look.Fact{Name: p.T("consent.terms"), Value: p.T("consent.terms_version", "name", p.Own(p.Look.Brand.Terms.Name), "version", c.Terms)},
	)
	if c.Renewed {
		facts = append(facts, look.Fact{Name: p.T("handover.renewed"), Value: p.T("handover.renewed_text", "service", j.Partner.Service)})
	}
	return facts
}

// repeatPage is for a browser that never got the answer to its last press.
type repeatPage struct {
	look.Page
	Press  string
	Action string
}

func (s *Screens) repeatPage(r *http.Request, j linkage.Journey) *repeatPage {
	return &repeatPage{
		Page: s.page(r, j, "AL-520", "repeat.heading"), Press: j.Press, Action: address(j.ID, actionOf(j.Repeat.Button)),
	}
}

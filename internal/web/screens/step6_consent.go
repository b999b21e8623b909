package screens

import (
	"context"
	"net/http"
	"strings"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

// consentPage is AL-500. It says who gives what to whom, how far and how long,
// in the order of journey.md rule 5.
type consentPage struct {
	look.Page
	Press     string
	Allow     string // where 許可 is posted
	Refuse    string // where 許可しない is posted
	Statement []string
	Authority string // the last sentence of the statement: who should stop here
	Who       []look.Fact
	Whom      []look.Fact
	What      []look.Fact
	After     []look.Fact

	Accounts      []consentAccount
	AccountsError string
	LeftOut       []string
	Waiting       bool

	Existing    []existing
	RenewsError string
	Adds        bool // 別の連携として追加する stands chosen
	Proceed     bool
	Stop        bool
	IntentError string
}

type consentAccount struct {
	ID      string
	Name    string
	Memo    string
	Ticked  bool
	Waiting bool
}

type existing struct {
	ID     string
	Line   string
	Until  string // its last day if it is renewed
	Chosen bool
}

func (s *Screens) consentPage(r *http.Request, j linkage.Journey, typed form) *consentPage {
	c := j.Consent
	p := &consentPage{
		Page: s.page(r, j, "AL-500", "consent.heading"), Press: j.Press,
		Allow: address(j.ID, actionOf(linkage.Allow)), Refuse: address(j.ID, actionOf(linkage.Refuse)),
		Proceed: c.Intent == linkage.Proceed, Stop: c.Intent == linkage.Stop,
	}
	p.Wide = true
	p.AccountsError, p.RenewsError, p.IntentError = p.ProblemAt("accounts"), p.ProblemAt("renews"), p.ProblemAt("intent-proceed")
	until := p.Day(string(c.LastDay))
	for _, e := range c.Existing {
		if c.AsksRenewal {
			p.Existing = append(p.Existing, existing{
				ID: string(e.ID), Chosen: c.Renews == e.ID,
				Line: p.T("consent.existing_line", "given", p.Date(e.GivenAt), "until", p.Day(string(e.LastDay)),
					"functions", p.List(functionNames(p.Words, e.Functions)), "n", e.Accounts),
				Until: p.T("consent.until_renewed", "date", p.Day(string(e.RenewedTo))),
			})
		}
	}
	// Nothing is chosen for whoever sent nothing: 更新する stands chosen at first alone.
	p.Adds = c.AsksRenewal && c.Renews == "" && (typed == nil || typed.has("renews", addsValue))
	corporation, bank := j.Partner.Corporation, p.Bank()
	p.Statement = []string{
		p.T("consent.statement", "company", j.Company, "bank", bank, "corporation", corporation),
		p.T("consent.statement_until", "date", until),
		p.T("consent.statement_money"),
		p.T("consent.statement_stays", "corporation", corporation),
	}
	p.Authority = p.T("consent.statement_authority")
	p.Who = []look.Fact{
		{Name: p.T("consent.company"), Value: j.Company},
		{Name: p.T("consent.acting"), Value: p.T("consent.acting_line", "user", j.User, "role", p.T(roleKey(j.Role)))},
	}
	p.Whom = whom(p.Page, j)
	p.What = []look.Fact{
		{Name: p.T("consent.functions"), Lines: functionLines(p.Page, c.Functions)},
		{Name: p.T("consent.history"), Value: p.T("consent.history_days", "n", c.HistoryDays)},
		{Name: p.T("consent.until"), Value: p.T("consent.until_day", "date", until)},
	}
	if c.AsksRenewal { // how long depends on what is chosen below
		p.Statement[1] = p.T("consent.statement_until_choice")
		p.What[2].Value = p.T("consent.until_added", "date", until)
		for _, e := range p.Existing {
			p.What[2].Lines = append(p.What[2].Lines, e.Until)
		}
	}
	p.After = s.after(p.Page, j)
	for _, a := range c.Accounts {
		p.Waiting = p.Waiting || a.Waiting
		p.Accounts = append(p.Accounts, consentAccount{
			ID: string(a.Account.ID), Name: accountName(p.Words, a.Account), Memo: a.Account.Memo, Ticked: a.Ticked, Waiting: a.Waiting,
		})
	}
	for _, row := range c.LeftOut {
		p.LeftOut = append(p.LeftOut, accountName(p.Words, row.Account))
	}
	return p
}

func roleKey(r corebank.Role) string {
	switch r {
	case corebank.MasterUser:
		return "consent.role_master"
	case corebank.AdminUser:
		return "consent.role_admin"
	}
	return "consent.role_general"
}

// whom is the partner as the law wants it shown (銀行法 52条の61の8).
func whom(p look.Page, j linkage.Journey) []look.Fact {
	facts := []look.Fact{
		{Name: p.T("consent.service"), Value: j.Partner.Service},
		{Name: p.T("consent.corporation"), Value: j.Partner.Corporation},
		{Name: p.T("layout.registration"), Value: j.Partner.RegistrationNumber},
		{Name: p.T("consent.partner_desk"), Lines: partnerDesk(j)},
	}
	if j.Partner.ChainedService != "" {
		facts = append(facts, look.Fact{Name: p.T("consent.chained"), Value: j.Partner.ChainedService})
	}
	return facts
}

func partnerDesk(j linkage.Journey) []string {
	var lines []string
	c := j.Partner.Contact
	for _, line := range []string{c.Desk, c.Phone, c.Mail, c.URL} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func functionLines(p look.Page, functions []corebank.BusinessFunction) []string {
	var lines []string
	for _, f := range functions {
		lines = append(lines, p.T("consent.function_line", "name", p.T(functionKeys[f].name), "data", p.T(functionKeys[f].data)))
	}
	return lines
}

// after is what holds once it is allowed.
func (s *Screens) after(p look.Page, j linkage.Journey) []look.Fact {
	b := p.Look.Brand
	losses := p.Own(b.Losses)
	if j.Partner.LossSharing != "" {
		losses = j.Partner.LossSharing
	}
	desk := p.Own(b.Contact.Desk)
	if !strings.HasPrefix(desk, p.Bank()) {
		desk = p.Bank() + " " + desk
	}
	days := int(j.Consent.PINsKeptFor / (24 * time.Hour))
	return []look.Fact{
		{Name: p.T("consent.cancel"), Value: p.Own(b.Cancel)},
		{Name: p.T("consent.pins"), Value: p.T("consent.pins_kept", "n", days)},
		{Name: p.T("consent.losses"), Value: losses},
		{Name: p.T("consent.complaints"), Lines: []string{
			p.T("consent.desk_line", "desk", j.Partner.Corporation+" "+j.Partner.Contact.Desk, "phone", j.Partner.Contact.Phone),
			p.T("consent.desk_line", "desk", desk, "phone", b.Contact.Phone+" ("+p.Own(b.Contact.Hours)+")"),
			p.T("consent.desk_line", "desk", p.Own(b.Complaints.Desk), "phone", b.Complaints.Phone),
		}},
		{Name: p.T("consent.terms"), Value: p.T("consent.terms_version", "name", p.Own(b.Terms.Name), "version", j.Consent.Terms), Link: b.Terms.URL},
	}
}

// addsValue is what 別の連携として追加する sends.
const addsValue = "add"

func (s *Screens) allow(ctx context.Context, v linkage.Visit, f form) (linkage.Result, error) {
	p := linkage.ConsentPress{Intent: linkage.Intent(f.one("intent"))}
	for _, id := range f.all("accounts") {
		p.Accounts = append(p.Accounts, corebank.AccountID(id))
	}
	if renews := f.one("renews"); renews != addsValue {
		p.Renews = linkage.ConsentID(renews)
	}
	return s.Linkage.Allow(ctx, v, p)
}

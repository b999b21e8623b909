package linkage

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"slices"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/partner"
)

// consentPage returns the facts of AL-500.
func (s *Service) consentPage(st *standing) *ConsentPage {
	p := &ConsentPage{
		Functions: st.st.Functions, HistoryDays: s.historyDays(st), Terms: s.Rules.Terms, PINsKeptFor: s.Rules.PINsKeptFor,
		LastDay: lastDay(endOf(st.now, s.lifeOf(st.partner))), AsksRenewal: asksRenewal(st),
	}
	for _, r := range s.pinRows(st) {
		if !usable(r.State) {
			p.LeftOut = append(p.LeftOut, r)
			continue
		}
		p.Accounts = append(p.Accounts, ConsentAccount{
			Account: r.Account, Waiting: r.State == Pending, Ticked: s.tickedAtFirst(st, r.Account.ID),
		})
	}
	for _, c := range st.linked {
		p.Existing = append(p.Existing, ExistingLinkage{
			ID: c.ID, GivenAt: c.GivenAt, LastDay: c.Extent.LastDay(),
			RenewedTo: lastDay(renewedEnd(st.now, c.Extent.EndsAt, s.lifeOf(st.partner))),
			Functions: c.Extent.Functions, Accounts: len(c.Extent.Accounts),
		})
	}
	if p.AsksRenewal {
		p.Renews = p.Existing[0].ID
	} else if old, ok := replacedByGrant(st); ok {
		p.Renews, p.LastDay = old.ID, lastDay(s.endsWith(st, old))
	}
	return p
}

// tickedAtFirst: accounts stand ticked, or where the partner named some that it
// knows, those.
func (s *Service) tickedAtFirst(st *standing, a corebank.AccountID) bool {
	return len(st.st.Asked.Accounts) == 0 || slices.Contains(st.st.Asked.Accounts, s.Alias(st.row.Partner, a))
}

// asksRenewal tells whether the page asks 更新する / 別の連携として追加する: there
// is a live linkage, and the partner did not say itself which one is meant.
func asksRenewal(st *standing) bool { return len(st.linked) > 0 && st.st.Asked.Grant == "" }

// replacedByGrant returns the linkage that the partner itself named to be merged
// or replaced.
func replacedByGrant(st *standing) (Consent, bool) {
	if st.st.Asked.Grant == "" || st.st.Asked.GrantAction != "replace" && st.st.Asked.GrantAction != "merge" {
		return Consent{}, false
	}
	i := slices.IndexFunc(st.linked, func(c Consent) bool { return c.ID == st.st.Asked.Grant })
	if i < 0 {
		return Consent{}, false
	}
	return st.linked[i], true
}

func (s *Service) lifeOf(p partner.Partner) time.Duration {
	if p.ConsentFor > 0 {
		return p.ConsentFor
	}
	return s.Rules.ConsentFor
}

// historyDays is how far back the partner may look: what it asked for, never
// more than its registration or the institution lets it.
func (s *Service) historyDays(st *standing) int {
	most := s.Rules.HistoryDays
	if st.partner.HistoryDays > 0 {
		most = st.partner.HistoryDays
	}
	if asked := st.st.Asked.HistoryDays; asked > 0 && asked < most {
		return asked
	}
	return most
}

func (s *Service) endsWith(st *standing, old Consent) time.Time {
	return renewedEnd(st.now, old.Extent.EndsAt, s.lifeOf(st.partner))
}

// Allow is 許可 of AL-500: PINs come into force, the consent is recorded and the
// code is issued, in one commit.
func (s *Service) Allow(ctx context.Context, v Visit, p ConsentPress) (Result, error) {
	var accounts []corebank.Account
	r, err := press(ctx, s, v, move[struct{}]{
		button: Allow,
		check: func(st *standing) (wrong []FieldError) {
			accounts, wrong = s.checkConsent(st, p)
			return wrong
		},
		decide: func(st *standing, _ struct{}) (outcome, error) { return s.decideConsent(st, p, accounts), nil },
	})
	if err == nil && r.Journey.Consent != nil && len(r.Journey.Errors) > 0 {
		keepChoices(r.Journey.Consent, p)
	}
	return r, err
}

// checkConsent returns the accounts that are consented, or what is wrong.
func (s *Service) checkConsent(st *standing, p ConsentPress) ([]corebank.Account, []FieldError) {
	var wrong []FieldError
	switch p.Intent {
	case Proceed:
	case Stop:
		wrong = append(wrong, FieldError{Field: IntentField, Fault: StopChosen})
	default:
		wrong = append(wrong, FieldError{Field: IntentField, Fault: Missing})
	}
	page := s.consentPage(st)
	var chosen []corebank.Account
	for _, a := range page.Accounts {
		if slices.Contains(p.Accounts, a.Account.ID) {
			chosen = append(chosen, a.Account)
		}
	}
	for _, id := range p.Accounts {
		if !slices.ContainsFunc(page.Accounts, func(a ConsentAccount) bool { return a.Account.ID == id }) {
			return nil, append(wrong, FieldError{Field: AccountsField, Fault: NotOffered})
		}
	}
	if len(chosen) == 0 {
		wrong = append(wrong, FieldError{Field: AccountsField, Fault: Missing})
	}
	if p.Renews != "" && asksRenewal(st) && !slices.ContainsFunc(page.Existing, func(e ExistingLinkage) bool { return e.ID == p.Renews }) {
		wrong = append(wrong, FieldError{Field: RenewsField, Fault: GoneRenewal})
	}
	return chosen, wrong
}

// keepChoices shows the page as it was sent, so that an error loses nothing.
func keepChoices(c *ConsentPage, p ConsentPress) {
	c.Intent = p.Intent
	for i := range c.Accounts {
		c.Accounts[i].Ticked = slices.Contains(p.Accounts, c.Accounts[i].Account.ID)
	}
	if c.AsksRenewal {
		c.Renews = p.Renews
		if !slices.ContainsFunc(c.Existing, func(e ExistingLinkage) bool { return e.ID == p.Renews }) {
			c.Renews = ""
		}
	}
}

// decideConsent returns the consent that is given.
func (s *Service) decideConsent(st *standing, p ConsentPress, accounts []corebank.Account) outcome {
	c := Consent{
		ID: s.newConsentID(), User: st.row.User, Company: st.row.Company, Partner: st.row.Partner, Client: st.row.Client,
		State: Issued, GivenAt: st.now, Terms: s.Rules.Terms, Journey: st.row.Number,
		Extent: Extent{
			Functions: st.st.Functions, HistoryDays: s.historyDays(st), EndsAt: endOf(st.now, s.lifeOf(st.partner)),
		},
	}
	for _, a := range accounts {
		c.Extent.Accounts = append(c.Extent.Accounts, a.ID)
	}
	old, replaces := replacedByGrant(st)
	if asksRenewal(st) && p.Renews != "" {
		i := slices.IndexFunc(st.linked, func(c Consent) bool { return c.ID == p.Renews })
		old, replaces = st.linked[i], true
	}
	if replaces {
		c.Replaces, c.Extent.EndsAt = old.ID, s.endsWith(st, old)
	}
	out := outcome{state: over(visited(st.st, ConsentStep)), approve: &c}
	out.act = detail(st.act(ConsentGivenName), "consent", string(c.ID), "functions", words(c.Extent.Functions),
		"accounts", words(c.Extent.Accounts), "last_day", string(c.Extent.LastDay()), "terms", c.Terms, "replaces", string(c.Replaces))
	out.state.LastErrors, out.state.LastCause = nil, nil
	out.state.Allowed = true
	out.state.Receipt = &Receipt{
		Consent: c.ID, GivenAt: c.GivenAt, LastDay: c.Extent.LastDay(), Functions: c.Extent.Functions, Accounts: accounts,
		HistoryDays: c.Extent.HistoryDays, Renewed: replaces, Terms: c.Terms,
	}
	return out
}

// Refuse is 許可しない of AL-500.
func (s *Service) Refuse(ctx context.Context, v Visit) (Result, error) {
	return press(ctx, s, v, move[struct{}]{
		button: Refuse,
		decide: func(st *standing, _ struct{}) (outcome, error) {
			return s.leaving(st, RefusedByCustomer, denied(st.act(ConsentRefused), string(RefusedByCustomer))), nil
		},
	})
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const consentIDBytes = 15

// newConsentID returns an id that begins with a rising number, so that the rows of
// new consents and all that hangs on them stand beside each other, and ends with
// chance.
func (s *Service) newConsentID() ConsentID {
	b := make([]byte, consentIDBytes)
	binary.BigEndian.PutUint64(b, uint64(s.NextID()))
	rand.Read(b[8:]) // never fails since Go 1.24
	return ConsentID("cns_" + base32Lower.EncodeToString(b))
}

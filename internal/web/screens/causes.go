package screens

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web/look"
)

// causePage is a page AL-9xx: what happened, and what to do next.
type causePage struct {
	look.Page
	What  []string
	Next  []string
	Facts []look.Fact
	Retry string // 別の証明書でやり直す
	Again string // もう一度試す: a link to the page before
	Back  *back  // 連携先へ戻る within a journey
	Way   *way   // 連携先へ戻る without one
}

type back struct{ Action, Press string }

// The pages beside those of the manual's list.
const (
	pageNotFound linkage.Code = 990
	foreignForm  linkage.Code = 991
)

// statusOf is the status of each page (domain.md §4).
func statusOf(c linkage.Code) int {
	switch {
	case c == linkage.BankClosed || c == linkage.TryLater:
		return http.StatusServiceUnavailable
	case c == linkage.TimeOver:
		return http.StatusGone
	case c == pageNotFound:
		return http.StatusNotFound
	case c == foreignForm:
		return http.StatusForbidden
	case c >= linkage.RequestUnknown:
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}

// retryLater is when a page that could not be shown may be asked for again,
// where nothing better is known.
const retryLater = 60 * time.Second

func (s *Screens) showCause(w http.ResponseWriter, r *http.Request, p *causePage, c linkage.Cause) {
	status := statusOf(c.Code)
	if status == http.StatusServiceUnavailable {
		wait := retryLater
		if until := time.Until(c.Until); until > wait {
			wait = until
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	}
	s.show(w, r, status, "cause", p)
}

// endedPage is a page AL-9xx within a journey.
func (s *Screens) endedPage(r *http.Request, j linkage.Journey) *causePage {
	p := s.causePage(s.page(r, j, screenOf(*j.Ended), causeWords(*j.Ended).heading), *j.Ended)
	p.Steps = nil // it cannot go on: there is no step to stand on
	if j.Ended.CanLeave {
		p.Back = &back{Action: address(j.ID, actionOf(linkage.Leave)), Press: j.Press}
	}
	switch {
	case j.Login != nil:
		p.Retry = s.certificateAddress(j.Login.CertificateHost, j)
	case j.Ended.CanRetry:
		p.Again = base + j.ID.String()
	}
	return p
}

// Refused shows the page of a cause that has no journey to stand in. way is the
// way back to the partner, offered as a button; nil: there is none, as for 940.
// direct goes there at once, without the page being read first.
func (s *Screens) Refused(w http.ResponseWriter, r *http.Request, cause linkage.Cause, way *linkage.Redirect, direct bool) {
	p := s.causePage(s.Look.Page(r, screenOf(cause), causeWords(cause).heading), cause)
	p.Number = string(linkage.NewInquiryNumber())
	s.Log.InfoContext(r.Context(), "a page without a journey", "screen", p.Screen, "number", p.Number, "reason", string(cause.Reason))
	p.Way, _ = wayOf(p.T("cause.back"), way)
	if p.Way != nil && p.Way.Form {
		p.Way = nil // a page of an error is not worth a wider policy
	}
	if p.Way != nil && direct {
		p.Refresh = string(p.Way.Address)
	}
	s.showCause(w, r, p, cause)
}

// Broken is the page after a failure of our own (AL-950), for web.Site.
func (s *Screens) Broken(w http.ResponseWriter, r *http.Request) {
	s.Refused(w, r, linkage.Cause{Code: linkage.TryLater, Reason: linkage.BankUnavailable}, nil, false)
}

// Foreign is the page for a form that another site posted to us, for web.Site.
func (s *Screens) Foreign(w http.ResponseWriter, r *http.Request) {
	s.Refused(w, r, linkage.Cause{Code: foreignForm}, nil, false)
}

// NotFound is the page for an address that is not ours.
func (s *Screens) NotFound(w http.ResponseWriter, r *http.Request) {
	s.Refused(w, r, linkage.Cause{Code: pageNotFound}, nil, false)
}

// trouble is the page for a certificate host that could not do its work: it
// shows nothing itself.
func (s *Screens) trouble(w http.ResponseWriter, r *http.Request) {
	v, err := s.visit(r)
	if err != nil {
		s.NotFound(w, r)
		return
	}
	c := linkage.Cause{Code: linkage.TryLater, Reason: linkage.BankUnavailable, CanRetry: true}
	p := s.causePage(s.Look.Page(r, screenOf(c), causeWords(c).heading), c)
	p.Number = string(linkage.NewInquiryNumber())
	p.Again = base + v.Journey.String()
	s.showCause(w, r, p, c)
}

func screenOf(c linkage.Cause) string { return fmt.Sprintf("AL-%d", c.Code) }

// wording is the sentences of a page AL-9xx, by their keys.
type wording struct {
	heading string
	what    []string
	next    []string
}

// causeWords chooses the sentences of a cause.
func causeWords(c linkage.Cause) wording {
	switch c.Code {
	case linkage.CertificateMissing:
		return wording{"cause.901", []string{"cause.901_what"}, []string{"cause.901_next"}}
	case linkage.CertificateNotNow:
		if c.NotYet {
			return wording{"cause.902_early", []string{"cause.902_early_what"}, []string{"cause.902_early_next"}}
		}
		return wording{"cause.902_expired", []string{"cause.902_expired_what"}, []string{"cause.902_expired_next"}}
	case linkage.CertificateRevoked:
		return wording{"cause.903", []string{"cause.903_what"}, []string{"cause.903_next"}}
	case linkage.CertificateForeign:
		return wording{"cause.904", []string{"cause.904_what"}, []string{"cause.904_next"}}
	case linkage.CertificateUnusable:
		if c.NoUser {
			return wording{"cause.905_user", []string{"cause.905_user_what"}, []string{"cause.905_user_next"}}
		}
		return wording{"cause.905_usage", []string{"cause.905_usage_what"}, []string{"cause.905_usage_next"}}
	case linkage.UseStopped:
		switch c.Stopped {
		case linkage.AnswerStopped:
			return wording{"cause.910", []string{"cause.910_answer_what"}, []string{"cause.910_next"}}
		case linkage.UserStopped:
			return wording{"cause.910", []string{"cause.910_user_what"}, []string{"cause.910_next"}}
		}
		return wording{"cause.910", []string{"cause.910_login_what"}, []string{"cause.910_login_next"}}
	case linkage.SetUpMissing:
		what := "cause.911_not_set_up_what"
		switch c.Standing {
		case corebank.AnswersMissing:
			what = "cause.911_answers_missing_what"
		case corebank.MustChange:
			what = "cause.911_must_change_what"
		}
		return wording{"cause.911", []string{what}, []string{"cause.911_next"}}
	case linkage.NoPermission:
		return wording{"cause.912", []string{"cause.912_what"}, []string{"cause.912_next"}}
	case linkage.NoAccount:
		return wording{"cause.913", []string{"cause.913_what"}, []string{"cause.913_next"}}
	case linkage.ContractOver:
		return wording{"cause.914", []string{"cause.914_what"}, []string{"cause.914_next"}}
	case linkage.BankClosed:
		if c.Until.IsZero() {
			return wording{"cause.920", []string{"cause.920_what"}, []string{"cause.920_next_unknown"}}
		}
		return wording{"cause.920", []string{"cause.920_what"}, []string{"cause.920_next"}}
	case linkage.TimeOver:
		if c.SignedOut {
			return wording{"cause.930_signed_out", []string{"cause.930_signed_out_what", "cause.nothing_given"}, []string{"cause.930_next"}}
		}
		return wording{"cause.930", []string{"cause.930_what", "cause.nothing_given"}, []string{"cause.930_next"}}
	case linkage.RequestUnknown:
		return wording{"cause.940", []string{"cause.940_what"}, []string{"cause.940_next"}}
	case linkage.PartnerHalted:
		return wording{"cause.941", []string{"cause.941_what"}, []string{"cause.941_next"}}
	case linkage.RequestTooWide:
		return wording{"cause.942", []string{"cause.942_what", "cause.nothing_given"}, []string{"cause.942_next"}}
	case pageNotFound:
		return wording{"cause.990", []string{"cause.990_what"}, []string{"cause.again_at_partner"}}
	case foreignForm:
		return wording{"cause.991", []string{"cause.991_what"}, []string{"cause.again_at_partner"}}
	}
	return wording{"cause.950", []string{"cause.950_what", "cause.not_twice"}, []string{"cause.950_next"}}
}

// causePage says what happened and what to do next, with the facts of the cause.
func (s *Screens) causePage(page look.Page, c linkage.Cause) *causePage {
	p := &causePage{Page: page}
	date := ""
	switch {
	case !c.Until.IsZero():
		date = p.DateTime(c.Until)
	case c.Certificate != nil && c.NotYet:
		date = p.DateTime(c.Certificate.NotBefore)
	case c.Certificate != nil:
		date = p.DateTime(c.Certificate.NotAfter)
	}
	words := causeWords(c)
	for _, key := range words.what {
		p.What = append(p.What, p.T(key, "bank", p.Bank(), "date", date))
	}
	for _, key := range words.next {
		p.Next = append(p.Next, p.T(key, "bank", p.Bank(), "date", date))
	}
	if c.Code == linkage.CertificateNotNow && !c.NotYet || c.Code == linkage.CertificateMissing {
		p.Next = append(p.Next, p.Own(p.Look.Brand.Renewal))
	}
	if c.Certificate != nil {
		p.Facts = certificateFacts(page, *c.Certificate)
		if c.NotYet {
			p.Facts = append(p.Facts, look.Fact{Name: p.T("certificate.valid_from"), Value: p.DateTime(c.Certificate.NotBefore)})
		}
	}
	if c.Planned != "" {
		p.Facts = append(p.Facts, look.Fact{Name: p.T("cause.920_planned"), Value: c.Planned, OfBank: true})
	}
	if c.Code == linkage.BankClosed && !c.Until.IsZero() {
		p.Facts = append(p.Facts, look.Fact{Name: p.T("cause.920_opens"), Value: date})
	}
	if c.Code == linkage.UseStopped && !c.Until.IsZero() {
		p.Facts = append(p.Facts, look.Fact{Name: p.T("cause.until"), Value: date})
	}
	return withUnlocker(p, c)
}

// withUnlocker adds who can lift what stands in the way.
func withUnlocker(p *causePage, c linkage.Cause) *causePage {
	name := p.T("cause.unlock")
	switch c.Code {
	case linkage.UseStopped:
	case linkage.SetUpMissing, linkage.NoPermission, linkage.NoAccount:
		name = p.T("cause.912_unlock")
	default:
		return p
	}
	key := ""
	switch c.Unlock {
	case linkage.Administrator:
		key = "cause.unlock_administrator"
	case linkage.MasterOnly:
		key = "cause.unlock_master"
	case linkage.Branch:
		key = "cause.unlock_branch"
	case linkage.Customer:
		name, key = p.T("cause.911_unlock"), "cause.unlock_customer"
	case linkage.NoOne:
		if c.Until.IsZero() {
			return p
		}
		key = "cause.unlock_time"
	}
	p.Facts = append(p.Facts, look.Fact{Name: name, Value: p.T(key)})
	return p
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a browser that went away needs no answer
}

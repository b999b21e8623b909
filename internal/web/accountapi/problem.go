package accountapi

import (
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
)

// problem is a refusal of this API, by its code in the catalogue.
type problem struct {
	code     string
	detail   string // about this call, English; only our own words
	oldest   corebank.Date
	newest   corebank.Date
	resumes  time.Time
	retry    time.Duration
	failure  *oauth.Failure // where the token or its proof is what was refused
	internal error          // for the log alone
}

func (p problem) Error() string { return "problem " + p.code + " " + p.detail }

// Unwrap returns fault.Refused, which is what a problem is to whoever does not
// know problems.
func (problem) Unwrap() error { return fault.Refused }

// document is the body of a refusal (RFC 9457).
type document struct {
	Type      string        `json:"type"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail,omitempty"`
	Instance  string        `json:"instance"` // urn:uuid of the request
	Code      string        `json:"code"`
	RequestID string        `json:"requestId"`
	Who       actor         `json:"who"`
	Action    string        `json:"action"`
	Customer  string        `json:"customerMessage"`      // Japanese, for the partner's page
	ActionURL string        `json:"action_url,omitempty"` // a page for people; never to be mailed
	Oldest    corebank.Date `json:"oldestAvailableDate,omitempty"`
	Newest    corebank.Date `json:"newestAvailableDate,omitempty"`
	Resumes   string        `json:"resumesAt,omitempty"`
}

// refuse answers with the problem behind err.
func (c *call) refuse(err error) {
	p := problemOf(err)
	k := catalogue[p.code]
	level := c.Log.InfoContext
	if k.status >= http.StatusInternalServerError && p.internal != nil {
		level = c.Log.WarnContext
	}
	level(c.r.Context(), "refused", "request", c.requestID, "code", p.code, "client", string(c.access.Client), "why", err.Error())
	h := c.w.Header()
	if p.failure != nil {
		challenge(h, p.failure, c.r.Header.Get("Authorization"))
	}
	d := document{
		Type: c.Origin + base + "problems/" + p.code, Title: k.title, Status: k.status, Detail: p.detail,
		Instance: "urn:uuid:" + c.requestID, Code: p.code, RequestID: c.requestID, Who: k.who, Action: k.action,
		Customer: k.ja, Oldest: p.oldest, Newest: p.newest,
	}
	if k.who == customerActs || k.who == companyActs {
		d.ActionURL = d.Type
	}
	if !p.resumes.IsZero() {
		d.Resumes = p.resumes.In(corebank.Japan).Format(time.RFC3339)
		p.retry = max(time.Second, p.resumes.Sub(c.now))
	}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.retry+time.Second-1)/time.Second), 10))
	}
	c.write(k.status, "application/problem+json", d)
}

const (
	soon      = 5 * time.Second  // our own machinery
	notSoSoon = 30 * time.Second // the bank's
)

// problemOf translates every error that a call can meet, once.
func problemOf(err error) problem {
	if p, ok := errors.AsType[problem](err); ok {
		return p
	}
	if f, ok := errors.AsType[*oauth.Failure](err); ok {
		return problemOfToken(f)
	}
	if u, ok := errors.AsType[linkage.PINUnusable](err); ok {
		return problem{code: pinProblems[u.State]}
	}
	if out, ok := errors.AsType[corebank.PeriodOutOfRange](err); ok {
		return problem{code: "period_out_of_range", oldest: out.Oldest, newest: out.Newest}
	}
	if closed, ok := errors.AsType[corebank.Closed](err); ok {
		return problem{code: "out_of_service_hours", resumes: closed.OpensAt, retry: notSoSoon}
	}
	if _, ok := errors.AsType[corebank.Unavailable](err); ok {
		return problem{code: "core_unavailable", retry: notSoSoon, internal: err}
	}
	if _, ok := errors.AsType[corebank.AccountClosed](err); ok {
		return problem{code: "account_closed"}
	}
	if _, ok := errors.AsType[corebank.WrongSecret](err); ok {
		return problem{code: "pin_rejected"}
	}
	if _, ok := errors.AsType[corebank.Locked](err); ok {
		return problem{code: "pin_locked"}
	}
	switch fault.Of(err) {
	case fault.Unavailable, fault.Conflict, fault.Limited:
		return problem{code: "temporarily_busy", retry: soon, internal: err}
	case fault.NotFound: // the bank no longer knows the user or the account
		return problem{code: "permission_removed"}
	case fault.Invalid: // a cursor that the bank no longer reads: all else was checked before it was asked
		return problem{code: "cursor_expired"}
	}
	return problem{code: "internal_error", internal: err}
}

// pinProblems are the codes for a PIN that may not be used; one that is
// registered and still not usable has no try left.
var pinProblems = map[linkage.PINState]string{
	linkage.Unregistered: "pin_not_registered", linkage.Pending: "pin_pending",
	linkage.Rejected: "pin_rejected", linkage.Registered: "pin_locked",
}

// problemOfToken is the problem behind a refusal of the engine: its word where
// the word is a cause of its own, else its code.
func problemOfToken(f *oauth.Failure) problem {
	p := problem{code: string(f.Code), failure: f}
	if _, own := catalogue[f.Word]; own {
		p.code = f.Word
	} else {
		p.detail = f.Word
	}
	if _, known := catalogue[p.code]; !known {
		p.code = "invalid_token"
	}
	return p
}

// algorithms are those of DPoP proofs (RFC 9449 §7.1).
const algorithms = "ES256 PS256 EdDSA"

// challenge says how a token is to be shown (RFC 9110 §11.6.1): for both schemes
// while none was tried, else with the error for the one that was. A call without
// any credentials is told no error (RFC 6750 §3.1).
func challenge(h http.Header, f *oauth.Failure, tried string) {
	switch f.Code {
	case oauth.InvalidToken, oauth.InsufficientScope, oauth.InsufficientLogin, oauth.InvalidRequest, oauth.InvalidDPoPProof, oauth.UseDPoPNonce:
	default:
		return
	}
	scheme, _, _ := strings.Cut(tried, " ")
	about := ""
	if tried != "" {
		about = `error="` + string(f.Code) + `"`
		if f.Word != "" {
			about += `, error_description="` + f.Word + `"`
		}
		if f.Code == oauth.InsufficientScope && strings.HasPrefix(f.Word, "account.") {
			about += `, scope="` + f.Word + `"`
		}
		for _, p := range f.StepUpParameters() {
			about += ", " + p
		}
		about += ", "
	}
	dpop, bearer := `DPoP realm="accounts", `, `Bearer realm="accounts"`
	switch {
	case strings.EqualFold(scheme, "bearer"):
		h.Add("WWW-Authenticate", strings.TrimSuffix(bearer+", "+about, ", "))
		h.Add("WWW-Authenticate", dpop+`algs="`+algorithms+`"`)
	default:
		h.Add("WWW-Authenticate", dpop+about+`algs="`+algorithms+`"`)
		if about == "" {
			h.Add("WWW-Authenticate", bearer)
		}
	}
}

var explanation = template.Must(template.New("problem").Parse(`<!doctype html>
<html lang="ja"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Code}}</title>
<main><h1>{{.Code}}</h1>
<p>{{.JA}}</p>
<div lang="en"><h2>{{.Title}}</h2><p>{{.Action}}</p></div></main></html>
`))

// explain shows an entry of the catalogue to people.
func (c *call) explain(code string) {
	k, ok := catalogue[code]
	switch {
	case !ok:
		c.refuse(problem{code: "not_found"})
		return
	case c.r.Method != http.MethodGet:
		c.w.Header().Set("Allow", http.MethodGet)
		c.refuse(problem{code: "method_not_allowed"})
		return
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page := struct{ Code, JA, Title, Action string }{code, k.ja, k.title, k.action}
	if err := explanation.Execute(c.w, page); err != nil {
		c.Log.InfoContext(c.r.Context(), "a page was not taken", "request", c.requestID, "why", err.Error())
	}
}

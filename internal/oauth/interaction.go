package oauth

import (
	"maps"
	"slices"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/partner"
)

// Handle names a pushed request that an authorization began with, and when. It
// is opaque outside and safe in a sealed cookie or a row; it must not come from
// a browser unsealed.
type Handle string

// Interaction is what Begin found; nothing is written.
type Interaction struct {
	Handle  Handle
	Client  ClientID
	Partner partner.ID
	Asked   Asked
}

// Asked is what a partner asks of the customer.
type Asked struct {
	Functions   []corebank.BusinessFunction
	Accounts    []string // aliases from an earlier consent; empty: the customer chooses
	HistoryDays int      // 0: the institution's default
	Grant       string   // the consent that a named grant_id stands for now; empty: none named
	GrantAction string   // create, merge or replace (Grant Management §3.2); empty as create
	Relogin     bool     // prompt=login, select_account or max_age, or a user is named: no session may be used
	Demanded    []string // contexts of which the login must be one; none: any
	ACRs        []string // wishes, the best first
	LoginHint   string
	UILocales   []string
}

// Approval is a customer's consent as the protocol needs it.
type Approval struct {
	Subject  corebank.UserID
	Company  corebank.CompanyID
	AuthTime time.Time
	ACR      string
	AMR      []string
	Consent  string // linkage's id of the consent, opaque here
	Extent   Extent
	Replaces string // the consent that ends when the code is redeemed; empty: none
	Address  string // where the customer's browser is, for the audit log
}

// Redirect is the way back to the partner: a GET of URL, or a POST of Form to it
// when Form is not nil.
type Redirect struct {
	URL  string
	Form map[string]string
	// Denied is the Reason why Approve led back with an error after all; empty: a
	// code was issued. What was approved must then not be kept.
	Denied string
}

// Reason is why an authorization ended without consent: one word of a closed
// list, told to the partner in error_description.
type Reason string

// The reasons.
const (
	RefusedByCustomer Reason = "refused_by_customer"
	TimedOut          Reason = "timed_out"
	UserLocked        Reason = "user_locked"
	NotPermitted      Reason = "not_permitted"
	OutOfHours        Reason = "out_of_hours"
	NothingToLink     Reason = "nothing_to_link"
	NotSetUp          Reason = "not_set_up"
	ContractEnded     Reason = "contract_ended"
	PartnerStopped    Reason = "partner_stopped"
	BankUnavailable   Reason = "bank_unavailable"
	ACRNotMet         Reason = "acr_not_met"  // Approve's own
	AnotherUser       Reason = "another_user" // Approve's own
)

// reasonCodes says which code of RFC 6749 §4.1.2.1 each reason goes with.
var reasonCodes = map[Reason]Code{
	RefusedByCustomer: AccessDenied,
	TimedOut:          AccessDenied,
	UserLocked:        AccessDenied,
	NotPermitted:      AccessDenied,
	OutOfHours:        TemporarilyUnavailable,
	NothingToLink:     AccessDenied,
	NotSetUp:          AccessDenied,
	ContractEnded:     AccessDenied,
	PartnerStopped:    UnauthorizedClient,
	BankUnavailable:   TemporarilyUnavailable,
}

// Reasons lists the reasons, each of which has a page at ReasonsEndpoint.
func Reasons() []Reason {
	return append(slices.Sorted(maps.Keys(reasonCodes)), ACRNotMet, AnotherUser)
}

// errorParameters are those of an error that a partner is told of, with the page
// that explains its word where the word is a Reason (RFC 6749 §4.1.2.1).
func (i Issuer) errorParameters(code Code, word string) map[string]string {
	out := map[string]string{"error": string(code), "error_description": word}
	if slices.Contains(Reasons(), Reason(word)) {
		out["error_uri"] = i.At(ReasonsEndpoint) + "/" + word
	}
	return out
}

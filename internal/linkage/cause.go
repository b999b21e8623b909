package linkage

import (
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

// Reason is why a journey ended without consent, in one ASCII word of a closed
// list that the partner is told (protocol.md §2a).
type Reason string

// The reasons that a partner is told.
const (
	RefusedByCustomer Reason = "refused_by_customer" // 許可しない, or left on any page
	TimedOut          Reason = "timed_out"
	UserLocked        Reason = "user_locked"
	NotSetUp          Reason = "not_set_up" // the first log-in at internet banking is still to come
	NotPermitted      Reason = "not_permitted"
	OutOfHours        Reason = "out_of_hours"
	NothingToLink     Reason = "nothing_to_link"
	ContractEnded     Reason = "contract_ended"
	PartnerStopped    Reason = "partner_stopped"
	BankUnavailable   Reason = "bank_unavailable"
)

// Code is the number of an error page AL-9xx (domain.md §4).
type Code int

// The error pages.
const (
	CertificateMissing  Code = 901 // none came; browsers do not even offer an expired one
	CertificateNotNow   Code = 902 // expired, or not valid yet
	CertificateRevoked  Code = 903
	CertificateForeign  Code = 904 // another authority's
	CertificateUnusable Code = 905 // not for logging in, or of no known user
	UseStopped          Code = 910
	SetUpMissing        Code = 911
	NoPermission        Code = 912
	NoAccount           Code = 913
	ContractOver        Code = 914
	BankClosed          Code = 920
	TimeOver            Code = 930
	RequestUnknown      Code = 940 // never leads back to a partner
	PartnerHalted       Code = 941
	RequestTooWide      Code = 942
	TryLater            Code = 950
)

// Unlocker is who can lift what stands in the way.
type Unlocker string

// Who can lift a stop.
const (
	NoOne         Unlocker = ""              // it is over by itself, at Cause.Until
	Administrator Unlocker = "administrator" // the company's master or administrator user
	MasterOnly    Unlocker = "master"        // the company's master user
	Branch        Unlocker = "branch"
	Customer      Unlocker = "customer" // the customer themself, at internet banking
)

// Stopped says what a 910 stopped.
type Stopped string

// What can be stopped.
const (
	LoginStopped  Stopped = "login"
	AnswerStopped Stopped = "answer"
	UserStopped   Stopped = "user" // for good, by the bank or the company's administrator
)

// Cause is why a page AL-9xx is shown, with the facts that it names. Facts that
// do not belong to the code are empty.
type Cause struct {
	Code   Code
	Reason Reason // what a partner is told when the customer goes back from here

	Stopped     Stopped           // 910
	Until       time.Time         // 910: when the stop is over; 902: the certificate's other end; 920: when the bank opens
	Unlock      Unlocker          // 910, 911, 912, 913
	Standing    corebank.Standing // 911: what is missing
	Planned     string            // 920: the closure in the bank's words; may be empty
	Certificate *CertificateFacts // 902–905: which one was seen
	NotYet      bool              // 902: not valid yet, rather than expired
	SignedOut   bool              // 930: the login that let the customer in has ended elsewhere
	NoUser      bool              // 905: of no known user, rather than of the wrong usage

	CanLeave bool // 中止して連携先へ戻る is a button of this page
	CanRetry bool // 901–905: 別の証明書でやり直す; 950: the page before can be tried again
}

// CertificateFacts is what a page says about a certificate.
type CertificateFacts struct {
	Holder    string // 名義, as the subject's common name says
	Issuer    string
	SerialEnd string // 発行番号下4桁
	NotBefore time.Time
	NotAfter  time.Time
	RenewSoon bool // at most 30 days are left
}

// Halted is a refusal that has no journey to stand in: of a request that cannot
// begin, or of a browser that is not the journey's. Edges show its page.
type Halted struct{ Cause Cause }

func (e Halted) Error() string { return "the journey cannot go on: " + string(e.Cause.Reason) }

// Unwrap returns fault.Expired for 930, fault.Unavailable for 920 and 950, else
// fault.Refused.
func (e Halted) Unwrap() error {
	switch e.Cause.Code {
	case TimeOver:
		return fault.Expired
	case BankClosed, TryLater:
		return fault.Unavailable
	}
	return fault.Refused
}

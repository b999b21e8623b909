package linkage

import (
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/partner"
)

// Journey is where a journey stands and everything that its page shows. Exactly
// one of the pages is there, the one of Step.
type Journey struct {
	ID     JourneyID
	Number InquiryNumber
	Step   Step
	Press  string     // goes with every form of this page, into Visit.Press
	Hop    string     // goes with a link to a certificate host, into PresentCertificate; empty after the login
	Steps  []StepMark // for the indicator: the steps of this journey; before the login, of which no total is known, only the login
	Errors []FieldError

	Partner partner.Partner
	Company string // 契約法人; empty before the login
	User    string
	Role    corebank.Role

	EndsAt       time.Time     // when this page is over, if nothing is pressed; zero after the end
	RemainingFor time.Duration // until EndsAt
	Extendable   bool          // whether Extend would move EndsAt
	CanSwitch    bool          // 別の利用者としてログインする is a button of this page
	CanLeave     bool          // 中止して連携先へ戻る is a button of this page

	Login       *LoginPage
	Certificate *CertificatePage
	Question    *QuestionPage
	Business    *BusinessPage
	PIN         *PINPage
	PINResult   *PINResultPage
	Consent     *ConsentPage
	Handover    *HandoverPage
	Ended       *Cause
	Repeat      *RepeatPage
}

// StepMark is one place of the step indicator.
type StepMark struct {
	Step Step
	Done bool
	Here bool
}

// LoginPage is AL-100, sections A and B.
type LoginPage struct {
	LoginID         string // as typed before, so that an error loses nothing; else the partner's hint
	CertificateHost int    // which of the sibling names 電子証明書ログイン leads to: 1 to 9
}

// CertificatePage is AL-111.
type CertificatePage struct {
	Certificate CertificateFacts
	NextHost    int // 別の証明書でやり直す leads to this one of the sibling names
}

// QuestionPage is AL-200.
type QuestionPage struct {
	Question string
	MaxRunes int
}

// BusinessPage is AL-300.
type BusinessPage struct{ Rows []BusinessRow }

// BusinessRow is one 業務.
type BusinessRow struct {
	Function     corebank.BusinessFunction
	Linked       bool                  // 連携済
	Subscription corebank.Subscription // 入会済/申請済, where the function needs one
	Required     bool                  // the partner must have it: text, no box
	Permitted    bool                  // else text with the reason: the user may not use it
	Waiting      bool                  // 申請済 and the institution does not let it be chosen yet
	Selectable   bool                  // a box
	Chosen       bool                  // ticked at first, or by an earlier press
}

// PINState is the 登録状態 of an account's inquiry PIN.
type PINState string

// The states of an inquiry PIN.
const (
	Unregistered PINState = "unregistered" // 未登録
	Registered   PINState = "registered"   // 登録済み
	Staged       PINState = "staged"       // 登録済み＊: takes effect with the consent
	Pending      PINState = "pending"      // 申請中: accepted while the core could not check it
	Rejected     PINState = "rejected"     // 要再登録: the core refused it
)

// PINPage is AL-400.
type PINPage struct {
	Rows        []PINRow
	CanPostpone bool // あとで登録して進む: an account is usable without this
	Again       bool // shown for 照会用暗証番号の追加登録
}

// PINResultPage is AL-410: every inquiry account, 未登録 included.
type PINResultPage struct{ Rows []PINRow }

// PINRow is one 照会用口座 with its inquiry PIN.
type PINRow struct {
	Account  corebank.Account
	State    PINState
	Chosen   bool   // 選択状況 at first, or as last pressed
	ThisTime bool   // registered in this journey: ●●●●
	By       string // who registered it, where it was a colleague
	Fault    Fault  // why the last press did not register it; empty: no fault
	Left     int    // tries left, with WrongPIN
	Stopped  bool   // no try is left: the branch helps, and the row takes no number
}

// ConsentPage is AL-500. The page says who is asked, what goes to whom and how
// long; Journey has partner, company and user.
type ConsentPage struct {
	Functions   []corebank.BusinessFunction
	Accounts    []ConsentAccount
	LeftOut     []PINRow // accounts without a usable PIN, which cannot be ticked
	HistoryDays int
	LastDay     corebank.Date // if added; that day included
	Existing    []ExistingLinkage
	Renews      ConsentID // 更新する stands chosen with this one, or as last pressed; empty: added
	AsksRenewal bool      // whether the page asks 更新する / 別の連携として追加する
	Intent      Intent    // as last pressed
	Terms       string    // the version of the terms
	PINsKeptFor time.Duration
}

// ConsentAccount is one account that can be consented.
type ConsentAccount struct {
	Account corebank.Account
	Ticked  bool
	Waiting bool // 確認待ち: its PIN is 申請中
}

// ExistingLinkage is a live linkage of the same user to the same partner.
type ExistingLinkage struct {
	ID        ConsentID
	GivenAt   time.Time
	LastDay   corebank.Date // of the linkage as it is
	RenewedTo corebank.Date // its last day if it is renewed now
	Functions []corebank.BusinessFunction
	Accounts  int
}

// HandoverPage is AL-510: the way back, and after it the receipt.
type HandoverPage struct {
	Allowed bool
	Reason  Reason    // why not, unless Allowed
	Way     *Redirect // nil once the partner has redeemed the code, or its time is over
	Receipt *Receipt  // if Allowed
}

// Receipt is what the customer keeps of a consent.
type Receipt struct {
	Consent     ConsentID
	GivenAt     time.Time
	LastDay     corebank.Date
	Functions   []corebank.BusinessFunction
	Accounts    []corebank.Account
	HistoryDays int
	Renewed     bool
	Terms       string
}

// Redirect is the way back to the partner. It holds a code: it is shown to the
// journey's browser and sealed at rest.
type Redirect struct {
	URL  string
	Form map[string]string // response_mode=form_post; nil: URL has everything
	// Denied says why the protocol could not grant what was approved, such as to
	// another user than the partner named; empty: a code was issued.
	Denied string
}

// RepeatPage is for a browser that holds the cookie from before its own last
// press, whose answer never arrived. It may only repeat that press: one button,
// whose form carries nothing but Journey.Press.
type RepeatPage struct{ Button Button }

package linkage

import (
	"net/netip"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// Asked is what the protocol found in a partner's request. Nothing of it was
// written yet, and nothing of it is believed further than the partner's
// registration goes.
type Asked struct {
	Handle      string                      `json:",omitempty"` // opaque; the Protocol knows by it which request is answered
	Client      string                      `json:",omitempty"`
	Partner     partner.ID                  `json:",omitempty"`
	Functions   []corebank.BusinessFunction `json:",omitempty"` // none: all that the partner may have
	Accounts    []string                    `json:",omitempty"` // names by which the partner knows accounts; none: the customer chooses
	HistoryDays int                         `json:",omitempty"` // 0: as far as the partner may look back
	Grant       ConsentID                   `json:",omitempty"` // the consent that a named grant stands for now; empty: none named
	GrantAction string                      `json:",omitempty"` // create, merge or replace; empty as create
	Relogin     bool                        `json:",omitempty"` // no session may be used
	ACRs        []string                    `json:",omitempty"` // of which the login must be one; none: any
	LoginHint   string                      `json:",omitempty"`
	UILocales   []string                    `json:",omitempty"`
}

// Visit is one request of a browser to a journey. What is in it came from
// outside and is checked by every method that takes one.
type Visit struct {
	Journey JourneyID
	Cookie  secret.Value // the value of the journey's own cookie, one cookie for each journey
	Press   string       // of a button: Journey.Press of the page on which it stood
	Session secret.Value // the value of the session's cookie; empty: none
	Address netip.Addr
	Device  Device
}

// Device is what a browser shows of itself.
type Device struct {
	Token     secret.Value // of the long-lived cookie that Result.Device once gave; empty on a first visit
	UserAgent string
}

// Opening is a journey that may begin. With the login as its step nothing is
// written: all of it is in the cookie, sealed. So it may be where a session let
// its user in.
type Opening struct {
	Journey JourneyID
	Step    Step
	Cookie  secret.Value
	Device  secret.Value // as Result.Device
}

// Result is what a button led to. The page to show is Journey; where it has
// Errors, they are at fields of the same step and nothing that was typed, save
// secrets, is lost.
type Result struct {
	Journey   Journey
	Cookie    secret.Value // the journey's cookie from now on; empty: unchanged
	Device    secret.Value // to be kept in the device's cookie; empty: nothing new
	Session   secret.Value // to be kept in the session's cookie; empty: nothing new
	Again     *Opening     // the request goes on in this journey
	SignedOut bool         // the browser's session is over
	Stale     bool         // the press belonged to a page that is over: nothing was done, and Journey is where it stands
}

// LoginPress is what the page AL-100/AL-120 sends.
type LoginPress struct {
	LoginID  string
	Password secret.Value // exactly as typed
}

// CertificatePress is what the page AL-111 sends.
type CertificatePress struct{ Password secret.Value }

// AnswerPress is what the page AL-200 sends.
type AnswerPress struct{ Answer secret.Value }

// FunctionsPress is what the page AL-300 sends: the boxes that are ticked.
type FunctionsPress struct{ Functions []corebank.BusinessFunction }

// PINPress is what the page AL-400 sends.
type PINPress struct {
	Rows []PINPressRow
	Same bool // 同じ番号を使う: the number of the first chosen row stands for all that are left empty
}

// PINPressRow is one row of the page AL-400.
type PINPressRow struct {
	Account corebank.AccountID
	Chosen  bool
	PIN     secret.Value
}

// ConsentPress is what the page AL-500 sends with 許可.
type ConsentPress struct {
	Intent   Intent
	Accounts []corebank.AccountID // the boxes that are ticked
	Renews   ConsentID            // 更新する: the linkage to replace; empty: 別の連携として追加する
}

// Intent is the choice of 意思確認.
type Intent string

// The choices of 意思確認; none stands chosen at first.
const (
	NoIntent Intent = ""
	Proceed  Intent = "proceed" // 許可手続きを継続する
	Stop     Intent = "stop"    // 許可手続きを中止する
)

// Field is where on a page an error stands.
type Field string

// The fields of the pages.
const (
	WholePage      Field = ""
	LoginIDField   Field = "login_id"
	PasswordField  Field = "password"
	AnswerField    Field = "answer"
	FunctionsField Field = "functions"
	PINsField      Field = "pins" // the list as a whole
	PINField       Field = "pin"  // of the row FieldError.Account
	IntentField    Field = "intent"
	AccountsField  Field = "accounts"
	RenewsField    Field = "renews"
)

// Fault is what is wrong at a field, a closed list.
type Fault string

// The faults.
const (
	Missing       Fault = "missing"        // nothing typed or nothing chosen
	TooLong       Fault = "too_long"       // longer than any right one
	WrongLogin    Fault = "wrong_login"    // id unknown, password wrong, or a certificate user: the same words for all
	WrongPassword Fault = "wrong_password" // the certificate way; Left says how many tries are left
	WrongAnswer   Fault = "wrong_answer"   // Left
	TooMany       Fault = "too_many"       // the rate limit: a minute's wait helps
	NotOffered    Fault = "not_offered"    // a choice that was not on the page
	NotFourDigits Fault = "not_four_digits"
	WrongPIN      Fault = "wrong_pin"   // Left
	PINStopped    Fault = "pin_stopped" // no tries are left here; the branch helps
	ClosedAccount Fault = "account_closed"
	NotTried      Fault = "not_tried"    // 同じ番号を使う: the first was not right, so this one was not asked
	StopChosen    Fault = "stop_chosen"  // 許可 with 中止する
	GoneRenewal   Fault = "renewal_gone" // the linkage to renew has ended meanwhile
)

// FieldError is one thing that is wrong, at its field.
type FieldError struct {
	Field   Field
	Account corebank.AccountID // of PINField
	Fault   Fault
	Left    int  // tries left, where the fault says so
	Wide    bool // the password holds full-width characters, which are taken as typed
}

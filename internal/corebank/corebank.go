// Package corebank is what we ask of the bank's own systems: its internet
// banking, which knows users, passwords and questions, and its core, which
// knows accounts, inquiry PINs and entries.
//
// It does not know who asks, why, or for which API partner: consents, journeys
// and tokens never reach it. Start with Connector; every bank is one
// implementation of it, and banktest holds what each must do.
package corebank

import (
	"context"
	"time"

	"renkei.dev/internal/secret"
)

// Connector is one institution's internet banking and core system.
//
// All methods may be called in parallel and end when ctx does. Beside the
// errors that a method names, each can fail with Closed (out of hours: surely
// nothing was checked) or Unavailable. Secrets are never logged and never kept
// by a connector. A secret that is checked is checked at most once per call.
type Connector interface {
	// Hours says whether internet banking and core are open now, and when they
	// open or close next. It never fails with Closed.
	Hours(ctx context.Context) (Hours, error)

	// CheckPassword checks a login id of the ID way with its password and
	// returns its user, whatever the user's Standing is.
	// Errors: WrongSecret, for an unknown id, a certificate user and a wrong
	// password alike; Locked.
	CheckPassword(ctx context.Context, id LoginID, password secret.Value) (User, error)

	// UserOf returns the user that a certificate belongs to, by its subject,
	// names, issuer and serial number; that it is valid is the caller's to
	// judge. Errors: fault.NotFound.
	UserOf(ctx context.Context, c Certificate) (User, error)

	// CheckPasswordOf checks the password of a user known by certificate.
	// Errors: WrongSecret, Locked, fault.NotFound.
	CheckPasswordOf(ctx context.Context, user UserID, password secret.Value) error

	// Questions returns the user's own registered questions, without answers;
	// none when the user has not registered any. Errors: fault.NotFound.
	Questions(ctx context.Context, user UserID) ([]Question, error)

	// CheckAnswer checks the answer to one of the user's questions. The answer
	// comes as typed; folding it is the connector's. Errors: WrongSecret,
	// Locked, fault.NotFound.
	CheckAnswer(ctx context.Context, user UserID, question QuestionID, answer secret.Value) error

	// User returns a user as the bank knows it now. Errors: fault.NotFound.
	User(ctx context.Context, user UserID) (User, error)

	// Accounts returns the accounts that a user may inquire about, in the
	// bank's order. Errors: fault.NotFound.
	Accounts(ctx context.Context, user UserID) ([]Account, error)

	// Rights returns, for each business function, whether the user may use it
	// and how the company stands to it. Errors: fault.NotFound.
	Rights(ctx context.Context, user UserID) ([]Right, error)

	// CheckPIN checks an account's inquiry PIN.
	// Errors: WrongSecret, Locked, fault.NotFound, AccountClosed.
	CheckPIN(ctx context.Context, account AccountID, pin InquiryPIN) error

	// Balance returns an account's balances. Errors: as CheckPIN.
	Balance(ctx context.Context, account AccountID, pin InquiryPIN) (Balance, error)

	// Transactions returns a page of an account's entries, oldest first.
	// Errors: as CheckPIN, and PeriodOutOfRange, fault.Invalid (a cursor that
	// is not this bank's).
	Transactions(ctx context.Context, account AccountID, pin InquiryPIN, q EntryQuery) (EntryPage, error)

	// Deposits is Transactions for received transfers alone, with who sent them.
	Deposits(ctx context.Context, account AccountID, pin InquiryPIN, q EntryQuery) (EntryPage, error)
}

// Yen is an amount in whole yen.
type Yen int64

// Date is a calendar date in Japan, "2026-11-24"; dates order as strings.
type Date string

// Japan is the time zone that the bank's dates are of.
var Japan = time.FixedZone("JST", 9*60*60)

// DateOf returns the calendar date in Japan at t.
func DateOf(t time.Time) Date { return Date(t.In(Japan).Format(time.DateOnly)) }

type (
	// CompanyID names a company under contract with the institution.
	CompanyID string
	// UserID names one user of a company; it never changes and is never reused.
	UserID string
	// LoginID is what a user types to log in.
	LoginID string
	// QuestionID names one of a user's registered questions.
	QuestionID string
	// AccountID names an account within its institution, e.g. "001-1-2000002"
	// (branch, type, number).
	AccountID string
)

// InquiryPIN is an account's four-digit 照会用暗証番号.
type InquiryPIN struct{ secret.Value }

// Company is a company under contract.
type Company struct {
	ID   CompanyID
	Name string // as registered, e.g. 株式会社見本商店
}

// Role is a user's place in the company.
type Role string

// The roles of a user.
const (
	MasterUser  Role = "master"  // マスターユーザ
	AdminUser   Role = "admin"   // 管理者ユーザ
	GeneralUser Role = "general" // 一般ユーザ
)

// LoginMethod is the one way by which a user logs in.
type LoginMethod string

// The login methods.
const (
	CertificateLogin LoginMethod = "certificate" // 電子証明書方式
	PasswordLogin    LoginMethod = "password"    // ID・パスワード方式
)

// Standing is whether the bank lets a user in at all.
type Standing string

// The standings of a user.
const (
	InGoodStanding Standing = "good"
	Stopped        Standing = "stopped"          // 利用停止, until the bank or an administrator lifts it
	NotSetUp       Standing = "not_set_up"       // the first login at internet banking is still to come
	ContractEnded  Standing = "contract_ended"   // the company's contract is over
	AnswersMissing Standing = "answers_missing"  // no questions registered though they would be needed
	MustChange     Standing = "must_change_word" // the password must be changed at internet banking first
)

// User is a user of a company as the bank knows it.
type User struct {
	ID       UserID
	LoginID  LoginID
	Name     string
	Company  Company
	Role     Role
	Method   LoginMethod
	Standing Standing
	MayLink  bool // whether the company permits this user to link accounts
	Flagged  bool // the core's own suspicion about this login, one fact of the risk rules
	// PasswordAt is when the password was last changed or given anew; zero: the
	// bank cannot tell.
	PasswordAt time.Time
}

// Question is one of a user's own registered questions.
type Question struct {
	ID   QuestionID
	Text string
}

// AccountType is the 科目 of an account.
type AccountType string

// The types of an account, by their codes in the API.
const (
	Ordinary AccountType = "1" // 普通
	Current  AccountType = "2" // 当座
	Savings  AccountType = "4" // 貯蓄
	Other    AccountType = "9" // その他
)

// Account is one 照会用口座.
type Account struct {
	ID         AccountID
	BranchCode string // three digits
	BranchName string
	Type       AccountType
	Number     string // seven digits
	Memo       string // 口座メモ, at most 20 full-width characters
	Holder     string
	HolderKana string
	Primary    bool // 代表口座
	Closed     bool // 解約済み
}

// BusinessFunction is a 業務 that a partner can be allowed.
type BusinessFunction string

// The business functions, in the order in which they are shown.
const (
	BalanceInquiry     BusinessFunction = "balance"      // 残高照会
	TransactionInquiry BusinessFunction = "transactions" // 入出金明細照会
	DepositInquiry     BusinessFunction = "deposits"     // 振込入金明細照会
)

// Functions lists all business functions in the order in which they are shown.
var Functions = []BusinessFunction{BalanceInquiry, TransactionInquiry, DepositInquiry}

// Subscription is how a company stands to a function that needs one.
type Subscription string

// The subscriptions; NotNeeded is the zero value.
const (
	NotNeeded Subscription = ""
	Enrolled  Subscription = "enrolled" // 入会済
	Applied   Subscription = "applied"  // 申請済
	NoneYet   Subscription = "none"
)

// Right is what a user may do with one business function.
type Right struct {
	Function     BusinessFunction
	Permitted    bool
	Subscription Subscription
}

// Hours is when the bank's systems are open.
type Hours struct {
	Open     bool
	OpensAt  time.Time // when closed: when it opens again
	ClosesAt time.Time // when open: when it closes next; zero if never
	Reason   string    // for a planned closure, in Japanese; may be empty
}

// Certificate is what a client certificate says of its holder.
type Certificate struct {
	Subject   string   // RFC 4514
	Issuer    string   // RFC 4514
	Serial    string   // decimal
	Names     []string // subject alternative names: DNS, mail, URI
	NotBefore time.Time
	NotAfter  time.Time
}

// Balance is an account's balances at a moment.
type Balance struct {
	Current          Yen
	Withdrawable     Yen
	PreviousDay      Yen
	PreviousMonthEnd Yen
	At               time.Time
}

// Direction is which way money went.
type Direction string

// The directions, by their codes in the API.
const (
	In  Direction = "1"
	Out Direction = "2"
)

// EntryID names an entry of one account, the same over restarts.
type EntryID string

// Entry is one line of an account's statement.
type Entry struct {
	ID          EntryID
	PostingDate Date // 勘定日
	ValueDate   Date // 起算日
	Direction   Direction
	Amount      Yen
	Balance     Yen    // after this entry
	Kind        string // 取引区分, in Japanese
	Remarks     string // 摘要
	Bank        string // 金融機関名, where the other side is known
	Branch      string
	Remitter    string // 依頼人名, of a received transfer
	EDI         string // EDI情報
	Corrects    EntryID
	Cancels     EntryID
}

// EntryQuery asks for a page of entries, from and to inclusive.
type EntryQuery struct {
	From, To Date
	After    string // a cursor that an earlier page gave; empty at first
	Limit    int    // 1 to 500
}

// EntryPage is a page of entries, oldest first.
type EntryPage struct {
	Entries []Entry
	Next    string // cursor of the next page; empty on the last one
	Oldest  Date   // the earliest date that can be asked for
}

package sandbox

import (
	"time"

	"renkei.dev/internal/corebank"
)

// World is who is in a sandbox bank, as plain data. Everything in it is made up,
// its secrets too: the demo prints them on its start page.
type World struct {
	Name      string // of the institution
	NameEN    string
	Companies []Company
}

// Company is a company under contract, and how the bank behaves towards it.
type Company struct {
	corebank.Company
	NameEN   string
	Members  []Member
	Accounts []Account
	Habit    Habit
}

// Habit is how the bank's systems always behave towards one company.
type Habit struct {
	Delay     time.Duration // before every answer
	Closed    bool          // out of hours at every hour
	Down      bool          // internet banking lets in, the core does not answer
	AllDown   bool          // internet banking does not answer either
	PINsClose bool          // PINs cannot be checked, being out of hours
}

// Member is one user of a company, with what they would know and hold.
type Member struct {
	corebank.User
	Password    string
	Questions   []QuestionAnswer
	Certificate CertificateCase
	Unbound     bool             // the bank has bound no user to the certificate
	Rights      []corebank.Right // nil: every function
	Case        string           // what this user is a case of, a sentence in Japanese
	CaseEN      string
}

// QuestionAnswer is a registered question with its answer.
type QuestionAnswer struct {
	corebank.Question
	Answer string
}

// CertificateCase is what is right or wrong with the client certificate that a
// user holds; who issues the certificates makes it so.
type CertificateCase string

// The cases of a certificate.
const (
	NoCertificate       CertificateCase = ""
	ValidCertificate    CertificateCase = "valid"
	ExpiringCertificate CertificateCase = "expiring" // within thirty days
	ExpiredCertificate  CertificateCase = "expired"
	EarlyCertificate    CertificateCase = "early" // not valid yet
	RevokedCertificate  CertificateCase = "revoked"
	ForeignCertificate  CertificateCase = "foreign" // another institution's
	ServerCertificate   CertificateCase = "server"  // of the wrong usage
)

// Account is an account and what its holder knows of it.
type Account struct {
	corebank.Account
	PIN         string
	Opening     corebank.Yen // balance before the first entry
	Seed        Seed
	Tries       int  // wrong PINs until it locks; 0: the bank's usual five
	Locked      bool // inquiries are locked from the beginning
	ClosesAfter int  // the balance inquiry after which the account is closed; 0: never
}

// Seed is how the linking side is to stand to an account's inquiry PIN when the
// world begins. The bank itself has no such thing.
type Seed string

// The seeds of an inquiry PIN.
const (
	SeedNone       Seed = "none"       // 未登録
	SeedRegistered Seed = "registered" // 登録済み
	SeedPending    Seed = "pending"    // 申請中; the bank never gets to check this PIN, so that it stays so
	SeedRejected   Seed = "rejected"   // 要再登録
)

// Fictional returns the demo bank's world, a fresh copy each time. Every path of
// the linking journey is taken by at least one user, whose login id names the case.
func Fictional() World {
	w := World{Name: "れんけい信用組合", NameEN: "Renkei Credit Union"}
	w.Companies = append(w.Companies, companiesThatLink()...)
	w.Companies = append(w.Companies, companiesThatMeetWeather()...)
	w.Companies = append(w.Companies, companiesThatAreRefused()...)
	return w
}

// Member returns the user with a login id, and the company.
func (w World) Member(id corebank.LoginID) (Member, Company, bool) {
	for _, c := range w.Companies {
		for _, m := range c.Members {
			if m.LoginID == id {
				return m, c, true
			}
		}
	}
	return Member{}, Company{}, false
}

// Member returns the user with a login id as the world has it, and the company:
// tests and the demo read passwords and PINs from it.
func (b *Bank) Member(id corebank.LoginID) (Member, Company, bool) {
	s, ok := b.byLogin[id]
	if !ok {
		return Member{}, Company{}, false
	}
	return s.Member, *s.company, true
}

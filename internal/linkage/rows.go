package linkage

import (
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/login"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// Row is a journey as it is kept. Version counts its transitions; everything
// that a journey gathered is Sealed, with its id as additional data.
type Row struct {
	ID      JourneyID
	Number  InquiryNumber
	Partner partner.ID
	Client  string
	User    corebank.UserID
	Company corebank.CompanyID
	Step    Step
	Version int64

	Button Button        // that made this version
	Press  secret.Digest // of the press that began the row, its secrets included

	Claim       int64 // the press that is asking the bank now; 0: none
	ClaimButton Button
	ClaimUntil  time.Time

	BeganAt   time.Time
	TouchedAt time.Time
	EndedAt   time.Time // when it came to the hand-over
	Consent   ConsentID
	Sealed    []byte
	Way       []byte // the way back, sealed; empty: none
	WayUntil  time.Time
}

// StagedPIN is an inquiry PIN that was registered in a journey and is not in
// force yet.
type StagedPIN struct {
	Account corebank.AccountID
	State   PINState // Registered or Pending, once in force
	Sealed  []byte   // with institution and account as additional data
	Version int64    // of the PIN that it becomes
	At      time.Time
}

// StoredPIN is an inquiry PIN that is in force, or was until the core refused it.
type StoredPIN struct {
	Account corebank.AccountID
	User    corebank.UserID // who registered it
	Name    string
	Company corebank.CompanyID
	State   PINState // Registered, Pending or Rejected
	Sealed  []byte
	Version int64
	At      time.Time
	Consent ConsentID // with which it came into force
}

// Needs is what a page needs beside its journey.
type Needs struct {
	Linked   bool // the consents of User to Partner that are live at Now
	User     corebank.UserID
	Partner  partner.ID
	Now      time.Time
	Accounts []corebank.AccountID // of which the PINs, and the counters of their tries
	Session  []byte               // the digest of a session of which to tell whether it is there; none: no question
}

// Kept is what was found for Needs.
type Kept struct {
	Linked   []Consent       // the newest first
	PINs     []StoredPIN     // of all users
	Counters []login.Counter // one for each account, in their order
	Session  bool            // it is there
}

// Known is what is known of a user who comes in.
type Known struct {
	Seen  []login.Sighting
	Tries []login.Counter // one for each key, in their order
	PINs  []StoredPIN
}

// LoginPressRow is one press of API連携, by the digest of everything that was
// sent with it: whoever sends the same again is shown what became of it.
type LoginPressRow struct {
	Press   secret.Digest
	Nonce   int64 // of who asks the bank
	Until   time.Time
	Outcome []byte // empty: the bank is still asked
}

// LoginClaimed takes a press of API連携, with its try. It no longer holds when
// the same press was taken and its lease is not over.
type LoginClaimed struct {
	Row      LoginPressRow
	Now      time.Time
	Counters []login.Counted
	Rate     *login.Rate
	Done     audit.Act
}

// LoginSettled is what became of a press of API連携. It no longer holds when its
// claim was taken over, or the journey has begun already.
type LoginSettled struct {
	Row      LoginPressRow
	Counters []login.Counted
	Begins   *Row // the journey, once the login succeeded
	Seen     *login.Seen
	Session  *SessionBegun
	Done     audit.Act
}

// JourneyBegun is a journey that the customer left before the login, or that a
// session let them into without one: as it was opened, or as its first press makes
// it, and then a JourneyMoved follows. It no longer holds when the journey has
// begun, or the session has ended or did not last when the journey was opened.
type JourneyBegun struct {
	Row     Row
	Session *secret.Digest // the session that lets them in; nil: none does
	Done    audit.Act
}

// JourneyClaimed takes a press, with its tries. It no longer holds when the
// journey went on, or another press is taken and its lease is not over.
type JourneyClaimed struct {
	ID       JourneyID
	Version  int64
	Claim    int64
	Button   Button
	Now      time.Time
	Until    time.Time
	Counters []login.Counted
	Done     audit.Act
}

// JourneyMoved is one transition with everything that it changes. It no longer
// holds when the journey is not at From, or its claim was taken over.
type JourneyMoved struct {
	From     int64
	Begun    bool  // the JourneyBegun before it writes the row: From is nowhere
	Claim    int64 // 0: the press asked nobody, and this commit is its claim
	Now      time.Time
	Row      Row
	Counters []login.Counted
	Seen     *login.Seen
	Session  *SessionBegun
	Ends     *secret.Digest // the session that ends
	Stage    []StagedPIN    // beside or instead of what was staged before
	Drop     bool           // what was staged is discarded
	InForce  *StoredPIN     // what was staged comes into force; whose and with which consent
	Consent  *Consent
	Done     audit.Act
}

// JourneyTouched gives a journey its idle time again. It no longer holds when
// the journey went on.
type JourneyTouched struct {
	ID      JourneyID
	Version int64
	At      time.Time
	Done    audit.Act
}

// CertificateTaken is the taking of a one-time secret by a journey. It no longer
// holds when it was taken already.
type CertificateTaken struct {
	Secret  secret.Digest
	Journey JourneyID
	Until   time.Time // after this the secret is good for nothing anyway
	Done    audit.Act
}

// Act returns the act of the change.
func (c LoginClaimed) Act() audit.Act { return c.Done }

// Act returns the act of the change.
func (c LoginSettled) Act() audit.Act { return c.Done }

// Act returns the act of the change.
func (c JourneyBegun) Act() audit.Act { return c.Done }

// Act returns the act of the change.
func (c JourneyClaimed) Act() audit.Act { return c.Done }

// Act returns the act of the change.
func (c JourneyMoved) Act() audit.Act { return c.Done }

// Act returns the act of the change.
func (c JourneyTouched) Act() audit.Act { return c.Done }

// Act returns the act of the change.
func (c CertificateTaken) Act() audit.Act { return c.Done }

package linkage

import (
	"encoding/json"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
	"renkei.dev/internal/secret"
)

// state is everything that a journey gathered. Before the login it lives in the
// cookie, from then on in the row; sealed in both. It is written at every press, so
// that it says nothing of what is not there.
type state struct {
	Seed  []byte // the journey's cookies and press tokens are made from it
	Asked Asked

	LoginID     string            `json:",omitempty"` // as typed, before the login
	Host        int               `json:",omitempty"` // the sibling name that the next certificate is tried at
	Certificate *takenCertificate `json:",omitempty"`

	AuthAt      time.Time            `json:",omitzero"`
	Method      corebank.LoginMethod `json:",omitempty"`
	UserName    string               `json:",omitempty"`
	CompanyName string               `json:",omitempty"`
	Role        corebank.Role        `json:",omitempty"`
	With        []login.Sighting     `json:",omitempty"` // what the user was seen with, until they are let in; kept then
	Question    *corebank.Question   `json:",omitempty"`
	Answered    bool                 `json:",omitempty"`

	Reused         bool  `json:",omitempty"` // a session let the user in: there was no login
	Questioned     bool  `json:",omitempty"` // the session's login included the question
	SessionVersion int64 `json:",omitempty"` // at which a session began; 0: none did

	LetIn     bool                        `json:",omitempty"` // authenticated, and the bank said what there is to link
	Rights    []corebank.Right            `json:",omitempty"` // where step 3 is shown
	Accounts  []corebank.Account          `json:",omitempty"` // until the hand-over
	Chooses   bool                        `json:",omitempty"` // step 3 is shown
	Functions []corebank.BusinessFunction `json:",omitempty"`

	PINsAsked   bool       `json:",omitempty"` // step 4's condition held when the user was let in
	PINsSettled bool       `json:",omitempty"` // 確定 or あとで登録して進む
	MorePINs    bool       `json:",omitempty"` // 照会用暗証番号の追加登録
	ResultOpen  bool       `json:",omitempty"` // a 登録 registered something and was not settled yet
	PINFaults   []pinFault `json:",omitempty"`
	Visited     []Step     `json:",omitempty"`

	LastErrors []FieldError `json:",omitempty"` // of the last press
	LastCause  *Cause       `json:",omitempty"` // of the last press, which the same page can try again
	LastHop    bool         `json:",omitempty"` // the cause is a certificate's: another one may be shown

	Cause   *Cause   `json:",omitempty"` // it cannot go on
	Allowed bool     `json:",omitempty"`
	Reason  Reason   `json:",omitempty"`
	Receipt *Receipt `json:",omitempty"`
}

// over returns the state of a journey that came to the hand-over: what its pages
// showed before is not kept, beside what the receipt says.
func over(st state) state {
	st.Rights, st.Accounts, st.With, st.PINFaults = nil, nil, nil, nil
	return st
}

type takenCertificate struct {
	User    corebank.UserID
	Facts   CertificateFacts
	TakenAt time.Time
}

type pinFault struct {
	Account corebank.AccountID
	Fault   Fault
	Left    int
}

// prelude is a journey before its login, as its cookie holds it.
type prelude struct {
	Row    Row
	State  state
	Pepper []byte // never stored: what was typed cannot be guessed from the digest of a press
	Try    int    // presses of API連携 so far
}

const (
	cookiePrefix = "jny1_"

	cookieKind  secret.Kind = "journey cookie"
	tokenKind   secret.Kind = "journey press"
	pressKind   secret.Kind = "journey press with secrets"
	onceKind    secret.Kind = "certificate one-time secret"
	hopKind     secret.Kind = "certificate hop"
	deviceKind  secret.Kind = "device"
	subjectKind secret.Kind = "login subject"
)

func (s *Service) sealState(id JourneyID, st state) ([]byte, error) {
	plain, err := json.Marshal(st)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write a journey's state", err)
	}
	return s.Box.Seal(plain, "journey", s.Institution, id.String()), nil
}

func (s *Service) openState(id JourneyID, sealed []byte) (state, error) {
	var st state
	plain, err := s.Box.Open(sealed, "journey", s.Institution, id.String())
	if err == nil {
		err = json.Unmarshal(plain, &st)
	}
	if err != nil {
		return state{}, fault.Wrap(fault.Internal, "read a journey's state", err)
	}
	return st, nil
}

func (s *Service) sealPrelude(p prelude) (secret.Value, error) { return s.seal(preludeSealing, p) }

// openPrelude reads what sealPrelude wrote; ok is false for anything else.
func (s *Service) openPrelude(cookie secret.Value) (p prelude, ok bool) {
	if !s.open(preludeSealing, cookie, &p) {
		return prelude{}, false
	}
	return p, true
}

func (s *Service) sealWay(id JourneyID, r Redirect) ([]byte, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write the way back", err)
	}
	return s.Box.Seal(plain, "way back", s.Institution, id.String()), nil
}

func (s *Service) openWay(id JourneyID, sealed []byte) (*Redirect, error) {
	var r Redirect
	plain, err := s.Box.Open(sealed, "way back", s.Institution, id.String())
	if err == nil {
		err = json.Unmarshal(plain, &r)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "read the way back", err)
	}
	return &r, nil
}

func (s *Service) sealPIN(a corebank.AccountID, pin secret.Value) []byte {
	return s.Box.Seal([]byte(pin.Reveal()), "inquiry pin", s.Institution, string(a))
}

func (s *Service) openPIN(a corebank.AccountID, sealed []byte) (corebank.InquiryPIN, error) {
	plain, err := s.Box.Open(sealed, "inquiry pin", s.Institution, string(a))
	if err != nil {
		return corebank.InquiryPIN{}, fault.Wrap(fault.Internal, "open an inquiry PIN", err)
	}
	return corebank.InquiryPIN{Value: secret.Of(string(plain))}, nil
}

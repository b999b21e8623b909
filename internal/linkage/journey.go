// Package linkage is API連携認証（利用登録）: the manual's six steps by which a
// customer links accounts to an API partner, and the consent that comes of them.
//
// It knows no OAuth (the way back to the partner is made behind Protocol), no
// HTTP (a browser is a Visit) and no SQL (Store). Start with steps.go, the one
// table of the journey; journey.go opens and loads one, press.go is the shape
// of every button, and each stepN file has the buttons of its step.
package linkage

import (
	"sync"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/login"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// Service runs the journeys of one institution. All fields are required unless
// they say otherwise; its methods may be called in parallel, on any node.
//
// Every method that takes a Visit returns a Halted error where there is no page
// of a journey to show: the cookie is not this journey's, or there is no such
// journey any more (Cause 930 or 940).
type Service struct {
	Institution string
	Key         []byte // secret and never changed: what is counted and recognised is named by it
	Store       Store
	Bank        corebank.Connector
	Partners    partner.Registry
	Protocol    Protocol
	Box         *secret.Box
	Rules       Rules
	Alias       func(partner.ID, corebank.AccountID) string // the name by which a partner knows an account
	NextID      func() int64
	Now         func() time.Time

	guard     guard
	memory    memory
	strangers audit.Flood // refusals of browsers in which nobody has logged in
	customers audit.Flood // refusals of the others

	sweeping sync.Mutex
	swept    PINName // how far the PINs were looked through
}

// Rules are what an institution decides about its journeys.
type Rules struct {
	IdleFor          time.Duration // a page is good for this long: 15 minutes
	SessionFor       time.Duration // how long a login serves further journeys of its browser; 0: every linking is a login
	TotalFor         time.Duration // and the journey for this long in all: 60 minutes
	BankFor          time.Duration // how long the bank may take for one press: 20 s
	ConsentFor       time.Duration // unless the partner's registration says otherwise: 90 days
	HistoryDays      int           // how far back, unless the partner's registration says otherwise
	PINsKeptFor      time.Duration // after a consent expired: 90 days
	PINsOfColleague  bool          // a PIN that a colleague registered serves other users of the company
	GeneralMayNot    bool          // general users may not link, whatever their company permits
	AppliedWaits     bool          // 申請済 cannot be chosen yet
	SteppedUp        bool          // the institution uses risk-based authentication
	CertificateHosts int           // sibling names of the certificate host: 9
	MaxAnswer        int           // characters of an answer: 20
	MaxPINTries      int           // wrong inquiry PINs in a row here: 3
	Terms            string        // version of the terms of use
	Login            login.Rules
}

// Package partner is API partners (API連携先) as the law and the bank see them:
// who they are, under which registration and contract, which business functions
// they may have, and whether they may link now.
//
// It does not know OAuth: how a partner's software authenticates is a client's
// registration, and the engine keeps that. It knows no page and no SQL. Start
// with Partner; metadata.go reads the file by which the bank's staff register
// one, pairwise.go makes the ids by which a partner knows accounts and users.
package partner

import (
	"context"
	"slices"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
)

// ID names a partner within its institution, e.g. "mihon-kaikei". It stands in
// audit rows and is never reused.
type ID string

// Status is whether the bank lets a partner work at all (連携先停止).
type Status string

// The statuses of a partner.
const (
	Active  Status = "active"
	Stopped Status = "stopped" // until the bank lifts it; consents stay and rest
)

// Contact is where a customer reaches the partner, shown on the consent page
// (銀行法 52条の61の8).
type Contact struct {
	Desk  string // 窓口の名称
	Phone string
	Mail  string
	URL   string
}

// Partner is an API partner of one institution.
type Partner struct {
	ID                 ID
	Service            string // サービス名
	Corporation        string // 法人名
	RegistrationNumber string // 電子決済等代行業者登録番号, e.g. 関東財務局長（電代）第87号
	Contact            Contact
	ChainedService     string // 再委託者・連鎖接続先: the service behind the service; empty if none
	LossSharing        string // who bears a customer's losses, as the contract settled it (52条の61の10); empty: the institution's sentence
	LogoFile           string // a file of the institution's brand folder; empty if none

	Functions        []corebank.BusinessFunction // what it may have, in the order of corebank.Functions
	Required         []corebank.BusinessFunction // what it must have; all of them are in Functions
	ChoosesFunctions bool                        // whether the customer chooses at step 3
	ConsentFor       time.Duration               // life of a consent; 0: the institution's
	HistoryDays      int                         // how far back it may look; 0: the institution's

	Status        Status
	ContractFrom  time.Time // first instant of the contract
	ContractUntil time.Time // first instant after it; zero while no end is agreed
}

// Registry finds partners.
type Registry interface {
	// Partner returns a partner as it stands now, at most a second old.
	// Errors: fault.NotFound.
	Partner(ctx context.Context, id ID) (Partner, error)
}

// Store keeps the partners of one institution.
type Store interface {
	Registry
	// Partners returns all partners, by id.
	Partners(ctx context.Context) ([]Partner, error)
	// Commit makes all changes durable, or none: fault.Conflict when one of
	// them no longer holds.
	Commit(ctx context.Context, changes ...audit.Change) error
}

// Reason is why a partner may not link, in a word of a closed list.
type Reason string

// The reasons why a partner may not link.
const (
	PartnerStopped       Reason = "partner_stopped"
	ContractNotEffective Reason = "contract_not_effective" // not begun, or over
)

// NotLinkable says why a partner may not link or inquire now.
type NotLinkable struct {
	Partner ID
	Reason  Reason
}

func (e NotLinkable) Error() string { return "partner " + string(e.Partner) + ": " + string(e.Reason) }

// Unwrap returns fault.Refused.
func (NotLinkable) Unwrap() error { return fault.Refused }

// Linkable returns nil when the partner may link and inquire at now, else a
// NotLinkable (52条の61の10: no business without a contract in force).
func (p Partner) Linkable(now time.Time) error {
	switch {
	case p.Status != Active:
		return NotLinkable{p.ID, PartnerStopped}
	case now.Before(p.ContractFrom), !p.ContractUntil.IsZero() && !now.Before(p.ContractUntil):
		return NotLinkable{p.ID, ContractNotEffective}
	}
	return nil
}

// May tells whether the partner may have function f.
func (p Partner) May(f corebank.BusinessFunction) bool { return slices.Contains(p.Functions, f) }

// Must tells whether the partner must have function f, so that the customer
// cannot leave it out.
func (p Partner) Must(f corebank.BusinessFunction) bool { return slices.Contains(p.Required, f) }

// Offered returns what the customer can be asked for: those of asked that the
// partner may have, and what it must have, in the order in which functions are
// shown. Nothing asked means all that it may have.
func (p Partner) Offered(asked []corebank.BusinessFunction) []corebank.BusinessFunction {
	var offered []corebank.BusinessFunction
	for _, f := range corebank.Functions {
		if p.Must(f) || p.May(f) && (len(asked) == 0 || slices.Contains(asked, f)) {
			offered = append(offered, f)
		}
	}
	return offered
}

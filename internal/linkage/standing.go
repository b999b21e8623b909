package linkage

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// keptFor is how long after its beginning an ended journey still shows its last
// page to its own browser.
const keptFor = 24 * time.Hour

// standing is a journey as a press or a page finds it.
type standing struct {
	now       time.Time
	visit     Visit
	pre       *prelude // before the login
	carried   *carried // a session let its user in, and there is no row yet
	signedOut bool     // and that session has ended
	row       Row
	st        state
	partner   partner.Partner
	staged    []StagedPIN
	consent   ConsentState
	old       bool // the cookie is the one before the last press

	read Needs // what kept was read for
	kept Kept

	pins     []StoredPIN                          // of PIN and consent pages
	counters map[corebank.AccountID]login.Counter // of their PINs
	linked   []Consent                            // live linkages of business and consent pages
}

// stand finds the journey of a visit. Errors: Halted, when the browser is not
// the journey's.
func (s *Service) stand(ctx context.Context, v Visit) (*standing, error) {
	st := &standing{now: s.now(), visit: v}
	if err := s.find(ctx, st); err != nil {
		return nil, err
	}
	p, err := s.Partners.Partner(ctx, st.row.Partner)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return nil, fault.Wrap(fault.Of(err), "find a journey's partner", err)
	}
	st.partner = p
	if st.underWay() && (err != nil || p.Linkable(st.now) != nil) {
		st.st.Cause = &Cause{Code: PartnerHalted, Reason: PartnerStopped}
	}
	return st, nil
}

func (s *Service) find(ctx context.Context, st *standing) error {
	if p, ok := s.openPrelude(st.visit.Cookie); ok {
		if p.Row.ID != st.visit.Journey || st.now.After(p.Row.BeganAt.Add(keptFor)) {
			return foreign()
		}
		st.pre, st.row, st.st = &p, p.Row, p.State
		return nil
	}
	if c := s.openCarried(st.visit); c != nil {
		return s.findCarried(ctx, st, c)
	}
	text, ok := cutPrefix(st.visit.Cookie, cookiePrefix)
	raw, ours := decode(text)
	if !ok || !ours || len(raw) != idBytes+len(secret.Digest{}) ||
		JourneyID(binary.BigEndian.Uint64(raw)) != st.visit.Journey {
		return foreign()
	}
	var err error
	old := s.memory.recall(st.visit.Journey)
	if old != nil && st.visit.Cookie.Equal(cookieOf(old.state, old.row.ID, old.row.Version)) {
		st.read = needs(old.row, old.state, st.now)
	}
	st.row, st.staged, st.consent, st.kept, err = s.Store.JourneyWith(ctx, st.visit.Journey, st.read)
	if errors.Is(err, fault.NotFound) {
		return foreign()
	}
	if err != nil {
		return fault.Wrap(fault.Of(err), "find a journey", err)
	}
	if st.st, err = s.stateOf(st.row, old); err != nil {
		return err
	}
	switch {
	case st.now.After(st.row.BeganAt.Add(keptFor)):
		return foreign()
	case st.visit.Cookie.Equal(cookieOf(st.st, st.row.ID, st.row.Version)):
		return nil
	case st.row.Version > 1 && st.visit.Cookie.Equal(cookieOf(st.st, st.row.ID, st.row.Version-1)):
		st.old = true
		return nil
	}
	return foreign()
}

func foreign() error { return Halted{Cause{Code: RequestUnknown, Reason: NotPermitted}} }

func (st *standing) underWay() bool {
	return !st.st.Allowed && st.st.Reason == "" && st.st.Cause == nil
}

// step returns where the journey stands.
func (st *standing) step() Step { return next(st.st) }

// endsAt returns when the page is over if nothing is pressed.
func (s *Service) endsAt(row Row) time.Time {
	idle, total := row.TouchedAt.Add(s.Rules.IdleFor), row.BeganAt.Add(s.Rules.TotalFor)
	if idle.Before(total) {
		return idle
	}
	return total
}

// timeOver tells whether the time of a journey that is under way is over.
func (s *Service) timeOver(st *standing) bool {
	return st.underWay() && !st.now.Before(s.endsAt(st.row))
}

func (s *Service) token(st *standing) string { return pressToken(st.st, st.row.ID, st.version()) }

// fresh tells whether the press comes from the page where the journey stands.
func (s *Service) fresh(st *standing) bool { return sameToken(st.visit.Press, s.token(st)) }

func sameToken(sent, made string) bool {
	return subtle.ConstantTimeCompare([]byte(sent), []byte(made)) == 1
}

func (st *standing) version() int64 {
	if st.pre != nil {
		return -int64(st.pre.Try)
	}
	return st.row.Version
}

// repeats tells whether the press is the very one that made this version.
func (s *Service) repeats(st *standing, b Button) bool {
	return st.pre == nil && st.row.Version > 1 && st.row.Button == b &&
		sameToken(st.visit.Press, pressToken(st.st, st.row.ID, st.row.Version-1))
}

// needs is what the page of a state shows beside the journey.
func needs(row Row, st state, now time.Time) Needs {
	n := Needs{User: row.User, Partner: row.Partner, Now: now}
	step := next(st)
	n.Linked = step == BusinessStep || step == ConsentStep
	if step == PINStep || step == PINResultStep || step == ConsentStep {
		for _, a := range st.Accounts {
			n.Accounts = append(n.Accounts, a.ID)
		}
	}
	return n
}

func (n Needs) nothing() bool { return !n.Linked && len(n.Accounts) == 0 }

// covers tells whether what was read for n is what m asks for.
func (n Needs) covers(m Needs) bool {
	return (!m.Linked || n.Linked && n.User == m.User && n.Partner == m.Partner) &&
		(len(m.Accounts) == 0 || slices.Equal(n.Accounts, m.Accounts))
}

// gather reads what the pages of PINs and of the consent show, unless it was
// read together with the journey.
func (s *Service) gather(ctx context.Context, st *standing) error {
	n := needs(st.row, st.st, st.now)
	if n.nothing() {
		return nil
	}
	if !st.read.covers(n) {
		var err error
		if st.kept, err = s.Store.Kept(ctx, n); err != nil {
			return fault.Wrap(fault.Of(err), "find what a page shows", err)
		}
		st.read = n
	}
	st.linked, st.pins = st.kept.Linked, st.kept.PINs
	st.counters = make(map[corebank.AccountID]login.Counter, len(st.kept.Counters))
	for _, c := range st.kept.Counters {
		st.counters[corebank.AccountID(c.Key.Subject)] = c
	}
	return nil
}

// PINKey is under which the tries of an account's inquiry PIN are counted (rule 4).
func PINKey(a corebank.AccountID) login.Key {
	return login.Key{Way: login.ByPIN, Subject: string(a)}
}

// act returns an act of this journey, to be completed by its name and outcome.
func (st *standing) act(name audit.Name) audit.Act {
	who := audit.Actor{Kind: audit.Unknown}
	if st.row.User != "" {
		who = audit.Actor{Kind: audit.Customer, ID: string(st.row.User), Company: string(st.row.Company)}
	}
	a := audit.Act{
		Name: name, At: st.now, Actor: who, Outcome: audit.Done, Object: st.row.ID.String(),
		Journey: string(st.row.Number), Partner: string(st.row.Partner),
	}
	if st.visit.Address.IsValid() {
		a.Address = st.visit.Address.String()
	}
	return a
}

func denied(a audit.Act, reason string) audit.Act {
	a.Outcome, a.Reason = audit.Denied, reason
	return a
}

func failed(a audit.Act, reason string) audit.Act {
	a.Outcome, a.Reason = audit.Failed, reason
	return a
}

func detail(a audit.Act, pairs ...string) audit.Act {
	d := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		d[pairs[i]] = pairs[i+1]
	}
	a.Detail = d
	return a
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// record keeps a refusal that changes nothing. Whoever reaches the server, and
// whoever is logged in, can cause them without end: of each kind so many are kept
// in a minute and node, and the next says how many were not.
func (s *Service) record(ctx context.Context, a audit.Act) error {
	flood := &s.strangers
	if a.Actor.Kind == audit.Customer {
		flood = &s.customers
	}
	if !flood.Admit(&a) {
		return nil
	}
	if err := s.Store.Commit(ctx, audit.Denial{Denied: a}); err != nil {
		return fault.Wrap(fault.Of(err), "record a refusal", err)
	}
	return nil
}

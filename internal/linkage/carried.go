package linkage

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// carried is a journey that a session let its user into and in which nothing was
// pressed yet, as its cookie holds it. To everything else it is a journey at its
// first version; the first press writes it, as what that press makes of it.
type carried struct {
	ID        JourneyID
	Number    InquiryNumber
	User      corebank.UserID
	Company   corebank.CompanyID
	BeganAt   time.Time
	TouchedAt time.Time
	Session   []byte            // the digest of the session that let its user in; none: it ended, and the press declines
	Weighed   map[string]string // what the log will say of the opening
	State     state
}

const (
	// longestCarried is how long such a cookie may be. Browsers take 4,096 bytes and
	// hold one for each journey; proxies often take no more than 8 KiB of all together.
	longestCarried = 2000

	// firstVersion is of a journey in which nothing was pressed after its login.
	firstVersion = 1
)

// carry returns the cookie that carries a journey; false where the journey needs a
// row: because the bank will be asked, because it cannot go on, or as it is too long.
func (s *Service) carry(st *standing, session Session, weighed map[string]string) (secret.Value, bool, error) {
	if step := st.step(); step != ConsentStep && step != BusinessStep {
		return secret.Value{}, false, nil
	}
	c := &carried{
		ID: st.row.ID, Number: st.row.Number, User: st.row.User, Company: st.row.Company, BeganAt: st.row.BeganAt,
		TouchedAt: st.row.TouchedAt, Session: session.Digest[:], Weighed: weighed, State: st.st,
	}
	cookie, err := s.sealCarried(c)
	if err != nil || len(cookie.Reveal()) > longestCarried {
		return secret.Value{}, false, err
	}
	return cookie, true, nil
}

func (s *Service) sealCarried(c *carried) (secret.Value, error) {
	cookie, err := s.seal(carriedSealing, c)
	if err == nil {
		s.memory.rememberCarried(cookie, c)
	}
	return cookie, err
}

// openCarried reads what sealCarried wrote; nil for anything else, and for the
// cookie of another journey.
func (s *Service) openCarried(v Visit) *carried {
	if c := s.memory.recallCarried(v.Journey, v.Cookie); c != nil {
		return c
	}
	var c carried
	if !s.open(carriedSealing, v.Cookie, &c) || c.ID != v.Journey {
		return nil
	}
	s.memory.rememberCarried(v.Cookie, &c)
	return &c
}

// row is the journey as it would stand in the store.
func (c *carried) row() Row {
	return Row{
		ID: c.ID, Number: c.Number, Partner: c.State.Asked.Partner, Client: c.State.Asked.Client, User: c.User, Company: c.Company,
		Step: next(c.State), Version: firstVersion, BeganAt: c.BeganAt, TouchedAt: c.TouchedAt,
	}
}

// findCarried finds a journey by the cookie that carries it: there is no row yet, or
// a press has written it, and then the cookie is the one of the first version.
func (s *Service) findCarried(ctx context.Context, st *standing, c *carried) error {
	if st.now.After(c.BeganAt.Add(keptFor)) {
		return foreign()
	}
	row := c.row()
	st.read = needs(row, c.State, st.now)
	st.read.Session = c.Session
	var err error
	st.row, st.staged, st.consent, st.kept, err = s.Store.JourneyWith(ctx, c.ID, st.read)
	switch {
	case errors.Is(err, fault.NotFound):
		st.carried, st.row, st.st = c, row, c.State
		if !st.kept.Session {
			return s.findAnew(ctx, st)
		}
		return nil
	case err != nil:
		return fault.Wrap(fault.Of(err), "find a journey", err)
	case st.row.Version != firstVersion+1:
		return foreign()
	}
	st.old = true
	if st.st, err = s.stateOf(st.row, s.memory.recall(c.ID)); err == nil && !bytes.Equal(st.st.Seed, c.State.Seed) {
		return foreign() // another journey has the id
	}
	return err
}

// findAnew is for a carried journey whose session has ended. Where the same user has
// logged in anew in its browser, that session takes the place.
func (s *Service) findAnew(ctx context.Context, st *standing) error {
	held, lasts, err := s.session(ctx, st.visit, st.now)
	if err != nil {
		return err
	}
	if st.signedOut = !lasts || held.User != st.carried.User; !st.signedOut {
		c := *st.carried
		c.Session, st.carried = held.Digest[:], &c
	}
	return nil
}

// written returns the change that writes a carried journey, as a press makes it.
// It no longer holds when another press wrote it, or the session has ended.
func (c *carried) written(st *standing, row Row) JourneyBegun {
	act := detail(st.act(SessionUsed), "opened_at", c.BeganAt.Format(time.RFC3339))
	maps.Copy(act.Detail, c.Weighed)
	if len(c.Session) == 0 {
		return JourneyBegun{Row: row, Done: denied(act, sessionEnded)}
	}
	session := secret.Digest(c.Session)
	return JourneyBegun{Row: row, Session: &session, Done: act}
}

const sessionEnded = "session_ended"

// lostCarried answers a press that could not write its journey, where no other press
// did. over is false where the request was completed elsewhere, and where the press
// may be tried again: because the same user has logged in anew meanwhile, or because
// it only declines, for which nobody needs to be signed in. Else the session has
// ended, and the request begins anew with the login.
func (s *Service) lostCarried(ctx context.Context, st *standing, b Button) (r Result, again, over bool, err error) {
	before := st.carried.Session
	if len(before) == 0 {
		return Result{}, false, false, nil
	}
	_, err = s.Store.Session(ctx, secret.Digest(before))
	switch {
	case err == nil:
		return Result{}, false, false, nil
	case !errors.Is(err, fault.NotFound):
		return Result{}, false, true, fault.Wrap(fault.Of(err), "find a session", err)
	}
	if err := s.findAnew(ctx, st); err != nil {
		return Result{}, false, true, err
	}
	switch {
	case !st.signedOut:
		return Result{}, true, false, nil
	case b == Leave || b == Refuse:
		c := *st.carried
		c.Session, st.carried = nil, &c
		return Result{}, true, false, nil
	}
	act := denied(detail(st.act(PressRefused), "button", string(b), "step", string(st.step())), sessionEnded)
	if err := s.record(ctx, act); err != nil {
		return Result{}, false, true, err
	}
	digest, brought := s.sessionDigest(st.visit.Session)
	r.SignedOut = brought && digest.Equal(secret.Digest(before))
	r.Again, err = s.again(st)
	return r, false, true, err
}

// extendCarried gives the page of a carried journey its idle time again.
func (s *Service) extendCarried(ctx context.Context, st *standing) (Result, error) {
	c := *st.carried
	c.TouchedAt, st.row.TouchedAt = st.now, st.now
	cookie, err := s.sealCarried(&c)
	if err != nil {
		return Result{}, err
	}
	j, err := s.page(ctx, st)
	return Result{Journey: j, Cookie: cookie}, err
}

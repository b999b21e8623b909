package linkage

import (
	"context"
	"slices"
	"time"

	"renkei.dev/internal/corebank"
)

// Load returns where a journey stands, for a GET. It changes nothing. Its Step
// is the only one that may be shown: a GET of any other leads there.
func (s *Service) Load(ctx context.Context, v Visit) (Journey, error) {
	st, err := s.stand(ctx, v)
	if err != nil {
		return Journey{}, err
	}
	return s.page(ctx, st)
}

// page returns what a page shows, for whoever holds the journey's cookie.
func (s *Service) page(ctx context.Context, st *standing) (Journey, error) {
	step := st.step()
	j := Journey{
		ID: st.row.ID, Number: st.row.Number, Step: step, Press: s.token(st), Steps: marks(st.st, step),
		Partner: st.partner, Company: st.st.CompanyName, User: st.st.UserName, Role: st.st.Role,
		CanLeave: placeAt(step).has(Leave), CanSwitch: st.st.Reused && placeAt(step).has(SwitchUser) && !switched(st),
	}
	if switched(st) || st.signedOut { // whoever comes back to it need not be the one who was signed in
		j.Company, j.User, j.Role = "", "", ""
	}
	if st.signedOut && st.underWay() {
		j.CanSwitch = false
		return ended(j, Cause{Code: TimeOver, Reason: TimedOut, SignedOut: true, CanLeave: true}), nil
	}
	if st.old {
		j.Step, j.CanLeave, j.CanSwitch = RepeatStep, false, false
		j.Press = pressToken(st.st, st.row.ID, st.row.Version-1)
		j.Repeat = &RepeatPage{Button: st.row.Button}
		return j, nil
	}
	if st.underWay() {
		if s.timeOver(st) {
			j.CanSwitch = false
			return ended(j, Cause{Code: TimeOver, Reason: TimedOut, CanLeave: true}), nil
		}
		j.EndsAt = s.endsAt(st.row)
		j.RemainingFor = j.EndsAt.Sub(st.now)
		j.Extendable = j.EndsAt.Before(st.row.BeganAt.Add(s.Rules.TotalFor))
	}
	if st.pre != nil {
		j.Hop = hopToken(st.st, st.row.ID)
	}
	if st.pre != nil && st.underWay() {
		if closed := s.closed(ctx); closed != nil {
			return ended(j, *closed), nil
		}
	}
	if err := s.gather(ctx, st); err != nil {
		return Journey{}, err
	}
	j.Errors = st.st.LastErrors
	switch step {
	case LoginStep:
		j.Login = &LoginPage{LoginID: st.st.LoginID, CertificateHost: max(1, st.st.Host)}
	case CertificateStep:
		j.Certificate = &CertificatePage{Certificate: st.st.Certificate.Facts, NextHost: max(1, st.st.Host)}
	case QuestionStep:
		j.Question = &QuestionPage{Question: st.st.Question.Text, MaxRunes: s.Rules.MaxAnswer}
	case BusinessStep:
		j.Business = &BusinessPage{Rows: s.businessRows(st)}
	case PINStep:
		rows := s.pinRows(st)
		j.PIN = &PINPage{Rows: rows, CanPostpone: anyUsable(rows), Again: st.st.MorePINs}
	case PINResultStep:
		j.PINResult = &PINResultPage{Rows: s.pinRows(st)}
	case ConsentStep:
		j.Consent = s.consentPage(st)
	case HandoverStep:
		page, err := s.handoverPage(st)
		if err != nil {
			return Journey{}, err
		}
		j.Handover = page
	case EndedStep:
		return ended(j, *st.st.Cause), nil
	}
	return j, nil
}

// ended turns a page into one that says why it cannot go on.
func ended(j Journey, c Cause) Journey {
	return Journey{
		ID: j.ID, Number: j.Number, Step: EndedStep, Press: j.Press, Hop: j.Hop, Steps: j.Steps, Partner: j.Partner,
		Company: j.Company, User: j.User, Role: j.Role, EndsAt: j.EndsAt, RemainingFor: j.RemainingFor,
		CanLeave: c.CanLeave, CanSwitch: j.CanSwitch, Ended: &c,
	}
}

func switched(st *standing) bool { return st.row.Button == SwitchUser }

// closed returns why nobody can log in now: the bank is closed or does not
// answer. A page that is opened then says so before anything is typed.
func (s *Service) closed(ctx context.Context) *Cause {
	ctx, cancel := context.WithTimeout(ctx, s.Rules.BankFor)
	defer cancel()
	hours, err := s.Bank.Hours(ctx)
	if err != nil {
		c, _ := bankCause(err)
		return &c
	}
	if !hours.Open {
		return &Cause{Code: BankClosed, Reason: OutOfHours, Until: hours.OpensAt, Planned: hours.Reason, CanLeave: true}
	}
	return nil
}

func (s *Service) handoverPage(st *standing) (*HandoverPage, error) {
	p := &HandoverPage{Allowed: st.st.Allowed, Reason: st.st.Reason, Receipt: st.st.Receipt}
	redeemed := st.st.Allowed && st.consent != Issued
	if len(st.row.Way) > 0 && st.now.Before(st.row.WayUntil) && !redeemed {
		way, err := s.openWay(st.row.ID, st.row.Way)
		if err != nil {
			return nil, err
		}
		p.Way = way
	}
	return p, nil
}

// Extend gives the page its idle time again, up to the journey's total. The
// page stays good as it is: Journey.Press and what was typed keep.
func (s *Service) Extend(ctx context.Context, v Visit) (Result, error) {
	st, err := s.stand(ctx, v)
	if err != nil {
		return Result{}, s.refuseForeign(ctx, v, Extend, err)
	}
	switch {
	case st.old || !s.fresh(st) || s.timeOver(st) || !st.underWay():
		if st.underWay() && s.timeOver(st) {
			r, _, err := s.notHere(ctx, st, Extend)
			return r, err
		}
		r, _, err := s.stale(ctx, st, Extend)
		return r, err
	case st.carried != nil:
		return s.extendCarried(ctx, st)
	case st.pre != nil:
		st.pre.Row.TouchedAt, st.row.TouchedAt = st.now, st.now
		return s.preludeResult(ctx, st)
	}
	c := JourneyTouched{ID: st.row.ID, Version: st.row.Version, At: st.now, Done: st.act(JourneyExtended)}
	if err := s.Store.Commit(ctx, c); err != nil && !isConflict(err) {
		return Result{}, err
	}
	if st, err = s.stand(ctx, v); err != nil {
		return Result{}, err
	}
	j, err := s.page(ctx, st)
	return Result{Journey: j}, err
}

// preludeResult returns the page of a journey before its login, with its cookie.
func (s *Service) preludeResult(ctx context.Context, st *standing) (Result, error) {
	cookie, err := s.sealPrelude(*st.pre)
	if err != nil {
		return Result{}, err
	}
	j, err := s.page(ctx, st)
	return Result{Journey: j, Cookie: cookie}, err
}

func lastDay(endsAt time.Time) corebank.Date { return Extent{EndsAt: endsAt}.LastDay() }

func visited(st state, step Step) state {
	if !slices.Contains(st.Visited, step) {
		st.Visited = append(slices.Clone(st.Visited), step)
	}
	return st
}

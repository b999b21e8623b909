package linkage

import (
	"context"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// wayFor is how long the way back with a code can be shown again: as long as
// the code is good (FAPI 2.0 §5.3.2.1).
const wayFor = 60 * time.Second

// Leave is 中止して連携先へ戻る of any page before the hand-over, and 連携先へ戻る
// of a page AL-9xx, AL-930 included. It leads to the hand-over.
func (s *Service) Leave(ctx context.Context, v Visit) (Result, error) {
	if p, ok := s.openPrelude(v.Cookie); ok && p.Row.ID == v.Journey {
		return s.leaveEarly(ctx, v)
	}
	return press(ctx, s, v, move[struct{}]{
		button: Leave,
		decide: func(st *standing, _ struct{}) (outcome, error) {
			why, name := RefusedByCustomer, JourneyLeft
			switch {
			case s.timeOver(st):
				why, name = TimedOut, JourneyTimedOut
			case st.st.Cause != nil:
				why = st.st.Cause.Reason
			case st.st.LastCause != nil:
				why = st.st.LastCause.Reason
			}
			return s.leaving(st, why, denied(st.act(name), string(why))), nil
		},
	})
}

// leaving is the outcome of a press that ends the journey without consent: what
// was staged is discarded.
func (s *Service) leaving(st *standing, why Reason, act audit.Act) outcome {
	out := outcome{state: over(visited(st.st, st.step())), act: act, deny: why}
	if st.st.Cause != nil && !st.st.Cause.CanLeave {
		return outcome{state: st.st, act: act}
	}
	out.state.Cause, out.state.LastErrors, out.state.LastCause = nil, nil, nil
	out.state.Reason = why
	return out
}

// leaveEarly is Leave before the login: it is the first that is written of the
// journey.
func (s *Service) leaveEarly(ctx context.Context, v Visit) (Result, error) {
	st, err := s.stand(ctx, v)
	if err != nil {
		return Result{}, s.refuseForeign(ctx, v, Leave, err)
	}
	press := pressOf(*st.pre, Leave)
	if r, begun, err := s.begun(ctx, st, press); begun || err != nil {
		return r, err
	}
	if !s.fresh(st) {
		return s.refusedBefore(ctx, st, Leave)
	}
	why, name := RefusedByCustomer, JourneyLeft
	if s.timeOver(st) {
		why, name = TimedOut, JourneyTimedOut
	} else if st.st.LastCause != nil {
		why = st.st.LastCause.Reason
	} else if closed := s.closed(ctx); closed != nil {
		why = closed.Reason
	}
	out := s.leaving(st, why, denied(st.act(name), string(why)))
	if out.deny == "" {
		return s.refusedBefore(ctx, st, Leave)
	}
	way, protocol, err := s.answerPartner(ctx, st, &out)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitFor)
	defer cancel()
	return s.commitEarly(ctx, st, out, way, protocol, press)
}

// commitEarly writes the journey that was left, with the answer to its partner.
func (s *Service) commitEarly(ctx context.Context, st *standing, out outcome, way []byte, protocol audit.Change, press secret.Digest) (Result, error) {
	for {
		row := st.row
		row.Version, row.Button, row.Press, row.Step = 1, Leave, press, next(out.state)
		row.EndedAt, row.Way, row.WayUntil = st.now, way, row.BeganAt.Add(keptFor)
		var err error
		if row.Sealed, err = s.sealState(row.ID, out.state); err != nil {
			return Result{}, err
		}
		changes := []audit.Change{JourneyBegun{Row: row, Done: out.act}}
		if protocol != nil {
			changes = append(changes, protocol)
		}
		err = s.Store.Commit(ctx, changes...)
		if err == nil {
			s.memory.remember(row, out.state)
			after := &standing{now: st.now, visit: st.visit, row: row, st: out.state, partner: st.partner}
			return s.result(ctx, after)
		}
		if !isConflict(err) {
			return Result{}, fault.Wrap(fault.Of(err), "commit a press", err)
		}
		if r, begun, err := s.begun(ctx, st, press); begun || err != nil {
			return r, err
		}
		if protocol == nil {
			return Result{}, err
		}
		out, way, protocol = spent(st, out), nil, nil // the request was completed by another browser
	}
}

// acrOf is how a customer proved who they are, as one word for the protocol.
func acrOf(st state) string {
	switch {
	case st.Method == corebank.CertificateLogin:
		return "certificate_password"
	case st.Question != nil || st.Questioned:
		return "password_question"
	}
	return "password"
}

// amrOf lists the methods by their names (RFC 8176).
func amrOf(st state) []string {
	amr := []string{"pwd"}
	if st.Method == corebank.CertificateLogin {
		amr = append(amr, "swk")
	}
	if st.Question != nil || st.Questioned {
		amr = append(amr, "kba")
	}
	return amr
}

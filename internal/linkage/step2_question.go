package linkage

import (
	"context"
	"math/rand/v2"
	"unicode/utf8"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/login"
)

func answerKey(u corebank.UserID) login.Key {
	return login.Key{Way: login.ByAnswer, Subject: string(u)}
}

func (s *Service) answerLimit() login.Limit { return login.Limit{Tries: s.Rules.Login.AnswerTries} }

// pick draws one of n; which of a user's questions it is, is no secret.
func pick(n int) int { return rand.IntN(n) }

// bankAnswer is what the bank said to an answer.
type bankAnswer struct {
	tried bool
	err   error
	after error // of what is asked once the answer was right
	holdings
	ticket login.Ticket
}

// Answer is 認証 of AL-200.
func (s *Service) Answer(ctx context.Context, v Visit, p AnswerPress) (Result, error) {
	return press(ctx, s, v, move[bankAnswer]{
		button: Answer, tried: AnswerTried, limit: s.answerLimit(),
		check: func(*standing) []FieldError {
			switch n := utf8.RuneCountInString(p.Answer.Reveal()); {
			case n == 0:
				return []FieldError{{Field: AnswerField, Fault: Missing}}
			case n > s.Rules.MaxAnswer:
				return []FieldError{{Field: AnswerField, Fault: TooLong}}
			}
			return nil
		},
		keys: func(st *standing) []login.Key { return []login.Key{answerKey(st.row.User)} },
		ask: func(ctx context.Context, st *standing, tickets map[login.Key]login.Ticket) (a bankAnswer) {
			if a.ticket, a.tried = tickets[answerKey(st.row.User)]; !a.tried {
				return a
			}
			if a.err = s.Bank.CheckAnswer(ctx, st.row.User, st.st.Question.ID, p.Answer); a.err == nil {
				a.holdings, a.after = s.askHoldings(ctx, st.row.User)
			}
			return a
		},
		decide: func(st *standing, a bankAnswer) (outcome, error) { return s.decideAnswer(st, a), nil },
	})
}

// decideAnswer is pure.
func (s *Service) decideAnswer(st *standing, a bankAnswer) outcome {
	out := outcome{state: st.st, act: st.act(AnswerDone)}
	t := &out.state
	t.LastErrors, t.LastCause = nil, nil
	if !a.tried {
		t.Cause = answersStopped(t.Role)
		out.act = denied(out.act, "stopped")
		return out
	}
	fate, coreLeft := login.FateOf(a.err)
	out.fates = []settled{{a.ticket, fate, coreLeft}}
	switch {
	case a.err == nil && a.after == nil:
		t.Answered = true
		*t = s.enter(visited(*t, QuestionStep), st.row.User, st.partner, a.holdings)
		if t.Cause != nil {
			out.act = denied(out.act, string(t.Cause.Reason))
		}
		out.seen = s.seen(st, st.st.With)
		out.session = s.signIn(st, t, st.row.User, st.row.Version+1)
	case a.err == nil:
		cause, why := bankCause(a.after)
		t.LastCause, out.act = &cause, failed(out.act, why)
	case fate == login.Wrong || fate == login.Locked:
		out.act = denied(out.act, "wrong_answer")
		left := a.ticket.Left
		if coreLeft >= 0 {
			left = min(left, coreLeft)
		}
		if left == 0 || fate == login.Locked {
			t.Cause = answersStopped(t.Role)
			break
		}
		t.LastErrors = []FieldError{{Field: AnswerField, Fault: WrongAnswer, Left: left}}
	default:
		cause, why := bankCause(a.err)
		t.LastCause, out.act = &cause, failed(out.act, why)
	}
	return out
}

// answersStopped says that the additional question is stopped.
func answersStopped(r corebank.Role) *Cause {
	return &Cause{Code: UseStopped, Reason: UserLocked, Stopped: AnswerStopped, Unlock: unlocker(r), CanLeave: true}
}

package linkage

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/login"
	"renkei.dev/internal/secret"
)

// atOnce is how many PINs of one press the bank is asked for side by side.
const atOnce = 4

// pinAsked is one row of a press of 登録, and what the bank said to it.
type pinAsked struct {
	account corebank.AccountID
	pin     secret.Value
	ticket  login.Ticket
	tried   bool
	stopped bool // the core forgives less than it did when the try was taken
	asked   bool
	err     error
}

// RegisterPINs is 登録 of AL-400.
func (s *Service) RegisterPINs(ctx context.Context, v Visit, p PINPress) (Result, error) {
	var chosen []pinAsked
	return press(ctx, s, v, move[[]pinAsked]{
		button: Register, tried: PINsTried, limit: s.pinLimit(),
		check: func(st *standing) (wrong []FieldError) {
			chosen, wrong = checkPINs(p, s.pinRows(st))
			return wrong
		},
		keys: func(*standing) []login.Key {
			keys := make([]login.Key, 0, len(chosen))
			for _, c := range chosen {
				keys = append(keys, PINKey(c.account))
			}
			return keys
		},
		ask: func(ctx context.Context, _ *standing, tickets map[login.Key]login.Ticket) []pinAsked {
			for i := range chosen {
				chosen[i].ticket, chosen[i].tried = tickets[PINKey(chosen[i].account)]
			}
			return s.askPINs(ctx, chosen, p.Same)
		},
		decide: func(st *standing, rows []pinAsked) (outcome, error) { return s.decidePINs(st, rows), nil },
	})
}

// checkPINs returns the chosen rows with their numbers, digits folded, or what
// is wrong with them. The whole press is put right before any try is taken.
func checkPINs(p PINPress, rows []PINRow) (chosen []pinAsked, wrong []FieldError) {
	var same secret.Value
	for _, sent := range p.Rows {
		if !sent.Chosen {
			continue
		}
		i := slices.IndexFunc(rows, func(r PINRow) bool { return r.Account.ID == sent.Account })
		twice := slices.ContainsFunc(chosen, func(c pinAsked) bool { return c.account == sent.Account })
		switch {
		case i < 0 || twice:
			return nil, []FieldError{{Field: PINsField, Fault: NotOffered}}
		case rows[i].Stopped:
			wrong = append(wrong, FieldError{Field: PINField, Account: sent.Account, Fault: PINStopped})
			continue
		}
		pin := sent.PIN
		if p.Same && pin.IsEmpty() && len(chosen) > 0 {
			pin = same
		}
		folded, ok := fourDigits(pin)
		switch {
		case pin.IsEmpty():
			wrong = append(wrong, FieldError{Field: PINField, Account: sent.Account, Fault: Missing})
		case !ok:
			wrong = append(wrong, FieldError{Field: PINField, Account: sent.Account, Fault: NotFourDigits})
		}
		if len(chosen) == 0 {
			same = folded
		}
		chosen = append(chosen, pinAsked{account: sent.Account, pin: folded})
	}
	if len(chosen) == 0 && len(wrong) == 0 {
		wrong = append(wrong, FieldError{Field: PINsField, Fault: Missing})
	}
	return chosen, wrong
}

// fourDigits folds full-width digits and tells whether there are four.
func fourDigits(v secret.Value) (secret.Value, bool) {
	text := v.Reveal()
	if utf8.RuneCountInString(text) != 4 {
		return secret.Value{}, false
	}
	digits := make([]byte, 0, 4)
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r >= '０' && r <= '９':
			digits = append(digits, '0'+byte(r-'０'))
		default:
			return secret.Value{}, false
		}
	}
	return secret.Of(string(digits)), true
}

// askPINs asks the core for each row. With the same number for several accounts
// the first is asked alone: if it is wrong, no try of the others is spent.
func (s *Service) askPINs(ctx context.Context, rows []pinAsked, same bool) []pinAsked {
	s.awaitRoom(ctx, rows)
	rest := rows
	if same {
		if i := slices.IndexFunc(rows, func(r pinAsked) bool { return r.tried }); i >= 0 {
			s.askPIN(ctx, &rows[i])
			if fate, _ := login.FateOf(rows[i].err); rows[i].stopped || fate == login.Wrong || fate == login.Locked {
				return rows
			}
			rest = rows[i+1:]
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range rest {
		if !rest[i].tried {
			continue
		}
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			s.askPIN(ctx, &rest[i])
			<-slots
		}()
	}
	wg.Wait()
	return rows
}

// awaitRoom waits until the tries that were taken may be asked of the core, and
// says of which they may not be.
func (s *Service) awaitRoom(ctx context.Context, rows []pinAsked) {
	patience, cancel := context.WithTimeout(ctx, s.Rules.BankFor/2)
	defer cancel()
	for i := range rows {
		if rows[i].tried {
			rows[i].err = s.awaitBudget(patience, rows[i].account)
			rows[i].stopped = errors.Is(rows[i].err, fault.Refused)
		}
	}
}

func (s *Service) askPIN(ctx context.Context, r *pinAsked) {
	if r.asked = true; r.err != nil {
		return
	}
	r.err = s.Bank.CheckPIN(ctx, r.account, corebank.InquiryPIN{Value: r.pin})
}

// decidePINs is pure but for the sealing: right numbers are staged, and so are
// those that the core could not check, as 申請中.
func (s *Service) decidePINs(st *standing, rows []pinAsked) outcome {
	out := outcome{state: st.st, act: st.act(PINsStaged)}
	t := &out.state
	t.PINFaults, t.LastErrors, t.LastCause = nil, nil, nil
	counts := map[PINState]int{}
	wrong := func(r pinAsked, f Fault, left int) {
		t.PINFaults = append(t.PINFaults, pinFault{r.account, f, left})
		t.LastErrors = append(t.LastErrors, FieldError{Field: PINField, Account: r.account, Fault: f, Left: left})
	}
	for _, r := range rows {
		fate, coreLeft := login.FateOf(r.err)
		switch {
		case !r.tried:
			wrong(r, PINStopped, 0)
			continue
		case !r.asked:
			wrong(r, NotTried, 0)
			fate = login.Unchecked
		case r.stopped:
			wrong(r, PINStopped, 0)
			fate = login.Unchecked
		case fate == login.Locked:
			wrong(r, PINStopped, 0)
		case fate == login.Wrong:
			counter := st.counters[r.account]
			counter.Taken++ // this try
			left := counter.Settle(r.ticket, fate, coreLeft, s.pinLimit()).Left(st.now, s.pinLimit())
			if left == 0 {
				wrong(r, PINStopped, 0)
			} else {
				wrong(r, WrongPIN, left)
			}
		case fate == login.Right:
			out.stage = append(out.stage, s.staged(st, r, Registered))
			counts[Registered]++
		case errors.Is(r.err, fault.NotFound):
			wrong(r, ClosedAccount, 0)
		default: // out of hours, or no answer: accepted, and checked later
			out.stage = append(out.stage, s.staged(st, r, Pending))
			counts[Pending]++
		}
		out.fates = append(out.fates, settled{r.ticket, fate, coreLeft})
	}
	out.act = detail(out.act, "registered", strconv.Itoa(counts[Registered]), "pending", strconv.Itoa(counts[Pending]),
		"refused", strconv.Itoa(len(t.PINFaults)), "alike", strconv.Itoa(alike(rows)))
	if len(out.stage) == 0 {
		out.act = denied(out.act, "wrong_pin")
		return out
	}
	*t = visited(*t, PINStep)
	t.LastErrors = nil // 登録結果 has them at its rows
	t.ResultOpen, t.MorePINs, t.PINsSettled = true, false, false
	return out
}

// alike is how many accounts the most frequent number was tried on: a PIN tried
// over many accounts is a signal (rule 9).
func alike(rows []pinAsked) int {
	most := 0
	for _, r := range rows {
		n := 0
		for _, q := range rows {
			if r.asked && q.asked && r.pin.Equal(q.pin) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func (s *Service) staged(st *standing, r pinAsked, state PINState) StagedPIN {
	return StagedPIN{Account: r.account, State: state, Sealed: s.sealPIN(r.account, r.pin), Version: s.NextID(), At: st.now}
}

// PostponePINs is あとで登録して進む of AL-400.
func (s *Service) PostponePINs(ctx context.Context, v Visit) (Result, error) {
	return press(ctx, s, v, move[struct{}]{
		button: Postpone,
		check: func(st *standing) []FieldError {
			if !anyUsable(s.pinRows(st)) {
				return []FieldError{{Field: PINsField, Fault: NotOffered}}
			}
			return nil
		},
		decide: func(st *standing, _ struct{}) (outcome, error) {
			out := outcome{state: visited(st.st, PINStep), act: st.act(PINsPostponed)}
			out.state.PINsSettled, out.state.MorePINs, out.state.ResultOpen = true, false, false
			out.state.PINFaults, out.state.LastErrors, out.state.LastCause = nil, nil, nil
			return out, nil
		},
	})
}

package linkage

import (
	"context"
	"slices"
	"strings"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/partner"
)

// businessRows returns the 業務 of AL-300, in the order in which they are shown.
func (s *Service) businessRows(st *standing) []BusinessRow {
	rows := s.functionsOf(st.st, st.partner)
	for i := range rows {
		rows[i].Linked = slices.ContainsFunc(st.linked, func(c Consent) bool { return c.Extent.Allows(rows[i].Function) })
	}
	return rows
}

// functionsOf returns what the partner asked for and may have, and how the user
// and the company stand to each.
func (s *Service) functionsOf(st state, p partner.Partner) []BusinessRow {
	var rows []BusinessRow
	for _, f := range p.Offered(st.Asked.Functions) {
		right := corebank.Right{Function: f}
		for _, r := range st.Rights {
			if r.Function == f {
				right = r
			}
		}
		row := BusinessRow{
			Function: f, Subscription: right.Subscription, Required: p.Must(f), Permitted: right.Permitted,
			Waiting: right.Subscription == corebank.Applied && s.Rules.AppliedWaits ||
				right.Subscription == corebank.NoneYet,
		}
		row.Selectable = row.Permitted && !row.Waiting && !row.Required
		row.Chosen = row.Selectable || row.Required
		rows = append(rows, row)
	}
	return rows
}

// offer decides whether step 3 is shown, and which functions are fixed where it
// is not. Nothing that the user may use, or a required function that they may
// not, ends the journey.
func (s *Service) offer(st state, p partner.Partner) state {
	var usable []corebank.BusinessFunction
	for _, r := range s.functionsOf(st, p) {
		switch {
		case r.Required && (!r.Permitted || r.Waiting):
			usable = nil
		case r.Selectable || r.Required:
			usable = append(usable, r.Function)
			continue
		default:
			continue
		}
		break
	}
	if len(usable) == 0 {
		st.Cause = &Cause{Code: NoPermission, Reason: NotPermitted, Unlock: Administrator, CanLeave: true}
		return st
	}
	st.Chooses = p.ChoosesFunctions
	if !st.Chooses {
		st.Functions = usable
	}
	return st
}

// ChooseFunctions is 次へ of AL-300.
func (s *Service) ChooseFunctions(ctx context.Context, v Visit, p FunctionsPress) (Result, error) {
	var chosen []corebank.BusinessFunction
	return press(ctx, s, v, move[struct{}]{
		button: Next,
		check: func(st *standing) []FieldError {
			rows := s.functionsOf(st.st, st.partner)
			chosen = nil
			for _, r := range rows {
				if r.Required || r.Selectable && slices.Contains(p.Functions, r.Function) {
					chosen = append(chosen, r.Function)
				}
			}
			for _, f := range p.Functions {
				if !slices.ContainsFunc(rows, func(r BusinessRow) bool { return r.Function == f && (r.Selectable || r.Required) }) {
					return []FieldError{{Field: FunctionsField, Fault: NotOffered}}
				}
			}
			if len(chosen) == 0 {
				return []FieldError{{Field: FunctionsField, Fault: Missing}}
			}
			return nil
		},
		decide: func(st *standing, _ struct{}) (outcome, error) {
			out := outcome{state: visited(st.st, BusinessStep), act: detail(st.act(FunctionsChosen), "functions", words(chosen))}
			out.state.Functions, out.state.LastErrors, out.state.LastCause = chosen, nil, nil
			return out, nil
		},
	})
}

func words[T ~string](list []T) string {
	all := make([]string, 0, len(list))
	for _, w := range list {
		all = append(all, string(w))
	}
	return strings.Join(all, " ")
}

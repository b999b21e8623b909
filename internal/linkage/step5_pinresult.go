package linkage

import "context"

// ConfirmPINs is 確定 of AL-410.
func (s *Service) ConfirmPINs(ctx context.Context, v Visit) (Result, error) {
	return press(ctx, s, v, move[struct{}]{
		button: Confirm,
		decide: func(st *standing, _ struct{}) (outcome, error) {
			out := outcome{state: visited(st.st, PINResultStep), act: st.act(PINsConfirmed)}
			out.state.PINsSettled, out.state.ResultOpen = true, false
			out.state.PINFaults, out.state.LastErrors, out.state.LastCause = nil, nil, nil
			return out, nil
		},
	})
}

// RegisterMorePINs is 照会用暗証番号の追加登録 of AL-410.
func (s *Service) RegisterMorePINs(ctx context.Context, v Visit) (Result, error) {
	return press(ctx, s, v, move[struct{}]{
		button: RegisterMore,
		decide: func(st *standing, _ struct{}) (outcome, error) {
			out := outcome{state: visited(st.st, PINResultStep), act: st.act(PINsReopened)}
			out.state.MorePINs, out.state.ResultOpen = true, false
			out.state.PINFaults, out.state.LastErrors, out.state.LastCause = nil, nil, nil
			return out, nil
		},
	})
}

package linkage

import "context"

// Begun returns the handle of a journey that is under way in the browser that
// visits: after a request's own life, only the browser that began with it may
// open it again (rule 8).
func (s *Service) Begun(ctx context.Context, v Visit) (handle string, ok bool) {
	st, err := s.stand(ctx, v)
	if err != nil || st.old || !st.underWay() || s.timeOver(st) {
		return "", false
	}
	return st.st.Asked.Handle, true
}

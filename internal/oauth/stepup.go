package oauth

import (
	"slices"
	"time"

	"renkei.dev/internal/corebank"
)

// StepUp is what calls of some business functions need of the login behind a
// token (RFC 9470): one of the authentication contexts, not older than MaxAge.
type StepUp struct {
	Functions []corebank.BusinessFunction
	ACRs      []string      // none: any
	MaxAge    time.Duration // 0: any
}

// stepUp tells whether the login behind a customer's token is enough for a call of
// these functions; the first of the demands that it does not meet is told.
func (i Issuer) stepUp(functions []corebank.BusinessFunction, t AccessToken, now time.Time) *Failure {
	for _, s := range i.StepUp {
		asked := slices.ContainsFunc(functions, func(b corebank.BusinessFunction) bool { return slices.Contains(s.Functions, b) })
		weak := len(s.ACRs) > 0 && !slices.Contains(s.ACRs, t.ACR)
		old := s.MaxAge > 0 && now.Sub(t.AuthTime) > s.MaxAge
		if t.Standing != nil && asked && (weak || old) {
			return &Failure{Code: InsufficientLogin, Word: "another login is needed for this function", ACRs: s.ACRs, MaxAge: s.MaxAge}
		}
	}
	return nil
}

package oauth

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Challenge returns the value of WWW-Authenticate for a failed call of a resource
// (RFC 6750 §3; RFC 9449 §7.1, §9; RFC 9470 §3). A call without any token is told
// of no error.
func (e *Engine) Challenge(f *Failure) string {
	about := f.StepUpParameters()
	if f.Word != "" || f.Code != InvalidToken {
		text := f.Word
		if f.Code == InsufficientScope {
			about = append([]string{`scope="` + text + `"`}, about...)
			text = ""
		}
		if text != "" {
			about = append([]string{`error_description="` + text + `"`}, about...)
		}
		about = append([]string{`error="` + string(f.Code) + `"`}, about...)
	}
	var schemes []string // those that tokens of this issuer can be shown by
	if e.offers(FAPI2) {
		dpop := append(slices.Clone(about), `algs="`+strings.Join(proofAlgorithms, " ")+`"`)
		schemes = append(schemes, "DPoP "+strings.Join(dpop, ", "))
	}
	if e.issuer.MutualTLSURL != "" {
		schemes = append(schemes, "Bearer "+bearerPart(f, about))
	}
	return strings.Join(schemes, ", ")
}

func bearerPart(f *Failure, about []string) string {
	switch {
	case f.Code == InsufficientLogin:
		return strings.Join(about, ", ")
	case f.Code != InvalidToken && f.Code != InsufficientScope || f.Word == "":
		return `realm="api"`
	}
	return `error="` + string(f.Code) + `"`
}

// StepUpParameters are those of a challenge that say which login is demanded;
// none for a failure that demands none (RFC 9470 §3).
func (f *Failure) StepUpParameters() []string {
	var out []string
	if len(f.ACRs) > 0 {
		out = append(out, `acr_values="`+strings.Join(f.ACRs, " ")+`"`)
	}
	if f.MaxAge > 0 {
		out = append(out, `max_age="`+strconv.FormatInt(int64(f.MaxAge/time.Second), 10)+`"`)
	}
	return out
}

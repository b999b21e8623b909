package oauth

import "strings"

// Challenge returns the value of WWW-Authenticate for a failed call of a resource
// (RFC 6750 §3; RFC 9449 §7.1, §9). A call without any token is told of no error.
func (e *Engine) Challenge(f *Failure) string {
	var b strings.Builder
	b.WriteString("DPoP")
	parameter := func(name, value string) {
		if b.String() != "DPoP" {
			b.WriteByte(',')
		}
		b.WriteString(" " + name + `="` + value + `"`)
	}
	if f.Word != "" || f.Code != InvalidToken {
		parameter("error", string(f.Code))
		if f.Code == InsufficientScope {
			parameter("scope", f.Word)
		} else if f.Word != "" {
			parameter("error_description", f.Word)
		}
	}
	parameter("algs", strings.Join(proofAlgorithms, " "))
	if e.issuer.MutualTLSURL == "" {
		return b.String()
	}
	return b.String() + ", Bearer" + bearerPart(f)
}

func bearerPart(f *Failure) string {
	if f.Code != InvalidToken && f.Code != InsufficientScope || f.Word == "" {
		return ` realm="api"`
	}
	return ` error="` + string(f.Code) + `"`
}

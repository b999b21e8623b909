package oauth

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// The ways in which an authorization response can go back.
const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modeJWT      = "jwt" // JARM §2.3.4: the default of the response type, signed
	modeQueryJWT = "query.jwt"
)

// responseMode judges response_mode: what the response type and profile permit,
// and signed where the client registered that.
func (a *asking) responseMode() *Failure {
	mode := a.form.Get("response_mode")
	a.request.ResponseMode = mode
	signed := mode == modeJWT || mode == modeQueryJWT
	hybrid := a.request.ResponseType != "code"
	switch {
	case a.client.ResponseSigningAlg != "" && !signed && !hybrid:
		return fail(InvalidRequest, "response_mode must be jwt, as registered")
	case hybrid && (mode == "" || mode == modeFragment):
		return nil
	case hybrid: // FAPI 1.0 Advanced §5.2.2.1: its detached signature is the ID token
		return fail(InvalidRequest, "response_mode does not fit response_type")
	case a.client.Profile == FAPI1Adv && !signed: // FAPI 1.0 Advanced §5.2.2-2
		return fail(InvalidRequest, "response_type code needs response_mode jwt")
	case signed, mode == "", mode == modeQuery:
		return nil
	}
	return fail(InvalidRequest, "response_mode is unknown")
}

// answer makes the way back to the partner: the parameters with state and iss
// (RFC 9207 §2), in the mode asked for, beside the redirect URI's own query
// (RFC 6749 §3.1.2).
func (e *Engine) answer(k *knownClient, r Request, params map[string]string) (Redirect, error) {
	if r.State != "" {
		params["state"] = r.State
	}
	params["iss"] = e.issuer.URL
	if r.ResponseMode == modeJWT || r.ResponseMode == modeQueryJWT {
		signed, err := e.signResponse(k, params)
		if err != nil {
			return Redirect{}, err
		}
		params = map[string]string{"response": signed}
	}
	fragment := r.ResponseType != "code"
	if fragment && (r.ResponseMode == "" || r.ResponseMode == modeFragment) {
		return Redirect{URL: r.RedirectURI + "#" + encodeParameters(params)}, nil
	}
	mark := "?"
	if strings.Contains(r.RedirectURI, "?") {
		mark = "&"
	}
	return Redirect{URL: r.RedirectURI + mark + encodeParameters(params)}, nil
}

// encodeParameters writes parameters in a fixed order.
func encodeParameters(params map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(name) + "=" + url.QueryEscape(params[name]))
	}
	return b.String()
}

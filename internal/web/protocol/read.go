package protocol

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"renkei.dev/internal/oauth"
)

// call reads a client's request to an endpoint: a form in the body, within
// limits, and nothing in the query, so that no parameter can stand in two places.
func (e edge) call(w http.ResponseWriter, r *http.Request, endpoint oauth.Endpoint) (oauth.Call, error) {
	form, err := bodyForm(w, r)
	return oauth.Call{
		Endpoint:      endpoint,
		AtMutualTLS:   e.mutualTLS,
		Form:          form,
		Authorization: r.Header.Values("Authorization"),
		Proofs:        r.Header.Values("DPoP"),
		Certificates:  e.certificates(r),
		Address:       e.address(r),
	}, err
}

func bodyForm(w http.ResponseWriter, r *http.Request) (oauth.Form, error) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return oauth.Form{}, &oauth.Failure{Code: oauth.InvalidRequest, Word: "parameters go into the body"}
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return oauth.Form{}, &oauth.Failure{Code: oauth.InvalidRequest, Word: "Content-Type must be application/x-www-form-urlencoded"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, oauth.MaxFormBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return oauth.Form{}, &oauth.Failure{Code: oauth.InvalidRequest, Word: "request is too large", Cause: err}
	}
	if err != nil {
		return oauth.Form{}, &oauth.Failure{Code: oauth.InvalidRequest, Word: "the body ended early", Cause: err}
	}
	return oauth.ParseForm(string(body))
}

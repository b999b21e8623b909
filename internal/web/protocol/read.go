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
	if kind := r.Header.Get("Content-Type"); kind != formType && !isForm(kind) {
		return oauth.Form{}, &oauth.Failure{Code: oauth.InvalidRequest, Word: "Content-Type must be application/x-www-form-urlencoded"}
	}
	body, err := wholeBody(r, http.MaxBytesReader(w, r.Body, oauth.MaxFormBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return oauth.Form{}, &oauth.Failure{Code: oauth.InvalidRequest, Word: "request is too large", Cause: err}
	}
	if err != nil {
		return oauth.Form{}, &oauth.Failure{Code: oauth.InvalidRequest, Word: "the body ended early", Cause: err}
	}
	return oauth.ParseForm(string(body))
}

const formType = "application/x-www-form-urlencoded"

// isForm tells it of a content type with parameters, or spelled otherwise.
func isForm(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == formType
}

// wholeBody reads a body to its end, at once where its length is known.
func wholeBody(r *http.Request, body io.Reader) ([]byte, error) {
	if r.ContentLength < 0 || r.ContentLength > oauth.MaxFormBytes {
		return io.ReadAll(body)
	}
	all := make([]byte, r.ContentLength)
	_, err := io.ReadFull(body, all)
	return all, err
}

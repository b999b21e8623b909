package protocol

import (
	"errors"
	"net/http"

	"renkei.dev/internal/oauth"
)

// authorize is the authorization endpoint (RFC 6749 §3.1): GET with a query, or
// POST with a form. It sends no CORS header, and goes back by 303 alone.
func (e edge) authorize(w http.ResponseWriter, r *http.Request) {
	interaction, err := e.begin(w, r)
	if err == nil {
		e.Start(w, r, interaction)
		return
	}
	failure, ok := errors.AsType[*oauth.AuthorizeFailure](err)
	if !ok {
		f, status := e.outside(r, err)
		failure = &oauth.AuthorizeFailure{Failure: *f, Page: oauth.BadRequest}
		if status >= http.StatusInternalServerError {
			failure.Page = oauth.NotPossibleNow
		}
	} else {
		e.Log.InfoContext(r.Context(), "refused", "path", r.URL.Path, "code", string(failure.Code), "why", failure.Failure.Error())
	}
	if failure.Redirect != nil && !failure.PageFirst {
		w.Header().Set("Location", failure.Redirect.URL)
		w.WriteHeader(http.StatusSeeOther) // never 307 (RFC 9700 §4.12)
		return
	}
	e.ErrorPage(w, r, failure)
}

func (e edge) begin(w http.ResponseWriter, r *http.Request) (oauth.Interaction, error) {
	var form oauth.Form
	var err error
	if r.Method == http.MethodPost {
		form, err = bodyForm(w, r)
	} else {
		form, err = oauth.ParseForm(r.URL.RawQuery)
	}
	if err != nil {
		return oauth.Interaction{}, err
	}
	request := oauth.AuthorizeRequest{Form: form, Address: e.address(r)}
	if e.Began != nil {
		request.Began = func() []oauth.Handle { return e.Began(r) }
	}
	if e.SignedIn != nil {
		request.SignedIn = func() bool { return e.SignedIn(r) }
	}
	return e.Engine.Begin(r.Context(), request)
}

package protocol

import (
	"encoding/json"
	"errors"
	"net/http"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
)

// statuses are those that are not 400.
var statuses = map[oauth.Code]int{
	oauth.InvalidClient:          http.StatusUnauthorized,
	oauth.InvalidToken:           http.StatusUnauthorized,
	oauth.InsufficientLogin:      http.StatusUnauthorized,
	oauth.InsufficientScope:      http.StatusForbidden,
	oauth.AccessDenied:           http.StatusForbidden,
	oauth.ServerError:            http.StatusInternalServerError,
	oauth.TemporarilyUnavailable: http.StatusServiceUnavailable,
}

// refuse translates an error of the engine, once, into status and OAuth code
// (RFC 6749 §5.2). What is no Failure is ours to hide.
func (e edge) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f, status := e.outside(r, err)
	switch status {
	case http.StatusUnauthorized:
		if r.Header.Get("Authorization") != "" && w.Header().Get("WWW-Authenticate") == "" { // RFC 6749 §5.2: in the scheme that was tried
			w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
		}
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "60")
	}
	writeJSON(w, status, struct {
		Error       oauth.Code `json:"error"`
		Description string     `json:"error_description,omitempty"`
	}{f.Code, f.Word})
}

// outside is what the outside is told of an error; the log keeps its cause.
func (e edge) outside(r *http.Request, err error) (*oauth.Failure, int) {
	f, ok := errors.AsType[*oauth.Failure](err)
	switch {
	case ok:
		e.Log.InfoContext(r.Context(), "refused", "path", r.URL.Path, "code", string(f.Code), "why", err.Error())
		status, other := statuses[f.Code]
		if !other {
			status = http.StatusBadRequest
		}
		return f, status
	case fault.Of(err) == fault.Limited:
		e.Log.WarnContext(r.Context(), "too many requests", "path", r.URL.Path, "why", err.Error())
		return &oauth.Failure{Code: oauth.TemporarilyUnavailable, Word: "too many requests in this minute"}, http.StatusTooManyRequests
	case fault.Of(err) == fault.Unavailable:
		e.Log.WarnContext(r.Context(), "unavailable", "path", r.URL.Path, "why", err.Error())
		return &oauth.Failure{Code: oauth.ServerError, Word: "temporarily unavailable"}, http.StatusServiceUnavailable
	}
	e.Log.ErrorContext(r.Context(), "failed", "path", r.URL.Path, "why", err.Error())
	return &oauth.Failure{Code: oauth.ServerError}, http.StatusInternalServerError
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	writeRaw(w, status, raw)
}

func writeRaw(w http.ResponseWriter, status int, raw []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if h.Get("Cache-Control") == "" || status != http.StatusOK {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(raw) // who hung up is not told
}

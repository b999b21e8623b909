package protocol

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
)

const maxRegistrationBytes = 64 << 10

// register is the registration endpoint (RFC 7591 §3).
func (e edge) register(w http.ResponseWriter, r *http.Request) {
	e.registration(w, r, http.StatusCreated, func(q oauth.RegistrationRequest) ([]byte, error) {
		return e.Engine.Register(r.Context(), q)
	})
}

// readRegistration is GET of a client's configuration endpoint (RFC 7592 §2.1).
func (e edge) readRegistration(w http.ResponseWriter, r *http.Request) {
	e.registration(w, r, http.StatusOK, func(q oauth.RegistrationRequest) ([]byte, error) {
		return e.Engine.ReadRegistration(r.Context(), q, clientIn(r))
	})
}

// changeRegistration is PUT of it (RFC 7592 §2.2).
func (e edge) changeRegistration(w http.ResponseWriter, r *http.Request) {
	e.registration(w, r, http.StatusOK, func(q oauth.RegistrationRequest) ([]byte, error) {
		return e.Engine.ChangeRegistration(r.Context(), q, clientIn(r))
	})
}

// removeRegistration is DELETE of it (RFC 7592 §2.3).
func (e edge) removeRegistration(w http.ResponseWriter, r *http.Request) {
	e.registration(w, r, http.StatusNoContent, func(q oauth.RegistrationRequest) ([]byte, error) {
		return nil, e.Engine.RemoveRegistration(r.Context(), q, clientIn(r))
	})
}

func clientIn(r *http.Request) oauth.ClientID { return oauth.ClientID(r.PathValue("client")) }

// registration reads a request of registration, hands it on and answers.
func (e edge) registration(w http.ResponseWriter, r *http.Request, done int, do func(oauth.RegistrationRequest) ([]byte, error)) {
	q := oauth.RegistrationRequest{Authorization: r.Header.Values("Authorization"), Address: e.address(r)}
	if chain := e.certificates(r); len(chain) > 0 {
		q.Certificate = chain[0]
	}
	var body []byte
	var err error
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		q.Metadata, err = bodyJSON(w, r)
	}
	if err == nil {
		body, err = do(q)
	}
	switch {
	case err != nil && fault.Of(err) == fault.NotFound:
		http.NotFound(w, r)
	case err != nil:
		e.refuseRegistration(w, r, err)
	case body == nil:
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(done)
	default:
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		writeRaw(w, done, body)
	}
}

// refuseRegistration adds the challenge of RFC 6750 §3, which the tokens of
// registration follow (RFC 7591 §3, RFC 7592 §2).
func (e edge) refuseRegistration(w http.ResponseWriter, r *http.Request, err error) {
	if f, ok := errors.AsType[*oauth.Failure](err); ok && f.Code == oauth.InvalidToken {
		challenge := `Bearer realm="registration"`
		if f.Word != "" {
			challenge += `, error="invalid_token"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	e.refuse(w, r, err)
}

// bodyJSON reads a JSON body within limits.
func bodyJSON(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, &oauth.Failure{Code: oauth.InvalidClientMetadata, Word: "Content-Type must be application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRegistrationBytes))
	if err != nil {
		return nil, &oauth.Failure{Code: oauth.InvalidClientMetadata, Word: "the metadata are too large", Cause: err}
	}
	return body, nil
}

package protocol

import (
	"net/http"
	"strconv"
	"time"

	"renkei.dev/internal/oauth"
)

// push is the pushed authorization request endpoint (RFC 9126 §2).
func (e edge) push(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("DPoP-Nonce", e.Engine.Nonce())
	call, err := e.call(w, r, oauth.PAREndpoint)
	var p oauth.Pushed
	if err == nil {
		p, err = e.Engine.Push(r.Context(), call)
	}
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int64  `json:"expires_in"`
	}{p.RequestURI.Reveal(), int64(p.ExpiresIn / time.Second)})
}

// token is the token endpoint (RFC 6749 §3.2).
func (e edge) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("DPoP-Nonce", e.Engine.Nonce())
	call, err := e.call(w, r, oauth.TokenEndpoint)
	var t oauth.Tokens
	if err == nil {
		t, err = e.Engine.Token(r.Context(), call)
	}
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	writeRaw(w, http.StatusOK, t.Encode())
}

// revoke is the revocation endpoint (RFC 7009 §2): 200 only for what is durable.
func (e edge) revoke(w http.ResponseWriter, r *http.Request) {
	call, err := e.call(w, r, oauth.RevokeEndpoint)
	if err == nil {
		err = e.Engine.Revoke(r.Context(), call)
	}
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// metadata is the document of RFC 8414 and OpenID Discovery, at both addresses.
func (e edge) metadata(w http.ResponseWriter, r *http.Request) {
	raw, err := e.Engine.Metadata()
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	writeRaw(w, http.StatusOK, raw)
}

// keySet is the JWK set (RFC 7517 §5).
func (e edge) keySet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(e.Engine.Issuer().KeySetFor()/time.Second)))
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(e.Engine.KeySet()) // who hung up is not told
}

package protocol

import (
	"crypto/rand"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
)

// access reads a call of UserInfo or of a grant: the token in the header, and its
// proof or certificate.
func (e edge) access(r *http.Request) oauth.AccessRequest {
	issuer := e.Engine.Issuer()
	origin := issuer.URL
	if e.mutualTLS {
		origin = issuer.MutualTLSURL
	}
	a := oauth.AccessRequest{
		Authorization:  r.Header.Values("Authorization"),
		Proofs:         r.Header.Values("DPoP"),
		Method:         r.Method,
		Target:         origin + r.URL.EscapedPath(),
		TokenElsewhere: r.URL.Query().Has("access_token"),
		Address:        e.address(r),
	}
	if chain := e.certificates(r); len(chain) > 0 {
		a.Certificate = chain[0]
	}
	return a
}

// resourceHeaders go with every answer of a resource.
func (e edge) resourceHeaders(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("DPoP-Nonce", e.Engine.ResourceNonce())
	h.Set("Cache-Control", "no-store")
	id := r.Header.Get("x-fapi-interaction-id") // FAPI 1.0 Baseline §6.2.1-11: echoed, or made here
	if !isUUID(id) {
		id = newUUID()
	}
	h.Set("x-fapi-interaction-id", id)
}

// newUUID is a random UUID (RFC 9562 §5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return false
		}
	}
	return true
}

// refuseResource answers as a resource does: with a challenge, and 401 for a
// demand of a nonce (RFC 6750 §3; RFC 9449 §9).
func (e edge) refuseResource(w http.ResponseWriter, r *http.Request, err error) {
	if fault.Of(err) == fault.NotFound {
		http.NotFound(w, r)
		return
	}
	f, status := e.outside(r, err)
	if slices.Contains([]oauth.Code{oauth.UseDPoPNonce, oauth.InvalidDPoPProof}, f.Code) {
		status = http.StatusUnauthorized
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		w.Header().Set("WWW-Authenticate", e.Engine.Challenge(f))
	}
	body := struct {
		Error       oauth.Code `json:"error"`
		Description string     `json:"error_description,omitempty"`
	}{f.Code, f.Word}
	writeJSON(w, status, body)
}

// userInfo is the UserInfo endpoint (OpenID Connect Core §5.3), by GET and POST.
func (e edge) userInfo(w http.ResponseWriter, r *http.Request) {
	e.resourceHeaders(w, r)
	call := e.access(r)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Method == http.MethodPost && kind == "application/x-www-form-urlencoded" {
		form, err := bodyForm(w, r)
		if err != nil && !call.TokenElsewhere {
			e.refuseResource(w, r, err)
			return
		}
		call.TokenElsewhere = call.TokenElsewhere || form.Has("access_token")
	}
	info, err := e.Engine.UserInfo(r.Context(), call)
	if err != nil {
		e.refuseResource(w, r, err)
		return
	}
	writeTyped(w, info.Body, info.Token, "application/jwt")
}

// writeTyped writes JSON, or a JWT under its own type.
func writeTyped(w http.ResponseWriter, body []byte, signed bool, kind string) {
	if !signed {
		kind = "application/json"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // who hung up is not told
}

// queryGrant is GET of the grant management endpoint (Grant Management §6.3).
func (e edge) queryGrant(w http.ResponseWriter, r *http.Request) {
	e.resourceHeaders(w, r)
	body, err := e.Engine.QueryGrant(r.Context(), e.access(r), oauth.GrantID(r.PathValue("grant")))
	if err != nil {
		e.refuseResource(w, r, err)
		return
	}
	writeTyped(w, body, false, "")
}

// revokeGrant is DELETE of the grant management endpoint (Grant Management §6.4).
func (e edge) revokeGrant(w http.ResponseWriter, r *http.Request) {
	e.resourceHeaders(w, r)
	if err := e.Engine.RevokeGrant(r.Context(), e.access(r), oauth.GrantID(r.PathValue("grant"))); err != nil {
		e.refuseResource(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// introspect is the introspection endpoint (RFC 7662 §2; RFC 9701 §4).
func (e edge) introspect(w http.ResponseWriter, r *http.Request) {
	const kind = "application/token-introspection+jwt"
	call, err := e.call(w, r, oauth.IntrospectEndpoint)
	var i oauth.Introspection
	if err == nil {
		i, err = e.Engine.Introspect(r.Context(), call, strings.Contains(r.Header.Get("Accept"), kind))
	}
	if err != nil {
		e.refuse(w, r, err)
		return
	}
	writeTyped(w, i.Body, i.Signed, kind)
}

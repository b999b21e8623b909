package web

import (
	"net/http"
	"time"

	"renkei.dev/internal/secret"
)

// HostPrefix makes browsers hold a cookie to this very host, over TLS.
const HostPrefix = "__Host-"

// Cookie is a cookie of one of our origins: Secure, HttpOnly, of this very host
// alone, and not sent with a foreign page's forms or pictures. Lax rather than
// Strict, since the customer comes from the partner's page.
type Cookie struct {
	Name string        // without the prefix __Host-
	Life time.Duration // 0: until the browser closes
}

// Set keeps value in the browser.
func (c Cookie) Set(w http.ResponseWriter, value secret.Value) {
	http.SetCookie(w, c.with(value.Reveal(), int(c.Life/time.Second)))
}

// Clear makes the browser forget the cookie.
func (c Cookie) Clear(w http.ResponseWriter) { http.SetCookie(w, c.with("", -1)) }

// ClearCache makes the browser forget the pages that it keeps of this origin, those
// of its back button too: for the answer by which a session ends. Cookies stay,
// since other journeys of the browser go on.
func ClearCache(w http.ResponseWriter) { w.Header().Set("Clear-Site-Data", `"cache"`) }

// Of returns what the browser brought; empty: nothing.
func (c Cookie) Of(r *http.Request) secret.Value {
	brought, err := r.Cookie(HostPrefix + c.Name)
	if err != nil {
		return secret.Value{}
	}
	return secret.Of(brought.Value)
}

func (c Cookie) with(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: HostPrefix + c.Name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

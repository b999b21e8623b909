package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers are those of every answer of a site, pages and refusals alike. A page
// may only widen its own, by AllowFormTo.
type Headers struct {
	// HSTS is how long browsers insist on TLS. The demo's 0 is sent as such:
	// localhost belongs to other projects too.
	HSTS time.Duration
	// Data tells that programs are answered and no browser's pages: what guards only
	// those is left out.
	Data bool
	// Reports is the path of ReportHandler on the same origin; empty: browsers
	// report nothing.
	Reports string
}

// policy is the Content-Security-Policy of a page, without its form-action and
// report-to. Nothing inline, nothing foreign, no frame, no JavaScript sink that
// takes text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; form-action 'self'"

// dataPolicy is that of an answer which is no page, should a browser show it.
const dataPolicy = "default-src 'none'; frame-ancestors 'none'"

// permissions switches off what a bank's page never needs.
const permissions = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), " +
	"geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), " +
	"publickey-credentials-get=(), screen-wake-lock=(), usb=(), xr-spatial-tracking=()"

// Wrap sets the headers before next runs.
func (h Headers) Wrap(next http.Handler) http.Handler {
	all := h.all()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := w.Header()
		for _, h := range all {
			out[h.name] = h.values
		}
		next.ServeHTTP(w, r)
	})
}

// header is one that answers share: who adds to it copies it, and who sets it takes
// another.
type header struct {
	name   string
	values []string
}

func (h Headers) all() []header {
	set := http.Header{}
	h.set(set)
	all := make([]header, 0, len(set))
	for name, values := range set {
		all = append(all, header{name, values[:1:1]})
	}
	return all
}

func (h Headers) set(out http.Header) {
	out.Set("Strict-Transport-Security", "max-age="+strconv.Itoa(int(h.HSTS/time.Second)))
	out.Set("X-Content-Type-Options", "nosniff")
	out.Set("Cache-Control", "no-store")
	if h.Data {
		out.Set("Content-Security-Policy", dataPolicy)
		return
	}
	csp := policy
	if h.Reports != "" {
		csp += "; report-to csp"
		out.Set("Reporting-Endpoints", `csp="`+h.Reports+`"`)
	}
	out.Set("Content-Security-Policy", csp)
	out.Set("X-Frame-Options", "DENY")
	// With no-referrer browsers would send "Origin: null" on our own forms.
	out.Set("Referrer-Policy", "same-origin")
	out.Set("Cross-Origin-Opener-Policy", "same-origin")
	out.Set("Cross-Origin-Resource-Policy", "same-origin")
	out.Set("Permissions-Policy", permissions)
}

// SeeOther leads a browser on to an address, a path of this origin or all of another,
// that is escaped already. It is always a 303: a 307 would repeat a form (RFC 9700 §4.12).
func SeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// AllowFormTo lets the page that is about to be written post a form to origin
// too: the hand-over of a partner that wants response_mode=form_post.
func AllowFormTo(w http.ResponseWriter, origin string) {
	csp := w.Header().Get("Content-Security-Policy")
	w.Header().Set("Content-Security-Policy", strings.Replace(csp, "form-action 'self'", "form-action 'self' "+origin, 1))
}

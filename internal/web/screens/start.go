package screens

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/secret"
	"renkei.dev/internal/web"
)

// A browser keeps so many journeys at a time, and so many bytes of their cookies
// before another is opened. Beyond it the oldest are forgotten, since the browser
// sends all of them with every request, and what stands in front of a server often
// takes 8 KiB of them together. One is 2,000 bytes long at most where a session
// opened it, so that two tabs may open another at the same time.
const (
	maxJourneys = 8
	maxHeld     = 4000
)

// Start opens a journey for what the authorization endpoint found and leads the
// browser to its first page, or shows why none can begin.
func (s *Screens) Start(w http.ResponseWriter, r *http.Request, asked linkage.Asked) {
	opening, err := s.Linkage.Start(r.Context(), asked, s.browser(r))
	if err != nil {
		s.halted(w, r, err)
		return
	}
	forgetOldest(w, r)
	s.lead(w, r, opening)
}

// lead leads the browser into a journey.
func (s *Screens) lead(w http.ResponseWriter, r *http.Request, o linkage.Opening) {
	cookieOf(o.Journey).Set(w, o.Cookie)
	if !o.Device.IsEmpty() {
		deviceCookie.Set(w, o.Device)
	}
	web.SeeOther(w, address(o.Journey, string(o.Step)))
}

// SignedIn tells whether a browser holds a session that lasts.
func (s *Screens) SignedIn(r *http.Request) bool {
	return s.Linkage.SignedIn(r.Context(), s.browser(r))
}

// held is a journey that a browser has a cookie of, and how long that is.
type held struct {
	id     linkage.JourneyID
	cookie secret.Value
	size   int
}

// journeys returns the journeys that a browser has cookies of, the oldest first.
func journeys(r *http.Request) []held {
	var all []held
	for _, c := range r.Cookies() {
		name, ours := strings.CutPrefix(c.Name, web.HostPrefix)
		if id, err := linkage.ParseJourneyID(name); ours && err == nil {
			all = append(all, held{id, secret.Of(c.Value), len(c.Name) + len("=") + len(c.Value) + len("; ")})
		}
	}
	slices.SortFunc(all, func(a, b held) int { return cmp.Compare(a.id, b.id) })
	return all
}

// Began returns the handles of the journeys that are under way in a browser, by
// which the protocol lets it open their requests again (rule 8).
func (s *Screens) Began(r *http.Request) []string {
	var handles []string
	all := journeys(r)
	for _, j := range all[max(0, len(all)-maxJourneys):] {
		v := linkage.Visit{Journey: j.id, Cookie: j.cookie, Address: s.Address(r)}
		if handle, ok := s.Linkage.Begun(r.Context(), v); ok {
			handles = append(handles, handle)
		}
	}
	return handles
}

// forgetOldest clears the cookies of the oldest journeys; ids rise with time.
func forgetOldest(w http.ResponseWriter, r *http.Request) {
	all, size := journeys(r), 0
	for _, j := range all {
		size += j.size
	}
	for len(all) >= maxJourneys || size > maxHeld {
		cookieOf(all[0].id).Clear(w)
		size -= all[0].size
		all = all[1:]
	}
}

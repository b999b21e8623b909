package screens

import (
	"net/http"
	"slices"
	"strings"

	"renkei.dev/internal/linkage"
	"renkei.dev/internal/web"
)

// maxJourneys is how many journeys one browser keeps at a time. Beyond it the
// oldest are forgotten, since the browser sends all their cookies with every
// request and a server takes headers of a limited size only.
const maxJourneys = 8

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
	http.Redirect(w, r, address(o.Journey, string(o.Step)), http.StatusSeeOther)
}

// SignedIn tells whether a browser holds a session that lasts.
func (s *Screens) SignedIn(r *http.Request) bool {
	return s.Linkage.SignedIn(r.Context(), s.browser(r))
}

// journeys returns the journeys that a browser has cookies of, the oldest first.
func journeys(r *http.Request) []linkage.JourneyID {
	var ids []linkage.JourneyID
	for _, c := range r.Cookies() {
		if id, err := linkage.ParseJourneyID(strings.TrimPrefix(c.Name, web.HostPrefix)); err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Began returns the handles of the journeys that are under way in a browser, by
// which the protocol lets it open their requests again (rule 8).
func (s *Screens) Began(r *http.Request) []string {
	var handles []string
	ids := journeys(r)
	for _, id := range ids[max(0, len(ids)-maxJourneys):] {
		v := linkage.Visit{Journey: id, Cookie: cookieOf(id).Of(r), Address: s.Address(r)}
		if handle, ok := s.Linkage.Begun(r.Context(), v); ok {
			handles = append(handles, handle)
		}
	}
	return handles
}

// forgetOldest clears the cookies of the oldest journeys; ids rise with time.
func forgetOldest(w http.ResponseWriter, r *http.Request) {
	ids := journeys(r)
	for len(ids) >= maxJourneys {
		cookieOf(ids[0]).Clear(w)
		ids = ids[1:]
	}
}

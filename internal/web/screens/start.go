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
	opening, err := s.Linkage.Start(r.Context(), asked)
	if err != nil {
		s.halted(w, r, err)
		return
	}
	forgetOldest(w, r)
	cookieOf(opening.Journey).Set(w, opening.Cookie)
	http.Redirect(w, r, address(opening.Journey, string(linkage.LoginStep)), http.StatusSeeOther)
}

// forgetOldest clears the cookies of the oldest journeys; ids rise with time.
func forgetOldest(w http.ResponseWriter, r *http.Request) {
	var ids []linkage.JourneyID
	for _, c := range r.Cookies() {
		if id, err := linkage.ParseJourneyID(strings.TrimPrefix(c.Name, web.HostPrefix)); err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for len(ids) >= maxJourneys {
		cookieOf(ids[0]).Clear(w)
		ids = ids[1:]
	}
}

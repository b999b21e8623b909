package store_test

import "strings"

// holds is what must be true of an institution's rows at every instant: each
// line has two figures that are equal. An act stands in the log for each row
// that it is the reason of, and no row without its act.
var holds = []struct{ what, one, other string }{
	{"pushed requests have their acts", `pushed_requests WHERE institution = $1`, acts("oauth.request_pushed")},
	{"consents have their acts", `consents WHERE institution = $1`, acts("consent.given")},
	{"codes have their acts", `codes WHERE institution = $1`, acts("oauth.code_issued")},
	{"a consent has a code", `consents WHERE institution = $1`,
		`consents c JOIN codes k ON k.institution = c.institution AND k.consent_id = c.id WHERE c.institution = $1`},
	{"a code spends a request", `codes WHERE institution = $1`, `pushed_requests WHERE institution = $1 AND spent_at IS NOT NULL`},
	{"a code ends a journey", `codes WHERE institution = $1`, `journeys WHERE institution = $1 AND consent_id <> ''`},
	{"redemptions have their acts", `codes WHERE institution = $1 AND spent_at IS NOT NULL`, acts("oauth.code_redeemed")},
	{"a redemption makes a grant", `codes WHERE institution = $1 AND spent_at IS NOT NULL`, `grants WHERE institution = $1`},
	{"a redemption gives a refresh token", `codes WHERE institution = $1 AND spent_at IS NOT NULL`, `refresh_tokens WHERE institution = $1`},
	{"a redemption makes its consent active", `codes WHERE institution = $1 AND spent_at IS NOT NULL`,
		`codes k JOIN consents c ON c.institution = k.institution AND c.id = k.consent_id WHERE k.institution = $1 AND k.spent_at IS NOT NULL AND c.state <> 'issued'`},
	{"access tokens have their acts", `access_tokens WHERE institution = $1`,
		`audit WHERE institution = $1 AND seq > $2 AND name IN ('oauth.code_redeemed', 'oauth.token_refreshed')`},
	{"a revocation has its act", `consents WHERE institution = $1 AND end_reason = 'partner'`, ended("partner", "oauth.grant_revoked")},
	{"a reuse has its act", `consents WHERE institution = $1 AND end_reason = 'code_reused'`, ended("code_reused", "oauth.code_reused")},
	{"PINs come into force with their consent", `inquiry_pins WHERE institution = $1`,
		`inquiry_pins p JOIN consents c ON c.institution = p.institution AND c.id = p.consent_id WHERE p.institution = $1`},
	{"nothing stays staged after the consent", `journey_pins WHERE institution = $1`,
		`journey_pins p JOIN journeys j ON j.institution = p.institution AND j.id = p.journey WHERE p.institution = $1 AND j.consent_id = ''`},
	{"journeys begin by a login", `journeys WHERE institution = $1`, `audit WHERE institution = $1 AND seq > $2 AND name = 'login.done' AND entry LIKE '%"outcome":"done"%'`},
}

// ended are consents whose end stands in the log, once or, where the partner
// asked again, more often.
func ended(reason, act string) string {
	return `consents c WHERE institution = $1 AND end_reason = '` + reason + `' AND EXISTS
		(SELECT 1 FROM audit a WHERE a.institution = $1 AND a.seq > $2 AND a.name = '` + act + `' AND a.entry LIKE '%' || c.id || '%')`
}

func acts(name string) string {
	return `audit WHERE institution = $1 AND seq > $2 AND name = '` + name + `'`
}

// consistent looks at everything that a failure may have torn, by a way to the
// database that does not fail.
func (s *story) consistent() {
	s.t.Helper()
	for _, h := range holds {
		if one, other := s.count(h.one), s.count(h.other); one != other {
			s.t.Errorf("after %q: %s: %d, but %d", s.broken, h.what, one, other)
		}
	}
	if s.revoked && !s.heir && s.count(`consents WHERE institution = $1 AND state <> 'ended'`)+s.count(`inquiry_pins WHERE institution = $1`) > 0 {
		s.t.Errorf("after %q: a consent or its PINs outlived the revocation", s.broken)
	}
	// The bank is asked only for a try that was taken durably before.
	taken := map[string]int{
		"CheckPassword": s.count(acts("login.tried")), "CheckAnswer": s.count(acts("answer.tried")), "CheckPIN": s.count(acts("pins.tried")),
	}
	if s.asked == nil {
		return
	}
	for asked, n := range s.asked.seen() {
		if method, _, _ := strings.Cut(asked, " "); n > taken[method] {
			s.t.Errorf("after %q: the bank was asked %s %d times for %d tries", s.broken, asked, n, taken[method])
		}
	}
}

// count counts rows of the story's institution.
func (s *story) count(from string) (n int) {
	s.t.Helper()
	in := s.whole.Institution(s.name)
	if err := in.Row(s.t.Context(), `SELECT COUNT(*) FROM `+from+` AND CAST($2 AS BIGINT) >= 0`, []any{in.ID(), s.since}, &n); err != nil {
		s.t.Fatalf("%s: %v", from, err)
	}
	return n
}

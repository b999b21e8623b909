package audit

// Name is what was done, from the closed list below. Names are part of what is
// stored and proved: they are never renamed or reused. Each is a constant of the
// package that records it; a test holds the constants, this list and
// docs/operations/audit.md together.
type Name string

// Meaning says what an act of this name is; empty for a name that is not in the
// list.
func (n Name) Meaning() string { return names[n] }

// names is the closed list.
var names = map[Name]string{
	"partner.registered": "Staff registered an API partner.",
	"partner.stopped":    "Staff stopped a partner; its tokens open nothing any more.",
	"partner.resumed":    "Staff let a stopped partner work again.",

	"key.added":     "Staff made a signing key; it is published, and signs nothing yet.",
	"key.activated": "Staff let a key sign; the one before it is retired.",
	"key.retired":   "Staff let a key sign no more, without another in its place.",
	"key.removed":   "Staff took a key out of the published set before its time.",

	"oauth.client_registered":     "A partner's client software was registered.",
	"oauth.client_changed":        "A client's registration was replaced.",
	"oauth.client_removed":        "A client's registration was removed; its tokens open nothing any more.",
	"oauth.initial_token_issued":  "Staff issued an initial access token, by which a partner registers clients by itself.",
	"oauth.initial_token_revoked": "Staff revoked an initial access token; it registers no more clients, and those that it registered stay.",
	"oauth.client_authenticated":  "A client proved who it is in a request that changed nothing else; its assertion is spent.",
	"oauth.request_pushed":        "A partner pushed an authorization request (RFC 9126).",
	"oauth.request_denied":        "An authorization request ended without consent, for the reason given to the partner.",
	"oauth.code_issued":           "A code was issued for a consent, and the request is spent.",
	"oauth.code_redeemed":         "A code became tokens; its consent is active from here on.",
	"oauth.code_reused":           "A code came a second time; what it had given has ended.",
	"oauth.token_issued":          "A partner got an access token for its own calls.",
	"oauth.token_refreshed":       "A refresh token gave a new access token.",
	"oauth.token_revoked":         "A partner gave back an access token.",
	"oauth.grant_revoked":         "A partner gave up a grant; its consent and tokens have ended.",
	"oauth.refused":               "An endpoint of the protocol refused a request, for an error of its specification.",
	"api.denied":                  "A call of the API with a live token was refused.",

	"login.tried":         "A login was pressed: the attempt is taken and the bank is asked.",
	"login.done":          "The bank's answer to a login; denied with a reason.",
	"certificate.taken":   "A certificate was shown on a certificate host, with what it was judged to be.",
	"answer.tried":        "An answer to the question was sent: the attempt is taken and the bank is asked.",
	"answer.done":         "The bank's answer to an answer; denied with a reason.",
	"functions.chosen":    "The customer chose the functions that the partner may use.",
	"pins.tried":          "Inquiry PINs were sent: an attempt is taken for each account and the bank is asked.",
	"pins.staged":         "The bank's answer to inquiry PINs; right ones wait for the consent.",
	"pins.postponed":      "The customer left inquiry PINs for later.",
	"pins.confirmed":      "The customer went on from the result of the PINs.",
	"pins.reopened":       "The customer went back to register more PINs.",
	"pin.refused":         "The core refused a registered PIN during an inquiry.",
	"pin.confirmed":       "The core accepted a PIN again after it had been refused.",
	"pin.seeded":          "A PIN that the bank holds already was taken over.",
	"consent.given":       "The customer gave a consent; what it holds is in the consent of that id.",
	"consent.refused":     "The customer refused to give a consent.",
	"consent.ended":       "A consent ended, for the reason given.",
	"consent.suspended":   "A consent was suspended.",
	"consent.resumed":     "A suspended consent was resumed.",
	"journey.left":        "The customer broke a journey off.",
	"journey.timed_out":   "A journey's time was over.",
	"journey.halted":      "A journey could not go on: its request was completed elsewhere.",
	"journey.extended":    "The customer asked for more time.",
	"session.used":        "A login of before let its user into a journey without another one (`session_for`): with the first press in it, and when it was opened.",
	"session.ended":       "A login of before was ended before its time, with the reason.",
	"press.refused":       "A press of a button was refused: foreign, stale, expired, or not offered at that step.",
	"tries.unlocked":      "Staff gave a locked customer their attempts back.",
	"database.restored":   "The database was set back to an earlier state; what had been allowed waits until staff resume it.",
	"leftovers.discarded": "What unfinished journeys and ended consents had left was discarded.",
}

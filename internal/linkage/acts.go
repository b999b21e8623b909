package linkage

import "renkei.dev/internal/audit"

// The acts of journeys, PINs and consents that the audit log keeps.
const (
	LoginTried         audit.Name = "login.tried" // a try was taken and the bank is asked
	LoginDone          audit.Name = "login.done"  // the bank's answer; denied with a reason
	CertificateShown   audit.Name = "certificate.taken"
	AnswerTried        audit.Name = "answer.tried"
	AnswerDone         audit.Name = "answer.done"
	FunctionsChosen    audit.Name = "functions.chosen"
	PINsTried          audit.Name = "pins.tried"
	PINsStaged         audit.Name = "pins.staged"
	PINsPostponed      audit.Name = "pins.postponed"
	PINsConfirmed      audit.Name = "pins.confirmed"
	PINsReopened       audit.Name = "pins.reopened"
	ConsentGivenName   audit.Name = "consent.given"
	ConsentRefused     audit.Name = "consent.refused"
	JourneyLeft        audit.Name = "journey.left"
	JourneyTimedOut    audit.Name = "journey.timed_out"
	JourneyHalted      audit.Name = "journey.halted" // it cannot go on: the request was completed elsewhere
	JourneyExtended    audit.Name = "journey.extended"
	SessionUsed        audit.Name = "session.used"  // it let its user into a journey without a login
	SessionEndedName   audit.Name = "session.ended" // before its time
	PressRefused       audit.Name = "press.refused" // foreign, stale, expired, or not offered
	ConsentEndedName   audit.Name = "consent.ended"
	ConsentSuspended   audit.Name = "consent.suspended"
	ConsentResumed     audit.Name = "consent.resumed"
	PINRefusedName     audit.Name = "pin.refused" // by the core, on an inquiry
	PINConfirmedName   audit.Name = "pin.confirmed"
	PINSeededName      audit.Name = "pin.seeded"
	TriesUnlocked      audit.Name = "tries.unlocked"
	LeftoversDiscarded audit.Name = "leftovers.discarded"
)

package linkage

import (
	"context"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/login"
	"renkei.dev/internal/secret"
)

// Store keeps the journeys, PINs and consents of one institution. What is
// secret reaches it only sealed or as a digest.
type Store interface {
	login.Store
	// Journey returns a journey, what it staged, and the state of its consent.
	// Errors: fault.NotFound.
	Journey(ctx context.Context, id JourneyID) (Row, []StagedPIN, ConsentState, error)
	// JourneyWith is Journey and, in the same round trip, Kept, which it returns with
	// fault.NotFound too. It is no snapshot.
	JourneyWith(ctx context.Context, id JourneyID, n Needs) (Row, []StagedPIN, ConsentState, Kept, error)
	// Kept returns what a page needs beside its journey.
	Kept(ctx context.Context, n Needs) (Kept, error)
	// Known returns what is known of a user who comes in, with the counters of
	// tries and the PINs of the accounts; of no user, only these.
	Known(ctx context.Context, user corebank.UserID, tries []login.Key, accounts []corebank.AccountID) (Known, error)
	// LoginPress returns what became of a press of API連携. Errors: fault.NotFound.
	LoginPress(ctx context.Context, press secret.Digest) (LoginPressRow, error)
	// CertificateTaken returns which journey took a one-time secret.
	// Errors: fault.NotFound.
	CertificateTaken(ctx context.Context, once secret.Digest) (JourneyID, error)
	// PINs returns what is kept of the accounts, of all users.
	PINs(ctx context.Context, accounts []corebank.AccountID) ([]StoredPIN, error)
	// Session returns a session. Errors: fault.NotFound.
	Session(ctx context.Context, digest secret.Digest) (Session, error)
	// Consent returns a consent. Errors: fault.NotFound.
	Consent(ctx context.Context, id ConsentID) (Consent, error)
	// PINInUse returns what is kept of one account, of all users: who registered
	// it, its state, what is sealed and its version; with the counter of its tries
	// and, where that counts something, how many of its slots were held at now; all
	// in one snapshot.
	PINInUse(ctx context.Context, account corebank.AccountID, now time.Time) (pins []StoredPIN, counter login.Counter, held int, err error)
	// PINBudget returns the counter and the slots held, in one snapshot.
	PINBudget(ctx context.Context, account corebank.AccountID, now time.Time) (counter login.Counter, held int, err error)
	// PendingPINs returns up to limit PINs that are Pending, the oldest first.
	PendingPINs(ctx context.Context, limit int) ([]StoredPIN, error)
	// TakePINSlot takes a slot that nobody holds at now, or takes the holder's
	// own again; false when another holds it. DropPINSlot gives it back.
	TakePINSlot(ctx context.Context, slot PINSlot, now time.Time) (bool, error)
	DropPINSlot(ctx context.Context, slot PINSlot) error
	// Forget removes journeys, presses, one-time secrets and rates that began or
	// ended before from, in small batches.
	Forget(ctx context.Context, from time.Time) error
	// Leftovers returns what is over and still holds something; see sweep.go.
	Leftovers(ctx context.Context, a LeftoversAsked) (Leftovers, error)
	// Commit makes all changes durable, each with its act, or none of them:
	// fault.Conflict when one no longer holds.
	Commit(ctx context.Context, changes ...audit.Change) error
}

// Approval is what the protocol is told of a consent.
type Approval struct {
	Subject  corebank.UserID
	Company  corebank.CompanyID
	AuthTime time.Time
	ACR      string
	AMR      []string
	Consent  ConsentID
	Extent   Extent
	Replaces ConsentID // ends when the code is redeemed; empty: none
	Address  string    // where the customer's browser is, for the audit log
}

// Protocol answers the partner's request. Both calls decide and write nothing:
// the change spends the request, and issues the code, when it is committed.
// Errors of both: fault.Conflict when the request was spent by another browser,
// fault.NotFound, fault.Expired.
type Protocol interface {
	Approve(ctx context.Context, handle string, a Approval) (Redirect, audit.Change, error)
	Deny(ctx context.Context, handle string, why Reason) (Redirect, audit.Change, error)
}

package linkage

import (
	"context"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/login"
)

// Store keeps the journeys, PINs and consents of one institution. What is
// secret reaches it only sealed or as a digest.
type Store interface {
	login.Store
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

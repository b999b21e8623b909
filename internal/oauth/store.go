package oauth

import (
	"context"

	"renkei.dev/internal/audit"
)

// Store keeps what the engine of one institution must not forget. It is given
// digests only, so that no code or token can be stored. Look-ups take no locks
// and return fault.NotFound when nothing has both the id and the digest; what
// must still hold at the end is a condition of a change.
//
// Every method can fail with fault.Unavailable; that is never taken for a replay.
type Store interface {
	// Client returns a client's registration.
	Client(ctx context.Context, id ClientID) (Client, error)
	// InitialAccessToken returns an initial access token, used up or over ones too.
	InitialAccessToken(ctx context.Context, k Key) (InitialAccessToken, error)
	// ManagedClient returns a client by its newest registration access token.
	ManagedClient(ctx context.Context, id ClientID, k Key) (Managed, error)
	// ConsentsOf returns the consents of a client that have not ended.
	ConsentsOf(ctx context.Context, id ClientID) ([]string, error)
	// PushedRequest returns a request, spent or expired ones too.
	PushedRequest(ctx context.Context, k Key) (PushedRequest, error)
	// Code returns a code, spent or expired ones too.
	Code(ctx context.Context, k Key) (Authorized, error)
	// RefreshToken returns a refresh token, revoked ones too.
	RefreshToken(ctx context.Context, k Key) (RefreshToken, error)
	// AccessToken returns an access token, expired and revoked ones too.
	AccessToken(ctx context.Context, k Key) (AccessToken, error)
	// UseAccessToken is AccessToken and, when the token is bound to the key with
	// this thumbprint, alive and its consent active, remembers the proof, in one
	// step. Errors: a Replayed for a proof that was seen before.
	UseAccessToken(ctx context.Context, k Key, u ProofUse) (AccessToken, error)
	// Grant returns a client's grant as it stands.
	Grant(ctx context.Context, c ClientID, g GrantID) (Grant, Standing, error)
	// Commit makes all changes durable, each with its act in the audit log, or
	// none: fault.Conflict when one of them no longer holds, as a Replayed when
	// the cause is a proof or assertion that was seen before.
	Commit(ctx context.Context, changes ...audit.Change) error
}

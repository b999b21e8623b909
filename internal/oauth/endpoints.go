package oauth

import (
	"context"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

var errNotBuilt = fault.New(fault.Internal, "not built")

// Push keeps an authorization request that a client authenticated for (RFC 9126).
func (e *Engine) Push(ctx context.Context, c Call) (Pushed, error) { return Pushed{}, errNotBuilt }

// Begin finds what an authorization request asks for and writes nothing: a
// request_uri may be opened again until Approve or Deny spends it. Errors: an
// AuthorizeFailure.
func (e *Engine) Begin(ctx context.Context, r AuthorizeRequest) (Interaction, error) {
	return Interaction{}, errNotBuilt
}

// Approve returns the way back with a code, and the change that spends the
// request and issues the code; the caller commits it with its own changes.
// fault.Expired: the request's time is over and this browser did not begin in
// time; fault.Conflict (here or from the commit): it is spent.
func (e *Engine) Approve(ctx context.Context, h Handle, a Approval) (Redirect, audit.Change, error) {
	return Redirect{}, nil, errNotBuilt
}

// Deny returns the way back with an error, and the change that spends the
// request. Errors as Approve.
func (e *Engine) Deny(ctx context.Context, h Handle, r Reason) (Redirect, audit.Change, error) {
	return Redirect{}, nil, errNotBuilt
}

// Token answers a token request (RFC 6749 §3.2).
func (e *Engine) Token(ctx context.Context, c Call) (Tokens, error) { return Tokens{}, errNotBuilt }

// Revoke ends a token of the client's (RFC 7009); a refresh token ends its grant
// and consent. Unknown and foreign tokens are no error.
func (e *Engine) Revoke(ctx context.Context, c Call) error { return errNotBuilt }

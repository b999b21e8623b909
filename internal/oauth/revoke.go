package oauth

import (
	"context"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// Revoke ends a token of the client's (RFC 7009): an access token alone; a
// refresh token with its consent and all that it gave, which is how a partner
// gives a consent up. Unknown and foreign tokens are no error and end nothing.
// nil means durable.
func (e *Engine) Revoke(ctx context.Context, c Call) error {
	who, err := e.revoke(ctx, c)
	return e.refused(ctx, "revoke", who, c.Address, err)
}

func (e *Engine) revoke(ctx context.Context, c Call) (ClientID, error) {
	client, err := e.authenticate(ctx, c)
	if err != nil {
		return "", err
	}
	if !c.Form.Has("token") {
		return client.ID, fail(InvalidRequest, "token is missing")
	}
	change, err := e.revocation(ctx, client, c)
	if err != nil {
		return client.ID, err
	}
	if change == nil {
		return client.ID, nil
	}
	return client.ID, replayed(e.cfg.Store.Commit(ctx, change))
}

// revocation decides what a token's revocation changes. The hint is only where
// one would look first (RFC 7009 §2.1); our tokens say what they are.
func (e *Engine) revocation(ctx context.Context, client authenticated, c Call) (audit.Change, error) {
	token := secret.Of(c.Form.Get("token"))
	head := client.header(c)
	if key, ok := e.keyOf(refreshTokenValue, token); ok {
		t, err := e.cfg.Store.RefreshToken(ctx, key)
		if err == nil && t.Client == client.ID {
			return GrantRevoked{Header: head, Consent: t.Standing.Consent}, nil
		}
		if err != nil && fault.Of(err) != fault.NotFound {
			return nil, err
		}
	}
	if key, ok := e.accessKey(token); ok {
		t, err := e.cfg.Store.AccessToken(ctx, key)
		if err == nil && t.Client == client.ID {
			change := AccessTokenRevoked{Header: head, Key: key}
			if t.Standing != nil {
				change.Consent = t.Standing.Consent
			}
			return change, nil
		}
		if err != nil && fault.Of(err) != fault.NotFound {
			return nil, err
		}
	}
	if len(head.Seen) == 0 {
		return nil, nil
	}
	return AssertionUsed{Header: head}, nil // its jti is spent, whatever it came with
}

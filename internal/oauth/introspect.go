package oauth

import (
	"context"
	"encoding/json"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// Introspection is an answer of the introspection endpoint: JSON (RFC 7662 §2.2),
// or a JWT (RFC 9701 §5).
type Introspection struct {
	Body   []byte
	Signed bool
}

// introspected is what is told of a token that is alive and the client's own.
type introspected struct {
	Active       bool              `json:"active"`
	Scope        string            `json:"scope,omitempty"`
	Client       ClientID          `json:"client_id,omitempty"`
	Type         string            `json:"token_type,omitempty"`
	ExpiresAt    int64             `json:"exp,omitempty"`
	IssuedAt     int64             `json:"iat,omitempty"`
	Subject      string            `json:"sub,omitempty"`
	Audience     string            `json:"aud,omitempty"`
	Issuer       string            `json:"iss,omitempty"`
	AuthTime     int64             `json:"auth_time,omitempty"` // RFC 9470 §6.2, as acr
	ACR          string            `json:"acr,omitempty"`
	Confirmation map[string]string `json:"cnf,omitempty"`
	Details      json.RawMessage   `json:"authorization_details,omitempty"`
	Grant        GrantID           `json:"grant_id,omitempty"`
	Behind       *behind           `json:"renkei_customer,omitempty"`
}

// Introspect tells a client how a token of its own stands, and a resource server
// of the bank's how one for it does. Of any other, of an unknown one and of one
// that opens nothing now it says only that it is not active (RFC 7662 §2.2). Errors: a Failure; fault.Unavailable.
func (e *Engine) Introspect(ctx context.Context, c Call, wantsJWT bool) (Introspection, error) {
	who, i, err := e.introspect(ctx, c, wantsJWT)
	return i, e.refused(ctx, "introspect", who, c.Address, err)
}

func (e *Engine) introspect(ctx context.Context, c Call, wantsJWT bool) (ClientID, Introspection, error) {
	client, err := e.authenticateServer(ctx, c)
	if err != nil {
		return "", Introspection{}, err
	}
	if !c.Form.Has("token") {
		return client.ID, Introspection{}, fail(InvalidRequest, "token is missing")
	}
	told, err := e.tell7662(ctx, client, secret.Of(c.Form.Get("token")))
	if err != nil {
		return client.ID, Introspection{}, err
	}
	if head := client.header(c); len(head.Seen) > 0 {
		if err := e.cfg.Store.Commit(ctx, AssertionUsed{Header: head}); err != nil {
			return client.ID, Introspection{}, replayed(err)
		}
	}
	if wantsJWT || client.IntrospectionAlg != "" {
		i, err := e.signIntrospection(client, told)
		return client.ID, i, err
	}
	body, err := json.Marshal(told)
	if err != nil {
		return client.ID, Introspection{}, fault.Wrap(fault.Internal, "write an introspection", err)
	}
	return client.ID, Introspection{Body: body}, nil
}

// signIntrospection signs what is told (RFC 9701 §5), under a type that no token
// of ours has.
func (e *Engine) signIntrospection(client authenticated, told introspected) (Introspection, error) {
	signer, err := e.signer(client.IntrospectionAlg)
	if err != nil {
		return Introspection{}, err
	}
	compact, err := signer.Sign("token-introspection+jwt", map[string]any{
		"iss": e.issuer.URL, "aud": string(client.ID), "iat": client.now.Unix(), "token_introspection": told,
	})
	return Introspection{Body: []byte(compact), Signed: true}, err
}

// tell7662 looks a token up and cuts what it opens to what is allowed now.
func (e *Engine) tell7662(ctx context.Context, client authenticated, token secret.Value) (introspected, error) {
	if key, ok := e.accessKey(token); ok {
		if s, is := e.servers[client.ID]; is {
			return e.tellServer(ctx, s, key, client.now)
		}
		t, err := e.cfg.Store.AccessToken(ctx, key)
		if err != nil || t.Client != client.ID {
			return introspected{}, unlessNotFound(err)
		}
		return e.tellAccess(client.knownClient, client.partner, t, client.now), nil
	}
	if key, ok := e.keyOf(refreshTokenValue, token); ok && client.partner.ID != "" {
		t, err := e.cfg.Store.RefreshToken(ctx, key)
		if err != nil {
			return introspected{}, unlessNotFound(err)
		}
		if t.Client != client.ID || t.Revoked || t.Standing.live(client.now, ConsentActive) != nil {
			return introspected{}, nil
		}
		left := cut(client.knownClient, client.partner, t.Grant.Request, t.Standing.Extent.Functions)
		return introspected{
			Active: true, Client: t.Client, Issuer: e.issuer.URL, Subject: e.subject(&t.Standing),
			Scope: left.scopes.String(), ExpiresAt: t.Standing.Extent.EndsAt.Unix(), Grant: t.Grant.ID,
		}, nil
	}
	return introspected{}, nil
}

func (e *Engine) tellAccess(k *knownClient, p partner.Partner, t AccessToken, now time.Time) introspected {
	s := t.Standing
	if t.Revoked || !now.Before(t.ExpiresAt) || s != nil && s.live(now, ConsentActive) != nil {
		return introspected{}
	}
	out := introspected{
		Active: true, Client: t.Client, Issuer: e.issuer.URL, Subject: string(t.Client), Audience: t.Audience, Scope: t.Scope,
		ExpiresAt: t.ExpiresAt.Unix(), IssuedAt: t.ExpiresAt.Add(-e.issuer.lifetimes().AccessTokenFor).Unix(), Type: "Bearer",
		Confirmation: t.Confirmation.claim(),
	}
	if t.Confirmation.Method == BoundByDPoP {
		out.Type = "DPoP"
	}
	if s != nil {
		functions := e.functionsLeft(k, p, t)
		out.Scope = cutScope(t.Scope, k.scopes, functions)
		out.Subject, out.AuthTime, out.ACR, out.Grant = e.subject(s), t.AuthTime.Unix(), t.ACR, t.Grant
		out.Details = grantedDetails(functions, e.aliases(s), s.Extent.HistoryDays)
	}
	return out
}

func unlessNotFound(err error) error {
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

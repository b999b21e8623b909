package oauth

import (
	"context"
	"encoding/json"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// Managed is a client that registered itself, with the registration access token
// by which it is managed, at rest.
type Managed struct {
	Client       Client
	Key          Key
	Thumbprint   string // of the certificate that must be shown beside the token; empty: none
	RegisteredAt time.Time
}

// ReadRegistration returns the client information response of a client that
// registered itself (RFC 7592 §2.1). Errors: a Failure with invalid_token for any
// token but the client's newest, and for a client that is not there;
// fault.NotFound where the institution does not offer it; fault.Unavailable.
func (e *Engine) ReadRegistration(ctx context.Context, r RegistrationRequest, id ClientID) ([]byte, error) {
	m, token, err := e.manage(ctx, r, id)
	if err != nil {
		return nil, e.refused(ctx, "register", "", r.Address, err)
	}
	return e.clientInformation(m, token)
}

// ChangeRegistration replaces a client's registration as a whole and its
// registration access token with it (RFC 7592 §2.2). Errors: as ReadRegistration,
// and as Register for the metadata; a change that came in between is
// invalid_token, since it took the token.
func (e *Engine) ChangeRegistration(ctx context.Context, r RegistrationRequest, id ClientID) ([]byte, error) {
	m, _, err := e.manage(ctx, r, id)
	if err != nil {
		return nil, e.refused(ctx, "register", "", r.Address, err)
	}
	next, token, err := e.change(ctx, r, m)
	if err != nil {
		return nil, e.refused(ctx, "register", id, r.Address, err)
	}
	return e.clientInformation(next, token)
}

func (e *Engine) change(ctx context.Context, r RegistrationRequest, m Managed) (Managed, secret.Value, error) {
	c, err := decodeClient(r.Metadata, false)
	if err != nil {
		return Managed{}, secret.Value{}, badMetadata(err)
	}
	if f := updateFault(r.Metadata, c, m.Client); f != nil {
		return Managed{}, secret.Value{}, f
	}
	c.Profile, c.SunsetOn, c.Partner, c.Registered = m.Client.Profile, m.Client.SunsetOn, m.Client.Partner, ByItself
	if c, err = e.issuer.completed(c); err != nil {
		return Managed{}, secret.Value{}, badMetadata(err)
	}
	token, key := e.issue(registrationTokenValue)
	now := e.now()
	next := Managed{Client: c, Key: key, Thumbprint: m.Thumbprint, RegisteredAt: m.RegisteredAt}
	err = e.cfg.Store.Commit(ctx, ClientChanged{
		Client: c, Version: m.Client.Version, By: audit.Actor{Kind: audit.Partner, ID: string(c.ID)}, At: now, Address: r.Address,
		Management: &Rotation{From: m.Key, To: key},
	})
	if err != nil && fault.Of(err) == fault.Conflict {
		return Managed{}, secret.Value{}, badToken("the registration access token was replaced")
	}
	return next, token, err
}

// updateFault judges what an update says beside the metadata themselves.
func updateFault(raw []byte, c Client, registered Client) *Failure {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return badMetadata(err)
	}
	// RFC 7592 §2.2: none of these may be sent back.
	for _, never := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at", "client_secret"} {
		if _, there := members[never]; there {
			return fail(InvalidRequest, never+" cannot be part of an update")
		}
	}
	if c.ID != registered.ID {
		return fail(InvalidRequest, "client_id is not the client's own")
	}
	if c.Profile != "" && c.Profile != registered.Profile {
		return fail(InvalidClientMetadata, "profile stays: another profile is another client")
	}
	return nil
}

// RemoveRegistration removes a client that registered itself, and ends the
// consents that it holds (RFC 7592 §2.3). Errors: as ReadRegistration. nil means
// durable.
func (e *Engine) RemoveRegistration(ctx context.Context, r RegistrationRequest, id ClientID) error {
	m, _, err := e.manage(ctx, r, id)
	if err != nil {
		return e.refused(ctx, "register", "", r.Address, err)
	}
	held, err := e.cfg.Store.ConsentsOf(ctx, id)
	if err != nil {
		return err
	}
	head := Header{Client: id, Partner: m.Client.Partner, At: e.now(), Address: r.Address}
	changes := []audit.Change{ClientRemoved{
		Client: m.Client, By: audit.Actor{Kind: audit.Partner, ID: string(id)}, At: head.At, Address: r.Address, Management: &m.Key,
	}}
	for _, consent := range held {
		changes = append(changes, GrantRevoked{Header: head, Consent: consent})
	}
	err = e.cfg.Store.Commit(ctx, changes...)
	if err != nil && fault.Of(err) == fault.Conflict {
		return e.refused(ctx, "register", "", r.Address, badToken("the registration access token was replaced"))
	}
	return err
}

// manage finds the client that a registration access token manages. Every other
// token is refused in the same words, whoever's it is.
func (e *Engine) manage(ctx context.Context, r RegistrationRequest, id ClientID) (Managed, secret.Value, error) {
	if !e.issuer.SelfRegistration {
		return Managed{}, secret.Value{}, fault.New(fault.NotFound, "manage a registration: not on offer")
	}
	value, f := bearer(r.Authorization)
	if f != nil {
		return Managed{}, value, f
	}
	unknown := badToken("the registration access token is not this client's")
	key, ok := e.keyOf(registrationTokenValue, value)
	if !ok {
		return Managed{}, value, unknown
	}
	m, err := e.cfg.Store.ManagedClient(ctx, id, key)
	switch {
	case err != nil:
		return Managed{}, value, unlessMissing(err, unknown)
	case m.Thumbprint != "" && !equal(m.Thumbprint, thumbprintOf(r.Certificate)):
		return Managed{}, value, unknown
	}
	p, err := e.cfg.Partners.Partner(ctx, m.Client.Partner)
	if err == nil {
		err = p.Linkable(e.now())
	}
	if err != nil {
		return Managed{}, value, e.mayNot(err)
	}
	return m, value, nil
}

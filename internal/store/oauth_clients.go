package store

import (
	"context"
	"encoding/json"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

const clientColumns = `id, partner_id, version, registered_by, metadata`

// Client returns a client's registration. Errors: fault.NotFound, for a removed
// one too.
func (in *Institution) Client(ctx context.Context, id oauth.ClientID) (oauth.Client, error) {
	c, err := scanClient(in.read.QueryRow(ctx,
		`SELECT `+clientColumns+` FROM clients WHERE institution = $1 AND id = $2 AND removed_at IS NULL`, in.id, string(id)))
	return c, found(err, "find client "+string(id))
}

// Clients returns a partner's clients that are not removed, by id.
func (in *Institution) Clients(ctx context.Context, p partner.ID) ([]oauth.Client, error) {
	rs, err := in.read.Query(ctx,
		`SELECT `+clientColumns+` FROM clients WHERE institution = $1 AND partner_id = $2 AND removed_at IS NULL ORDER BY id`, in.id, string(p))
	return collect(rs, err, "list the clients of partner "+string(p), scanClient)
}

func scanClient(r row) (oauth.Client, error) {
	var id, partnerID, by, metadata string
	var version int64
	if err := r.Scan(&id, &partnerID, &version, &by, &metadata); err != nil {
		return oauth.Client{}, err
	}
	var c oauth.Client
	if err := json.Unmarshal([]byte(metadata), &c); err != nil {
		return oauth.Client{}, fault.Wrap(fault.Internal, "read client "+id, err)
	}
	c.ID, c.Partner, c.Version, c.Registered = oauth.ClientID(id), partner.ID(partnerID), version, oauth.Registrar(by)
	return c, nil
}

// ManagedClient returns a client by its newest registration access token. Errors:
// fault.NotFound.
func (in *Institution) ManagedClient(ctx context.Context, id oauth.ClientID, k oauth.Key) (oauth.Managed, error) {
	m := oauth.Managed{Key: k}
	var registered int64
	var thumbprint string
	c, err := scanClient(with{in.read.QueryRow(ctx, `SELECT `+clientColumns+`, registered_at, COALESCE(management_thumbprint, '') FROM clients
		WHERE institution = $1 AND id = $2 AND removed_at IS NULL AND management_token = $3 AND management_digest = $4`,
		in.id, string(id), k.ID, k.Digest[:]), []any{&registered, &thumbprint}})
	m.Client, m.RegisteredAt, m.Thumbprint = c, fromMicros(registered), thumbprint
	return m, found(err, "find the registration of client "+string(id))
}

// ConsentsOf returns the consents of a client that have not ended.
func (in *Institution) ConsentsOf(ctx context.Context, id oauth.ClientID) ([]string, error) {
	rs, err := in.read.Query(ctx, `SELECT id FROM consents WHERE institution = $1 AND client_id = $2 AND state <> 'ended' ORDER BY id`, in.id, string(id))
	return collect(rs, err, "list the consents of client "+string(id), func(r row) (id string, err error) {
		err = r.Scan(&id)
		return id, err
	})
}

const initialTokenColumns = `id, digest, partner_id, uses_left, issued_at, expires_at`

// InitialAccessToken returns an initial access token, used up or over ones too.
// Errors: fault.NotFound.
func (in *Institution) InitialAccessToken(ctx context.Context, k oauth.Key) (oauth.InitialAccessToken, error) {
	token, err := scanInitialToken(in.read.QueryRow(ctx,
		`SELECT `+initialTokenColumns+` FROM initial_access_tokens WHERE id = $1 AND institution = $2 AND digest = $3`, k.ID, in.id, k.Digest[:]))
	return token, found(err, "find an initial access token")
}

// InitialAccessTokens returns a partner's initial access tokens, the oldest
// first, used up or over ones too.
func (in *Institution) InitialAccessTokens(ctx context.Context, p partner.ID) ([]oauth.InitialAccessToken, error) {
	rs, err := in.read.Query(ctx,
		`SELECT `+initialTokenColumns+` FROM initial_access_tokens WHERE institution = $1 AND partner_id = $2 ORDER BY id`, in.id, string(p))
	return collect(rs, err, "list the initial access tokens of partner "+string(p), scanInitialToken)
}

func scanInitialToken(r row) (oauth.InitialAccessToken, error) {
	var token oauth.InitialAccessToken
	var digest []byte
	var partnerID string
	var uses, issued, expires int64
	if err := r.Scan(&token.Key.ID, &digest, &partnerID, &uses, &issued, &expires); err != nil {
		return token, err
	}
	token.Key.Digest = secret.Digest(digest)
	token.Partner, token.UsesLeft = partner.ID(partnerID), int(uses)
	token.IssuedAt, token.ExpiresAt = fromMicros(issued), fromMicros(expires)
	return token, nil
}

func (in *Institution) applyInitialTokenIssued(ctx context.Context, t tx, c oauth.InitialAccessTokenIssued) error {
	i := c.Token
	return t.Do(ctx, `INSERT INTO initial_access_tokens (id, institution, digest, partner_id, uses_left, issued_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		i.Key.ID, in.id, i.Key.Digest[:], string(i.Partner), int64(i.UsesLeft), micros(i.IssuedAt), micros(i.ExpiresAt))
}

func (in *Institution) applyInitialTokenRevoked(ctx context.Context, t tx, c oauth.InitialAccessTokenRevoked) error {
	return t.Must(ctx, `UPDATE initial_access_tokens SET uses_left = 0
		WHERE id = $1 AND institution = $2 AND partner_id = $3 AND uses_left > 0 AND expires_at > $4`,
		c.ID, in.id, string(c.Partner), micros(c.At))
}

func (in *Institution) applyClientRegistered(ctx context.Context, t tx, c oauth.ClientRegistered) error {
	metadata, err := asJSON(c.Client, "register a client")
	if err != nil {
		return err
	}
	if c.Initial != nil {
		if err := t.Must(ctx, `UPDATE initial_access_tokens SET uses_left = uses_left - 1
			WHERE id = $1 AND institution = $2 AND digest = $3 AND uses_left > 0 AND expires_at > $4`,
			c.Initial.ID, in.id, c.Initial.Digest[:], micros(c.At)); err != nil {
			return err
		}
	}
	var token, digest, thumbprint any // NULL where staff registered it
	if c.Management != nil {
		token, digest, thumbprint = c.Management.ID, c.Management.Digest[:], c.Thumbprint
	}
	return t.Must(ctx, `INSERT INTO clients (institution, id, partner_id, version, registered_by, metadata, registered_at,
			management_token, management_digest, management_thumbprint)
		VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $9) ON CONFLICT (institution, id) DO NOTHING`,
		in.id, string(c.Client.ID), string(c.Client.Partner), string(c.Client.Registered), metadata, micros(c.At), token, digest, thumbprint)
}

func (in *Institution) applyClientChanged(ctx context.Context, t tx, c oauth.ClientChanged) error {
	metadata, err := asJSON(c.Client, "change a client")
	if err != nil {
		return err
	}
	if m := c.Management; m != nil {
		return t.Must(ctx, `UPDATE clients SET metadata = $4, version = version + 1, management_token = $5, management_digest = $6
			WHERE institution = $1 AND id = $2 AND version = $3 AND removed_at IS NULL AND management_token = $7 AND management_digest = $8`,
			in.id, string(c.Client.ID), c.Version, metadata, m.To.ID, m.To.Digest[:], m.From.ID, m.From.Digest[:])
	}
	return t.Must(ctx, `UPDATE clients SET metadata = $4, version = version + 1 WHERE institution = $1 AND id = $2 AND version = $3 AND removed_at IS NULL`,
		in.id, string(c.Client.ID), c.Version, metadata)
}

func (in *Institution) applyClientRemoved(ctx context.Context, t tx, c oauth.ClientRemoved) error {
	if m := c.Management; m != nil {
		return t.Must(ctx, `UPDATE clients SET removed_at = $5, version = version + 1
			WHERE institution = $1 AND id = $2 AND removed_at IS NULL AND management_token = $3 AND management_digest = $4`,
			in.id, string(c.Client.ID), m.ID, m.Digest[:], micros(c.At))
	}
	return t.Must(ctx, `UPDATE clients SET removed_at = $3, version = version + 1 WHERE institution = $1 AND id = $2 AND removed_at IS NULL`,
		in.id, string(c.Client.ID), micros(c.At))
}

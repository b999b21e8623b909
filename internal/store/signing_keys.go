package store

import (
	"context"
	"crypto"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
)

// SigningKeys returns the keys of an issuer that are kept here, oldest first,
// without those whose time is over. The private keys are there for those that
// sign or will, unless they lie in an HSM. Errors: fault.Invalid when one was
// sealed with a key that is not at hand.
func (in *Institution) SigningKeys(ctx context.Context, issuer oauth.IssuerName) ([]oauth.SigningKey, error) {
	rs, err := in.read.Query(ctx, `SELECT kid, algorithm, state, kept, public, sealed, created_at, activated_at, expires_at, remove_at
		FROM signing_keys WHERE institution = $1 AND issuer = $2 AND (state <> 'retired' OR remove_at > $3) ORDER BY created_at, kid`,
		in.id, string(issuer), micros(in.now()))
	return collect(rs, err, "read the signing keys", func(r row) (oauth.SigningKey, error) { return in.scanSigningKey(r, issuer) })
}

func (in *Institution) scanSigningKey(r row, issuer oauth.IssuerName) (oauth.SigningKey, error) {
	var k oauth.SigningKey
	var state, kept string
	var public, sealed []byte
	var created, activated, expires, remove int64
	if err := r.Scan(&k.KID, &k.Algorithm, &state, &kept, &public, &sealed, &created, &activated, &expires, &remove); err != nil {
		return k, err
	}
	k.State, k.InHSM = jose.State(state), kept == keptInHSM
	k.CreatedAt, k.ActivatedAt, k.ExpiresAt, k.RemoveAt = fromMicros(created), fromMicros(activated), fromMicros(expires), fromMicros(remove)
	var err error
	if k.Public, err = jose.ParsePublic(public); err != nil || len(sealed) == 0 {
		return k, err
	}
	der, err := in.box.Open(sealed, in.signingKeyPlace(issuer, k.KID)...)
	if err != nil {
		return k, fault.New(fault.Invalid, "signing key %s was sealed with a key that sealing_keys does not have", k.KID)
	}
	k.Private, err = jose.ParsePrivate(der)
	return k, err
}

const (
	keptSealed = "sealed"
	keptInHSM  = "hsm"
)

func (in *Institution) signingKeyPlace(issuer oauth.IssuerName, kid string) []string {
	return []string{"signing_keys", in.id, string(issuer), kid}
}

// KeysVersion returns a number that differs after every change of an issuer's
// signing keys; 0 where there never was one.
func (in *Institution) KeysVersion(ctx context.Context, issuer oauth.IssuerName) (n int64, err error) {
	err = in.read.QueryRow(ctx, `SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM signing_keys WHERE institution = $1 AND issuer = $2`,
		in.id, string(issuer)).Scan(&n)
	return n, failed(err, "look at the signing keys")
}

func (in *Institution) applyKeyAdded(ctx context.Context, t tx, c oauth.KeyAdded) error {
	k := c.Key
	var public crypto.PublicKey = k.Public
	kept, sealed := keptInHSM, []byte(nil)
	if !k.InHSM {
		public = k.Private.Public()
		der, err := jose.MarshalPrivate(k.Private)
		if err != nil {
			return err
		}
		kept, sealed = keptSealed, in.box.Seal(der, in.signingKeyPlace(c.Issuer, k.KID)...)
	}
	der, err := jose.MarshalPublic(public)
	if err != nil {
		return err
	}
	return t.Must(ctx, `INSERT INTO signing_keys
			(institution, issuer, kid, algorithm, state, version, kept, public, sealed, created_at, activated_at, expires_at, remove_at)
		VALUES ($1, $2, $3, $4, 'next', 1, $5, $6, $7, $8, 0, $9, 0) ON CONFLICT (institution, issuer, kid) DO NOTHING`,
		in.id, string(c.Issuer), k.KID, k.Algorithm, kept, der, sealed, micros(k.CreatedAt), micros(k.ExpiresAt))
}

func (in *Institution) applyKeyActivated(ctx context.Context, t tx, c oauth.KeyActivated) error {
	if c.Retires != "" {
		if err := in.retireKey(ctx, t, oauth.KeyRetired{Issuer: c.Issuer, KID: c.Retires, RemoveAt: c.RemoveAt}); err != nil {
			return err
		}
	}
	return t.Must(ctx, `UPDATE signing_keys SET state = 'active', version = version + 1, activated_at = $4
		WHERE institution = $1 AND issuer = $2 AND kid = $3 AND state = 'next'`, in.id, string(c.Issuer), c.KID, micros(c.At))
}

// retireKey forgets the private key: what is retired never signs again.
func (in *Institution) retireKey(ctx context.Context, t tx, c oauth.KeyRetired) error {
	return t.Must(ctx, `UPDATE signing_keys SET state = 'retired', version = version + 1, remove_at = $4, sealed = NULL
		WHERE institution = $1 AND issuer = $2 AND kid = $3 AND state = 'active'`, in.id, string(c.Issuer), c.KID, micros(c.RemoveAt))
}

func (in *Institution) applyKeyRemoved(ctx context.Context, t tx, c oauth.KeyRemoved) error {
	return t.Must(ctx, `UPDATE signing_keys SET state = 'retired', version = version + 1, remove_at = $5, sealed = NULL
		WHERE institution = $1 AND issuer = $2 AND kid = $3 AND state = $4 AND (remove_at = 0 OR remove_at > $5)`,
		in.id, string(c.Issuer), c.KID, string(c.From), micros(c.At))
}

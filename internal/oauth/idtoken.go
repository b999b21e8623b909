package oauth

import (
	"context"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
)

// idTokenFor is how long an ID token may be taken as news of a login.
const idTokenFor = 5 * time.Minute

// idTokenClaims are those of OpenID Connect Core §2 that we can fill.
type idTokenClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	ExpiresAt int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	AuthTime  int64    `json:"auth_time"`
	Nonce     string   `json:"nonce,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	TokenHash string   `json:"at_hash,omitempty"`
	CodeHash  string   `json:"c_hash,omitempty"`
	StateHash string   `json:"s_hash,omitempty"` // FAPI 1.0 Advanced §5.2.2.1-5
}

// idTokenExtras are what an ID token is issued beside.
type idTokenExtras struct {
	access, code secret.Value
	nonce, state string
	now          time.Time
}

// idToken signs who logged in, when and how, and encrypts it to the client where
// that is registered.
func (e *Engine) idToken(ctx context.Context, k *knownClient, g Grant, s *Standing, x idTokenExtras) (secret.Value, error) {
	signer, err := e.signer(k.IDTokenSigningAlg)
	if err != nil {
		return secret.Value{}, err
	}
	hash := func(v string) string {
		if v == "" {
			return ""
		}
		return shortHash(signer.Algorithm(), v)
	}
	compact, err := signer.Sign("JWT", idTokenClaims{
		Issuer: e.issuer.URL, Subject: e.subject(s), Audience: string(k.ID),
		IssuedAt: x.now.Unix(), ExpiresAt: x.now.Add(idTokenFor).Unix(), AuthTime: g.AuthTime.Unix(),
		Nonce: x.nonce, ACR: g.ACR, AMR: g.AMR,
		TokenHash: hash(x.access.Reveal()), CodeHash: hash(x.code.Reveal()), StateHash: hash(x.state),
	})
	if err != nil {
		return secret.Value{}, err
	}
	if k.IDTokenKeyAlg == "" {
		return secret.Of(compact), nil
	}
	sealed, err := e.encryptTo(ctx, k, k.IDTokenKeyAlg, "JWT", []byte(compact), x.now)
	return secret.Of(sealed), err
}

// encryptTo encrypts to a key that the client has for that; kind is the content's
// cty. Errors: fault.Refused without such a key; fault.Unavailable.
func (e *Engine) encryptTo(ctx context.Context, k *knownClient, alg, kind string, content []byte, now time.Time) (string, error) {
	known, err := e.clients.keysOf(ctx, k, now, false)
	if err != nil {
		return "", err
	}
	sealed, err := known.keys.Encrypt(alg, jose.A256GCM, kind, content)
	if err != nil {
		return "", fault.Wrap(fault.Refused, "encrypt to client "+string(k.ID), err)
	}
	return sealed, nil
}

// hybrid adds the ID token of response_type=code id_token, which signs code and
// state (FAPI 1.0 Advanced §5.2.2.1).
func (e *Engine) hybrid(ctx context.Context, k *knownClient, g Grant, a Approval, code secret.Value, params map[string]string, now time.Time) error {
	if g.Request.ResponseType != "code id_token" {
		return nil
	}
	s := Standing{Partner: k.Partner, User: a.Subject}
	t, err := e.idToken(ctx, k, g, &s, idTokenExtras{code: code, nonce: g.Request.Nonce, state: g.Request.State, now: now})
	params["id_token"] = t.Reveal()
	return err
}

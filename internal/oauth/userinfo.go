package oauth

import (
	"context"
	"encoding/json"

	"renkei.dev/internal/fault"
)

// UserInfo is an answer of the UserInfo endpoint: JSON, or a JWT where the client
// registered a signed one.
type UserInfo struct {
	Body   []byte
	Signed bool
}

// UserInfo says who gave the consent behind a token (OpenID Connect Core §5.3).
// The token is judged as at every API, and needs the scope openid. Errors: as
// Access.
func (e *Engine) UserInfo(ctx context.Context, r AccessRequest) (UserInfo, error) {
	r.Audience, r.Scope = e.issuer.URL, ScopeOpenID
	a, err := e.Access(ctx, r)
	if err != nil {
		return UserInfo{}, err
	}
	k, err := e.clients.get(ctx, a.Client)
	if err != nil {
		return UserInfo{}, err
	}
	claims := map[string]any{"sub": a.Subject}
	if k.UserInfoSigningAlg == "" {
		body, err := json.Marshal(claims)
		if err != nil {
			return UserInfo{}, fault.Wrap(fault.Internal, "write UserInfo", err)
		}
		return UserInfo{Body: body}, nil
	}
	signer, err := e.signer(k.UserInfoSigningAlg)
	if err != nil {
		return UserInfo{}, err
	}
	claims["iss"], claims["aud"] = e.issuer.URL, string(k.ID) // §5.3.2
	compact, err := signer.Sign("JWT", claims)
	return UserInfo{Body: []byte(compact), Signed: true}, err
}

package oauth

import (
	"context"
	"encoding/json"

	"renkei.dev/internal/fault"
)

// UserInfo is an answer of the UserInfo endpoint: JSON, or a JWT where the client
// registered a signed or encrypted one.
type UserInfo struct {
	Body  []byte
	Token bool
}

// UserInfo says who gave the consent behind a token (OpenID Connect Core §5.3),
// and of the login what the claims parameter asked for (§5.5). The token is judged
// as at every API, and needs the scope openid. Errors: as Access.
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
	claims, err := e.userClaims(ctx, a)
	if err != nil {
		return UserInfo{}, err
	}
	if k.UserInfoSigningAlg != "" {
		claims["iss"], claims["aud"] = e.issuer.URL, string(k.ID) // §5.3.2
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return UserInfo{}, fault.Wrap(fault.Internal, "write UserInfo", err)
	}
	kind := "" // of what is encrypted, where it is
	if k.UserInfoSigningAlg != "" {
		signer, err := e.signer(k.UserInfoSigningAlg)
		if err != nil {
			return UserInfo{}, err
		}
		compact, err := signer.Sign("JWT", claims)
		if err != nil {
			return UserInfo{}, err
		}
		body, kind = []byte(compact), "JWT"
	}
	if k.UserInfoKeyAlg != "" {
		sealed, err := e.encryptTo(ctx, k, k.UserInfoKeyAlg, kind, body, e.now())
		return UserInfo{Body: []byte(sealed), Token: true}, err
	}
	return UserInfo{Body: body, Token: kind != ""}, nil
}

// userClaims are sub and those of the login that the request asked for by name.
func (e *Engine) userClaims(ctx context.Context, a Access) (map[string]any, error) {
	claims := map[string]any{"sub": a.Subject}
	if a.Grant == "" {
		return claims, nil
	}
	grant, _, err := e.cfg.Store.Grant(ctx, a.Client, a.Grant)
	if err != nil {
		return claims, unlessNotFound(err)
	}
	asked, err := parseClaims(grant.Request.Claims)
	if err != nil {
		return claims, nil // what was kept was read before
	}
	for name, value := range map[string]any{"auth_time": a.AuthTime.Unix(), "acr": a.ACR, "amr": grant.AMR} {
		if _, wanted := asked.UserInfo[name]; wanted {
			claims[name] = value
		}
	}
	return claims, nil
}

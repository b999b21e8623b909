package oauth

import (
	"encoding/json"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

// hintedSubject returns whom an id_token_hint names: an ID token of ours for this
// client, over or not (OpenID Connect Core §3.1.2.1). Errors: fault.Invalid.
func (e *Engine) hintedSubject(hint string, client ClientID) (string, error) {
	ring := e.cfg.Keys()
	token, err := ring.Set().Verify(hint, jose.Rules{Algorithms: ring.Algorithms(), Types: []string{"JWT"}})
	if err != nil {
		return "", err
	}
	var claims idTokenClaims
	if err := json.Unmarshal(token.Payload, &claims); err != nil {
		return "", fault.Wrap(fault.Invalid, "read an id_token_hint", err)
	}
	if claims.Issuer != e.issuer.URL || claims.Audience != string(client) || claims.Subject == "" {
		return "", fault.New(fault.Invalid, "read an id_token_hint: another's")
	}
	return claims.Subject, nil
}

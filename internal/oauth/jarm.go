package oauth

import "time"

// responseFor is how long a signed response may be taken (JARM §2.1: 10 minutes
// at most).
const responseFor = 2 * time.Minute

// signResponse signs an authorization response for its client (JARM §2.1).
func (e *Engine) signResponse(k *knownClient, params map[string]string) (string, error) {
	signer, err := e.signer(k.ResponseSigningAlg) // our first, where it registered none
	if err != nil {
		return "", err
	}
	claims := make(map[string]any, len(params)+2)
	for name, value := range params {
		claims[name] = value
	}
	claims["aud"] = string(k.ID)
	claims["exp"] = e.now().Add(responseFor).Unix()
	return signer.Sign("", claims)
}

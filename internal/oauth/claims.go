package oauth

import (
	"encoding/json"
	"slices"

	"renkei.dev/internal/fault"
)

const maxClaimsBytes = 8 << 10

// claimsRequest is the claims parameter (OpenID Connect Core §5.5).
type claimsRequest struct {
	UserInfo map[string]*claimWish `json:"userinfo"`
	IDToken  map[string]*claimWish `json:"id_token"`
}

// claimWish is how one claim is asked for; null asks for it voluntarily.
type claimWish struct {
	Essential bool  `json:"essential"`
	Value     any   `json:"value"`
	Values    []any `json:"values"`
}

// parseClaims reads a claims parameter. Claims that we do not know are harmless
// (§5.5.1); a text that is no such object is fault.Invalid.
func parseClaims(raw []byte) (claimsRequest, error) {
	var c claimsRequest
	if len(raw) == 0 {
		return c, nil
	}
	if len(raw) > maxClaimsBytes || tooDeepOrTwice(raw) {
		return c, fault.New(fault.Invalid, "claims are too large, too deep, or name one twice")
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fault.Wrap(fault.Invalid, "read the claims parameter", err)
	}
	return c, nil
}

// wanted returns the texts that a claim may have.
func (w *claimWish) wanted() []string {
	if w == nil {
		return nil
	}
	var out []string
	for _, v := range append([]any{w.Value}, w.Values...) {
		if s, ok := v.(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

// essentialACR returns the contexts of which one must be reached (§5.5.1.1);
// nil when none must.
func (r Request) essentialACR() []string {
	c, err := parseClaims(r.Claims)
	if err != nil || c.IDToken["acr"] == nil || !c.IDToken["acr"].Essential {
		return nil
	}
	return c.IDToken["acr"].wanted()
}

// wantedSubjects returns the users of whom one must log in, by id_token_hint or
// by the claim sub; nil for anyone.
func (r Request) wantedSubjects() []string {
	if r.IDTokenHint != "" {
		return []string{r.IDTokenHint}
	}
	c, err := parseClaims(r.Claims)
	if err != nil {
		return nil
	}
	return c.IDToken["sub"].wanted()
}

// reachable tells whether a login here can meet what the request demands of it.
func (i Issuer) reachable(demanded []string) bool {
	return len(demanded) == 0 || slices.ContainsFunc(demanded, func(a string) bool { return slices.Contains(i.ACRs, a) })
}

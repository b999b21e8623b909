package partner

import (
	"encoding/base64"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/secret"
)

// pairwiseBytes is how much of a MAC an id carries: 144 bits, so that ids never
// meet and end on a whole base64 character.
const pairwiseBytes = 18

// AccountAlias returns the id by which partner p knows account a of an
// institution, e.g. "acc_1CTlEPhVB2Hs…": the same over all consents, so that a
// renewal makes no new account at the partner, and another one at every other
// partner. key is secret and never changes, or partners lose their accounts.
func AccountAlias(key []byte, p ID, institution string, a corebank.AccountID) string {
	return "acc_" + pairwise(key, "account alias", p, institution, string(a))
}

// Subject returns the id by which partner p knows a user of an institution,
// e.g. "sub_…" (OpenID Connect Core §8.1). key as for AccountAlias.
func Subject(key []byte, p ID, institution string, u corebank.UserID) string {
	return "sub_" + pairwise(key, "subject", p, institution, string(u))
}

func pairwise(key []byte, kind secret.Kind, p ID, institution, name string) string {
	// Names of institutions and partners hold no NUL, so the scope is unambiguous.
	mac := secret.MAC(key, kind, institution+"\x00"+string(p), secret.Of(name))
	return base64.RawURLEncoding.EncodeToString(mac[:pairwiseBytes])
}

package oauth

import (
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
)

// The acts of the protocol that the audit log keeps.
const (
	RequestPushedName  audit.Name = "oauth.request_pushed"
	CodeIssuedName     audit.Name = "oauth.code_issued"
	RequestDeniedName  audit.Name = "oauth.request_denied"
	CodeRedeemedName   audit.Name = "oauth.code_redeemed"
	CodeReusedName     audit.Name = "oauth.code_reused"
	TokenRefreshedName audit.Name = "oauth.token_refreshed"
	TokenIssuedName    audit.Name = "oauth.token_issued"
	TokenRevokedName   audit.Name = "oauth.token_revoked"
	GrantRevokedName   audit.Name = "oauth.grant_revoked"
	ClientRegistered   audit.Name = "oauth.client_registered"
	ClientChangedName  audit.Name = "oauth.client_changed"
	ClientRemovedName  audit.Name = "oauth.client_removed"
	EndpointDeniedName audit.Name = "oauth.refused"
)

// Replayed says that a proof or assertion was seen before. It unwraps to
// fault.Conflict.
type Replayed struct{ What ReplayKind }

func (e Replayed) Error() string { return string(e.What) + " seen before" }

// Unwrap returns fault.Conflict.
func (Replayed) Unwrap() error { return fault.Conflict }

// ProofUse is a DPoP proof shown with an access token.
type ProofUse struct {
	Thumbprint string
	Proof      Replay
	At         time.Time
}

// header is what every change of the engine says of itself.
type header struct {
	Client  ClientID
	Partner partner.ID
	At      time.Time
	Address string
	// Seen are the assertion and proof that came with the request; the change
	// holds only if none of them was seen before, which is judged first.
	Seen []Replay
}

func (h header) act(name audit.Name, object string) audit.Act {
	return audit.Act{
		Name: name, At: h.At, Object: object, Outcome: audit.Done, Partner: string(h.Client), Address: h.Address,
		Actor: audit.Actor{Kind: audit.Partner, ID: string(h.Client)},
	}
}

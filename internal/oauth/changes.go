package oauth

import (
	"strconv"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// The acts of the protocol that the audit log keeps.
const (
	RequestPushedName       audit.Name = "oauth.request_pushed"
	CodeIssuedName          audit.Name = "oauth.code_issued"
	RequestDeniedName       audit.Name = "oauth.request_denied"
	CodeRedeemedName        audit.Name = "oauth.code_redeemed"
	CodeReusedName          audit.Name = "oauth.code_reused"
	TokenRefreshedName      audit.Name = "oauth.token_refreshed"
	TokenIssuedName         audit.Name = "oauth.token_issued"
	TokenRevokedName        audit.Name = "oauth.token_revoked"
	GrantRevokedName        audit.Name = "oauth.grant_revoked"
	AssertionUsedName       audit.Name = "oauth.client_authenticated"
	ClientRegisteredName    audit.Name = "oauth.client_registered"
	ClientChangedName       audit.Name = "oauth.client_changed"
	ClientRemovedName       audit.Name = "oauth.client_removed"
	InitialTokenIssuedName  audit.Name = "oauth.initial_token_issued"
	InitialTokenRevokedName audit.Name = "oauth.initial_token_revoked"
	EndpointDeniedName      audit.Name = "oauth.refused"
)

// Header is what every change of the engine says of itself.
type Header struct {
	Client  ClientID
	Partner partner.ID
	At      time.Time
	Address string
	// Seen are the assertion and proof that came with the request. The change
	// holds only if none of them was seen before.
	Seen []Replay
}

func (h Header) act(name audit.Name, object string) audit.Act {
	return audit.Act{
		Name: name, At: h.At, Object: object, Outcome: audit.Done, Partner: string(h.Partner), Address: h.Address,
		Actor: audit.Actor{Kind: audit.Partner, ID: string(h.Client)},
	}
}

// Replayed says that an assertion, proof or challenge was seen before. It unwraps
// to fault.Conflict.
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

// RequestPushed keeps a pushed authorization request. It does not hold when its
// challenge led to a code before: a constant one is none (RFC 9700 §2.1.1).
type RequestPushed struct {
	Header
	Key       Key
	Request   Request
	Challenge secret.Digest
	ExpiresAt time.Time
}

// Act returns the act of the push.
func (c RequestPushed) Act() audit.Act { return c.act(RequestPushedName, string(c.Client)) }

// CodeIssued spends a pushed request and keeps the code and the grant that it
// will give. It no longer holds when the request is spent, or the challenge led
// to a code before (RFC 9700 §2.1.1).
type CodeIssued struct {
	Header
	Request   Key
	Code      Key
	Challenge secret.Digest
	Consent   string
	Replaces  string
	Grant     Grant
	Existing  bool // whether the grant is there already (merge, replace)
	ExpiresAt time.Time
	Customer  audit.Actor
}

// Act returns the act of the customer who gave the consent.
func (c CodeIssued) Act() audit.Act {
	a := c.act(CodeIssuedName, c.Consent)
	a.Actor = c.Customer
	a.Detail = map[string]string{"grant": string(c.Grant.ID)}
	return a
}

// RequestDenied spends a pushed request without consent.
type RequestDenied struct {
	Header
	Request Key
	Reason  Reason
}

// Act returns the act of the denial.
func (c RequestDenied) Act() audit.Act {
	a := c.act(RequestDeniedName, string(c.Client))
	a.Outcome, a.Reason = audit.Denied, string(c.Reason)
	return a
}

// NewAccessToken is an access token to keep.
type NewAccessToken struct {
	Key          Key
	Confirmation Confirmation
	Scope        string
	Functions    []corebank.BusinessFunction
	Audience     string
	AuthTime     time.Time
	ACR          string // how that login was proved; empty for a partner's own
	ExpiresAt    time.Time
}

// CodeRedeemed spends a code and gives tokens for it; the consent becomes active
// and the one that it replaces ends. It no longer holds when the code is spent or
// over, or the consent has ended.
type CodeRedeemed struct {
	Header
	Code     Key
	Grant    Grant
	Existing bool // whether the grant is there already (merge, replace)
	Consent  string
	Replaces string
	Access   NewAccessToken
	Refresh  *Key // nil: none
}

// Act returns the act of the redemption.
func (c CodeRedeemed) Act() audit.Act {
	a := c.act(CodeRedeemedName, c.Consent)
	a.Detail = map[string]string{"grant": string(c.Grant.ID)}
	return a
}

// CodeReused ends the consent of a code that came a second time, and with it all
// tokens that it gave (RFC 6749 §4.1.2). It holds also when that has happened
// already.
type CodeReused struct {
	Header
	Code    Key
	Consent string
}

// Act returns the act of the reuse.
func (c CodeReused) Act() audit.Act {
	a := c.act(CodeReusedName, c.Consent)
	a.Outcome, a.Reason = audit.Denied, string(InvalidGrant)
	return a
}

// TokenRefreshed gives an access token for a refresh token, which stays. It no
// longer holds when the refresh token is revoked or its consent not active.
type TokenRefreshed struct {
	Header
	Refresh Key
	Grant   GrantID
	Consent string
	Access  NewAccessToken
}

// Act returns the act of the refresh.
func (c TokenRefreshed) Act() audit.Act { return c.act(TokenRefreshedName, c.Consent) }

// TokenIssued gives a partner an access token for its own calls.
type TokenIssued struct {
	Header
	Access NewAccessToken
}

// Act returns the act of the issue.
func (c TokenIssued) Act() audit.Act { return c.act(TokenIssuedName, string(c.Client)) }

// AccessTokenRevoked ends one access token; one that is over already stays so.
type AccessTokenRevoked struct {
	Header
	Key     Key
	Consent string
}

// Act returns the act of the revocation.
func (c AccessTokenRevoked) Act() audit.Act {
	object := c.Consent
	if object == "" {
		object = string(c.Client)
	}
	return c.act(TokenRevokedName, object)
}

// GrantRevoked ends a consent because its partner gave it up, and with it all its
// tokens; one that has ended already stays so.
type GrantRevoked struct {
	Header
	Consent string
}

// Act returns the act of the revocation.
func (c GrantRevoked) Act() audit.Act { return c.act(GrantRevokedName, c.Consent) }

// AssertionUsed remembers an assertion that came with a request which changes
// nothing else. A call without an assertion needs none.
type AssertionUsed struct{ Header }

// Act returns the act of the authentication.
func (c AssertionUsed) Act() audit.Act { return c.act(AssertionUsedName, string(c.Client)) }

// InitialAccessTokenIssued keeps an initial access token.
type InitialAccessTokenIssued struct {
	Token InitialAccessToken
	By    audit.Actor
}

// Act returns the act of the issue.
func (c InitialAccessTokenIssued) Act() audit.Act {
	return audit.Act{
		Name: InitialTokenIssuedName, At: c.Token.IssuedAt, Actor: c.By, Outcome: audit.Done,
		Object: string(c.Token.Partner), Partner: string(c.Token.Partner),
		Detail: map[string]string{
			"token": strconv.FormatInt(c.Token.Key.ID, 10), "uses": strconv.Itoa(c.Token.UsesLeft),
			"expires_at": c.Token.ExpiresAt.UTC().Format(time.RFC3339),
		},
	}
}

// InitialAccessTokenRevoked ends an initial access token before its time. It no
// longer holds when there is none that could still be used.
type InitialAccessTokenRevoked struct {
	ID      int64 // InitialAccessToken.Key.ID
	Partner partner.ID
	By      audit.Actor
	At      time.Time
	Reason  string // why, in the words of who did it
}

// Act returns the act of the revocation.
func (c InitialAccessTokenRevoked) Act() audit.Act {
	return audit.Act{
		Name: InitialTokenRevokedName, At: c.At, Actor: c.By, Outcome: audit.Done,
		Object: string(c.Partner), Partner: string(c.Partner),
		Detail: map[string]string{"token": strconv.FormatInt(c.ID, 10), "why": c.Reason},
	}
}

// ClientRegistered makes a client known. It no longer holds when its id is taken
// or its initial access token used up.
type ClientRegistered struct {
	Client  Client
	By      audit.Actor
	At      time.Time
	Address string
	Initial *Key // the initial access token that it takes a use of; nil: staff registered it
	// Management is the registration access token, with the certificate's
	// thumbprint that it goes with; nil: none.
	Management *Key
	Thumbprint string
}

// Act returns the act of the registration.
func (c ClientRegistered) Act() audit.Act {
	a := clientAct(ClientRegisteredName, c.Client, c.By, c.At, c.Address)
	if c.Initial != nil {
		a.Detail = map[string]string{"token": strconv.FormatInt(c.Initial.ID, 10)}
	}
	return a
}

// Rotation replaces a client's registration access token by another.
type Rotation struct{ From, To Key }

// ClientChanged replaces a client's registration. It no longer holds when the
// client does not stand at Version, or its registration access token is another.
type ClientChanged struct {
	Client     Client
	Version    int64
	By         audit.Actor
	At         time.Time
	Address    string
	Management *Rotation // nil: staff changed it, and the token stays
}

// Act returns the act of the change.
func (c ClientChanged) Act() audit.Act {
	return clientAct(ClientChangedName, c.Client, c.By, c.At, c.Address)
}

func clientAct(name audit.Name, c Client, by audit.Actor, at time.Time, address string) audit.Act {
	return audit.Act{
		Name: name, At: at, Actor: by, Outcome: audit.Done, Object: string(c.ID), Partner: string(c.Partner), Address: address,
	}
}

// ClientRemoved removes a client. It no longer holds when the client is gone, or
// its registration access token is another.
type ClientRemoved struct {
	Client     Client
	By         audit.Actor
	At         time.Time
	Address    string
	Management *Key   // nil: staff removed it
	Reason     string // why, in the words of who did it; empty: it was the client itself
}

// Act returns the act of the removal.
func (c ClientRemoved) Act() audit.Act {
	a := clientAct(ClientRemovedName, c.Client, c.By, c.At, c.Address)
	if c.Reason != "" {
		a.Detail = map[string]string{"why": c.Reason}
	}
	return a
}

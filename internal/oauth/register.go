package oauth

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// RegistrationRequest is a request to the registration endpoint (RFC 7591 §3) or
// to a client's own configuration endpoint (RFC 7592 §2).
type RegistrationRequest struct {
	Authorization []string // every value of the Authorization header, as it came
	Metadata      []byte   // the JSON body
	// Certificate is what the client showed at the mutual-TLS origin; nil: none. A
	// registration access token that was issued beside one goes with it alone.
	Certificate *x509.Certificate
	Address     string
}

// InitialAccessToken is an initial access token at rest (RFC 7591 §1.2): by it a
// partner registers clients of its own.
type InitialAccessToken struct {
	Key       Key
	Partner   partner.ID
	UsesLeft  int
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// maxFaultsTold bounds how much of what was sent comes back.
const maxFaultsTold = 12

// maxInitialFor bounds how long an initial access token may be good.
const maxInitialFor = 366 * 24 * time.Hour

// IssueInitialAccessToken makes an initial access token for a partner: for so
// many registrations, within a time. The change makes it durable; the value is
// shown once and kept nowhere. Errors: fault.Invalid for no uses or a life beyond
// a year; fault.Refused where the institution lets nobody register by itself.
func (i Issuer) IssueInitialAccessToken(p partner.ID, uses int, goodFor time.Duration, by audit.Actor, now time.Time, nextID func() int64) (secret.Value, audit.Change, error) {
	switch {
	case !i.SelfRegistration:
		return secret.Value{}, nil, fault.New(fault.Refused, "this institution lets no partner register clients by itself (self_registration is off)")
	case uses < 1 || uses > 10_000:
		return secret.Value{}, nil, fault.New(fault.Invalid, "an initial access token is for 1 to 10000 registrations")
	case goodFor <= 0 || goodFor > maxInitialFor:
		return secret.Value{}, nil, fault.New(fault.Invalid, "an initial access token is good for a year at most")
	}
	value, key := i.issue(initialTokenValue, nextID())
	return value, InitialAccessTokenIssued{
		Token: InitialAccessToken{Key: key, Partner: p, UsesLeft: uses, IssuedAt: now, ExpiresAt: now.Add(goodFor)}, By: by,
	}, nil
}

// Register registers a client by its own metadata (RFC 7591 §3) and returns the
// client information response, which holds its registration access token. All
// rules for what staff register hold. Errors: a Failure with invalid_token,
// invalid_redirect_uri, invalid_client_metadata or access_denied;
// fault.NotFound where the institution does not offer it; fault.Unavailable.
func (e *Engine) Register(ctx context.Context, r RegistrationRequest) ([]byte, error) {
	out, err := e.register(ctx, r)
	return out, e.refused(ctx, "register", "", r.Address, err)
}

func (e *Engine) register(ctx context.Context, r RegistrationRequest) ([]byte, error) {
	if !e.issuer.SelfRegistration {
		return nil, fault.New(fault.NotFound, "register a client: not on offer")
	}
	now := e.now()
	value, f := bearer(r.Authorization)
	if f != nil {
		return nil, f
	}
	key, ok := e.keyOf(initialTokenValue, value)
	if !ok {
		return nil, badToken("the initial access token is unknown")
	}
	token, err := e.cfg.Store.InitialAccessToken(ctx, key)
	switch {
	case err != nil:
		return nil, unlessMissing(err, badToken("the initial access token is unknown"))
	case token.UsesLeft == 0 || !now.Before(token.ExpiresAt):
		return nil, badToken("the initial access token is over")
	}
	p, err := e.cfg.Partners.Partner(ctx, token.Partner)
	if err == nil {
		err = p.Linkable(now)
	}
	if err != nil {
		return nil, e.mayNot(err)
	}
	c, err := decodeClient(r.Metadata, false)
	if err != nil {
		return nil, badMetadata(err)
	}
	c.ID, c.SunsetOn, c.Partner, c.Registered = newClientID(p.ID), "", p.ID, ByItself
	if c, err = e.issuer.completed(c); err != nil {
		return nil, badMetadata(err)
	}
	managing, managed := e.issue(registrationTokenValue)
	m := Managed{Client: c, Key: managed, Thumbprint: thumbprintOf(r.Certificate), RegisteredAt: now}
	err = e.cfg.Store.Commit(ctx, ClientRegistered{
		Client: c, By: audit.Actor{Kind: audit.Partner, ID: string(p.ID)}, At: now, Address: r.Address,
		Initial: &key, Management: &m.Key, Thumbprint: m.Thumbprint,
	})
	if err != nil {
		if fault.Of(err) == fault.Conflict { // another registration took the last use
			return nil, badToken("the initial access token is over")
		}
		return nil, err
	}
	return e.clientInformation(m, managing)
}

// mayNot says that a partner may not act now.
func (e *Engine) mayNot(err error) error {
	if kind := fault.Of(err); kind == fault.Unavailable || kind == fault.Internal {
		return err
	}
	return &Failure{Code: AccessDenied, Word: whyNotWorking(err), Cause: err}
}

// newClientID names a client that registered itself: by its partner, so that the
// audit log is read easily, and by chance.
func newClientID(p partner.ID) ClientID {
	var raw [12]byte
	rand.Read(raw[:])
	return ClientID("cl_" + string(p) + "_" + strictBase64.EncodeToString(raw[:]))
}

// bearer reads the one Authorization header with a bearer token in it.
func bearer(headers []string) (secret.Value, *Failure) {
	if len(headers) == 0 {
		return secret.Value{}, badToken("")
	}
	scheme, value, f := readAuthorization(AccessRequest{Authorization: headers})
	if f == nil && scheme != "bearer" {
		f = badToken("")
	}
	return value, f
}

// badMetadata is the failure of metadata that a client sent (RFC 7591 §3.2.2): of
// its redirect URIs, where one of those is to blame.
func badMetadata(err error) *Failure {
	f := &Failure{Code: InvalidClientMetadata, Word: "the metadata cannot be read", Cause: err}
	var faults []string
	for _, one := range metadataFaults(err) {
		faults = append(faults, one.Field+" "+one.Sentence)
		if one.Field == "redirect_uris" {
			f.Code = InvalidRedirectURI
		}
	}
	if len(faults) > 0 {
		f.Word = printable(strings.Join(faults[:min(len(faults), maxFaultsTold)], "; "))
	}
	return f
}

// MetadataFault is one fault of a client's metadata. It unwraps to fault.Invalid.
type MetadataFault struct{ Field, Sentence string }

func (f MetadataFault) Error() string { return "client." + f.Field + " " + f.Sentence }

// Unwrap returns fault.Invalid.
func (MetadataFault) Unwrap() error { return fault.Invalid }

func metadataFaults(err error) []MetadataFault {
	var many interface{ Unwrap() []error }
	if one, ok := errors.AsType[MetadataFault](err); ok && !errors.As(err, &many) {
		return []MetadataFault{one}
	}
	var out []MetadataFault
	if many != nil {
		for _, e := range many.Unwrap() {
			if one, ok := errors.AsType[MetadataFault](e); ok {
				out = append(out, one)
			}
		}
	}
	return out
}

// clientInformation is the response of RFC 7591 §3.2.1 and RFC 7592 §3: what is
// registered, with the token and address by which it is managed.
func (e *Engine) clientInformation(m Managed, token secret.Value) ([]byte, error) {
	at := e.issuer.URL
	if m.Thumbprint != "" {
		at = e.issuer.MutualTLSURL
	}
	out, err := json.Marshal(struct {
		Client
		IssuedAt int64  `json:"client_id_issued_at"`
		Token    string `json:"registration_access_token"`
		URI      string `json:"registration_client_uri"`
	}{m.Client, m.RegisteredAt.Unix(), token.Reveal(), at + string(RegisterEndpoint) + "/" + string(m.Client.ID)})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write a client's registration", err)
	}
	return out, nil
}

func thumbprintOf(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return certificateThumbprint(c)
}

// Registration returns what is registered of a client now, which a partner may
// read of its own. Errors: fault.NotFound.
func (e *Engine) Registration(ctx context.Context, id ClientID) (Client, error) {
	k, err := e.clients.get(ctx, id)
	if err != nil {
		return Client{}, err
	}
	c := k.Client
	c.RedirectURIs = slices.Clone(c.RedirectURIs)
	return c, nil
}

package oauth

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

// API is one resource server of the bank's.
type API struct {
	URL string // absolute; the audience of its tokens
	// SignedTokens: its access tokens are JWTs (RFC 9068); else they are opaque.
	SignedTokens bool
	// Server may introspect tokens for this API; nil: nobody else than the clients
	// that hold them.
	Server *ResourceServer
}

// ResourceServer is how a resource server of the bank's proves itself at
// introspection: by one of these certificates, over mutual TLS, or else by an
// assertion that one of its keys signed (private_key_jwt).
type ResourceServer struct {
	ID           ClientID // "rs_…", which no client can have
	Certificates []*x509.Certificate
	JWKS         []byte
}

// serverPrefix is of the ids of resource servers.
const serverPrefix = "rs_"

// knownServer is a resource server with its keys parsed.
type knownServer struct {
	*knownClient
	audience string
}

// api returns the API of an audience.
func (i Issuer) api(audience string) (API, bool) {
	n := slices.IndexFunc(i.APIs, func(a API) bool { return a.URL == audience })
	if n < 0 {
		return API{}, false
	}
	return i.APIs[n], true
}

// servers reads how the issuer's resource servers prove themselves. Errors:
// fault.Invalid.
func (i Issuer) servers() (map[ClientID]knownServer, error) {
	out := map[ClientID]knownServer{}
	for _, a := range i.APIs {
		s := a.Server
		if s == nil {
			continue
		}
		_, twice := out[s.ID]
		switch {
		case twice || !strings.HasPrefix(string(s.ID), serverPrefix) || !clientIDPattern.MatchString(string(s.ID)):
			return nil, fault.New(fault.Invalid, "resource server %q: its id must begin with %s and stand once", s.ID, serverPrefix)
		case (len(s.Certificates) > 0) == (len(s.JWKS) > 0):
			return nil, fault.New(fault.Invalid, "resource server %q: needs either certificates or keys", s.ID)
		case len(s.Certificates) > 0 && i.MutualTLSURL == "":
			return nil, fault.New(fault.Invalid, "resource server %q: its certificates need mutual TLS, which is not on offer", s.ID)
		}
		k := &knownClient{Client: Client{ID: s.ID, Profile: FAPI2, AuthMethod: PrivateKeyJWT, JWKS: s.JWKS}}
		if err := k.prepare(); err != nil {
			return nil, fault.Wrap(fault.Invalid, "resource server "+string(s.ID), err)
		}
		if len(s.Certificates) > 0 {
			k.AuthMethod, k.keys, k.certificates = SelfSignedAuth, &jose.Set{}, map[string]bool{}
			for _, c := range s.Certificates {
				k.certificates[certificateThumbprint(c)] = true
			}
		}
		out[s.ID] = knownServer{k, a.URL}
	}
	return out, nil
}

// behind is whom a token is about, in the bank's own names: for the bank's
// resource servers alone, which know no partner's names.
type behind struct {
	User     corebank.UserID               `json:"user"`
	Company  corebank.CompanyID            `json:"company"`
	Accounts map[string]corebank.AccountID `json:"accounts"` // by the partner's name
}

// tellServer tells a resource server how a token for it stands, in one look-up;
// of any other it says only that it is not active.
func (e *Engine) tellServer(ctx context.Context, s knownServer, key Key, now time.Time) (introspected, error) {
	t, err := e.cfg.Store.AccessToken(ctx, key)
	if err != nil {
		return introspected{}, unlessNotFound(err)
	}
	if t.Audience != s.audience {
		return introspected{}, nil
	}
	k, p, err := e.working(ctx, t.Client, now)
	if err != nil {
		if kind := fault.Of(err); kind == fault.Unavailable || kind == fault.Internal {
			return introspected{}, err
		}
		return introspected{}, nil
	}
	told := e.tellAccess(k, p, t, now)
	if told.Active && t.Standing != nil {
		if err := e.customerLetIn(ctx, t.Standing.User); err != nil {
			return introspected{}, unlessRefused(err)
		}
		b := behind{User: t.Standing.User, Company: t.Standing.Company, Accounts: map[string]corebank.AccountID{}}
		for n, alias := range e.aliases(t.Standing) {
			b.Accounts[alias] = t.Standing.Extent.Accounts[n]
		}
		told.Behind = &b
	}
	return told, nil
}

func (e *Engine) customerLetIn(ctx context.Context, user corebank.UserID) error {
	if e.cfg.CheckCustomer == nil {
		return nil
	}
	return e.cfg.CheckCustomer(ctx, user)
}

func unlessRefused(err error) error {
	if fault.Of(err) == fault.Refused {
		return nil
	}
	return err
}

// signedClaims are those of an access token that is a JWT (RFC 9068 §2.2).
type signedClaims struct {
	Issuer       string            `json:"iss"`
	Subject      string            `json:"sub"`
	Audience     string            `json:"aud"`
	Client       ClientID          `json:"client_id"`
	ExpiresAt    int64             `json:"exp"`
	IssuedAt     int64             `json:"iat"`
	ID           string            `json:"jti"`
	AuthTime     int64             `json:"auth_time,omitempty"`
	ACR          string            `json:"acr,omitempty"`
	AMR          []string          `json:"amr,omitempty"`
	Scope        string            `json:"scope,omitempty"`
	Details      json.RawMessage   `json:"authorization_details,omitempty"` // RFC 9396 §9.1
	Confirmation map[string]string `json:"cnf"`
}

const (
	signedTokenType = "at+jwt" // RFC 9068 §2.1, which no other token of ours has
	signedIDBytes   = idBytes + 16
	maxSignedToken  = 24 << 10
)

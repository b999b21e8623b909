package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

const (
	maxRequestObject  = 32 << 10
	longestRequestFor = time.Hour // between nbf and exp (FAPI 1.0 Advanced §5.2.2-13; Message Signing §5.3.1)
)

func badObject(word string, cause error) *Failure {
	return &Failure{Code: InvalidRequestObject, Word: word, Cause: cause}
}

// openRequestObject replaces what was sent by the claims of the signed request
// object, where there is one (RFC 9101 §6): nothing is then taken from outside it.
func (e *Engine) openRequestObject(ctx context.Context, a *asking) error {
	compact := a.form.Get("request")
	if compact == "" {
		if len(a.form.All("request")) > 0 {
			return badObject("the request object is empty", nil)
		}
		return nil
	}
	if len(compact) > maxRequestObject {
		return badObject("the request object is too large", nil)
	}
	payload, err := e.verifyBy(ctx, a.client, compact, jose.Rules{
		Algorithms: algorithmsFor(a.client.RequestSigningAlg, a.client.figures),
		Types:      []string{"", "JWT", "oauth-authz-req+jwt"}, // compared without case
	}, a.now)
	if err != nil {
		if fault.Of(err) == fault.Unavailable {
			return err
		}
		return badObject("the request object's signature or header is not valid", err)
	}
	var claims objectClaims
	if tooDeepOrTwice(payload) {
		return badObject("the request object is malformed", nil)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return badObject("the request object is malformed", err)
	}
	o := objectUnderTest{claims: claims, outside: a.form, client: a.client.ID, issuer: e.issuer, now: a.now}
	if f := judge(a.client.Profile, objectRules, o); f != nil {
		return f
	}
	form, err := formOfClaims(payload)
	if err != nil {
		return badObject("the request object is malformed", err)
	}
	a.form, a.signed = form, true
	return nil
}

type objectClaims struct {
	Issuer     string          `json:"iss"`
	Audience   audience        `json:"aud"`
	Subject    string          `json:"sub"`
	Client     string          `json:"client_id"`
	ExpiresAt  *numericDate    `json:"exp"`
	NotBefore  *numericDate    `json:"nbf"`
	IssuedAt   *numericDate    `json:"iat"`
	Request    json.RawMessage `json:"request"`
	RequestURI json.RawMessage `json:"request_uri"`
}

type objectUnderTest struct {
	claims  objectClaims
	outside Form
	client  ClientID
	issuer  Issuer
	now     time.Time
}

// objectRules run after the signature held.
var objectRules = []rule[objectUnderTest]{
	{"RFC 9101 §4", all, func(o objectUnderTest) *Failure {
		if o.claims.Request != nil || o.claims.RequestURI != nil {
			return badObject("a request object holds no other", nil)
		}
		return nil
	}},
	{"RFC 9101 §5, §10.8", all, func(o objectUnderTest) *Failure {
		// A client assertion is no request object: it has the client as sub.
		if o.claims.Issuer != string(o.client) || o.claims.Client != string(o.client) || o.claims.Subject == string(o.client) {
			return badObject("iss and client_id are not the client", nil)
		}
		if outside := o.outside.Get("client_id"); outside != "" && outside != o.claims.Client {
			return badObject("client_id differs inside and outside", nil)
		}
		return nil
	}},
	{"FAPI 2.0 Message Signing §5.3.1 (2); FAPI 1.0 Advanced §5.2.2-15", all, func(o objectUnderTest) *Failure {
		if !slices.Contains(o.claims.Audience.values, o.issuer.URL) {
			return badObject("aud does not name the issuer", nil)
		}
		return nil
	}},
	{"FAPI 2.0 Message Signing §5.3.1 (3, 4); FAPI 1.0 Advanced §5.2.2-13, -17", all, func(o objectUnderTest) *Failure {
		c := o.claims
		if c.ExpiresAt == nil || c.NotBefore == nil {
			return badObject("exp and nbf are needed", nil)
		}
		from, until := c.NotBefore.time(), c.ExpiresAt.time()
		switch {
		case !o.now.Before(until):
			return badObject("the request object is over", nil)
		case from.After(o.now.Add(clockAhead)), c.IssuedAt != nil && c.IssuedAt.time().After(o.now.Add(clockAhead)):
			return badObject("the request object is from the future", nil)
		case o.now.Sub(from) > longestRequestFor, until.Sub(from) > longestRequestFor:
			return badObject("exp and nbf are over 60 minutes apart", nil)
		}
		return nil
	}},
}

// formOfClaims reads the claims of a request object as parameters: texts as they
// are, numbers and JSON values in their JSON form (RFC 9101 §4).
func formOfClaims(payload []byte) (Form, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var claims map[string]json.RawMessage
	if err := d.Decode(&claims); err != nil {
		return Form{}, err
	}
	if len(claims) > maxParameters {
		return Form{}, errors.New("too many claims")
	}
	f := Form{values: make(map[string][]string, len(claims))}
	for name, raw := range claims {
		switch name {
		case "iss", "aud", "exp", "nbf", "iat", "jti":
			continue
		}
		var text string
		var texts []string
		switch {
		case json.Unmarshal(raw, &text) == nil:
			f.values[name] = []string{text}
		case name == "resource" && json.Unmarshal(raw, &texts) == nil:
			f.values[name] = texts
		default:
			f.values[name] = []string{string(raw)}
		}
	}
	return f, nil
}

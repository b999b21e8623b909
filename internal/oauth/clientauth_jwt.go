package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2

	clockAhead       = 30 * time.Second // of iat and nbf: 10 s must pass, over 60 s must not (protocol.md §2)
	clockBehind      = 10 * time.Second // of exp
	longestAssertion = time.Hour        // how far ahead exp may be, since its jti is remembered that long
	maxJTIBytes      = 256
)

// audience is the aud claim: one string, or an array (RFC 7519 §4.1.3).
type audience struct {
	values []string
	array  bool
}

func (a *audience) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '[' {
		a.array = true
		return json.Unmarshal(raw, &a.values)
	}
	text, ok := jose.Text(raw)
	if !ok {
		return errors.New("an audience is no text")
	}
	a.values = []string{text}
	return nil
}

// assertionClaims are those of RFC 7523 §3.
type assertionClaims struct {
	Issuer, Subject                string
	Audience                       audience
	ID                             string
	ExpiresAt, NotBefore, IssuedAt *numericDate
}

func (c *assertionClaims) read(payload []byte) error {
	return readClaims(payload, claim{"iss", &c.Issuer}, claim{"sub", &c.Subject}, claim{"aud", &c.Audience}, claim{"jti", &c.ID},
		claim{"exp", &c.ExpiresAt}, claim{"nbf", &c.NotBefore}, claim{"iat", &c.IssuedAt})
}

// claim is one claim of a token, and where it is read to: a *string, an *audience
// or a **numericDate.
type claim struct {
	name string
	to   any
}

// readClaims reads the claims that are wanted; others are passed over, as is null.
// It costs a third of encoding/json, which would take a name in any case too.
func readClaims(payload []byte, wanted ...claim) (err error) {
	bad := jose.Members(payload, func(name string, value json.RawMessage) {
		for _, c := range wanted {
			if c.name == name && err == nil && string(value) != "null" {
				err = c.read(value)
			}
		}
	})
	if bad != nil {
		return bad
	}
	return err
}

func (c claim) read(value json.RawMessage) error {
	switch to := c.to.(type) {
	case *string:
		text, ok := jose.Text(value)
		if !ok {
			return errors.New(c.name + " is no text")
		}
		*to = text
	case *audience:
		return to.UnmarshalJSON(value)
	case **numericDate:
		*to = new(numericDate)
		return (*to).UnmarshalJSON(value)
	}
	return nil
}

// numericDate is seconds since 1970, perhaps with a fraction (RFC 7519 §2).
type numericDate float64

func (n numericDate) time() time.Time { return time.UnixMicro(int64(float64(n) * 1e6)).UTC() }

func (n *numericDate) UnmarshalJSON(raw []byte) error {
	f, err := strconv.ParseFloat(string(raw), 64) // raw is JSON: no other notation of numbers comes here
	if err != nil {
		return err
	}
	if !(f >= 0 && f < 1<<40) {
		return errors.New("a date out of range")
	}
	*n = numericDate(f)
	return nil
}

// claimedClient reads who an assertion says that it is from, before its
// signature is checked with that client's keys.
func claimedClient(assertion string) (ClientID, error) {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return "", errors.New("the assertion is no compact JWS")
	}
	payload, err := strictBase64.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var issuer, subject string
	if err := readClaims(payload, claim{"iss", &issuer}, claim{"sub", &subject}); err != nil {
		return "", err
	}
	if issuer == "" || issuer != subject {
		return "", errors.New("iss and sub of the assertion differ")
	}
	return ClientID(issuer), nil
}

// checkAssertion judges a client assertion (RFC 7523 §3; FAPI 2.0 SP §5.3.2.1
// (8)) and returns what has to be remembered of it.
func (e *Engine) checkAssertion(ctx context.Context, k *knownClient, c Call, assertion string, now time.Time) ([]Replay, error) {
	if c.Form.Get("client_assertion_type") != assertionType {
		return nil, errors.New("client_assertion_type is not jwt-bearer")
	}
	payload, err := e.verifyBy(ctx, k, assertion, jose.Rules{
		Algorithms: algorithmsFor(k.AuthSigningAlg, k.figures),
		Types:      []string{"", "JWT", "client-authentication+jwt"},
	}, now)
	if err != nil {
		return nil, err
	}
	var claims assertionClaims
	if err := claims.read(payload); err != nil {
		return nil, err
	}
	r := assertionUnderTest{claims: claims, client: k, issuer: e.issuer, now: now}
	if f := judge(k.Profile, assertionRules, r); f != nil {
		return nil, f
	}
	return []Replay{{
		What:   AssertionReplay,
		Until:  claims.ExpiresAt.time().Add(clockBehind + time.Second).Truncate(time.Second),
		Digest: secret.DigestOf("client assertion", e.issuer.URL+"\x00"+string(k.ID), secret.Of(claims.ID)),
	}}, nil
}

type assertionUnderTest struct {
	claims assertionClaims
	client *knownClient
	issuer Issuer
	now    time.Time
}

// assertionRules are run after the signature held.
var assertionRules = []rule[assertionUnderTest]{
	{"RFC 7523 §3 (1, 2)", all, func(r assertionUnderTest) *Failure {
		return failIf(r.claims.Issuer != string(r.client.ID) || r.claims.Subject != r.claims.Issuer, "iss and sub are not the client")
	}},
	{"FAPI 2.0 SP §5.3.2.1 (8)", fapi2, func(r assertionUnderTest) *Failure {
		return failIf(r.claims.Audience.array || !slices.Equal(r.claims.Audience.values, []string{r.issuer.URL}), "aud is not the issuer as one string")
	}},
	{"RFC 7523 §3 (3); RFC 9126 §2", fapi1, func(r assertionUnderTest) *Failure {
		for _, a := range r.claims.Audience.values {
			if slices.Contains(r.issuer.ownNames(), a) {
				return nil
			}
		}
		return failIf(true, "aud does not name us")
	}},
	{"RFC 7523 §3 (4)", all, func(r assertionUnderTest) *Failure {
		exp := r.claims.ExpiresAt
		return failIf(exp == nil || !r.now.Before(exp.time().Add(clockBehind)), "exp is missing or over")
	}},
	{"RFC 7523 §3 (4): not unreasonably far in the future", all, func(r assertionUnderTest) *Failure {
		return failIf(r.claims.ExpiresAt.time().After(r.now.Add(longestAssertion)), "exp is too far ahead")
	}},
	{"RFC 7523 §3 (5, 6); FAPI 2.0 SP §5.3.2.1 (13, 14)", all, func(r assertionUnderTest) *Failure {
		ahead := r.now.Add(clockAhead)
		return failIf(r.claims.NotBefore != nil && r.claims.NotBefore.time().After(ahead) ||
			r.claims.IssuedAt != nil && r.claims.IssuedAt.time().After(ahead), "iat or nbf is in the future")
	}},
	{"RFC 7523 §3 (7); OpenID Connect Core §9", all, func(r assertionUnderTest) *Failure {
		return failIf(r.claims.ID == "" || len(r.claims.ID) > maxJTIBytes, "jti is missing or too long")
	}},
}

// failIf returns an invalid_client with a reason for the log.
func failIf(objects bool, why string) *Failure {
	if !objects {
		return nil
	}
	return errClient(errors.New(why))
}

// ownNames are what an assertion's aud may call us where a profile permits more
// than the issuer.
func (i Issuer) ownNames() []string {
	names := []string{i.URL, i.At(TokenEndpoint), i.At(PAREndpoint)}
	if i.MutualTLSURL != "" {
		names = append(names, i.AtMutualTLS(TokenEndpoint), i.AtMutualTLS(PAREndpoint))
	}
	return names
}

// algorithmsFor are those of a registration, or of the profile where it names
// none. EdDSA has two names (RFC 9864 §2.2).
func algorithmsFor(registered string, f figures) []string {
	switch registered {
	case "":
		return f.algorithms
	case "EdDSA", "Ed25519":
		return []string{"EdDSA", "Ed25519"}
	}
	return []string{registered}
}

// verifyBy verifies a compact JWS with a client's own keys; when none fits, once
// more after a new fetch.
func (e *Engine) verifyBy(ctx context.Context, k *knownClient, compact string, r jose.Rules, now time.Time) ([]byte, error) {
	known, err := e.clients.keysOf(ctx, k, now, false)
	if err != nil {
		return nil, err
	}
	token, err := known.keys.Verify(compact, r)
	if err != nil && fault.Of(err) == fault.NotFound && k.JWKSURI != "" {
		if known, err = e.clients.keysOf(ctx, k, now, true); err != nil {
			return nil, err
		}
		token, err = known.keys.Verify(compact, r)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Refused, "verify a signature of client "+string(k.ID), err)
	}
	return token.Payload, nil
}

package toolbox

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
)

// Expect is what a token is held against; zero fields are not looked at.
type Expect struct {
	Keys     *jose.Set
	Issuer   string
	Audience string
	Type     string
	Now      time.Time
}

// times are the claims that are seconds since 1970.
var times = []string{"iat", "nbf", "exp", "auth_time"}

// Explain writes what a compact JWT says and whether it holds. Errors, after all
// was written: fault.Refused for one that does not; fault.Invalid for a text that
// is no JWT.
func Explain(w io.Writer, compact string, x Expect) error {
	parts := strings.Split(compact, ".")
	switch {
	case len(parts) == 5:
		header, err := object("header", parts[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "Header\n%s\n\nThis token is encrypted (JWE): only who has the private key of the kid above can read it.\n", header)
		return nil
	case len(parts) != 3 && strings.Count(compact, "_") > 0 && len(parts) == 1:
		return fault.New(fault.Invalid, "this is no JWT: it has no dots. Access and refresh tokens and codes of Renkei are opaque; ask the introspection endpoint about them")
	case len(parts) != 3:
		return fault.New(fault.Invalid, "this is no JWT: a signed one has three parts between dots, this has %d", len(parts))
	}
	header, err := object("header", parts[0])
	if err != nil {
		return err
	}
	payload, err := object("payload", parts[1])
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Header\n%s\n\nClaims\n%s\n", header, payload)
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return fault.Wrap(fault.Invalid, "read the claims", err)
	}
	tellTimes(w, claims, x.Now)
	return verdict(w, compact, claims, x)
}

// object decodes a part that must be a JSON object, and lays it out.
func object(what, part string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the %s is not base64url (without padding)", what)
	}
	var out bytes.Buffer
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) || json.Indent(&out, raw, "", "  ") != nil {
		return nil, fault.New(fault.Invalid, "the %s is not a JSON object", what)
	}
	return out.Bytes(), nil
}

func tellTimes(w io.Writer, claims map[string]any, now time.Time) {
	first := true
	for _, name := range times {
		n, is := claims[name].(float64)
		if !is {
			continue
		}
		if first {
			fmt.Fprintln(w, "\nTimes")
			first = false
		}
		at := time.Unix(int64(n), 0).UTC()
		fmt.Fprintf(w, "  %-9s  %s  %s\n", name, at.Format(time.RFC3339), fromNow(at.Sub(now)))
	}
}

func fromNow(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " ago"
	}
	return "in " + d.Round(time.Second).String()
}

// finding is one thing that was looked at.
type finding struct {
	what string
	bad  string // empty: as it should be
}

func verdict(w io.Writer, compact string, claims map[string]any, x Expect) error {
	var all []finding
	add := func(what string, ok bool, format string, args ...any) {
		f := finding{what: what}
		if !ok {
			f.bad = fmt.Sprintf(format, args...)
		}
		all = append(all, f)
	}
	var header struct {
		Type string `json:"typ"`
		KID  string `json:"kid"`
	}
	raw, _ := base64.RawURLEncoding.DecodeString(strings.SplitN(compact, ".", 2)[0])
	_ = json.Unmarshal(raw, &header) // it was laid out before
	if x.Keys != nil {
		_, err := x.Keys.Verify(compact, jose.Rules{Algorithms: signatures})
		word := sentenceOf(err)
		if fault.Of(err) == fault.NotFound {
			word = fmt.Sprintf("no key of the set has the kid %q and fits its alg", header.KID)
		}
		add("signature", err == nil, "%s", word)
	}
	if x.Type != "" {
		add("typ", jose.Header{Type: header.Type}.Is(x.Type), "it is %q, not %q", header.Type, x.Type)
	}
	if x.Issuer != "" {
		add("iss", claims["iss"] == x.Issuer, "it is %v, not %q", shown(claims["iss"]), x.Issuer)
	}
	if x.Audience != "" {
		add("aud", holds(claims["aud"], x.Audience), "it is %v, without %q", shown(claims["aud"]), x.Audience)
	}
	if exp, is := claims["exp"].(float64); is {
		add("exp", x.Now.Unix() < int64(exp), "it has expired")
	}
	if nbf, is := claims["nbf"].(float64); is {
		add("nbf", x.Now.Unix() >= int64(nbf), "it is not valid yet")
	}
	return told(w, "Checked", all, x.Keys == nil)
}

// told writes findings, and returns fault.Refused when one is bad.
func told(w io.Writer, heading string, all []finding, unsigned bool) error {
	var bad []string
	fmt.Fprintf(w, "\n%s\n", heading)
	for _, f := range all {
		if f.bad == "" {
			fmt.Fprintf(w, "  ok     %s\n", f.what)
			continue
		}
		fmt.Fprintf(w, "  WRONG  %s: %s\n", f.what, f.bad)
		bad = append(bad, f.what)
	}
	if unsigned {
		fmt.Fprintln(w, "  --     signature: not looked at; name keys with --jwks, --issuer or --demo")
	}
	if len(bad) > 0 {
		return fault.New(fault.Refused, "the token does not hold: %s", strings.Join(bad, ", "))
	}
	return nil
}

func sentenceOf(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimSuffix(err.Error(), ": "+fault.Of(err).Error())
}

func shown(v any) string {
	raw, err := json.Marshal(v)
	if err != nil || v == nil {
		return "absent"
	}
	return string(raw)
}

func holds(aud any, wanted string) bool {
	switch a := aud.(type) {
	case string:
		return a == wanted
	case []any:
		return slices.Contains(a, any(wanted))
	}
	return false
}

// Assertion makes a client assertion (RFC 7523 §3) for an issuer, good for a time;
// an empty kid means the key's thumbprint. Errors: fault.Invalid for a key that no
// assertion is signed with.
func Assertion(key crypto.Signer, kid, client, issuer string, goodFor time.Duration, now time.Time) (secret.Value, error) {
	s, err := signerOf(key, kid)
	if err != nil {
		return secret.Value{}, err
	}
	compact, err := s.Sign("client-authentication+jwt", map[string]any{
		"iss": client, "sub": client, "aud": issuer, "jti": secret.Random(16).Reveal(), "iat": now.Unix(), "exp": now.Add(goodFor).Unix(),
	})
	return secret.Of(compact), err
}

// requestObject signs an authorization request (RFC 9101 §4).
func requestObject(s *jose.Signer, client, issuer string, params map[string]string, now time.Time) (string, error) {
	claims := map[string]any{"iss": client, "aud": issuer, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if raw := params[name]; name == "authorization_details" || name == "claims" {
			claims[name] = json.RawMessage(raw)
		} else {
			claims[name] = raw
		}
	}
	return s.Sign("oauth-authz-req+jwt", claims)
}

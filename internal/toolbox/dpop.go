package toolbox

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/secret"
)

// proofGoodFor is how old a proof may be at a server of ours, and aheadAtMost how
// far its clock may be in front.
const (
	proofGoodFor = 5 * time.Minute
	aheadAtMost  = 60 * time.Second
)

// Use is the request that a DPoP proof goes with.
type Use struct {
	Method string
	URL    string
	Token  secret.Value // the access token beside it; empty: none
	Nonce  string       // the server's; empty: none
}

// Proof makes a DPoP proof (RFC 9449 §4.2). Errors: fault.Invalid for an address
// that is none or a key that no proof is signed with.
func Proof(key crypto.Signer, u Use, now time.Time) (secret.Value, error) {
	target, err := targetOf(u.URL)
	if err != nil {
		return secret.Value{}, err
	}
	p, err := jose.NewProver(AlgorithmOf(key.Public()), key)
	if err != nil {
		return secret.Value{}, err
	}
	claims := map[string]any{"jti": secret.Random(16).Reveal(), "htm": u.Method, "htu": target, "iat": now.Unix()}
	if !u.Token.IsEmpty() {
		claims["ath"] = tokenHash(u.Token)
	}
	if u.Nonce != "" {
		claims["nonce"] = u.Nonce
	}
	compact, err := p.Sign("dpop+jwt", claims)
	return secret.Of(compact), err
}

// targetOf returns an address as htu says it: without query and fragment.
func targetOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", fault.New(fault.Invalid, "--url must be a whole address such as https://api.example.jp/open-api/v1/accounts, not %q", address)
	}
	u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery = "", "", "", false
	return u.String(), nil
}

func tokenHash(token secret.Value) string {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// CheckProof writes what a proof says and whether it fits a request, in the order
// of RFC 9449 §4.3. Errors, after all was written: fault.Refused for one that does
// not; fault.Invalid for a text that is no proof.
func CheckProof(w io.Writer, compact string, u Use, now time.Time) error {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return fault.New(fault.Invalid, "this is no DPoP proof: it has %d parts between dots, not three", len(parts))
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
	var claims struct {
		ID     string   `json:"jti"`
		Method string   `json:"htm"`
		Target string   `json:"htu"`
		At     *float64 `json:"iat"`
		Token  string   `json:"ath"`
		Nonce  string   `json:"nonce"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return fault.Wrap(fault.Invalid, "read the claims", err)
	}
	var all []finding
	add := func(what string, ok bool, format string, args ...any) {
		f := finding{what: what}
		if !ok {
			f.bad = fmt.Sprintf(format, args...)
		}
		all = append(all, f)
	}
	proof, err := jose.ParseProof(compact, []jose.Algorithm{jose.ES256, jose.PS256, jose.EdDSA, jose.Ed25519})
	add("typ, alg, jwk and signature", err == nil, "%s", sentenceOf(err))
	add("jti", claims.ID != "", "it is absent; each proof needs one of its own")
	if u.Method != "" {
		add("htm", claims.Method == u.Method, "it is %q, not %q", claims.Method, u.Method)
	}
	if u.URL != "" {
		target, err := targetOf(u.URL)
		if err != nil {
			return err
		}
		add("htu", sameAddress(claims.Target, target), "it is %q, not %q", claims.Target, target)
	}
	if claims.At == nil {
		add("iat", false, "it is absent")
	} else {
		at := time.Unix(int64(*claims.At), 0)
		add("iat", at.After(now.Add(-proofGoodFor)) && !at.After(now.Add(aheadAtMost)), "it is %s; servers take proofs of the last %s", fromNow(at.Sub(now)), proofGoodFor)
	}
	if !u.Token.IsEmpty() {
		add("ath", claims.Token == tokenHash(u.Token), "it is %q, and this access token's is %q", claims.Token, tokenHash(u.Token))
	}
	if u.Nonce != "" {
		add("nonce", claims.Nonce == u.Nonce, "it is %q, not %q", claims.Nonce, u.Nonce)
	}
	refused := told(w, "Checked", all, false)
	if proof.Thumbprint != "" {
		fmt.Fprintf(w, "\njkt of its key: %s\n", proof.Thumbprint)
	}
	return refused
}

// sameAddress compares as RFC 3986 §6.2.2 and §6.2.3 normalise: scheme and host in
// any case, a default port left out.
func sameAddress(a, b string) bool {
	norm := func(text string) string {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return ""
		}
		host := strings.ToLower(u.Host)
		if strings.EqualFold(u.Scheme, "https") {
			host = strings.TrimSuffix(host, ":443")
		}
		path := u.EscapedPath()
		if path == "" {
			path = "/"
		}
		return strings.ToLower(u.Scheme) + "://" + host + path
	}
	return norm(a) != "" && norm(a) == norm(b)
}

func thumbprint(key crypto.Signer) (string, error) { return jose.Thumbprint(key.Public()) }

package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/url"
	"strings"
	"time"

	"renkei.dev/internal/secret"
)

const (
	// proofBehind is how old a proof may be; its nonce bounds it closer.
	proofBehind   = 5 * time.Minute
	maxProofBytes = 8 << 10
)

// proofAlgorithms are what a proof may be signed by: those of the profile FAPI2,
// whose clients alone send one.
var proofAlgorithms = profiles[FAPI2].algorithms

// proof is a DPoP proof that held.
type proof struct {
	thumbprint string // RFC 7638, of its key
	replay     Replay
}

// proofClaims are those of RFC 9449 §4.2.
type proofClaims struct {
	ID, Method, Target, TokenHash, Nonce string
	IssuedAt                             *numericDate
}

func (c *proofClaims) read(payload []byte) error {
	return readClaims(payload, claim{"jti", &c.ID}, claim{"htm", &c.Method}, claim{"htu", &c.Target}, claim{"iat", &c.IssuedAt},
		claim{"ath", &c.TokenHash}, claim{"nonce", &c.Nonce})
}

// proofUse is where a proof is shown.
type proofUse struct {
	server server
	method string
	target string
	token  secret.Value // empty at the authorization server
	now    time.Time
}

func badProof(word string, cause error) *Failure {
	return &Failure{Code: InvalidDPoPProof, Word: word, Cause: cause}
}

// checkProof judges the DPoP headers of a request (RFC 9449 §4.3): exactly one,
// well formed, for this request, and fresh. It remembers nothing: the caller puts
// the replay into its commit, after all other checks.
func (e *Engine) checkProof(headers []string, use proofUse) (proof, *Failure) {
	if len(headers) != 1 || headers[0] == "" || len(headers[0]) > maxProofBytes {
		return proof{}, badProof("exactly one DPoP proof is needed", nil)
	}
	parsed, err := e.proofs.Parse(headers[0], proofAlgorithms)
	if err != nil {
		return proof{}, badProof("the DPoP proof is not valid", err)
	}
	var claims proofClaims
	if err := claims.read(parsed.Payload); err != nil {
		return proof{}, badProof("the DPoP proof is not valid", err)
	}
	u := proofUnderTest{claims: claims, use: use, nonces: e.nonces}
	if f := judge(FAPI2, proofRules, u); f != nil {
		return proof{}, f
	}
	return proof{
		thumbprint: parsed.Thumbprint,
		replay: Replay{
			What:   ProofReplay,
			Until:  claims.IssuedAt.time().Add(proofBehind + time.Second).Truncate(time.Second),
			Digest: secret.DigestOf("dpop proof", parsed.Thumbprint, secret.Of(claims.ID)),
		},
	}, nil
}

type proofUnderTest struct {
	claims proofClaims
	use    proofUse
	nonces nonces
}

// proofRules run after form and signature held (RFC 9449 §4.3, by its numbers).
// The nonce comes last, so that a demand for one says that all else is right.
var proofRules = []rule[proofUnderTest]{
	{"RFC 9449 §4.3 (3)", all, func(p proofUnderTest) *Failure {
		c := p.claims
		if c.ID == "" || len(c.ID) > maxJTIBytes || c.Method == "" || c.Target == "" || c.IssuedAt == nil {
			return badProof("the DPoP proof lacks a claim", nil)
		}
		return nil
	}},
	{"RFC 9449 §4.3 (8)", all, func(p proofUnderTest) *Failure {
		if p.claims.Method != p.use.method {
			return badProof("htm is another method", nil)
		}
		return nil
	}},
	{"RFC 9449 §4.3 (9)", all, func(p proofUnderTest) *Failure {
		if !sameTarget(p.claims.Target, p.use.target) {
			return badProof("htu is another address", nil)
		}
		return nil
	}},
	{"RFC 9449 §4.3 (11)", all, func(p proofUnderTest) *Failure {
		at := p.claims.IssuedAt.time()
		if at.After(p.use.now.Add(clockAhead)) || !at.After(p.use.now.Add(-proofBehind)) {
			return badProof("iat is too far from now", nil)
		}
		return nil
	}},
	{"RFC 9449 §4.3 (12)", all, func(p proofUnderTest) *Failure {
		if p.use.token.IsEmpty() {
			return nil
		}
		sum := sha256.Sum256([]byte(p.use.token.Reveal()))
		want := base64.RawURLEncoding.EncodeToString(sum[:])
		if subtle.ConstantTimeCompare([]byte(want), []byte(p.claims.TokenHash)) != 1 {
			return badProof("ath is not of this token", nil)
		}
		return nil
	}},
	{"RFC 9449 §4.3 (10), §8, §9", all, func(p proofUnderTest) *Failure {
		if !p.nonces.good(p.use.server, p.claims.Nonce, p.use.now) {
			return fail(UseDPoPNonce, "a fresh nonce is needed in the DPoP proof")
		}
		return nil
	}},
}

// sameTarget compares an htu with the address that was called: scheme and host
// in any case, the default port may be left out, query and fragment do not count,
// and nothing else is forgiven (RFC 9449 §4.3).
func sameTarget(htu, called string) bool {
	got, ok := normalTarget(htu)
	want, _ := normalTarget(called)
	return ok && got == want
}

func normalTarget(text string) (string, bool) {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return "", false
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if name, port, err := net.SplitHostPort(host); err == nil && (scheme == "https" && port == "443" || scheme == "http" && port == "80") {
		host = name
		if strings.Contains(name, ":") {
			host = "[" + name + "]"
		}
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, true
}

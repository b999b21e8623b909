package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

const methodS256 = "S256"

// challengeFault judges code_challenge and its method as sent (RFC 7636 §4.3);
// plain is refused (RFC 9700 §2.1.1).
func challengeFault(challenge, method string) *Failure {
	switch {
	case challenge == "":
		return fail(InvalidRequest, "code_challenge is missing")
	case method != methodS256:
		return fail(InvalidRequest, "code_challenge_method must be S256")
	}
	if _, ok := decoded(challenge, sha256.Size); !ok {
		return fail(InvalidRequest, "code_challenge is not a S256 challenge")
	}
	return nil
}

// verifierFits tells whether a verifier is of the form of RFC 7636 §4.1 and
// answers the challenge. A challenge without verifier and a verifier without
// challenge both fail (RFC 9700 §4.8.2).
func verifierFits(challenge, verifier string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	if len(verifier) < 43 || len(verifier) > 128 || strings.ContainsFunc(verifier, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r))
	}) {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(want), []byte(challenge)) == 1
}

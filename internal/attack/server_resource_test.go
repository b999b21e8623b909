package attack_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (s *server) resource(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("DPoP-Nonce", "nonce-rs")
	s.mu.Lock()
	defer s.mu.Unlock()
	status, code := s.opens(r)
	if code != "" {
		w.Header().Set("WWW-Authenticate", `DPoP error="`+code+`"`)
		answer(w, status, map[string]any{"error": code})
		return
	}
	answer(w, 200, map[string]any{"accounts": []any{}})
}

func (s *server) opens(r *http.Request) (int, string) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<10))
	elsewhere, all := r.URL.Query().Get("access_token"), r.Header["Authorization"]
	if elsewhere != "" && s.has("token in the query") {
		if s.live(s.access[elsewhere]) {
			return 200, ""
		}
	}
	if elsewhere != "" || strings.Contains(string(body), "access_token") || len(all) > 1 {
		return 400, "invalid_request"
	}
	scheme, token, _ := strings.Cut(strings.Join(all, ""), " ")
	if fields := strings.Fields(strings.Join(all, "")); s.has("Authorization split at any space") && len(fields) == 2 {
		scheme, token = fields[0], fields[1]
	}
	a := s.access[token]
	if strings.EqualFold(scheme, "bearer") && s.has("bearer for a bound token") && s.live(a) {
		return 200, ""
	}
	if !strings.EqualFold(scheme, "dpop") || !s.live(a) {
		return 401, "invalid_token"
	}
	key, code := s.proof(r.Header["Dpop"], "nonce-rs", r.Method, s.issuer+r.URL.Path, token)
	if code == "" && key != a.jkt && !s.has("proof of any key") {
		code = "invalid_token"
	}
	return 401, code
}

// proof judges a DPoP proof and returns the thumbprint of its key.
func (s *server) proof(proofs []string, nonce, method, target, token string) (key, code string) {
	if len(proofs) == 0 || len(proofs) > 1 && !s.has("two proofs") {
		return "", "invalid_dpop_proof"
	}
	claims, head, input, signature := parts(proofs[0])
	public := keyOf(head["jwk"])
	if len(head) != 3 || head["typ"] != "dpop+jwt" || head["alg"] != "ES256" || public == nil || !verifies(public, input, signature) {
		return "", "invalid_dpop_proof"
	}
	iat, ok := claims["iat"].(float64)
	age := float64(time.Now().Unix()) - iat
	jti := text(claims["jti"])
	ath := sha256.Sum256([]byte(token))
	switch {
	case claims["htm"] != method, claims["htu"] != target && !s.has("proof of any address"), jti == "" || len(jti) > 256,
		!ok || (age > 300 || age < -60) && !s.has("proof of any age"),
		token != "" && claims["ath"] != base64.RawURLEncoding.EncodeToString(ath[:]) && !s.has("ath not looked at"):
		return "", "invalid_dpop_proof"
	case claims["nonce"] != nonce && !s.has("nonce not looked at"):
		return "", "use_dpop_nonce"
	}
	raw, _ := json.Marshal(jwk(public))
	sum := sha256.Sum256(raw) // a map is written in the order of RFC 7638
	key = base64.RawURLEncoding.EncodeToString(sum[:])
	if !s.once("proof "+key+jti, "proof again", "") {
		return "", "invalid_dpop_proof"
	}
	return key, ""
}

func parts(compact string) (claims, head map[string]any, input string, signature []byte) {
	p := strings.Split(compact, ".")
	if len(p) != 3 {
		return nil, nil, "", nil
	}
	strict := base64.RawURLEncoding.Strict()
	h, err1 := strict.DecodeString(p[0])
	b, err2 := strict.DecodeString(p[1])
	signature, err3 := strict.DecodeString(p[2])
	if err1 != nil || err2 != nil || err3 != nil || json.Unmarshal(h, &head) != nil || json.Unmarshal(b, &claims) != nil {
		return nil, nil, "", nil
	}
	return claims, head, p[0] + "." + p[1], signature
}

func verifies(key *ecdsa.PublicKey, input string, signature []byte) bool {
	sum := sha256.Sum256([]byte(input))
	return key != nil && len(signature) == 64 && ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

func jwk(key *ecdsa.PublicKey) map[string]any {
	raw, err := key.Bytes()
	if err != nil {
		return nil
	}
	return map[string]any{"crv": "P-256", "kty": "EC", "x": base64.RawURLEncoding.EncodeToString(raw[1:33]), "y": base64.RawURLEncoding.EncodeToString(raw[33:])}
}

func keyOf(v any) *ecdsa.PublicKey {
	m, _ := v.(map[string]any)
	x, err1 := base64.RawURLEncoding.DecodeString(text(m["x"]))
	y, err2 := base64.RawURLEncoding.DecodeString(text(m["y"]))
	if len(m) != 4 || err1 != nil || err2 != nil || len(x) != 32 || len(y) != 32 {
		return nil
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil
	}
	return key
}

func text(v any) string { s, _ := v.(string); return s }

func chance() string { return rand.Text() + rand.Text() }

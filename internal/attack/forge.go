package attack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"time"

	"renkei.dev/internal/jose"
)

var b64 = base64.RawURLEncoding

// object is a JSON object under construction.
type object = map[string]any

// forge signs whatever it is told to, by whatever algorithm the header names and
// the key can do; by any other name the signature is empty.
func forge(key any, header object, payload any) string {
	head, err := json.Marshal(header)
	if err != nil {
		panic(err) // attacks are made of texts and numbers
	}
	body, isText := payload.(string)
	if !isText {
		raw, err := json.Marshal(payload)
		if err != nil {
			panic(err)
		}
		body = string(raw)
	}
	input := b64.EncodeToString(head) + "." + b64.EncodeToString([]byte(body))
	alg, _ := header["alg"].(string)
	return input + "." + b64.EncodeToString(signature(key, alg, input))
}

func signature(key any, alg, input string) []byte {
	sum := sha256.Sum256([]byte(input))
	switch k := key.(type) {
	case []byte:
		h := hmac.New(sha256.New, k)
		h.Write([]byte(input))
		return h.Sum(nil)
	case ed25519.PrivateKey:
		return ed25519.Sign(k, []byte(input))
	case *rsa.PrivateKey:
		var s []byte
		if alg == "RS256" {
			s, _ = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
		} else {
			s, _ = rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return s
	case *ecdsa.PrivateKey:
		der, err := k.Sign(rand.Reader, sum[:], crypto.SHA256)
		var pair struct{ R, S *big.Int }
		if err != nil {
			return nil
		}
		if _, err := asn1.Unmarshal(der, &pair); err != nil {
			return nil
		}
		size := (k.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		pair.R.FillBytes(out[:size])
		pair.S.FillBytes(out[size:])
		return out
	}
	return nil
}

func newEC() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // chance has run out
	}
	return k
}

func newRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

// algorithmOf is how an honest holder of the key signs.
func algorithmOf(key crypto.Signer) string {
	switch key.(type) {
	case *rsa.PrivateKey:
		return "PS256"
	case ed25519.PrivateKey:
		return "EdDSA"
	}
	return "ES256"
}

// jwkOf writes a public key as a JWK.
func jwkOf(public crypto.PublicKey) object {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		size := (k.Curve.Params().BitSize + 7) / 8
		raw, err := k.Bytes()
		if err != nil {
			return nil
		}
		return object{"kty": "EC", "crv": k.Curve.Params().Name, "x": b64.EncodeToString(raw[1 : 1+size]), "y": b64.EncodeToString(raw[1+size:])}
	case *rsa.PublicKey:
		return object{"kty": "RSA", "n": b64.EncodeToString(k.N.Bytes()), "e": b64.EncodeToString(big.NewInt(int64(k.E)).Bytes())}
	case ed25519.PublicKey:
		return object{"kty": "OKP", "crv": "Ed25519", "x": b64.EncodeToString(k)}
	}
	return nil
}

func thumbprint(public crypto.PublicKey) string {
	t, err := jose.Thumbprint(public)
	if err != nil {
		panic(err) // our own keys have thumbprints
	}
	return t
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return b64.EncodeToString(sum[:])
}

func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return b64.EncodeToString(b)
}

// claimsOf reads the payload of a JWT without believing it.
func claimsOf(compact string) object {
	parts := strings.Split(compact, ".")
	if len(parts) < 2 {
		return nil
	}
	raw, err := b64.DecodeString(parts[1])
	var m object
	if err != nil || json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

// selfMade is a certificate that anyone can make: the subject of another, signed
// by nobody who is believed.
func selfMade(subject []byte, change func(*x509.Certificate)) tls.Certificate {
	key := newEC()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic(err)
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "attacker"}, RawSubject: subject,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// documentedKey is the private key that RFC 7515 appendix A.3 prints.
func documentedKey() *ecdsa.PrivateKey {
	raw, err := b64.DecodeString("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")
	if err != nil {
		panic(err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		panic(err)
	}
	return key
}

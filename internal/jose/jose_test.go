package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	josev4 "github.com/go-jose/go-jose/v4"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
)

// everything is what a careless caller would permit, so that a refusal is the
// package's own.
var everything = []string{"ES256", "PS256", "EdDSA", "Ed25519", "RS256", "HS256", "none", "ES384", "PS512", "RSA1_5", ""}

type keys struct {
	ec  *ecdsa.PrivateKey
	rsa *rsa.PrivateKey
	ed  ed25519.PrivateKey
}

func newKeys(t testing.TB) keys {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keys{ec, r, ed}
}

func jwk(t testing.TB, public crypto.PublicKey, kid, use, alg string) string {
	t.Helper()
	raw, err := josev4.JSONWebKey{Key: public, KeyID: kid, Use: use, Algorithm: alg}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func set(t testing.TB, jwks ...string) *jose.Set {
	t.Helper()
	s, err := jose.ParseSet([]byte(`{"keys":[` + strings.Join(jwks, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// signES256 signs any header and payload, however wrong, so that only what is
// wrong about them can be the cause of a refusal.
func signES256(t testing.TB, key *ecdsa.PrivateKey, header, payload string) string {
	t.Helper()
	return signInput(t, key, b64(header)+"."+b64(payload))
}

func signInput(t testing.TB, key *ecdsa.PrivateKey, input string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	var out [64]byte
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(out[:])
}

func TestWhatASignerSignsItsOwnSetAndAnotherLibraryVerify(t *testing.T) {
	k := newKeys(t)
	for _, c := range []struct {
		alg string
		key crypto.Signer
	}{{"ES256", k.ec}, {"PS256", k.rsa}, {"EdDSA", k.ed}, {"Ed25519", k.ed}, {"RS256", k.rsa}} {
		t.Run(c.alg, func(t *testing.T) {
			signer, err := jose.NewSigner("k1", c.alg, c.key)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time with the cached header
				token, err := signer.Sign("at+jwt", map[string]any{"iss": "https://bank.example", "n": 1})
				if err != nil {
					t.Fatal(err)
				}
				got, err := set(t, jwk(t, c.key.Public(), "k1", "sig", "")).Verify(token, jose.Rules{Algorithms: []string{c.alg}, Types: []string{"at+jwt"}})
				if err != nil {
					t.Fatal(err)
				}
				if got.Header.KID != "k1" || got.Header.Algorithm != c.alg || string(got.Payload) != `{"iss":"https://bank.example","n":1}` {
					t.Errorf("verified to %+v", got)
				}
				if c.alg == "Ed25519" {
					continue // a newer name that the other library does not know
				}
				other, err := josev4.ParseSignedCompact(token, []josev4.SignatureAlgorithm{josev4.SignatureAlgorithm(c.alg)})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := other.Verify(c.key.Public()); err != nil {
					t.Errorf("go-jose does not verify it: %v", err)
				}
			}
		})
	}
}

func TestAHostileTokenIsRefused(t *testing.T) {
	k := newKeys(t)
	const head, body = `{"alg":"ES256","kid":"k1"}`, `{"iss":"a"}`
	good := signES256(t, k.ec, head, body)
	parts := strings.Split(good, ".")
	keySet := set(t, jwk(t, &k.ec.PublicKey, "k1", "sig", "ES256"), jwk(t, &k.rsa.PublicKey, "r1", "sig", "PS256"))
	if _, err := keySet.Verify(good, jose.Rules{Algorithms: everything}); err != nil {
		t.Fatalf("the good token, from which all others are made: %v", err)
	}
	pub, err := x509.MarshalPKIXPublicKey(&k.ec.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	hs256 := func(secret []byte) string {
		input := b64(`{"alg":"HS256","kid":"k1"}`) + "." + b64(body)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	own := jwk(t, &k.ec.PublicKey, "", "", "")
	deep := strings.Repeat(`{"a":`, 30) + "1" + strings.Repeat("}", 30)
	last := parts[2][len(parts[2])-1]
	for name, token := range map[string]string{
		"empty":                             "",
		"one part":                          parts[0],
		"two parts":                         parts[0] + "." + parts[1],
		"four parts":                        good + ".",
		"five parts, as a JWE has":          parts[0] + "...." + parts[2],
		"a hundred thousand dots":           strings.Repeat(".", 100_000),
		"no signature":                      parts[0] + "." + parts[1] + ".",
		"alg none":                          b64(`{"alg":"none"}`) + "." + b64(body) + ".",
		"alg none with a signature":         b64(`{"alg":"none","kid":"k1"}`) + "." + b64(body) + "." + parts[2],
		"alg NONE":                          b64(`{"alg":"NONE","kid":"k1"}`) + "." + b64(body) + "." + parts[2],
		"HMAC with the public key":          hs256(pub),
		"HMAC with the empty key":           hs256(nil),
		"padding":                           parts[0] + "." + parts[1] + "." + parts[2] + "==",
		"another spelling of the last bit":  good[:len(good)-1] + string(nextInAlphabet(last)),
		"a line break in the signature":     parts[0] + "." + parts[1] + "." + parts[2][:10] + "\n" + parts[2][10:],
		"standard alphabet":                 signInput(t, k.ec, base64.RawStdEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"k1","x":"???>>>"}`))+"."+b64(body)),
		"ASN.1 signature":                   derSignature(t, k.ec, parts[0]+"."+parts[1]),
		"a signature of zeros":              parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"another payload":                   parts[0] + "." + b64(`{"iss":"b"}`) + "." + parts[2],
		"crit":                              signES256(t, k.ec, `{"alg":"ES256","kid":"k1","crit":["exp"],"exp":1}`, body),
		"empty crit":                        signES256(t, k.ec, `{"alg":"ES256","kid":"k1","crit":[]}`, body),
		"b64 false":                         signES256(t, k.ec, `{"alg":"ES256","kid":"k1","b64":false}`, body),
		"jwk of its own":                    signES256(t, k.ec, `{"alg":"ES256","kid":"k1","jwk":`+own+`}`, body),
		"jku":                               signES256(t, k.ec, `{"alg":"ES256","kid":"k1","jku":"https://evil.example"}`, body),
		"x5u":                               signES256(t, k.ec, `{"alg":"ES256","kid":"k1","x5u":"https://evil.example"}`, body),
		"x5c":                               signES256(t, k.ec, `{"alg":"ES256","kid":"k1","x5c":["AA"]}`, body),
		"zip":                               signES256(t, k.ec, `{"alg":"ES256","kid":"k1","zip":"DEF"}`, body),
		"alg twice":                         signES256(t, k.ec, `{"alg":"none","alg":"ES256","kid":"k1"}`, body),
		"alg twice in two cases":            signES256(t, k.ec, `{"ALG":"none","alg":"ES256","kid":"k1"}`, body),
		"alg by escape":                     signES256(t, k.ec, `{"\u0061lg":"ES256","alg":"ES256","kid":"k1"}`, body),
		"alg a number":                      signES256(t, k.ec, `{"alg":256,"kid":"k1"}`, body),
		"no alg":                            signES256(t, k.ec, `{"kid":"k1"}`, body),
		"kid an object":                     signES256(t, k.ec, `{"alg":"ES256","kid":{"a":1}}`, body),
		"kid of another key":                signES256(t, k.ec, `{"alg":"ES256","kid":"r1"}`, body),
		"kid like SQL":                      signES256(t, k.ec, `{"alg":"ES256","kid":"k1' OR '1'='1"}`, body),
		"kid like a path":                   signES256(t, k.ec, `{"alg":"ES256","kid":"../../dev/null"}`, body),
		"algorithm of another key type":     signES256(t, k.ec, `{"alg":"PS256","kid":"k1"}`, body),
		"header an array":                   signES256(t, k.ec, `["ES256"]`, body),
		"header with more behind it":        signES256(t, k.ec, head+`{}`, body),
		"huge header":                       signES256(t, k.ec, `{"alg":"ES256","kid":"k1","x":"`+strings.Repeat("a", 5000)+`"}`, body),
		"payload not JSON":                  signES256(t, k.ec, head, "hello"),
		"payload an array":                  signES256(t, k.ec, head, `[1]`),
		"payload with a claim twice":        signES256(t, k.ec, head, `{"iss":"a","iss":"b"}`),
		"payload with a claim in two cases": signES256(t, k.ec, head, `{"iss":"a","ISS":"b"}`),
		"payload with a member twice below": signES256(t, k.ec, head, `{"a":[{"b":1,"b":2}]}`),
		"payload too deep":                  signES256(t, k.ec, head, deep),
		"payload not UTF-8":                 signES256(t, k.ec, head, "{\"iss\":\"\xff\"}"),
		"payload with a NUL behind it":      signES256(t, k.ec, head, body+"\x00"),
		"a megabyte":                        signES256(t, k.ec, head, `{"a":"`+strings.Repeat("a", 1<<20)+`"}`),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := keySet.Verify(token, jose.Rules{Algorithms: everything}); err == nil {
				t.Errorf("verified to %+v %s", got.Header, got.Payload)
			}
		})
	}
}

func nextInAlphabet(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

func derSignature(t *testing.T, key *ecdsa.PrivateKey, input string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(input))
	der, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(der)
}

func TestAKeyVerifiesOnlyWhatItIsFor(t *testing.T) {
	k := newKeys(t)
	token := func(alg string, key crypto.Signer) string {
		s, err := jose.NewSigner("k", alg, key)
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Sign("", map[string]string{})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	es, ps, rs := token("ES256", k.ec), token("PS256", k.rsa), token("RS256", k.rsa)
	withOperations := strings.Replace(jwk(t, &k.ec.PublicKey, "k", "", ""), "{", `{"key_ops":["encrypt"],`, 1)
	for _, c := range []struct {
		name, key, token string
		allowed          []string
		ok               bool
	}{
		{"a signature key", jwk(t, &k.ec.PublicKey, "k", "sig", ""), es, everything, true},
		{"a key that does not say what it is for", jwk(t, &k.ec.PublicKey, "k", "", ""), es, everything, true},
		{"a key for encryption", jwk(t, &k.ec.PublicKey, "k", "enc", ""), es, everything, false},
		{"a key whose key_ops lack verify", withOperations, es, everything, false},
		{"a key bound to PS256", jwk(t, &k.rsa.PublicKey, "k", "sig", "PS256"), rs, everything, false},
		{"a key bound to RSA encryption", jwk(t, &k.rsa.PublicKey, "k", "", "RSA-OAEP-256"), ps, everything, false},
		{"RS256 where the caller names it", jwk(t, &k.rsa.PublicKey, "k", "sig", ""), rs, []string{"RS256"}, true},
		{"RS256 where the caller does not", jwk(t, &k.rsa.PublicKey, "k", "sig", ""), rs, []string{"PS256", "ES256", "EdDSA"}, false},
		{"PS256 where only ES256 is registered", jwk(t, &k.rsa.PublicKey, "k", "sig", ""), ps, []string{"ES256"}, false},
		{"EdDSA by the key's newer name", jwk(t, k.ed.Public(), "k", "sig", "Ed25519"), token("EdDSA", k.ed), []string{"EdDSA"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := set(t, c.key).Verify(c.token, jose.Rules{Algorithms: c.allowed})
			if (err == nil) != c.ok {
				t.Errorf("Verify: %v", err)
			}
		})
	}
}

func TestAKeyIsFoundByItsKid(t *testing.T) {
	a, b := newKeys(t), newKeys(t)
	both := set(t, jwk(t, &a.ec.PublicKey, "a", "sig", ""), jwk(t, &b.ec.PublicKey, "b", "sig", ""))
	anyES256 := jose.Rules{Algorithms: []string{"ES256"}}

	if _, err := both.Verify(signES256(t, b.ec, `{"alg":"ES256","kid":"b"}`, `{}`), anyES256); err != nil {
		t.Errorf("by its kid: %v", err)
	}
	if _, err := both.Verify(signES256(t, b.ec, `{"alg":"ES256","kid":"a"}`, `{}`), anyES256); fault.Of(err) != fault.Invalid {
		t.Errorf("another key's kid: %v", err)
	}
	if _, err := both.Verify(signES256(t, b.ec, `{"alg":"ES256","kid":"c"}`, `{}`), anyES256); fault.Of(err) != fault.NotFound {
		t.Errorf("an unknown kid must say so, for the set may be fetched anew: %v", err)
	}
	if _, err := both.Verify(signES256(t, b.ec, `{"alg":"ES256"}`, `{}`), anyES256); fault.Of(err) != fault.Invalid {
		t.Errorf("no kid and two keys that fit: %v", err)
	}
	if _, err := set(t, jwk(t, &b.ec.PublicKey, "b", "sig", "")).Verify(signES256(t, b.ec, `{"alg":"ES256"}`, `{}`), anyES256); err != nil {
		t.Errorf("no kid and one key that fits: %v", err)
	}
}

func TestTheTypeOfATokenIsComparedAsAMediaType(t *testing.T) {
	k := newKeys(t)
	s := set(t, jwk(t, &k.ec.PublicKey, "k", "sig", ""))
	types := []string{"", "JWT", "client-authentication+jwt"}
	for header, ok := range map[string]bool{
		`{"alg":"ES256"}`:             true,
		`{"alg":"ES256","typ":"JWT"}`: true,
		`{"alg":"ES256","typ":"jwt"}`: true,
		`{"alg":"ES256","typ":"application/client-authentication+jwt"}`: true,
		`{"alg":"ES256","typ":"dpop+jwt"}`:                              false,
		`{"alg":"ES256","typ":"at+jwt"}`:                                false,
		`{"alg":"ES256","typ":"application/"}`:                          false,
		`{"alg":"ES256","typ":["JWT"]}`:                                 false,
	} {
		_, err := s.Verify(signES256(t, k.ec, header, `{}`), jose.Rules{Algorithms: everything, Types: types})
		if (err == nil) != ok {
			t.Errorf("%s: %v", header, err)
		}
	}
}

func TestASignerRefusesAKeyThatDoesNotFit(t *testing.T) {
	k := newKeys(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func() (*jose.Signer, error){
		"P-384 for ES256":    func() (*jose.Signer, error) { return jose.NewSigner("k", "ES256", p384) },
		"RSA for ES256":      func() (*jose.Signer, error) { return jose.NewSigner("k", "ES256", k.rsa) },
		"RSA of 1024 bits":   func() (*jose.Signer, error) { return jose.NewSigner("k", "PS256", weak) },
		"HS256":              func() (*jose.Signer, error) { return jose.NewSigner("k", "HS256", k.ec) },
		"no key":             func() (*jose.Signer, error) { return jose.NewSigner("k", "ES256", nil) },
		"a prover with none": func() (*jose.Signer, error) { return jose.NewProver("none", k.ec) },
	} {
		if _, err := make(); fault.Of(err) != fault.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATokenIsEncryptedToTheKeyThatIsMeantForIt(t *testing.T) {
	k := newKeys(t)
	s := set(t, jwk(t, &k.ec.PublicKey, "sig", "sig", ""), jwk(t, &k.ec.PublicKey, "ec", "enc", ""), jwk(t, &k.rsa.PublicKey, "rsa", "enc", "RSA-OAEP-256"))
	for alg, key := range map[string]any{jose.ECDHESA256KW: k.ec, jose.RSAOAEP256: k.rsa} {
		token, err := s.Encrypt(alg, jose.A256GCM, "JWT", []byte("a.b.c"))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := josev4.ParseEncryptedCompact(token, []josev4.KeyAlgorithm{josev4.KeyAlgorithm(alg)}, []josev4.ContentEncryption{josev4.A256GCM})
		if err != nil {
			t.Fatal(err)
		}
		plain, err := parsed.Decrypt(key)
		if err != nil || string(plain) != "a.b.c" {
			t.Errorf("%s: %q, %v", alg, plain, err)
		}
		if parsed.Header.ExtraHeaders["cty"] != "JWT" || parsed.Header.KeyID == "sig" || parsed.Header.KeyID == "" {
			t.Errorf("%s: header %+v", alg, parsed.Header)
		}
	}
	for _, alg := range []string{"RSA1_5", "RSA-OAEP", "dir", "A256KW", "ECDH-ES", "PBES2-HS512+A256KW"} {
		if _, err := s.Encrypt(alg, jose.A256GCM, "", nil); fault.Of(err) != fault.Invalid || err == nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	if _, err := set(t, jwk(t, &k.rsa.PublicKey, "r", "sig", "")).Encrypt(jose.RSAOAEP256, jose.A256GCM, "", nil); fault.Of(err) != fault.NotFound {
		t.Errorf("to a signature key: %v", err)
	}
}

func TestClaimsThatCannotBeWrittenAreOurOwnFault(t *testing.T) {
	s, err := jose.NewSigner("k", "ES256", newKeys(t).ec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign("", map[string]any{"c": make(chan int)}); fault.Of(err) != fault.Internal {
		t.Errorf("%v", err)
	}
}

func TestTheStrictReaderAgreesWithEncodingJSON(t *testing.T) {
	for _, raw := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":-1.5e3,"b":[],"c":[1,"x",null,true,false,{"d":{}}]}`, `{"a\"b":"\u3042\\"}`,
		`{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":01}`, `{"a":tru}`, `{"a":"` + "\n" + `"}`, `{"a":"\x"}`, `{"a":[1,]}`, `{"a":[1 2]}`,
		`{a:1}`, `[]`, `""`, `1`, `{"a":1}}`, `{"a":1}x`, `{"a":.5}`, `{"a":"unfinished}`, `{"a":"\`,
	} {
		var v map[string]any
		want := json.Unmarshal([]byte(raw), &v) == nil && v != nil
		if got := jose.Unambiguous([]byte(raw)); got != want {
			t.Errorf("%s: %v, encoding/json says %v", raw, got, want)
		}
	}
}

package protocol_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	josev4 "github.com/go-jose/go-jose/v4"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
)

// withEncryption changes a client's registration to one more key, for encryption,
// and other metadata beside it.
func (c *conversation) withEncryption(s *oauthtest.Software, more map[string]any) *ecdsa.PrivateKey {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := josev4.JSONWebKey{Key: key.Public(), KeyID: "e1", Use: "enc", Algorithm: "ECDH-ES+A256KW"}.MarshalJSON()
	if err != nil {
		c.t.Fatal(err)
	}
	set := mustJSON(s.Client.JWKS).(map[string]any)
	set["keys"] = append(set["keys"].([]any), json.RawMessage(raw))
	var metadata map[string]any
	if err := json.Unmarshal(toJSON(s.Client), &metadata); err != nil {
		c.t.Fatal(err)
	}
	metadata["jwks"] = set
	for name, value := range more {
		metadata[name] = value
	}
	s.Client, err = c.Engine.Issuer().ParseClient(oauthtest.PartnerID, toJSON(metadata))
	if err == nil {
		err = c.in.Commit(c.t.Context(), oauth.ClientChanged{Client: s.Client, Version: 1, By: audit.Actor{Kind: audit.Operator, ID: "staff"}, At: c.Now()})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return key
}

// opened decrypts what was encrypted to the key, and returns it with its cty.
func opened(t testing.TB, compact string, key *ecdsa.PrivateKey) (string, any) {
	t.Helper()
	parsed, err := josev4.ParseEncryptedCompact(compact, []josev4.KeyAlgorithm{josev4.ECDH_ES_A256KW}, []josev4.ContentEncryption{josev4.A256GCM})
	if err != nil {
		t.Fatalf("%q: %v", compact, err)
	}
	plain, err := parsed.Decrypt(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain), parsed.Header.ExtraHeaders["cty"]
}

func TestIDTokensAndUserInfoAreSignedAndEncryptedAsRegistered(t *testing.T) {
	for name, a := range map[string]struct {
		register map[string]any
		signed   bool
	}{
		"encrypted":            {map[string]any{"userinfo_encrypted_response_alg": "ECDH-ES+A256KW"}, false},
		"signed and encrypted": {map[string]any{"userinfo_encrypted_response_alg": "ECDH-ES+A256KW", "userinfo_encrypted_response_enc": "A256GCM", "userinfo_signed_response_alg": "ES256"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConversation(t, nil, nil)
			a.register["id_token_encrypted_response_alg"], a.register["id_token_encrypted_response_enc"] = "ECDH-ES+A256KW", "A256GCM"
			key := c.withEncryption(c.client, a.register)
			got := c.tokens(c.client, request(c.client))
			inner, cty := opened(t, got["id_token"].(string), key)
			if claims := claimsOf(t, c, inner, "JWT"); cty != "JWT" || claims["nonce"] != "n-1" {
				t.Errorf("ID token: %v %v", cty, claims)
			}
			for _, method := range []string{"GET", "POST"} {
				w := c.call(c.client, method, "/userinfo", got["access_token"].(string))
				if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/jwt" {
					t.Fatalf("%d %v", w.Code, w.Header())
				}
				inner, cty := opened(t, w.Body.String(), key)
				claims := map[string]any{}
				if a.signed {
					claims = claimsOf(t, c, inner, "JWT")
				} else if err := json.Unmarshal([]byte(inner), &claims); err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(claims["sub"].(string), "sub_") || a.signed != (claims["aud"] == "cl_kaikei" && claims["iss"] == oauthtest.IssuerURL && cty == "JWT") {
					t.Errorf("UserInfo: %v %v", cty, claims)
				}
			}
		})
	}
}

func TestEncryptionIsNotRegisteredWithoutAKeyForItOrByWeakMeans(t *testing.T) {
	c := newConversation(t, nil, nil)
	for name, change := range map[string]map[string]any{
		"no key":        {"userinfo_encrypted_response_alg": "ECDH-ES+A256KW"},
		"RSA1_5":        {"userinfo_encrypted_response_alg": "RSA1_5", "jwks": nil, "jwks_uri": "https://kaikei.example/jwks"},
		"symmetric":     {"id_token_encrypted_response_alg": "A256KW", "jwks": nil, "jwks_uri": "https://kaikei.example/jwks"},
		"CBC":           {"userinfo_encrypted_response_alg": "ECDH-ES+A256KW", "userinfo_encrypted_response_enc": "A128CBC-HS256", "jwks": nil, "jwks_uri": "https://kaikei.example/jwks"},
		"an enc alone":  {"userinfo_encrypted_response_enc": "A256GCM"},
		"JARM, unnamed": {"authorization_encrypted_response_alg": "ECDH-ES+A256KW"},
	} {
		b := map[string]any{"client_id": "cl_x", "redirect_uris": []string{oauthtest.RedirectURI}, "jwks": mustJSON(c.client.Client.JWKS)}
		for field, value := range change {
			if b[field] = value; value == nil {
				delete(b, field)
			}
		}
		if _, err := c.Engine.Issuer().ParseClient(oauthtest.PartnerID, toJSON(b)); err == nil {
			t.Errorf("%s is registered", name)
		}
	}
}

// Metadata name no encryption of request objects, so none is taken.
func TestAnEncryptedRequestObjectIsRefused(t *testing.T) {
	c := newConversation(t, nil, nil)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encrypter, err := josev4.NewEncrypter(josev4.A256GCM, josev4.Recipient{Algorithm: josev4.ECDH_ES_A256KW, Key: key.Public()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := encrypter.Encrypt([]byte(c.client.RequestObject(object(c.client, nil), nil)))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, c.post(oauth.PAREndpoint, asked(c.client, url.Values{"request": {compact}})), 400, "invalid_request_object")
	for name := range c.metadata() {
		if strings.HasPrefix(name, "request_object_encryption") || strings.HasPrefix(name, "authorization_encryption") {
			t.Errorf("metadata name %s", name)
		}
	}
}

func TestTheClaimsParameterIsAnsweredWhereItAsks(t *testing.T) {
	c := newConversation(t, nil, nil)
	form := request(c.client)
	form.Set("claims", `{"userinfo":{"acr":null,"auth_time":{"essential":true},"email":null,"amr":null},"id_token":{"acr":{"essential":true,"values":["urn:demo:password"]}}}`)
	token := c.tokens(c.client, form)["access_token"].(string)
	a := answerOf(t, c.call(c.client, "GET", "/userinfo", token))
	if a["acr"] != "urn:demo:password" || a["auth_time"] != float64(oauthtest.Began.Unix()) || a["amr"].([]any)[0] != "pwd" || a["email"] != nil || len(a) != 4 {
		t.Errorf("asked for: %v", a)
	}
	s := c.client.Again()
	plain := c.tokens(s, request(s))["access_token"].(string)
	if a := answerOf(t, c.call(s, "GET", "/userinfo", plain)); len(a) != 1 {
		t.Errorf("not asked for: %v", a)
	}
}

// leftHalf is the hash of OpenID Connect Core §3.1.3.6 for ES256.
func leftHalf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func TestTheHybridAnswerIsSignedByItsIDTokenEncryptedWhereRegistered(t *testing.T) {
	for name, encrypted := range map[string]bool{"plain": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			c := newConversation(t, nil, advanced(nil))
			var key *ecdsa.PrivateKey
			if encrypted {
				key = c.withEncryption(c.client, map[string]any{"id_token_encrypted_response_alg": "ECDH-ES+A256KW"})
			}
			inside := func(compact string) map[string]any {
				if encrypted {
					compact, _ = opened(t, compact, key)
				}
				return claimsOf(t, c, compact, "JWT")
			}
			w := c.byValue(c.client, object(c.client, map[string]string{"response_type": "code id_token", "code_challenge": "", "code_challenge_method": ""}))
			if w.Code != http.StatusSeeOther {
				t.Fatalf("%d %v", w.Code, c.pages)
			}
			f, err := url.ParseQuery(c.approve(c.client).Fragment)
			if err != nil {
				t.Fatal(err)
			}
			front := inside(f.Get("id_token"))
			if front["c_hash"] != leftHalf(f.Get("code")) || front["s_hash"] != leftHalf("s-1") || front["at_hash"] != nil || front["nonce"] != "n-1" {
				t.Errorf("front channel: %v", front)
			}
			form := asked(c.client, url.Values{"grant_type": {"authorization_code"}, "code": {f.Get("code")}, "redirect_uri": {oauthtest.RedirectURI}})
			got := answerOf(t, c.postWith(oauthtest.Certificate(t, "x"), oauth.TokenEndpoint, form))
			back := inside(got["id_token"].(string))
			if back["at_hash"] != leftHalf(got["access_token"].(string)) || back["sub"] != front["sub"] || back["iss"] != front["iss"] || back["nonce"] != "n-1" {
				t.Errorf("back channel: %v", back)
			}
		})
	}
}

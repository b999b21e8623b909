package demo_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"
)

// partnersClient is one of the demo's partners behind a Go client library: its
// registration, its keys, and what the library does not do by itself, which is to
// sign assertions and proofs.
type partnersClient struct {
	issuer    string
	id        string
	callback  string
	assertion jose.Signer // nil: the certificate is enough
	proof     *ecdsa.PrivateKey
	nonces    map[string]string // by host
	wire      http.RoundTripper
}

// clientOf reads a partner's keys from the demo's data directory.
func (d *running) clientOf(t *testing.T, id string) *partnersClient {
	t.Helper()
	read := func(suffix string) []byte {
		text, err := os.ReadFile(filepath.Join(d.folder, "partners", id+suffix))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var registered struct {
		Client struct {
			ID       string             `json:"client_id"`
			Redirect []string           `json:"redirect_uris"`
			Method   string             `json:"token_endpoint_auth_method"`
			Keys     jose.JSONWebKeySet `json:"jwks"`
		}
	}
	if err := json.Unmarshal(read(".json"), &registered); err != nil {
		t.Fatal(err)
	}
	c := &partnersClient{
		issuer: d.manifest.Institutions[0].Issuer, id: registered.Client.ID, callback: registered.Client.Redirect[0],
		nonces: map[string]string{}, wire: d.openBrowser(t, "").client.Transport,
	}
	if registered.Client.Method == "tls_client_auth" {
		pair, err := tls.X509KeyPair(read("-tls-certificate.pem"), read("-tls.pem"))
		if err != nil {
			t.Fatal(err)
		}
		c.wire.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{pair}
		return c
	}
	block, _ := pem.Decode(read("-signing.pem"))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	c.assertion, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: registered.Client.Keys.Keys[0].KeyID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.proof, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	return c
}

// RoundTrip adds the assertion to forms for the issuer and a proof to everything, and
// repeats a request that the bank answered with its nonce.
func (c *partnersClient) RoundTrip(r *http.Request) (*http.Response, error) {
	var form url.Values
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	for again := false; ; again = true {
		sent := r.Clone(r.Context())
		if err := c.sign(sent, form); err != nil {
			return nil, err
		}
		answer, err := c.wire.RoundTrip(sent)
		if err != nil {
			return nil, err
		}
		nonce := answer.Header.Get("DPoP-Nonce")
		wanted := nonce != "" && nonce != c.nonces[r.URL.Host] && answer.StatusCode >= 400
		if nonce != "" {
			c.nonces[r.URL.Host] = nonce
		}
		if c.proof == nil || again || !wanted {
			return answer, nil
		}
		answer.Body.Close()
	}
}

func (c *partnersClient) sign(r *http.Request, form url.Values) error {
	if c.assertion != nil && form != nil {
		now := time.Now()
		assertion, err := jwt.Signed(c.assertion).Claims(map[string]any{
			"iss": c.id, "sub": c.id, "aud": c.issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}).Serialize()
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	if form != nil {
		body := []byte(form.Encode())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	if c.proof == nil {
		return nil
	}
	claims := map[string]any{"htm": r.Method, "htu": r.URL.Scheme + "://" + r.URL.Host + r.URL.Path, "jti": rand.Text(), "iat": time.Now().Unix()}
	if nonce := c.nonces[r.URL.Host]; nonce != "" {
		claims["nonce"] = nonce
	}
	if _, token, found := bytes.Cut([]byte(r.Header.Get("Authorization")), []byte(" ")); found {
		digest := sha256.Sum256(token)
		claims["ath"] = base64.RawURLEncoding.EncodeToString(digest[:])
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: c.proof},
		(&jose.SignerOptions{}).WithType("dpop+jwt").WithHeader("jwk", jose.JSONWebKey{Key: c.proof.Public()}))
	if err != nil {
		return err
	}
	proof, err := jwt.Signed(signer).Claims(claims).Serialize()
	r.Header.Set("DPoP", proof)
	return err
}

// walks sends ok.pw through the journey and returns the parameters of the way back,
// which the demo's own partner never sees.
func (d *running) walks(t *testing.T, address string) url.Values {
	t.Helper()
	return d.walksBy(t, d.openBrowser(t, ""), address)
}

func (d *running) walksBy(t *testing.T, b *browser, address string) url.Values {
	t.Helper()
	id, password, _, pins := d.user(t, "ok.pw")
	p := b.open(address).press("API連携", "login_id", id, "password", password)
	if p.heading() == "API連携認証（認可業務選択）（利用登録）" {
		p = p.press("次へ")
	}
	if p.heading() == "API連携認証（照会用暗証番号登録）（利用登録）" {
		p = p.press("登録", p.typed(pins)...).press("確定")
	}
	p = p.shows("情報アクセス許可").press("許可", "intent", "proceed").shows("受付完了")
	back, err := url.Parse(p.to(attribute(refresh.FindString(p.body), "content")[len("0; url="):]))
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

func TestAGoClientOfTheFieldGoesTheWholeWay(t *testing.T) {
	d := startDemo(t)
	api := d.manifest.Institutions[0].API + "/open-api/v1/accounts"
	for way, id := range map[string]string{"by DPoP": "mihon-kaikei", "by mutual TLS": "tsuzumi-shikin"} {
		t.Run(way, func(t *testing.T) {
			c := d.clientOf(t, id)
			ctx := oidc.ClientContext(t.Context(), &http.Client{Transport: c})
			provider, err := oidc.NewProvider(ctx, c.issuer)
			if err != nil {
				t.Fatal(err)
			}
			endpoints := c.endpoints(t, provider)
			provider = endpoints.NewProvider(ctx)
			client := oauth2.Config{ClientID: c.id, RedirectURL: c.callback, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "account.balance"}}
			client.Endpoint.AuthStyle = oauth2.AuthStyleInParams
			state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
			back := d.walks(t, pushed(ctx, t, client, endpoints.Pushed, client.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))))
			if back.Get("state") != state || back.Get("iss") != c.issuer {
				t.Fatalf("the bank led back with %v", back)
			}
			token, err := client.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			who, err := provider.Verifier(&oidc.Config{ClientID: c.id}).Verify(ctx, token.Extra("id_token").(string))
			if err != nil || who.Nonce != nonce {
				t.Fatalf("ID token %+v, %v", who, err)
			}
			answers(ctx, t, oauth2.NewClient(ctx, oauth2.StaticTokenSource(token)), api, http.StatusOK)

			token.Expiry = time.Now().Add(-time.Minute)
			fresh, err := client.TokenSource(ctx, token).Token()
			if err != nil || fresh.AccessToken == token.AccessToken {
				t.Fatalf("refreshed: %v", err)
			}
			answers(ctx, t, oauth2.NewClient(ctx, oauth2.StaticTokenSource(fresh)), api, http.StatusOK)
			person, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(fresh))
			if err != nil || person.Subject != who.Subject {
				t.Errorf("user info %+v, %v", person, err)
			}

			answer, err := (&http.Client{Transport: c}).PostForm(endpoints.Revocation, url.Values{"client_id": {c.id}, "token": {fresh.RefreshToken}})
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("revocation: %v, %v", answer, err)
			}
			answer.Body.Close()
			answers(ctx, t, oauth2.NewClient(ctx, oauth2.StaticTokenSource(fresh)), api, http.StatusUnauthorized)
			fresh.Expiry = time.Now().Add(-time.Minute)
			var refused *oauth2.RetrieveError
			if _, err := client.TokenSource(ctx, fresh).Token(); !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
				t.Errorf("a revoked refresh token: %v", err)
			}
		})
	}
}

// endpoints are what the bank's metadata say to one partner.
type endpoints struct {
	oidc.ProviderConfig
	Pushed, Revocation string
}

// endpoints are those of the metadata, the aliases for a client with a certificate
// (RFC 8705 §5), since the library knows of no aliases.
func (c *partnersClient) endpoints(t *testing.T, provider *oidc.Provider) endpoints {
	t.Helper()
	type addresses struct {
		Token      string `json:"token_endpoint"`
		UserInfo   string `json:"userinfo_endpoint"`
		Pushed     string `json:"pushed_authorization_request_endpoint"`
		Revocation string `json:"revocation_endpoint"`
	}
	var said struct {
		addresses
		KeySet  string    `json:"jwks_uri"`
		Aliases addresses `json:"mtls_endpoint_aliases"`
	}
	if err := provider.Claims(&said); err != nil {
		t.Fatal(err)
	}
	mine := said.addresses
	if c.assertion == nil {
		mine = said.Aliases
	}
	return endpoints{oidc.ProviderConfig{
		IssuerURL: c.issuer, AuthURL: provider.Endpoint().AuthURL, TokenURL: mine.Token, UserInfoURL: mine.UserInfo, JWKSURL: said.KeySet,
		Algorithms: []string{oidc.ES256},
	}, mine.Pushed, mine.Revocation}
}

// pushed sends the parameters of an authorization request to the bank first
// (RFC 9126) and returns where the browser goes then.
func pushed(ctx context.Context, t *testing.T, client oauth2.Config, endpoint, address string) string {
	t.Helper()
	asked, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	sender := ctx.Value(oauth2.HTTPClient).(*http.Client)
	answer, err := sender.PostForm(endpoint, asked.Query())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var kept struct {
		URI string `json:"request_uri"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&kept); err != nil || answer.StatusCode != http.StatusCreated {
		t.Fatalf("pushed: %s, %v", answer.Status, err)
	}
	return client.Endpoint.AuthURL + "?" + url.Values{"client_id": {client.ClientID}, "request_uri": {kept.URI}}.Encode()
}

func answers(ctx context.Context, t *testing.T, client *http.Client, address string, status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var said struct{ Accounts []struct{ AccountID string } }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || answer.StatusCode != status || (len(said.Accounts) > 0) != (status == http.StatusOK) {
		t.Errorf("%s: %s with %d accounts, %v; wanted %d", address, answer.Status, len(said.Accounts), err, status)
	}
}

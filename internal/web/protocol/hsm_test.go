//go:build pkcs11

package protocol_test

import (
	"encoding/json"
	"testing"
	"time"

	"renkei.dev/internal/hsm"
	"renkei.dev/internal/hsm/hsmtest"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/oauth/oauthtest"
)

func TestAnIDTokenIsSignedInTheHSM(t *testing.T) {
	token, err := hsm.Open(hsmtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { token.Close() })
	key, err := token.Generate(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	kid, err := jose.Thumbprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	c := newConversation(t, func(cfg *oauth.Config) {
		ring, err := jose.NewRing([]jose.Key{{KID: kid, Algorithm: jose.ES256, State: jose.Active, ExpiresAt: oauthtest.Began.Add(time.Hour), Private: key}}, oauthtest.Began)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Issuer.Keys = ring
	}, nil)
	form := request(c.client)
	form.Set("scope", "openid account.balance")
	got := c.tokens(c.client, form)
	published, err := jose.ParseSet(c.Engine.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	compact, _ := got["id_token"].(string)
	id, err := published.Verify(compact, jose.Rules{Algorithms: []jose.Algorithm{jose.ES256}, Types: []string{"JWT"}})
	if err != nil {
		t.Fatalf("%q: %v", compact, err)
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(id.Payload, &claims); err != nil || claims.Issuer != oauthtest.IssuerURL || id.Header.KID != kid {
		t.Errorf("%s, %v", id.Payload, err)
	}
}

package demo_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"renkei.dev/internal/jose"
)

// asks sends JSON with a bearer token, and returns status and answer.
func (b *browser) asks(method, address, token, body string) (int, map[string]any) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	var all map[string]any
	if len(raw) > 0 && json.Unmarshal(raw, &all) != nil {
		b.t.Fatalf("%s %s: %d %s", method, address, answer.StatusCode, raw)
	}
	return answer.StatusCode, all
}

// clientMetadata is what an engineer sends, with a key of their own.
func clientMetadata(t *testing.T) string {
	t.Helper()
	key, err := jose.Generate(jose.ES256, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key.State = jose.Active
	ring, err := jose.NewRing([]jose.Key{key}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return `{"redirect_uris":["https://localhost:3000/callback"],"client_name":"My app","jwks":` + string(ring.JWKS()) + `}`
}

func TestAnEngineerRegistersAClientWithTheTokenOfTheStartPage(t *testing.T) {
	d := startDemo(t)
	b := d.openBrowser(t, "")
	bank := d.manifest.Institutions[0]
	b.open(d.start).shows(bank.InitialAccessToken, bank.Issuer+"/register")
	status, got := b.asks("POST", bank.Issuer+"/register", bank.InitialAccessToken, clientMetadata(t))
	if status != http.StatusCreated {
		t.Fatalf("%d %v", status, got)
	}
	before := bank.InitialAccessToken
	d.stop()
	if err := d.run(t); err != nil {
		t.Fatal(err)
	}
	b.client.CloseIdleConnections()
	if d.manifest.Institutions[0].InitialAccessToken != before {
		t.Error("a restart made another initial access token")
	}
	status, again := b.asks("GET", got["registration_client_uri"].(string), got["registration_access_token"].(string), "")
	if status != http.StatusOK || again["client_id"] != got["client_id"] {
		t.Errorf("after a restart: %d %v", status, again)
	}
	if status, _ := b.asks("DELETE", got["registration_client_uri"].(string), got["registration_access_token"].(string), ""); status != http.StatusNoContent {
		t.Errorf("removed: %d", status)
	}
}

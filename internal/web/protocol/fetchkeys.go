package protocol

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/outbound"
)

const fetchWithin = 3 * time.Second

// FetchKeys returns what reads the key sets of clients at their jwks_uri: https
// only, bounded in size and time, and only from addresses that package outbound
// lets through. permitted opens further networks, such as a partner's own line;
// nil for none. Errors of a fetch: fault.Unavailable.
func FetchKeys(permitted []netip.Prefix) oauth.KeyFetcher {
	client := outbound.Client(permitted, fetchWithin)
	return func(ctx context.Context, uri string) ([]byte, error) { return fetchKeys(ctx, client, uri) }
}

func fetchKeys(ctx context.Context, client *http.Client, uri string) ([]byte, error) {
	const doing = "fetch a key set"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil || r.URL.Scheme != "https" {
		return nil, fault.New(fault.Unavailable, "%s: no https address", doing)
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := client.Do(r)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, doing, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "%s: status %d", doing, answer.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, jose.MaxSet+1))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, doing, err)
	}
	if len(raw) > jose.MaxSet {
		return nil, fault.New(fault.Unavailable, "%s: too long", doing)
	}
	return raw, nil
}

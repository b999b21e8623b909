package oauth

import (
	"context"
	"sync"
	"time"
)

// KeyFetcher reads the JWK set at a client's jwks_uri.
type KeyFetcher func(ctx context.Context, uri string) ([]byte, error)

// clientCache keeps registrations and parsed keys in memory, a second at most
// before it looks again (protocol.md §4 item 11).
type clientCache struct {
	store Store
	fetch KeyFetcher
	mu    sync.Mutex
	known map[ClientID]*knownClient
}

type knownClient struct {
	Client
	readAt time.Time
}

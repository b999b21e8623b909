package oauth

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/jose"
	"renkei.dev/internal/partner"
)

// KeyFetcher reads the JWK set at a client's jwks_uri.
type KeyFetcher func(ctx context.Context, uri string) ([]byte, error)

const (
	// clientsFreshFor is how old a registration in memory may be where nobody tells
	// of changes, so that one is honoured a second later (protocol.md §4 item 11).
	clientsFreshFor = 500 * time.Millisecond
	// refetchAfter bounds how often an unknown kid makes us fetch a jwks_uri anew.
	refetchAfter = 30 * time.Second
	// staleKeysFor is how long keys of a jwks_uri that does not answer go on.
	staleKeysFor = time.Hour
)

// errFailedLately spares an address that did not answer a moment ago.
var errFailedLately = fault.New(fault.Unavailable, "a fetch failed a moment ago")

// fresh returns Fresh, or what stands for it.
func (c Config) fresh() func() (still func() bool) {
	if c.Fresh != nil {
		return c.Fresh
	}
	return func() func() bool {
		read := c.Now()
		return func() bool { age := c.Now().Sub(read); return age >= 0 && age < clientsFreshFor }
	}
}

// clientCache keeps registrations and their parsed keys.
type clientCache struct {
	store   Store
	fetch   KeyFetcher
	fresh   func() (still func() bool)
	keysFor time.Duration

	mu    sync.Mutex
	known map[ClientID]*knownClient
}

// knownClient is a registration with its keys parsed. It is never changed once
// another goroutine can see it.
type knownClient struct {
	Client
	figures figures
	scopes  scopes
	// functions are those that its scopes stand for.
	functions []corebank.BusinessFunction
	clientKeys
	still func() bool // whether it may be used again
	// named is the subject of the last certificate that bore the registered name,
	// as DER: comparing it is a hundredth of reading both names again.
	named *atomic.Pointer[[]byte]
}

// clientKeys are a client's JWK set, parsed.
type clientKeys struct {
	keys *jose.Set // nil while a jwks_uri was not fetched
	// certificates are the thumbprints of the set's x5c, for
	// self_signed_tls_client_auth alone.
	certificates map[string]bool
	fetchedAt    time.Time
	failedAt     time.Time // of the last fetch that failed
}

// get returns a client, read again where it may have changed. Errors: fault.NotFound.
func (c *clientCache) get(ctx context.Context, id ClientID) (*knownClient, error) {
	c.mu.Lock()
	k := c.known[id]
	c.mu.Unlock()
	if k != nil && k.still() {
		return k, nil
	}
	still := c.fresh()
	fresh, err := c.store.Client(ctx, id)
	if err != nil {
		if k != nil && fault.Of(err) == fault.NotFound {
			c.mu.Lock()
			delete(c.known, id)
			c.mu.Unlock()
		}
		return nil, err
	}
	next := &knownClient{Client: fresh, still: still}
	if k != nil && k.Version == fresh.Version {
		next.figures, next.scopes, next.functions, next.clientKeys, next.named = k.figures, k.scopes, k.functions, k.clientKeys, k.named
	} else if err := next.prepare(); err != nil {
		return nil, err
	}
	c.remember(next)
	return next, nil
}

func (c *clientCache) remember(k *knownClient) {
	c.mu.Lock()
	c.known[k.ID] = k
	c.mu.Unlock()
}

func (k *knownClient) prepare() error {
	var known bool
	if k.figures, known = profiles[k.Profile]; !known {
		return fault.New(fault.Internal, "client %s has the unknown profile %q", k.ID, k.Profile)
	}
	k.scopes, _ = parseScope(k.Scope)
	k.functions = k.scopes.functions()
	k.named = new(atomic.Pointer[[]byte])
	if len(k.JWKS) == 0 {
		return nil
	}
	keys, err := parseKeys(k.JWKS, time.Time{})
	if err != nil {
		return fault.Wrap(fault.Internal, "read the keys of client "+string(k.ID), err)
	}
	k.clientKeys = keys
	return nil
}

func parseKeys(raw []byte, fetchedAt time.Time) (clientKeys, error) {
	keys, err := jose.ParseSet(raw)
	if err != nil {
		return clientKeys{}, err
	}
	return clientKeys{keys: keys, certificates: certificatesIn(raw), fetchedAt: fetchedAt}, nil
}

// keysOf returns a client's keys; those of a jwks_uri are fetched when they are
// older than keysFor, or when again and they are older than refetchAfter, so that
// a new kid is found and a removed key stops verifying.
func (c *clientCache) keysOf(ctx context.Context, k *knownClient, now time.Time, again bool) (clientKeys, error) {
	if k.JWKSURI == "" || c.fetch == nil {
		if k.keys == nil {
			return clientKeys{}, fault.New(fault.Refused, "client %s has no keys", k.ID)
		}
		return k.clientKeys, nil
	}
	age := now.Sub(k.fetchedAt)
	if k.keys != nil && age < c.keysFor && !(again && age >= refetchAfter) {
		return k.clientKeys, nil
	}
	next := *k
	err := errFailedLately
	var raw []byte
	if now.Sub(k.failedAt) >= refetchAfter {
		raw, err = c.fetch(ctx, k.JWKSURI)
	}
	if err != nil {
		if err != errFailedLately {
			next.failedAt = now
			c.remember(&next)
		}
		if k.keys != nil && age < staleKeysFor {
			return k.clientKeys, nil
		}
		return clientKeys{}, fault.Wrap(fault.Unavailable, "fetch the keys of client "+string(k.ID), err)
	}
	if next.clientKeys, err = parseKeys(raw, now); err != nil {
		return clientKeys{}, fault.Wrap(fault.Refused, "read the fetched keys of client "+string(k.ID), err)
	}
	c.remember(&next)
	return next.clientKeys, nil
}

// working returns a client that may act now, with its partner: registered, its
// profile on offer, before its sunset, the partner linkable. Errors:
// fault.NotFound; partner.NotLinkable; fault.Expired after the sunset.
func (e *Engine) working(ctx context.Context, id ClientID, now time.Time) (*knownClient, partner.Partner, error) {
	k, err := e.clients.get(ctx, id)
	if err != nil {
		return nil, partner.Partner{}, err
	}
	p, err := e.mayAct(ctx, k, now)
	if err != nil {
		return nil, p, err
	}
	return k, p, nil
}

// mayAct returns the partner of a client that may act now. Errors: as working.
func (e *Engine) mayAct(ctx context.Context, k *knownClient, now time.Time) (partner.Partner, error) {
	if !e.offers(k.Profile) || !k.WorksAt(now) {
		return partner.Partner{}, profileOver{k.ID, k.Profile, k.SunsetOn}
	}
	p, err := e.cfg.Partners.Partner(ctx, k.Partner)
	if err != nil {
		return partner.Partner{}, err
	}
	return p, p.Linkable(now)
}

// profileOver says that a client's profile is not on offer any more: to it, after
// its sunset, or to anybody. It unwraps to fault.Expired.
type profileOver struct {
	client  ClientID
	profile Profile
	sunset  string
}

func (p profileOver) Error() string {
	return "client " + string(p.client) + ": profile " + string(p.profile) + " is over (sunset " + p.sunset + ")"
}

// Unwrap returns fault.Expired.
func (profileOver) Unwrap() error { return fault.Expired }

func (e *Engine) offers(p Profile) bool {
	for _, offered := range e.issuer.Profiles {
		if offered == p {
			return true
		}
	}
	return false
}

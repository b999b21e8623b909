package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// partnersKept is a partner.Registry that asks the store only for what may have
// changed: a stop holds on every node within a second (journey.md rule 10).
type partnersKept struct {
	store partner.Registry
	fresh func() (still func() bool)

	mu    sync.Mutex
	known map[partner.ID]keptPartner
}

type keptPartner struct {
	partner partner.Partner
	still   func() bool
}

// Partner returns a partner as it stands, as far as the store can tell. Only partners
// that exist are kept, so that memory is bounded by their number.
func (k *partnersKept) Partner(ctx context.Context, id partner.ID) (partner.Partner, error) {
	k.mu.Lock()
	kept, ok := k.known[id]
	k.mu.Unlock()
	if ok && kept.still() {
		return kept.partner, nil
	}
	still := k.fresh()
	p, err := k.store.Partner(ctx, id)
	if err != nil {
		return partner.Partner{}, err
	}
	k.mu.Lock()
	k.known[id] = keptPartner{p, still}
	k.mu.Unlock()
	return p, nil
}

// RegisterPartner makes a partner and its first client known, from the metadata
// file of one institution's staff. Errors: fault.Invalid with every fault of the
// file; fault.Conflict when partner or client is known already.
func RegisterPartner(ctx context.Context, kept partner.Store, issuer oauth.Issuer, metadata []byte, by audit.Actor, now time.Time) (partner.Partner, oauth.Client, error) {
	p, half, err := partner.ParseMetadata(metadata)
	var c oauth.Client
	if half != nil {
		var faults error
		c, faults = parseClient(issuer, p.ID, half)
		err = errors.Join(err, faults)
	}
	if err != nil {
		return partner.Partner{}, oauth.Client{}, err
	}
	err = kept.Commit(ctx,
		partner.Registered{Partner: p, By: by, At: now},
		oauth.ClientRegistered{Client: c, By: by, At: now})
	if fault.Of(err) == fault.Conflict && err != nil {
		err = fault.New(fault.Conflict, "partner %s or client %s is registered already", p.ID, c.ID)
	}
	return p, c, err
}

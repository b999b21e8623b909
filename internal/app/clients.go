package app

import (
	"context"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/linkage"
	"renkei.dev/internal/oauth"
	"renkei.dev/internal/partner"
)

// parseClient is Issuer.ParseClient for staff, who may work while no key is in force.
func parseClient(issuer oauth.Issuer, p partner.ID, metadata []byte) (oauth.Client, error) {
	if issuer.Keys == nil {
		return oauth.Client{}, fault.New(fault.Refused, "the issuer has no signing key in force, and its clients' algorithms depend on them: see `renkei key list`")
	}
	return issuer.ParseClient(p, metadata)
}

// AddClient registers another client of a partner's, from its metadata (RFC 7591
// §2): how a partner moves to another profile. Errors: fault.Invalid with every
// fault of the metadata; fault.Conflict when its id is taken.
func (d *Desk) AddClient(ctx context.Context, p partner.ID, metadata []byte, by audit.Actor) (oauth.Client, error) {
	c, err := parseClient(d.Issuer, p, metadata)
	if err != nil {
		return oauth.Client{}, err
	}
	err = d.Store.Commit(ctx, oauth.ClientRegistered{Client: c, By: by, At: time.Now()})
	if err != nil && fault.Of(err) == fault.Conflict {
		err = fault.New(fault.Conflict, "client %s is registered already; give the new one a client_id of its own", c.ID)
	}
	return c, err
}

// ChangeClient replaces a client's metadata as a whole; its profile stays, and its
// last day where the metadata name none. Errors: as AddClient; fault.NotFound;
// fault.Conflict when somebody else changed it in between.
func (d *Desk) ChangeClient(ctx context.Context, id oauth.ClientID, metadata []byte, by audit.Actor) (oauth.Client, error) {
	old, err := d.Store.Client(ctx, id)
	if err != nil {
		return oauth.Client{}, err
	}
	c, err := parseClient(d.Issuer, old.Partner, metadata)
	switch {
	case err != nil:
		return oauth.Client{}, err
	case c.ID != id:
		return oauth.Client{}, fault.New(fault.Invalid, "client.client_id is %s, not %s", c.ID, id)
	case c.Profile != old.Profile:
		return oauth.Client{}, fault.New(fault.Invalid, "client.profile stays %s: a move to another profile is a second client, and a last day for this one", old.Profile)
	case c.SunsetOn == "":
		c.SunsetOn = old.SunsetOn
	}
	c.Registered = old.Registered
	return c, d.Store.Commit(ctx, oauth.ClientChanged{Client: c, Version: old.Version, By: by, At: time.Now()})
}

// SetSunset sets the last day on which a client works, a date in Japan; empty: no
// end. Errors: fault.NotFound; fault.Conflict as for ChangeClient.
func (d *Desk) SetSunset(ctx context.Context, id oauth.ClientID, on string, by audit.Actor) (oauth.Client, error) {
	c, err := d.Store.Client(ctx, id)
	if err != nil {
		return oauth.Client{}, err
	}
	c.SunsetOn = on
	return c, d.Store.Commit(ctx, oauth.ClientChanged{Client: c, Version: c.Version, By: by, At: time.Now()})
}

// RemoveClient removes a client and ends the consents that it holds; it returns
// how many. Errors: fault.NotFound; fault.Conflict when it was removed meanwhile.
func (d *Desk) RemoveClient(ctx context.Context, id oauth.ClientID, reason string, by audit.Actor) (int, error) {
	c, err := d.Store.Client(ctx, id)
	if err != nil {
		return 0, err
	}
	held, err := d.Store.ConsentsOf(ctx, id)
	if err != nil {
		return 0, err
	}
	now := time.Now()
	changes := []audit.Change{oauth.ClientRemoved{Client: c, By: by, At: now, Reason: reason}}
	for _, consent := range held {
		changes = append(changes, linkage.ConsentEnded{ID: linkage.ConsentID(consent), Why: linkage.EndedByBank, At: now, Done: audit.Act{
			Name: linkage.ConsentEndedName, At: now, Actor: by, Object: consent, Outcome: audit.Done, Partner: string(c.Partner),
			Detail: map[string]string{"reason": string(linkage.EndedByBank), "client": string(id)},
		}})
	}
	return len(held), d.Store.Commit(ctx, changes...)
}

package oauth

import (
	"context"
	"encoding/json"
	"slices"

	"renkei.dev/internal/fault"
)

// QueryGrant tells a client what a grant of its own gives now (Grant Management
// §6.3). The token is judged as at every API, and needs the scope
// grant_management_query. Errors: as Access; fault.NotFound for a grant that is
// unknown, ended or another's.
func (e *Engine) QueryGrant(ctx context.Context, r AccessRequest, g GrantID) ([]byte, error) {
	a, grant, s, err := e.ownGrant(ctx, r, ScopeGrantQuery, g)
	if err != nil {
		return nil, err
	}
	k, p, err := e.working(ctx, a.Client, e.now())
	if err != nil {
		return nil, err
	}
	left := cut(k, p, grant.Request, s.Extent.Functions)
	body, err := json.Marshal(struct {
		Scopes  []grantScope    `json:"scopes"`
		Claims  []string        `json:"claims"`
		Details json.RawMessage `json:"authorization_details"`
		State   string          `json:"status"`
		EndsAt  int64           `json:"expires_at"`
	}{
		[]grantScope{{left.scopes.String(), e.resourcesOf(grant.Request)}}, []string{"sub"},
		grantedDetails(left.functions, e.aliases(&s), s.Extent.HistoryDays), s.State, s.Extent.EndsAt.Unix(),
	})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write a grant", err)
	}
	return body, nil
}

type grantScope struct {
	Scope     string   `json:"scope"`
	Resources []string `json:"resource,omitempty"`
}

func (e *Engine) resourcesOf(r Request) []string {
	if r.Resource != "" {
		return []string{r.Resource}
	}
	return []string{e.issuer.APIs[0].URL}
}

// RevokeGrant ends a grant of the client's own with its consent and all tokens
// (Grant Management §6.4), given the scope grant_management_revoke. Errors: as
// QueryGrant. nil means durable.
func (e *Engine) RevokeGrant(ctx context.Context, r AccessRequest, g GrantID) error {
	a, _, s, err := e.ownGrant(ctx, r, ScopeGrantRevoke, g)
	if err != nil {
		return err
	}
	return e.cfg.Store.Commit(ctx, GrantRevoked{
		Header: Header{Client: a.Client, Partner: a.Partner, At: e.now(), Address: r.Address}, Consent: s.Consent,
	})
}

func (e *Engine) ownGrant(ctx context.Context, r AccessRequest, scope string, g GrantID) (Access, Grant, Standing, error) {
	r.Audience, r.Scope = e.issuer.URL, scope
	a, err := e.Access(ctx, r)
	if err != nil {
		return Access{}, Grant{}, Standing{}, err
	}
	grant, s, err := e.cfg.Store.Grant(ctx, a.Client, g)
	if err == nil && !slices.Contains([]string{ConsentActive, ConsentSuspended}, s.State) {
		err = fault.New(fault.NotFound, "grant %s has ended", g)
	}
	return a, grant, s, err
}

// merged is the request behind a grant after grant_management_action=merge: what
// the grant gave before and what was added (Grant Management §3.2).
func merged(before, added Request) Request {
	old, _ := parseScope(before.Scope)
	all, _ := parseScope(added.Scope)
	for _, word := range old {
		if !all.has(word) {
			all = append(all, word)
		}
	}
	out := added
	out.Scope = all.String()
	if out.Details == nil {
		out.Details = before.Details
	}
	return out
}

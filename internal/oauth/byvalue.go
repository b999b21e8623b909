package oauth

import (
	"context"
	"errors"
	"slices"
	"time"

	"renkei.dev/internal/fault"
)

// keepByValue takes a request that a browser brings in person, as a signed
// request object (FAPI 1.0 Advanced §5.2.2-1; RFC 9101 §5), where the client's
// profile permits that. It is kept as a pushed one is, so that the journey and
// its one-time use are the same; this is the one writing that Begin does, for an
// object that only the client can have signed.
func (e *Engine) keepByValue(ctx context.Context, r AuthorizeRequest, id ClientID, now time.Time) (PushedRequest, error) {
	k, p, err := e.working(ctx, id, now)
	switch {
	case err == nil:
	case fault.Of(err) == fault.Unavailable || fault.Of(err) == fault.Internal:
		return PushedRequest{}, err
	case fault.Of(err) == fault.NotFound:
		return PushedRequest{}, page(BadRequest, &Failure{Code: InvalidRequest, Word: "client_id is unknown", Cause: err})
	default:
		return PushedRequest{}, page(PartnerOutOfAction, &Failure{Code: UnauthorizedClient, Word: string(PartnerStopped), Cause: err})
	}
	a := &asking{form: r.Form, client: k, partner: p, issuer: e.issuer, now: now}
	if f := a.pushedAsRegistered(); f != nil && (k.figures.pushedOnly || k.RequirePAR || !r.Form.Has("request")) {
		return PushedRequest{}, page(BadRequest, f)
	}
	if err := e.openRequestObject(ctx, a); err != nil {
		if f, ok := errors.AsType[*Failure](err); ok {
			return PushedRequest{}, page(BadRequest, f) // who cannot be shown to be the client is told nowhere
		}
		return PushedRequest{}, err
	}
	if err := e.judgeRequest(ctx, a); err != nil {
		return PushedRequest{}, e.tellOfValue(a, err)
	}
	_, key := e.issue(requestURIValue)
	kept := PushedRequest{Key: key, Request: a.request, ExpiresAt: now.Add(e.issuer.lifetimes().RequestFor)}
	err = e.cfg.Store.Commit(ctx, RequestPushed{
		Header: Header{Client: k.ID, Partner: k.Partner, At: now, Address: r.Address}, Key: key, Request: a.request, ExpiresAt: kept.ExpiresAt,
		Challenge: e.challengeDigest(k.ID, a.request.CodeChallenge),
	})
	if err != nil {
		return PushedRequest{}, e.tellOfValue(a, replayed(err))
	}
	return kept, nil
}

// tellOfValue sends the failure of a signed request back where its redirect URI
// is registered, in the mode that it asks for.
func (e *Engine) tellOfValue(a *asking, err error) error {
	f, ok := errors.AsType[*Failure](err)
	if !ok {
		return err
	}
	out := page(BadRequest, f)
	if a.request.RedirectURI == "" {
		return out
	}
	r := Request{Client: a.client.ID, RedirectURI: a.request.RedirectURI, State: a.form.Get("state")}
	r.ResponseType, r.ResponseMode = "code", a.form.Get("response_mode")
	if t := a.form.Get("response_type"); slices.Contains(a.client.ResponseTypes, t) {
		r.ResponseType = t
	}
	back, err := e.answer(a.client, r, e.issuer.errorParameters(f.Code, f.Word))
	if err != nil {
		return err
	}
	out.Redirect, out.PageFirst = &back, a.client.Registered == ByItself
	return out
}

package oauth

import (
	"context"
	"errors"
	"slices"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// pushRules come before those of every authorization request.
var pushRules = []rule[*asking]{
	{"RFC 9126 §2.1", all, func(a *asking) *Failure {
		if len(a.form.All("request_uri")) > 0 {
			return fail(InvalidRequest, "request_uri cannot be pushed")
		}
		return nil
	}},
}

// Push keeps an authorization request that a client authenticated for (RFC 9126).
// Errors: a Failure; fault.Unavailable; fault.Limited for a partner that pushes
// too many in a minute.
func (e *Engine) Push(ctx context.Context, c Call) (Pushed, error) {
	who, p, err := e.push(ctx, c)
	return p, e.refused(ctx, "par", who, c.Address, err)
}

func (e *Engine) push(ctx context.Context, c Call) (ClientID, Pushed, error) {
	client, err := e.authenticate(ctx, c)
	if err != nil {
		return "", Pushed{}, err
	}
	if !e.pushes.admit(client.partner.ID, e.cfg.PushesPerMinute, client.now) {
		return client.ID, Pushed{}, fault.New(fault.Limited, "partner %s pushes more than %d requests a minute", client.partner.ID, e.cfg.PushesPerMinute)
	}
	var shown *proof
	var replays []Replay
	if len(c.Proofs) > 0 { // RFC 9449 §10.1
		p, f := e.checkProof(c.Proofs, e.proofUseOf(c, client))
		if f != nil {
			return client.ID, Pushed{}, f
		}
		shown, replays = &p, []Replay{p.replay}
	}
	a := &asking{
		form: c.Form, client: client.knownClient, partner: client.partner, issuer: e.issuer,
		pushed: true, proof: shown, now: client.now,
	}
	if f := judge(client.Profile, pushRules, a); f != nil {
		return client.ID, Pushed{}, f
	}
	if err := e.openRequestObject(ctx, a); err != nil {
		return client.ID, Pushed{}, err
	}
	if err := e.judgeRequest(ctx, a); err != nil {
		return client.ID, Pushed{}, err
	}
	uri, key := e.issue(requestURIValue)
	life := e.issuer.lifetimes().RequestFor
	err = e.cfg.Store.Commit(ctx, RequestPushed{
		Header: client.header(c, replays...), Key: key, Request: a.request, ExpiresAt: client.now.Add(life),
		Challenge: e.challengeDigest(client.ID, a.request.CodeChallenge),
	})
	if err != nil {
		return client.ID, Pushed{}, replayed(err)
	}
	return client.ID, Pushed{RequestURI: uri, ExpiresIn: life}, nil
}

// judgeRequest runs the rules and what of them needs the store.
func (e *Engine) judgeRequest(ctx context.Context, a *asking) error {
	if f := judge(a.client.Profile, requestRules, a); f != nil {
		return f
	}
	if hint := a.form.Get("id_token_hint"); hint != "" {
		subject, err := e.hintedSubject(hint, a.client.ID)
		if err != nil {
			return &Failure{Code: InvalidRequest, Word: "id_token_hint is not ours", Cause: err}
		}
		a.request.IDTokenHint = subject
	}
	if a.request.GrantID != "" { // Grant Management §6.4
		_, standing, err := e.cfg.Store.Grant(ctx, a.client.ID, a.request.GrantID)
		switch {
		case fault.Of(err) == fault.NotFound && err != nil:
			return fail(InvalidGrantID, "grant_id is unknown")
		case err != nil:
			return err
		case !slices.Contains([]string{ConsentActive, ConsentSuspended}, standing.State):
			return fail(InvalidGrantID, "the grant has ended")
		}
	}
	return nil
}

func (e *Engine) challengeDigest(c ClientID, challenge string) secret.Digest {
	return secret.DigestOf("code challenge", e.issuer.URL+"\x00"+string(c), secret.Of(challenge))
}

// replayed turns a lost commit into its Failure where an assertion or proof was
// seen before; anything else stays what it is, so that a store that fails is
// never taken for a replay.
func replayed(err error) error {
	r, ok := errors.AsType[Replayed](err)
	if !ok {
		return err
	}
	switch r.What {
	case AssertionReplay:
		return errClient(err)
	case ProofReplay:
		return badProof("the DPoP proof was used before", err)
	}
	return &Failure{Code: InvalidRequest, Word: "code_challenge was used before", Cause: err}
}

package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
	"renkei.dev/internal/secret"
)

// Begin finds what an authorization request asks for. For a pushed request it
// writes nothing: a request_uri may be opened again until Approve or Deny spends
// it (FAPI 2.0 SP §5.3.2.2). Errors: an *AuthorizeFailure; fault.Unavailable.
func (e *Engine) Begin(ctx context.Context, r AuthorizeRequest) (Interaction, error) {
	now := e.now()
	id := ClientID(r.Form.Get("client_id"))
	pushed, err := e.find(ctx, r, id, now)
	if err != nil {
		return Interaction{}, e.beginRefused(ctx, r, err)
	}
	i, err := e.begin(ctx, pushed, r, now)
	if err != nil {
		return Interaction{}, e.beginRefused(ctx, r, err)
	}
	return i, nil
}

// beginRefused records why no journey begins. The browser has not proved
// anything, so that it counts as a stranger's.
func (e *Engine) beginRefused(ctx context.Context, r AuthorizeRequest, err error) error {
	if f, ok := errors.AsType[*AuthorizeFailure](err); ok {
		if recorded := e.refused(ctx, "authorize", "", r.Address, &f.Failure); recorded != error(&f.Failure) {
			return recorded
		}
	}
	return err
}

// find returns the request that a browser brings: the pushed one that its
// request_uri names, for this client (RFC 9126 §4).
func (e *Engine) find(ctx context.Context, r AuthorizeRequest, id ClientID, now time.Time) (PushedRequest, error) {
	uri := r.Form.Get("request_uri")
	if id == "" {
		return PushedRequest{}, page(BadRequest, fail(InvalidRequest, "client_id is missing"))
	}
	if uri == "" {
		return e.keepByValue(ctx, r, id, now)
	}
	key, ok := e.keyOf(requestURIValue, secret.Of(uri))
	if !ok {
		// A request_uri of any other form is never fetched.
		return PushedRequest{}, page(BadRequest, fail(InvalidRequestURI, "request_uri is not one of ours"))
	}
	pushed, err := e.cfg.Store.PushedRequest(ctx, key)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return PushedRequest{}, page(BadRequest, &Failure{Code: InvalidRequestURI, Word: "request_uri is unknown", Cause: err})
		}
		return PushedRequest{}, err
	}
	if pushed.Request.Client != id {
		return PushedRequest{}, page(BadRequest, fail(InvalidRequestURI, "request_uri is another client's"))
	}
	return pushed, nil
}

// begin judges a found request as it stands now. handles are those of the
// journeys that this browser began; nil for none.
func (e *Engine) begin(ctx context.Context, pushed PushedRequest, r AuthorizeRequest, now time.Time) (Interaction, error) {
	h := newHandle(pushed.Key, now)
	if handles := r.Began; handles != nil && !now.Before(pushed.ExpiresAt) {
		for _, one := range handles() {
			if old, ok := one.parse(); ok && old.key == pushed.Key {
				h = old
			}
		}
	}
	if err := e.stillOpen(pushed, h, now); err != nil {
		return Interaction{}, page(BadRequest, &Failure{Code: InvalidRequestURI, Word: "request_uri is spent or over", Cause: err})
	}
	request := pushed.Request
	k, p, err := e.working(ctx, request.Client, now)
	if err != nil {
		if kind := fault.Of(err); kind == fault.Unavailable || kind == fault.Internal {
			return Interaction{}, err
		}
		return Interaction{}, page(PartnerOutOfAction, &Failure{Code: UnauthorizedClient, Word: string(PartnerStopped), Cause: err})
	}
	asked := request.asked()
	if f := e.beginFault(k, p, request, asked, r.SignedIn); f != nil {
		return Interaction{}, e.tell(ctx, k, request, f)
	}
	if request.GrantID != "" {
		_, standing, err := e.cfg.Store.Grant(ctx, k.ID, request.GrantID)
		if err != nil {
			return Interaction{}, err
		}
		asked.Grant = standing.Consent
	}
	e.begun.put(pushed)
	return Interaction{Handle: h.handle(), Client: k.ID, Partner: p.ID, Asked: asked}, nil
}

// beginFault judges what may have changed since the request was pushed, and what
// needs no customer to be answered.
func (e *Engine) beginFault(k *knownClient, p partner.Partner, r Request, asked Asked, signedIn func() bool) *AuthorizeFailure {
	switch {
	case !slices.Contains(k.RedirectURIs, r.RedirectURI): // withdrawn meanwhile: nothing may redirect
		return page(BadRequest, fail(InvalidRequest, "redirect_uri is not registered"))
	case len(intersect(asked.Functions, p.Functions)) < len(asked.Functions):
		return page(BeyondRegistration, fail(InvalidScope, "scope is beyond the partner's contract"))
	case r.Prompt == "none" && !asked.Relogin && signedIn != nil && signedIn(): // step 6 is never skipped
		return page(BeyondRegistration, fail(ConsentRequired, "consent_required"))
	case r.Prompt == "none":
		return page(BeyondRegistration, fail(LoginRequired, "login_required"))
	case !e.issuer.reachable(r.essentialACR()):
		return page(BeyondRegistration, fail(UnmetAuthentication, string(ACRNotMet)))
	}
	return nil
}

// tell adds the way back to a failure that the partner may be told of.
func (e *Engine) tell(_ context.Context, k *knownClient, r Request, f *AuthorizeFailure) error {
	if f.Page == BadRequest {
		return f
	}
	back, err := e.answer(k, r, e.issuer.errorParameters(f.Code, f.Word))
	if err != nil {
		return err
	}
	f.Redirect, f.PageFirst = &back, k.Registered == ByItself
	return f
}

func page(p AuthorizeCause, f *Failure) *AuthorizeFailure {
	return &AuthorizeFailure{Failure: *f, Page: p}
}

// Approve returns the way back with a code, and the change that spends the
// request and issues code and grant; the caller commits it with its own changes.
// A login that does not meet an essential acr, or is not of the user whom the
// request names, leads back with an error instead.
// Errors: fault.Conflict when the request is spent (here, or only from the commit),
// fault.Expired when its time was over before this browser began, or its
// redirect_uri was withdrawn meanwhile; fault.NotFound, fault.Unavailable;
// partner.NotLinkable when the partner was stopped meanwhile.
func (e *Engine) Approve(ctx context.Context, handle Handle, a Approval) (Redirect, audit.Change, error) {
	now := e.now()
	pushed, k, err := e.resume(ctx, handle, now)
	if err != nil {
		return Redirect{}, nil, err
	}
	r := pushed.Request
	head := Header{Client: k.ID, Partner: k.Partner, At: now, Address: a.Address}
	code, why := e.unlike(r, k, a)
	if why == "" && r.GrantID != "" { // merge and replace: only by whoever gave the grant (Grant Management §3.2)
		switch _, s, err := e.cfg.Store.Grant(ctx, k.ID, r.GrantID); {
		case err != nil:
			return Redirect{}, nil, err
		case s.User != a.Subject:
			code, why = LoginRequired, AnotherUser
		}
	}
	if why != "" {
		back, err := e.answer(k, r, e.issuer.errorParameters(code, string(why)))
		back.Denied = string(why)
		return back, RequestDenied{Header: head, Request: pushed.Key, Reason: why}, err
	}
	value, key := e.issue(codeValue)
	grant := Grant{ID: e.newGrantID(), Request: r, AuthTime: a.AuthTime, ACR: a.ACR, AMR: a.AMR}
	if r.GrantID != "" {
		grant.ID = r.GrantID
	}
	params := map[string]string{"code": value.Reveal()}
	if err := e.hybrid(ctx, k, grant, a, value, params, now); err != nil {
		return Redirect{}, nil, err
	}
	back, err := e.answer(k, r, params)
	if err != nil {
		return Redirect{}, nil, err
	}
	change := CodeIssued{
		Header: head, Request: pushed.Key, Code: key, Consent: a.Consent, Replaces: a.Replaces, Grant: grant,
		Existing: r.GrantID != "", ExpiresAt: now.Add(e.issuer.lifetimes().CodeFor),
		Customer: audit.Actor{Kind: audit.Customer, ID: string(a.Subject), Company: string(a.Company)},
	}
	if r.CodeChallenge != "" {
		change.Challenge = e.challengeDigest(k.ID, r.CodeChallenge)
	}
	return back, change, nil
}

// unlike says in what a login is not the one that the request demands; an empty
// reason when it is (OpenID Connect Core §3.1.2.1 id_token_hint, §5.5.1).
func (e *Engine) unlike(r Request, k *knownClient, a Approval) (Code, Reason) {
	if demanded := r.essentialACR(); len(demanded) > 0 && !slices.Contains(demanded, a.ACR) {
		return UnmetAuthentication, ACRNotMet
	}
	named := r.wantedSubjects()
	if len(named) > 0 && !slices.Contains(named, e.subject(&Standing{Partner: k.Partner, User: a.Subject})) {
		return LoginRequired, AnotherUser
	}
	return "", ""
}

// Deny returns the way back with an error, and the change that spends the
// request. Errors as Approve; fault.Internal for a reason outside the list.
func (e *Engine) Deny(ctx context.Context, handle Handle, why Reason) (Redirect, audit.Change, error) {
	code, ok := reasonCodes[why]
	if !ok {
		return Redirect{}, nil, fault.New(fault.Internal, "deny for the unknown reason %q", why)
	}
	now := e.now()
	pushed, k, err := e.resume(ctx, handle, now)
	if err != nil {
		return Redirect{}, nil, err
	}
	back, err := e.answer(k, pushed.Request, e.issuer.errorParameters(code, string(why)))
	if err != nil {
		return Redirect{}, nil, err
	}
	return back, RequestDenied{Header: Header{Client: k.ID, Partner: k.Partner, At: now}, Request: pushed.Key, Reason: why}, nil
}

// resume loads the request behind a handle, with its client as it stands now.
func (e *Engine) resume(ctx context.Context, handle Handle, now time.Time) (PushedRequest, *knownClient, error) {
	h, ok := handle.parse()
	if !ok {
		return PushedRequest{}, nil, fault.New(fault.NotFound, "resume an authorization: malformed handle")
	}
	pushed, ok := e.begun.take(h.key)
	if !ok {
		var err error
		if pushed, err = e.cfg.Store.PushedRequest(ctx, h.key); err != nil {
			return PushedRequest{}, nil, err
		}
	}
	if err := e.stillOpen(pushed, h, now); err != nil {
		return PushedRequest{}, nil, err
	}
	k, _, err := e.working(ctx, pushed.Request.Client, now)
	if err == nil && !slices.Contains(k.RedirectURIs, pushed.Request.RedirectURI) {
		err = fault.New(fault.Expired, "the redirect_uri was withdrawn meanwhile")
	}
	return pushed, k, err
}

// stillOpen: a request_uri can be completed until it is spent; after its own life
// only by the browser whose journey began before, and not forever.
func (e *Engine) stillOpen(p PushedRequest, h began, now time.Time) error {
	switch {
	case p.Spent:
		return fault.New(fault.Conflict, "the request is spent")
	case !h.at.Before(p.ExpiresAt), now.After(p.ExpiresAt.Add(e.issuer.lifetimes().JourneyFor)):
		return fault.New(fault.Expired, "the request is over")
	}
	return nil
}

// began is a Handle opened: which request, and when this browser began with it.
type began struct {
	key Key
	at  time.Time
}

func newHandle(k Key, at time.Time) began { return began{k, at} }

func (b began) handle() Handle {
	return Handle(strings.Join([]string{
		strconv.FormatInt(b.key.ID, 36), base64.RawURLEncoding.EncodeToString(b.key.Digest[:]), strconv.FormatInt(b.at.UnixMicro(), 36),
	}, "."))
}

func (h Handle) parse() (began, bool) {
	parts := strings.Split(string(h), ".")
	if len(parts) != 3 {
		return began{}, false
	}
	id, err1 := strconv.ParseInt(parts[0], 36, 64)
	digest, err2 := strictBase64.DecodeString(parts[1])
	at, err3 := strconv.ParseInt(parts[2], 36, 64)
	if errors.Join(err1, err2, err3) != nil || len(digest) != len(secret.Digest{}) {
		return began{}, false
	}
	return began{Key{id, secret.Digest(digest)}, time.UnixMicro(at).UTC()}, true
}

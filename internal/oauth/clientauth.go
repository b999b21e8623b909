package oauth

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
)

// authenticated is a client that proved itself.
type authenticated struct {
	*knownClient
	partner     partner.Partner
	seen        []Replay // the assertion, to be remembered in the request's commit
	certificate *x509.Certificate
	now         time.Time
}

// errClient is the one answer to every failed authentication: whether a client
// exists is nobody's business.
func errClient(cause error) *Failure {
	return &Failure{Code: InvalidClient, Word: "client authentication failed", Cause: cause}
}

// authenticate finds out which client calls and whether it proved that, by the
// one method that it is registered for (RFC 6749 §2.3: never two at once).
// Errors: a Failure with invalid_client, or unauthorized_client for one whose
// partner or profile is stopped; fault.Unavailable.
func (e *Engine) authenticate(ctx context.Context, c Call) (authenticated, error) {
	id, assertion, err := claimedBy(c)
	if err != nil {
		return authenticated{}, errClient(err)
	}
	k, err := e.clients.get(ctx, id)
	if err != nil {
		if kind := fault.Of(err); kind == fault.Unavailable || kind == fault.Internal {
			return authenticated{}, err
		}
		return authenticated{}, errClient(err)
	}
	a, err := e.prove(ctx, k, c, assertion)
	if err != nil {
		return authenticated{}, err
	}
	// Only who has proved itself is told that it may not act now.
	if a.partner, err = e.mayAct(ctx, k, a.now); err != nil {
		if kind := fault.Of(err); kind == fault.Unavailable || kind == fault.Internal {
			return authenticated{}, err
		}
		return authenticated{}, &Failure{Code: UnauthorizedClient, Word: whyNotWorking(err), Cause: err}
	}
	return a, nil
}

// authenticateServer is authenticate for an endpoint that resource servers of the
// bank's call too. Those have no partner. Errors: as authenticate.
func (e *Engine) authenticateServer(ctx context.Context, c Call) (authenticated, error) {
	id, assertion, err := claimedBy(c)
	if s, ok := e.servers[id]; ok && err == nil {
		return e.prove(ctx, s.knownClient, c, assertion)
	}
	return e.authenticate(ctx, c)
}

// claimedBy says which client a call is said to come from, and by which assertion.
func claimedBy(c Call) (id ClientID, assertion string, err error) {
	for _, absent := range []struct {
		sent bool
		what string
	}{
		{len(c.Authorization) > 0, "an Authorization header"},
		{len(c.Form.All("client_secret")) > 0, "a client_secret"},
		{(len(c.Form.All("client_assertion")) > 0) != (len(c.Form.All("client_assertion_type")) > 0), "half an assertion"},
	} {
		if absent.sent {
			return "", "", errors.New(absent.what + " was sent")
		}
	}
	assertion = c.Form.Get("client_assertion")
	id = ClientID(c.Form.Get("client_id"))
	if assertion != "" {
		claimed, err := claimedClient(assertion)
		if err != nil || id != "" && id != claimed {
			return "", "", errors.Join(err, errors.New("client_id is not the assertion's"))
		}
		id = claimed
	}
	if id == "" {
		return "", "", errors.New("nothing names a client")
	}
	return id, assertion, nil
}

// prove judges a call by the one method that its client is registered for.
// Errors: a Failure with invalid_client; fault.Unavailable.
func (e *Engine) prove(ctx context.Context, k *knownClient, c Call, assertion string) (authenticated, error) {
	now := e.now()
	var err error
	a := authenticated{knownClient: k, now: now}
	if c.AtMutualTLS && len(c.Certificates) > 0 {
		a.certificate = c.Certificates[0]
	}
	switch {
	case (k.AuthMethod == PrivateKeyJWT) != (assertion != ""):
		err = errors.New("not the registered method")
	case k.AuthMethod == PrivateKeyJWT:
		a.seen, err = e.checkAssertion(ctx, k, c, assertion, now)
	case k.AuthMethod == TLSClientAuth:
		err = e.checkNamedCertificate(k, c, now)
	case k.AuthMethod == SelfSignedAuth:
		err = e.checkOwnCertificate(ctx, k, c, now)
	default:
		err = errors.New("an unknown method is registered")
	}
	if err != nil {
		if fault.Of(err) == fault.Unavailable {
			return authenticated{}, err
		}
		return authenticated{}, errClient(err)
	}
	return a, nil
}

// header is what a change of this client's request says of itself.
func (a authenticated) header(c Call, proofs ...Replay) Header {
	return Header{
		Client: a.ID, Partner: a.Partner, At: a.now, Address: c.Address,
		Seen: append(append(make([]Replay, 0, len(a.seen)+len(proofs)), a.seen...), proofs...),
	}
}

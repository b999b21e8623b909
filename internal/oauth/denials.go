package oauth

import (
	"context"
	"errors"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

// refused records a Failure and returns the error to answer with: err itself, or
// fault.Unavailable when it could not be recorded. Demands for a nonce are part
// of every exchange and no refusal; who is empty while the client has not proved
// itself.
func (e *Engine) refused(ctx context.Context, doing string, who ClientID, address string, err error) error {
	f, ok := errors.AsType[*Failure](err)
	if !ok || f.Code == UseDPoPNonce {
		return err
	}
	now := e.now()
	detail := map[string]string{"at": doing}
	actor := audit.Actor{Kind: audit.Unknown}
	if who != "" {
		actor = audit.Actor{Kind: audit.Partner, ID: string(who)}
	}
	if f.Word != "" {
		detail["word"] = f.Word
	}
	act := audit.Act{
		Name: EndpointDeniedName, At: now, Actor: actor, Partner: string(who), Address: address,
		Outcome: audit.Denied, Reason: string(f.Code), Detail: detail,
	}
	if who == "" && !e.denials.Admit(&act) {
		return err
	}
	if commitErr := e.cfg.Store.Commit(ctx, audit.Denial{Denied: act}); commitErr != nil {
		return fault.Wrap(fault.Unavailable, "record a refusal", errors.Join(commitErr, err))
	}
	return err
}

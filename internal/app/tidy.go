package app

import (
	"context"
	"log/slog"
	"time"
)

// tidyEvery is how often an institution's chores are looked after; each node
// does them, and none minds that another was first.
const tidyEvery = 15 * time.Second

// tidyLimit bounds one round of a chore, so that it never holds the store up.
const tidyLimit = 200

// tidy clears away what is over and checks inquiry PINs that the core could not
// check when they were registered, until ctx ends.
func (in *Institution) tidy(ctx context.Context, log *slog.Logger) {
	ended := in.Store.NewEnded(in.Settings.Rules.ConsentsKeptFor)
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for more, err := true, error(nil); more && ctx.Err() == nil; {
			if more, err = in.Linkage.Sweep(ctx, tidyLimit); err != nil {
				log.Warn("clearing away what is over", "institution", in.Settings.Name, "error", err)
				break
			}
		}
		if err := in.Store.ForgetOAuth(ctx, in.Linkage.Now()); err != nil && ctx.Err() == nil {
			log.Warn("forgetting what the protocol no longer needs", "institution", in.Settings.Name, "error", err)
		}
		if err := ended.Forget(ctx, in.Linkage.Now()); err != nil && ctx.Err() == nil {
			log.Warn("forgetting consents that ended long ago", "institution", in.Settings.Name, "error", err)
		}
		if _, err := in.Linkage.CheckPendingPINs(ctx, tidyLimit); err != nil && ctx.Err() == nil {
			log.Warn("checking PINs that wait", "institution", in.Settings.Name, "error", err)
		}
	}
}

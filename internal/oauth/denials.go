package oauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

// strangerDenials is how many refusals of callers that never proved who they are
// go to the audit log in a minute and node. What comes beyond is counted, and the
// count stands in the next row, so that a flood is proved without being stored.
const strangerDenials = 60

// denials records what was refused.
type denials struct {
	mu     sync.Mutex
	minute int64
	kept   int
	left   int // not recorded since the last row
}

// admit says whether a stranger's refusal is recorded, and how many were left
// out before it.
func (d *denials) admit(now time.Time) (bool, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := now.Unix() / 60; m != d.minute {
		d.minute, d.kept = m, 0
	}
	if d.kept >= strangerDenials {
		d.left++
		return false, 0
	}
	d.kept++
	left := d.left
	d.left = 0
	return true, left
}

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
	} else {
		keep, left := e.denials.admit(now)
		if !keep {
			return err
		}
		if left > 0 {
			detail["left_out_before"] = fmt.Sprint(left)
		}
	}
	if f.Word != "" {
		detail["word"] = f.Word
	}
	act := audit.Act{
		Name: EndpointDeniedName, At: now, Actor: actor, Partner: string(who), Address: address,
		Outcome: audit.Denied, Reason: string(f.Code), Detail: detail,
	}
	if commitErr := e.cfg.Store.Commit(ctx, audit.Denial{Denied: act}); commitErr != nil {
		return fault.Wrap(fault.Unavailable, "record a refusal", errors.Join(commitErr, err))
	}
	return err
}

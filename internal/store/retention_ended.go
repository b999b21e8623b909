package store

import (
	"context"
	"time"

	"renkei.dev/internal/fault"
)

const (
	// tokensOfEndedKeptFor is how long the grant and the refresh tokens of a consent
	// that ended stay. Meanwhile a partner's software is told why it ended; later
	// they are unknown.
	tokensOfEndedKeptFor = 90 * 24 * time.Hour
	// endedRound bounds how many of them one round looks at, so that a million live
	// ones cost no more at a time than a few.
	endedRound = 5 * forgetBatch
)

// Ended removes consents that ended long ago, and before them the grants and
// refresh tokens that they left. One goroutine uses it.
type Ended struct {
	in    *Institution
	kept  time.Duration
	round int64
	left  []*walk // what refers to a consent, in the order in which it goes
}

// NewEnded returns an Ended that keeps consents for so long after their end, which
// must be longer than tokensOfEndedKeptFor.
func (in *Institution) NewEnded(kept time.Duration) *Ended {
	return &Ended{in: in, kept: max(kept, tokensOfEndedKeptFor), round: endedRound, left: []*walk{{table: "refresh_tokens"}, {table: "grants"}}}
}

// walk looks through a table by rising id, some rows at a time, and begins anew at
// its end: nothing there says when a row's consent ended, and an index that did
// would be one more to keep for every token that is issued.
type walk struct {
	table  string
	after  int64     // the last row that was looked at
	until  time.Time // of the walk under way: rows of consents that ended before it go
	walked time.Time // until, of the last walk that came to its end; zero: none did
}

// Forget takes a round: it looks through some grants and refresh tokens, and
// removes all consents whose time is over and that no such row can name any more.
func (e *Ended) Forget(ctx context.Context, now time.Time) error {
	walked := now
	for _, w := range e.left {
		if err := e.walk(ctx, w, now.Add(-tokensOfEndedKeptFor)); err != nil {
			return failed(err, "forget what is over in "+w.table)
		}
		if w.walked.Before(walked) {
			walked = w.walked
		}
	}
	end := now.Add(-e.kept)
	if walked.Before(end) {
		end = walked
	}
	if end.IsZero() {
		return nil
	}
	return e.in.forget(ctx, old{"consents", "id", "state = 'ended' AND ended_at < $2", "ended_at"}, micros(end))
}

// walk goes on with a walk until its round or the walk is over.
func (e *Ended) walk(ctx context.Context, w *walk, until time.Time) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for seen := int64(0); seen < e.round; {
		select {
		case <-ctx.Done():
			return fault.Wrap(fault.Unavailable, "go on", ctx.Err())
		case <-pause.C:
		}
		if w.after == 0 {
			w.until = until
		}
		// Rows of all institutions, since theirs stand between each other. Of what is
		// younger than the end of a consent nothing belongs to it.
		var n, last, over int64
		err := e.in.read.QueryRow(ctx, `SELECT COUNT(*), COALESCE(MAX(id), 0), COALESCE(SUM(CASE WHEN institution = $1 AND `+ofEnded("few")+` THEN 1 ELSE 0 END), 0)
			FROM (SELECT id, institution, consent_id FROM `+w.table+` WHERE id > $3 AND id < $4 ORDER BY id LIMIT $5) AS few`,
			e.in.id, micros(w.until), w.after, idAt(w.until), forgetBatch).Scan(&n, &last, &over)
		if err != nil {
			return err
		}
		if over > 0 { // else no commit has to wait for the search
			if err := e.in.forgetOfEnded(ctx, w, last); err != nil {
				return err
			}
		}
		if n < forgetBatch {
			w.walked, w.after = w.until, 0
			return nil
		}
		w.after, seen = last, seen+n
		pause.Reset(forgetPause)
	}
	return nil
}

// ofEnded is of a row of the institution $1 whose consent ended before $2. It is
// asked for each row by itself: joined, all that ever ended might be read.
func ofEnded(row string) string {
	return `(SELECT CASE WHEN c.state = 'ended' AND c.ended_at < $2 THEN 1 ELSE 0 END
		FROM consents c WHERE c.institution = $1 AND c.id = ` + row + `.consent_id) = 1`
}

// forgetOfEnded removes the rows up to last whose consent ended in time. It asks
// for the consent that the row names when it goes: a grant may have got another
// meanwhile. A row whose consent is not to be seen stays.
func (in *Institution) forgetOfEnded(ctx context.Context, w *walk, last int64) error {
	var removed int64
	err := in.write(ctx, func(ctx context.Context, t tx) (err error) {
		removed, err = t.Exec(ctx, `DELETE FROM `+w.table+` WHERE institution = $1 AND id > $3 AND id <= $4 AND `+ofEnded(w.table),
			in.id, micros(w.until), w.after, last)
		return err
	})
	if err == nil {
		in.db.cfg.Meter.Forgot(in.id, w.table, removed, 0)
	}
	return err
}

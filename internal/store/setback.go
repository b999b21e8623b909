package store

import (
	"context"
	"errors"
	"os"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

// notSetBack refuses a database that is older than the checkpoints which were
// kept beside it: in it, what customers have cancelled since would live again.
func (db *DB) notSetBack(ctx context.Context, file string) error {
	kept, err := keptCheckpoints(file)
	if err != nil || len(kept) == 0 {
		return err
	}
	newest, err := audit.OpenCheckpoint(db.auditKey.Public(), kept[len(kept)-1])
	if err != nil {
		return fault.Wrap(fault.Refused, "the checkpoints in "+file+" are of another database", err)
	}
	there, _, _, err := db.lastCheckpoint(ctx)
	if err != nil {
		return err
	}
	if newest.Size > there.Size {
		return fault.New(fault.Refused, "the database was set back: its audit log has %d sealed rows, and %s knows of %d. "+
			"Bring the newer database back; or, if it is lost, run `renkei db accept`: all consents then wait until staff resume them",
			there.Size, file, newest.Size)
	}
	return nil
}

// AcceptSetBack goes on with a database that was set back to an earlier state:
// all live consents wait from now on, since some may have been cancelled after
// that state; codes that were not redeemed, sign-in sessions and initial access
// tokens are over; it stands in the audit log; and the checkpoints of the lost future are put aside.
// A database of which nothing shows that it was set back is fault.Refused and left
// alone, unless anyway says that whoever asks knows it.
func AcceptSetBack(ctx context.Context, cfg Config, anyway bool) error {
	file := cfg.CheckpointFile
	cfg.CheckpointFile, cfg.LeaveSchema = "", true
	db, err := Open(ctx, cfg)
	if err != nil {
		return err
	}
	if !anyway {
		err = db.notSetBack(ctx, file)
		switch {
		case err == nil:
			err = fault.New(fault.Refused, "nothing shows that the database was set back: it is left alone")
		case fault.Of(err) == fault.Refused:
			err = nil
		}
		if err != nil {
			return errors.Join(err, db.Close())
		}
	}
	rs, err := db.engine.reader().Query(ctx, `SELECT institution FROM partners UNION SELECT institution FROM consents ORDER BY institution`)
	institutions, err := collect(rs, err, "list the institutions", func(r row) (id string, err error) {
		err = r.Scan(&id)
		return id, err
	})
	for _, id := range institutions {
		if err == nil {
			err = db.Institution(id).hold(ctx)
		}
	}
	if err = errors.Join(err, db.Close()); err != nil || file == "" {
		return err
	}
	// Last, so that a crash before it leaves a database that is still refused.
	err = os.Rename(file, file+"-before-"+time.Now().UTC().Format("20060102T150405.000Z"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.Wrap(fault.Unavailable, "put the old checkpoints aside", err)
	}
	return nil
}

// hold suspends whatever the customers of an institution have allowed, and ends
// what may have been ended or used up since: logins that outlive their journey,
// and initial access tokens.
func (in *Institution) hold(ctx context.Context) error {
	now := in.now()
	return in.db.engine.commit(ctx, func(ctx context.Context, t tx) error {
		err := t.Do(ctx, `UPDATE consents SET state = 'suspended' WHERE institution = $1 AND state = 'active'`, in.id)
		if err == nil {
			err = t.Do(ctx, `UPDATE consents SET state = 'ended', end_reason = 'unused', ended_at = $2 WHERE institution = $1 AND state = 'issued'`, in.id, micros(now))
		}
		if err == nil {
			err = t.Do(ctx, `DELETE FROM sign_in_sessions WHERE institution = $1`, in.id)
		}
		if err == nil {
			err = t.Do(ctx, `UPDATE initial_access_tokens SET uses_left = 0 WHERE institution = $1`, in.id)
		}
		if err == nil {
			err = in.record(ctx, t, audit.Act{Name: RestoredName, At: now, Actor: audit.Actor{Kind: audit.Operator}, Outcome: audit.Done})
		}
		return failed(err, "suspend what was allowed")
	})
}

// RestoredName is the act of setting a database back.
const RestoredName audit.Name = "database.restored"

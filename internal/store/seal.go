package store

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"renkei.dev/internal/audit"
	"renkei.dev/internal/fault"
)

const (
	sealEvery = 10 * time.Second // at the latest, when there is something to seal
	sealAfter = 1000             // acts of this process, at the earliest
	sealBatch = 1024

	// On PostgreSQL a number that was taken earlier may become durable later.
	// The sealer stays behind by what a commit takes, and looks back now and
	// then for those that took longer.
	sealLag      = 3 * time.Second
	lookBackFor  = 10 * time.Minute
	lookBackEach = time.Minute
)

// sealer takes new rows of the audit log into its tree, in the background.
type sealer struct {
	db      *DB
	acts    atomic.Int64
	wake    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
	looked  time.Time // back, the last time
}

func startSealer(db *DB) *sealer {
	s := &sealer{db: db, wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
	go s.run()
	return s
}

// wrote counts acts and wakes the sealer when there are many.
func (s *sealer) wrote(acts int) {
	if s != nil && s.acts.Add(int64(acts)) >= sealAfter {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

func (s *sealer) run() {
	defer close(s.stopped)
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		case <-s.wake:
		}
		s.acts.Store(0)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := s.db.seal(ctx, s, sealLag); err != nil {
			s.db.cfg.Meter.Sealed(0, err)
			s.db.cfg.Log.Error("the audit log could not be sealed; it will be tried again", "error", err)
		}
		cancel()
	}
}

// endTries is how often a stop tries to seal what is left while the database does
// not answer.
const endTries = 3

// end stops the sealer and seals what is left.
func (s *sealer) end() (err error) {
	s.once.Do(func() {
		close(s.stop)
		<-s.stopped
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		// A connection that broke while nobody looked shows only now; the next is sound.
		for range endTries {
			s.looked = time.Time{}
			if err = s.db.seal(ctx, s, 0); err == nil || fault.Of(err) != fault.Unavailable {
				return
			}
		}
	})
	return err
}

// seal takes all rows that are older than lag into the tree.
func (db *DB) seal(ctx context.Context, s *sealer, lag time.Duration) error {
	for {
		n, err := db.sealSome(ctx, s, lag)
		if err != nil && fault.Of(err) != fault.Conflict { // Conflict: another node sealed them
			return err
		}
		if n < sealBatch {
			return nil
		}
	}
}

func (db *DB) sealSome(ctx context.Context, s *sealer, lag time.Duration) (int, error) {
	from, _, last, err := db.lastCheckpoint(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := db.unsealed(ctx, last, lag)
	if err != nil {
		return 0, err
	}
	if now := db.cfg.Now(); db.engine.dialect() == "postgres" && now.Sub(s.looked) > lookBackEach {
		late, err := db.stragglers(ctx, from, last, now)
		if err != nil {
			return 0, err
		}
		rows = append(late, rows...)
		s.looked = now
	}
	taken := len(rows)
	rows = slices.DeleteFunc(rows, func(r audit.Row) bool {
		foreign := !db.auditKey.Wrote(r)
		if foreign {
			last = max(last, r.Seq)
			db.cfg.Log.Error("a row of the audit log was not written by this program and is not sealed", "seq", r.Seq)
		}
		return foreign
	})
	if len(rows) == 0 {
		return 0, nil
	}
	book := auditBook{db.engine}
	growth, err := audit.Grow(ctx, book, from, rows)
	if err != nil {
		return 0, err
	}
	signed, err := db.auditKey.Sign(growth.Checkpoint)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		last = max(last, r.Seq)
	}
	err = db.engine.commit(ctx, func(ctx context.Context, t tx) error {
		err := t.Must(ctx, `INSERT INTO audit_checkpoint (grown_from, size, last_seq, signed, made_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			from.Size, growth.Checkpoint.Size, last, signed, micros(db.cfg.Now()))
		for _, tile := range growth.Tiles {
			if err == nil {
				err = t.Do(ctx, `INSERT INTO audit_tile (level, n, hashes, seqs) VALUES ($1, $2, $3, $4)
					ON CONFLICT (level, n) DO UPDATE SET hashes = excluded.hashes, seqs = excluded.seqs`, tile.Level, tile.N, tile.Hashes, tile.Order)
			}
		}
		return failed(err, "seal the audit log")
	})
	if err != nil {
		return 0, err
	}
	db.cfg.Meter.Sealed(len(rows), nil)
	return taken, db.keepCheckpoint(signed)
}

// lastCheckpoint returns the newest checkpoint and the highest number that is
// sealed; the zero Checkpoint of an empty tree before there is one.
func (db *DB) lastCheckpoint(ctx context.Context) (c audit.Checkpoint, signed string, last int64, err error) {
	err = db.engine.reader().QueryRow(ctx, `SELECT signed, last_seq FROM audit_checkpoint ORDER BY grown_from DESC LIMIT 1`).Scan(&signed, &last)
	if errors.Is(err, errNone) {
		return c, "", 0, nil
	}
	if err != nil {
		return c, "", 0, failed(err, "read the last checkpoint")
	}
	c, err = audit.OpenCheckpoint(db.auditKey.Public(), signed)
	if err != nil {
		return c, "", 0, fault.Wrap(fault.Internal, "read the last checkpoint", err)
	}
	return c, signed, last, nil
}

func (db *DB) unsealed(ctx context.Context, last int64, lag time.Duration) ([]audit.Row, error) {
	before := int64(1<<63 - 1)
	if lag > 0 && db.engine.dialect() == "postgres" {
		before = idAt(db.cfg.Now().Add(-lag))
	}
	rs, err := db.engine.reader().Query(ctx, `SELECT seq, institution, at, name, entry, mac FROM audit WHERE seq > $1 AND seq < $2 ORDER BY seq LIMIT $3`, last, before, sealBatch)
	return collect(rs, err, "read the audit log", scanAudit)
}

// stragglers returns good rows with numbers up to last that became durable after
// their neighbours had been sealed.
func (db *DB) stragglers(ctx context.Context, c audit.Checkpoint, last int64, now time.Time) ([]audit.Row, error) {
	oldest := idAt(now.Add(-lookBackFor))
	sealed, err := audit.SealedSince(ctx, auditBook{db.engine}, c, oldest)
	if err != nil {
		return nil, err
	}
	rs, err := db.engine.reader().Query(ctx, `SELECT seq FROM audit WHERE seq >= $1 AND seq <= $2 ORDER BY seq`, oldest, last)
	numbers, err := collect(rs, err, "read the audit log", func(r row) (seq int64, err error) {
		err = r.Scan(&seq)
		return seq, err
	})
	if err != nil {
		return nil, err
	}
	var late []audit.Row
	for _, seq := range numbers {
		if sealed[seq] || len(late) == sealBatch {
			continue
		}
		rows, err := auditBook{db.engine}.Between(ctx, seq, seq)
		if err != nil {
			return nil, err
		}
		late = append(late, rows...)
	}
	return late, nil
}

// keepCheckpoint appends a checkpoint to the configured file.
func (db *DB) keepCheckpoint(signed string) error {
	if db.cfg.CheckpointFile == "" {
		return nil
	}
	f, err := os.OpenFile(db.cfg.CheckpointFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, "keep a checkpoint", err)
	}
	_, err = f.WriteString(signed + checkpointEnd)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, "keep a checkpoint", err)
	}
	return nil
}

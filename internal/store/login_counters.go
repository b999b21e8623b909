package store

import (
	"context"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/login"
)

const counterColumns = `way, subject, version, taken, wrong, cap, stops, stopped_until, era, flying, flying_until`

var countersByKeys = lookUpsBy{
	sql: `SELECT ` + counterColumns + ` FROM login_counters WHERE institution = $1 AND (?)`,
	key: "way = ? AND subject = ?", or: " OR ", first: []string{"text"}, types: []string{"text", "text"},
}

func countersAsked(institution string, keys []login.Key, kept *[]login.Counter) asked {
	args := append(make([]any, 0, 1+2*len(keys)), institution)
	for _, k := range keys {
		args = append(args, string(k.Way), k.Subject)
	}
	return asked{countersByKeys.of(len(keys)), args, into(kept, scanCounter)}
}

// countersOf returns the counters of keys, in their order, of which those that
// count something are kept.
func countersOf(keys []login.Key, kept []login.Counter) []login.Counter {
	all := make([]login.Counter, len(keys))
	for i, k := range keys {
		all[i] = login.New(k)
		for _, c := range kept {
			if c.Key == k {
				all[i] = c
			}
		}
	}
	return all
}

// Counters returns the counters of keys, in their order; login.New for those of
// which nothing was counted.
func (in *Institution) Counters(ctx context.Context, keys ...login.Key) ([]login.Counter, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var kept []login.Counter
	if err := in.together(ctx, countersAsked(in.id, keys, &kept)); err != nil {
		return nil, failed(err, "count tries")
	}
	return countersOf(keys, kept), nil
}

func scanCounter(r row) (login.Counter, error) {
	var c login.Counter
	var way string
	var until, flying int64
	err := r.Scan(&way, &c.Key.Subject, &c.Version, &c.Taken, &c.Wrong, &c.Cap, &c.Stops, &until, &c.Era, &c.Flying, &flying)
	c.Key.Way, c.StoppedUntil, c.FlyingUntil = login.Way(way), fromMicros(until), fromMicros(flying)
	return c, err
}

// applyCounted moves counters, each from the version that was read.
func (in *Institution) applyCounted(ctx context.Context, t tx, counted []login.Counted) error {
	for _, c := range counted {
		err := t.Must(ctx, `INSERT INTO login_counters
				(institution, way, subject, version, taken, wrong, cap, stops, stopped_until, era, flying, flying_until)
			VALUES ($1, $2, $3, $4 + 1, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (institution, way, subject) DO UPDATE SET version = excluded.version, taken = excluded.taken,
				wrong = excluded.wrong, cap = excluded.cap, stops = excluded.stops, stopped_until = excluded.stopped_until,
				era = excluded.era, flying = excluded.flying, flying_until = excluded.flying_until
			WHERE login_counters.version = $4`,
			in.id, string(c.To.Key.Way), c.To.Key.Subject, c.From.Version,
			c.To.Taken, c.To.Wrong, c.To.Cap, c.To.Stops, micros(c.To.StoppedUntil),
			c.To.Era, c.To.Flying, micros(c.To.FlyingUntil))
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *Institution) applyRate(ctx context.Context, t tx, r *login.Rate) error {
	if r == nil {
		return nil
	}
	return t.MustOr(ctx, login.RateExceeded{Subject: r.Subject}, `INSERT INTO login_rates (institution, subject, minute, taken)
		VALUES ($1, $2, $3, 1)
		ON CONFLICT (institution, subject, minute) DO UPDATE SET taken = login_rates.taken + 1
		WHERE login_rates.taken < $4`, in.id, r.Subject, micros(r.Minute), r.Limit)
}

// Sightings returns what a user was seen with.
func (in *Institution) Sightings(ctx context.Context, user corebank.UserID) ([]login.Sighting, error) {
	var all []login.Sighting
	err := in.together(ctx, sightingsAsked(in.id, user, &all))
	return all, failed(err, "find what a user was seen with")
}

var sightingsByUser = lookUpBy(`SELECT trait, value, last_at FROM login_sightings WHERE institution = $1 AND user_id = $2`, "text", "text")

func sightingsAsked(institution string, user corebank.UserID, all *[]login.Sighting) asked {
	return asked{sightingsByUser, []any{institution, string(user)}, into(all, func(r row) (login.Sighting, error) {
		var s login.Sighting
		var trait string
		var at int64
		err := r.Scan(&trait, &s.Value, &at)
		s.Trait, s.LastAt = login.Trait(trait), fromMicros(at)
		return s, err
	})}
}

func (in *Institution) applySeen(ctx context.Context, t tx, s *login.Seen) error {
	if s == nil {
		return nil
	}
	for _, w := range s.With {
		err := t.Do(ctx, `INSERT INTO login_sightings (institution, user_id, trait, value, last_at)
			VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (institution, user_id, trait, value) DO UPDATE SET last_at = excluded.last_at`,
			in.id, string(s.User), string(w.Trait), w.Value, micros(w.LastAt))
		if err != nil {
			return err
		}
	}
	return t.Do(ctx, `DELETE FROM login_sightings WHERE institution = $1 AND user_id = $2 AND last_at < $3`,
		in.id, string(s.User), micros(s.Oldest))
}

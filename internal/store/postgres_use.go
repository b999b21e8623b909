package store

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"renkei.dev/internal/fault"
	"renkei.dev/internal/oauth"
)

// pgUses reads the access tokens of the calls that wait at the same time and spends
// the proofs of those that are alive, all in one statement and so in one commit: a
// call of the account API then costs no more round trips than a look-up.
type pgUses struct {
	pool  *pgxpool.Pool
	queue chan *pgUse

	closing sync.RWMutex // held for reading while something is put into queue
	closed  bool
	users   sync.WaitGroup
}

// pgUse is one call.
type pgUse struct {
	waiting
	institution string
	key         oauth.Key
	use         oauth.ProofUse
	row         tokenRow
}

// usersAtOnce is how many groups are on their way at once, as for Commits.
const usersAtOnce = 2

func startUses(pool *pgxpool.Pool) *pgUses {
	u := &pgUses{pool: pool, queue: make(chan *pgUse, maxPgGroup)}
	for range usersAtOnce {
		u.users.Go(u.work)
	}
	return u
}

// use returns the row of a token whose proof is spent now, if it is alive and bound
// to the proof's key. Errors: errNone; an oauth.Replayed; fault.Unavailable;
// errAlone when only another way of asking will tell.
func (u *pgUses) use(ctx context.Context, institution string, k oauth.Key, p oauth.ProofUse) (*tokenRow, error) {
	q := &pgUse{waiting: waiting{done: make(chan error, 1)}, institution: institution, key: k, use: p}
	if err := u.enqueue(ctx, q); err != nil {
		return nil, err
	}
	select {
	case err := <-q.done:
		return &q.row, err
	case <-ctx.Done():
		if q.taken.CompareAndSwap(false, true) {
			return nil, fault.Wrap(fault.Unavailable, "wait for an access token", ctx.Err())
		}
		return &q.row, <-q.done // the group has a deadline of its own
	}
}

func (u *pgUses) enqueue(ctx context.Context, q *pgUse) error {
	u.closing.RLock()
	defer u.closing.RUnlock()
	if u.closed {
		return fault.New(fault.Unavailable, "find an access token: the database is closed")
	}
	select {
	case u.queue <- q:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, "wait for an access token", ctx.Err())
	}
}

func (u *pgUses) work() {
	group := make([]*pgUse, 0, maxPgGroup)
	for q := range u.queue {
		group = group[:0]
		for more := true; more; {
			if q.taken.CompareAndSwap(false, true) {
				group = append(group, q)
			}
			if more = len(group) < maxPgGroup; more {
				select {
				case q, more = <-u.queue:
				default:
					more = false
				}
			}
		}
		u.send(group)
		clear(group)
	}
}

// usedTokens reads every token as accessTokenByKey does; a proof is spent only
// where all that must hold of its token does. ON CONFLICT also meets a second
// proof of the same group.
var usedTokens = `WITH q AS MATERIALIZED (
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[])
			WITH ORDINALITY AS q(id, institution, digest, thumbprint, at, until, proof, n)
	), found AS MATERIALIZED (
		SELECT q.n, q.institution, q.until, q.proof, f.*, f.bound_by = 'dpop' AND f.thumbprint = q.thumbprint
			AND f.revoked = 0 AND f.expires_at > q.at AND (f.consent = '' OR f.state = 'active' AND f.ends > q.at) AS alive
		FROM q CROSS JOIN LATERAL (SELECT ` + accessTokenColumns + ` FROM access_tokens t
			LEFT JOIN consents c ON c.institution = t.institution AND c.id = t.consent_id
			WHERE t.id = q.id AND t.institution = q.institution AND t.digest = q.digest AND ` + theirConsentThere + ` OFFSET 0)
			AS f(` + usedColumns + `)
	), spent AS (
		INSERT INTO replays (institution, until, digest) SELECT institution, until, proof FROM found WHERE alive
		ON CONFLICT DO NOTHING RETURNING institution, until, digest
	)
	SELECT f.n, CASE WHEN f.alive AND s.digest IS NULL THEN 1 ELSE 0 END, ` + usedColumns + `
	FROM found f LEFT JOIN spent s ON s.institution = f.institution AND s.until = f.until AND s.digest = f.proof`

// usedColumns are names for accessTokenColumns.
const usedColumns = `client, grant_id, bound_by, thumbprint, scope, functions, audience, auth_time, acr, expires_at, revoked,
	consent, state, end_reason, partner, consent_client, user_id, company, consent_functions, accounts, days, given, ends`

func (u *pgUses) send(group []*pgUse) {
	if len(group) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitWithin)
	defer cancel()
	errs, err := u.ask(ctx, group)
	for i, q := range group {
		switch {
		case err == nil:
			q.done <- errs[i]
		case kindOf(err) == fault.Unavailable && !givenUp(err):
			q.done <- failed(err, "find an access token") // perhaps it is spent: the call has to come with another proof
		default:
			q.done <- errAlone
		}
	}
}

func (u *pgUses) ask(ctx context.Context, group []*pgUse) ([]error, error) {
	n := len(group)
	ids, ats, untils := make([]int64, n), make([]int64, n), make([]int64, n)
	institutions, thumbprints := make([]string, n), make([]string, n)
	digests, proofs := make([][]byte, n), make([][]byte, n)
	errs := make([]error, n)
	for i, q := range group {
		ids[i], institutions[i], digests[i] = q.key.ID, q.institution, q.key.Digest[:]
		thumbprints[i], ats[i], untils[i], proofs[i] = q.use.Thumbprint, micros(q.use.At), micros(q.use.Proof.Until), q.use.Proof.Digest[:]
		errs[i] = errNone
	}
	rows, err := u.pool.Query(ctx, usedTokens, ids, institutions, digests, thumbprints, ats, untils, proofs)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	type spent struct {
		institution string
		proof       oauth.Replay
	}
	first := make(map[spent]struct{}, n) // of a proof that came twice in the group one is the first
	r := &wireRow{rows: rows, numbered: true}
	for rows.Next() {
		i := numberIn(rows) - 1
		if i < 0 || i >= n {
			return nil, errNumber
		}
		q := group[i]
		var lost int64
		if err := r.Scan(q.row.columns(&lost)...); err != nil {
			return nil, err
		}
		errs[i] = nil
		if !q.alive() {
			continue
		}
		once := spent{q.institution, q.use.Proof}
		_, again := first[once]
		first[once] = struct{}{}
		if lost == 1 || again {
			errs[i] = oauth.Replayed{What: q.use.Proof.What}
		}
	}
	return errs, rows.Err()
}

// alive says of a row what the statement says of it.
func (q *pgUse) alive() bool {
	t, at := &q.row, micros(q.use.At)
	return t.boundBy == string(oauth.BoundByDPoP) && t.thumbprint == q.use.Thumbprint && t.revoked == 0 && t.expires > at &&
		(t.standing.id == "" || t.standing.state == oauth.ConsentActive && t.standing.ends > at)
}

func (u *pgUses) close() {
	u.closing.Lock()
	if !u.closed {
		u.closed = true
		close(u.queue)
	}
	u.closing.Unlock()
	u.users.Wait()
}

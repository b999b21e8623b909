package service

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the driver behind database/sql

	"renkei.dev/internal/fault"
	"renkei.dev/internal/secret"
)

// keep is the service's own file. A session's cookie and a state are there only as
// digests, everything else that is said between service and bank only sealed: the
// file alone opens nothing.
type keep struct {
	db  *sql.DB
	box *secret.Box
	now func() time.Time
}

const schema = `
CREATE TABLE IF NOT EXISTS sessions (
	id         INTEGER PRIMARY KEY,
	digest     BLOB NOT NULL UNIQUE,
	created_at BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS attempts (
	id         INTEGER PRIMARY KEY,
	session    INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
	state      BLOB NOT NULL UNIQUE,
	sealed     BLOB NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS links (
	id         INTEGER PRIMARY KEY,
	session    INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
	attempt    INTEGER NOT NULL UNIQUE,
	sealed     BLOB NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS messages (
	id         INTEGER PRIMARY KEY,
	session    INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
	sealed     BLOB NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_session ON attempts(session);
CREATE INDEX IF NOT EXISTS links_session ON links(session);
CREATE INDEX IF NOT EXISTS messages_session ON messages(session);
`

const (
	sessionFor   = 30 * 24 * time.Hour
	maxMessages  = 300 // a session's recorded messages; older ones go
	sessionBytes = 32
)

func openKeep(path string, box *secret.Box, now func() time.Time) (*keep, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "open the service's file", err)
	}
	db.SetMaxOpenConns(4)
	if _, err := db.Exec(schema); err != nil {
		return nil, fault.Wrap(fault.Internal, "open the service's file", errors.Join(err, db.Close()))
	}
	return &keep{db, box, now}, nil
}

func (k *keep) close() error { return k.db.Close() }

// session finds the session of a cookie. Errors: fault.NotFound.
func (k *keep) session(ctx context.Context, cookie secret.Value) (int64, error) {
	d := secret.DigestOf("service session", "", cookie)
	var id int64
	err := k.db.QueryRowContext(ctx, `SELECT id FROM sessions WHERE digest = $1 AND created_at > $2`,
		d[:], k.now().Add(-sessionFor).UnixMicro()).Scan(&id)
	return id, translate("find a session", err)
}

// beginSession makes a session and returns its cookie; sessions whose time is over
// go, with everything of theirs.
func (k *keep) beginSession(ctx context.Context) (int64, secret.Value, error) {
	cookie := secret.Random(sessionBytes)
	d := secret.DigestOf("service session", "", cookie)
	now := k.now()
	if _, err := k.db.ExecContext(ctx, `DELETE FROM sessions WHERE created_at <= $1`, now.Add(-sessionFor).UnixMicro()); err != nil {
		return 0, secret.Value{}, translate("end old sessions", err)
	}
	var id int64
	err := k.db.QueryRowContext(ctx, `INSERT INTO sessions (digest, created_at) VALUES ($1, $2) RETURNING id`, d[:], now.UnixMicro()).Scan(&id)
	return id, cookie, translate("begin a session", err)
}

// attempt is one linking under way, from PAR to the stored tokens.
type attempt struct {
	id, session int64
	Verifier    string `json:"verifier"`          // PKCE, RFC 7636
	Outcome     string `json:"outcome,omitempty"` // outcomeLinked or a word of trouble; empty: under way
}

const outcomeLinked = "linked"

func (k *keep) beginAttempt(ctx context.Context, session int64, state secret.Value, a attempt) error {
	d := secret.DigestOf("service state", "", state)
	sealed, err := k.seal(a, "attempts", d)
	if err != nil {
		return err
	}
	_, err = k.db.ExecContext(ctx, `INSERT INTO attempts (session, state, sealed, created_at) VALUES ($1, $2, $3, $4)`,
		session, d[:], sealed, k.now().UnixMicro())
	return translate("keep an attempt", err)
}

// attemptOf finds a session's attempt by its state. Errors: fault.NotFound, also
// for another session's: this is what ties the way back to the browser that left
// (RFC 9700 §4.7).
func (k *keep) attemptOf(ctx context.Context, session int64, state secret.Value) (attempt, error) {
	d := secret.DigestOf("service state", "", state)
	var a attempt
	var sealed []byte
	err := k.db.QueryRowContext(ctx, `SELECT id, sealed FROM attempts WHERE session = $1 AND state = $2`, session, d[:]).Scan(&a.id, &sealed)
	if err != nil {
		return attempt{}, translate("find an attempt", err)
	}
	a.session = session
	return a, k.open(sealed, &a, "attempts", d)
}

// endAttempt keeps how an attempt ended, so that the way back shown twice says the
// same twice.
func (k *keep) endAttempt(ctx context.Context, state secret.Value, a attempt) error {
	d := secret.DigestOf("service state", "", state)
	a.Verifier = ""
	sealed, err := k.seal(a, "attempts", d)
	if err != nil {
		return err
	}
	_, err = k.db.ExecContext(ctx, `UPDATE attempts SET sealed = $3 WHERE session = $1 AND state = $2`, a.session, d[:], sealed)
	return translate("end an attempt", err)
}

// link is one linkage: the tokens of a grant and what was fetched with them.
type link struct {
	id           int64
	linkedAt     time.Time
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	ExpiresAt    time.Time `json:"expires_at"` // of the access token
	Granted      []string  `json:"granted"`    // functions
	Accounts     []account `json:"accounts"`
	FetchedAt    time.Time `json:"fetched_at"`
	Problem      string    `json:"problem,omitempty"` // code of what stood in the way of the last fetch
}

// addLink keeps a link and makes the attempt's outcome "linked" in one transaction,
// so that tokens which were given are never lost to a crash in between.
func (k *keep) addLink(ctx context.Context, a attempt, state secret.Value, l link) (int64, error) {
	d := secret.DigestOf("service state", "", state)
	a.Verifier, a.Outcome = "", outcomeLinked
	outcome, err := k.seal(a, "attempts", d)
	if err != nil {
		return 0, err
	}
	sealed, err := k.seal(l, "links", secret.Digest{}, strconv.FormatInt(a.id, 10))
	if err != nil {
		return 0, err
	}
	tx, err := k.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, translate("keep a link", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it says only that there was one
	var id int64
	if err := tx.QueryRowContext(ctx, `INSERT INTO links (session, attempt, sealed, created_at) VALUES ($1, $2, $3, $4) RETURNING id`,
		a.session, a.id, sealed, k.now().UnixMicro()).Scan(&id); err != nil {
		return 0, translate("keep a link", err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE attempts SET sealed = $2 WHERE id = $1`, a.id, outcome); err != nil {
		return 0, translate("keep a link", err)
	}
	return id, translate("keep a link", tx.Commit())
}

func (k *keep) saveLink(ctx context.Context, session int64, l link) error {
	var attempt int64
	if err := k.db.QueryRowContext(ctx, `SELECT attempt FROM links WHERE session = $1 AND id = $2`, session, l.id).Scan(&attempt); err != nil {
		return translate("find a link", err)
	}
	sealed, err := k.seal(l, "links", secret.Digest{}, strconv.FormatInt(attempt, 10))
	if err != nil {
		return err
	}
	_, err = k.db.ExecContext(ctx, `UPDATE links SET sealed = $3 WHERE session = $1 AND id = $2`, session, l.id, sealed)
	return translate("keep a link", err)
}

func (k *keep) links(ctx context.Context, session int64) ([]link, error) {
	rows, err := k.db.QueryContext(ctx, `SELECT id, attempt, sealed, created_at FROM links WHERE session = $1 ORDER BY id`, session)
	if err != nil {
		return nil, translate("list links", err)
	}
	defer rows.Close()
	var out []link
	for rows.Next() {
		var l link
		var attempt, at int64
		var sealed []byte
		if err := rows.Scan(&l.id, &attempt, &sealed, &at); err != nil {
			return nil, translate("list links", err)
		}
		if err := k.open(sealed, &l, "links", secret.Digest{}, strconv.FormatInt(attempt, 10)); err != nil {
			return nil, err
		}
		l.linkedAt = time.UnixMicro(at).UTC()
		out = append(out, l)
	}
	return out, translate("list links", rows.Err())
}

func (k *keep) link(ctx context.Context, session, id int64) (link, error) {
	all, err := k.links(ctx, session)
	if err != nil {
		return link{}, err
	}
	for _, l := range all {
		if l.id == id {
			return l, nil
		}
	}
	return link{}, fault.New(fault.NotFound, "find link %d", id)
}

func (k *keep) removeLink(ctx context.Context, session, id int64) error {
	_, err := k.db.ExecContext(ctx, `DELETE FROM links WHERE session = $1 AND id = $2`, session, id)
	return translate("remove a link", err)
}

func (k *keep) addMessage(ctx context.Context, session int64, m message) error {
	sealed, err := k.seal(m, "messages", secret.Digest{}, strconv.FormatInt(session, 10))
	if err != nil {
		return err
	}
	if _, err := k.db.ExecContext(ctx, `INSERT INTO messages (session, sealed, created_at) VALUES ($1, $2, $3)`, session, sealed, k.now().UnixMicro()); err != nil {
		return translate("keep a message", err)
	}
	_, err = k.db.ExecContext(ctx, `DELETE FROM messages WHERE session = $1 AND id <= (
		SELECT id FROM messages WHERE session = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)`, session, maxMessages)
	return translate("forget old messages", err)
}

func (k *keep) messages(ctx context.Context, session int64) ([]message, error) {
	rows, err := k.db.QueryContext(ctx, `SELECT sealed, created_at FROM messages WHERE session = $1 ORDER BY id`, session)
	if err != nil {
		return nil, translate("list messages", err)
	}
	defer rows.Close()
	var out []message
	for rows.Next() {
		var m message
		var at int64
		var sealed []byte
		if err := rows.Scan(&sealed, &at); err != nil {
			return nil, translate("list messages", err)
		}
		if err := k.open(sealed, &m, "messages", secret.Digest{}, strconv.FormatInt(session, 10)); err != nil {
			return nil, err
		}
		m.at = time.UnixMicro(at).UTC()
		out = append(out, m)
	}
	return out, translate("list messages", rows.Err())
}

func (k *keep) clearMessages(ctx context.Context, session int64) error {
	_, err := k.db.ExecContext(ctx, `DELETE FROM messages WHERE session = $1`, session)
	return translate("clear messages", err)
}

func (k *keep) seal(v any, table string, row secret.Digest, more ...string) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "write a row of "+table, err)
	}
	return k.box.Seal(plain, append([]string{table, string(row[:])}, more...)...), nil
}

func (k *keep) open(sealed []byte, v any, table string, row secret.Digest, more ...string) error {
	plain, err := k.box.Open(sealed, append([]string{table, string(row[:])}, more...)...)
	if err != nil {
		return fault.Wrap(fault.Internal, "open a row of "+table, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fault.Wrap(fault.Internal, "read a row of "+table, err)
	}
	return nil
}

func translate(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fault.New(fault.NotFound, "%s", doing)
	}
	return fault.Wrap(fault.Internal, doing, err)
}

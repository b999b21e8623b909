-- +goose Up

-- clients holds the registrations of partners' software. They are changed under
-- a version that rises, and never deleted: audit rows and consents name them.
CREATE TABLE clients (
	institution   TEXT   NOT NULL,
	id            TEXT   NOT NULL,
	partner_id    TEXT   NOT NULL,
	version       INTEGER NOT NULL,
	registered_by TEXT   NOT NULL CHECK (registered_by IN ('staff', 'itself')),
	metadata      TEXT   NOT NULL, -- JSON with the names of RFC 7591
	registered_at INTEGER NOT NULL,
	removed_at    INTEGER,
	PRIMARY KEY (institution, id)
) STRICT;

-- What follows has a rising id, made of the time, as its key: new rows stand
-- beside each other, and what is over goes as a range. The digest is all that is
-- known of the value itself.

-- pushed_requests are authorization requests until their journey ends.
CREATE TABLE pushed_requests (
	id          INTEGER PRIMARY KEY,
	institution TEXT   NOT NULL,
	digest      BLOB NOT NULL,
	request     TEXT   NOT NULL, -- JSON
	expires_at  INTEGER NOT NULL,
	spent_at    INTEGER
) STRICT;

-- codes stay on record when they are spent, so that a reuse can end what they gave.
CREATE TABLE codes (
	id          INTEGER PRIMARY KEY,
	institution TEXT   NOT NULL,
	digest      BLOB NOT NULL,
	client_id   TEXT   NOT NULL,
	consent_id  TEXT   NOT NULL,
	replaces    TEXT   NOT NULL, -- the consent that ends with the redemption; empty: none
	grant_id    TEXT   NOT NULL,
	grant_there INTEGER NOT NULL CHECK (grant_there IN (0, 1)), -- merge or replace
	terms       TEXT   NOT NULL, -- JSON: the request and the login
	expires_at  INTEGER NOT NULL,
	spent_at    INTEGER
) STRICT;

-- grants is what a client may name by grant_id; the consent behind one changes
-- with merge and replace.
CREATE TABLE grants (
	id          INTEGER PRIMARY KEY,
	institution TEXT   NOT NULL,
	grant_id    TEXT   NOT NULL,
	client_id   TEXT   NOT NULL,
	consent_id  TEXT   NOT NULL,
	terms       TEXT   NOT NULL -- JSON: the request and the login
) STRICT;

-- access_tokens live for minutes. One without consent is a partner's own.
CREATE TABLE access_tokens (
	id          INTEGER PRIMARY KEY,
	institution TEXT   NOT NULL,
	digest      BLOB NOT NULL,
	client_id   TEXT   NOT NULL,
	consent_id  TEXT,
	grant_id    TEXT   NOT NULL,
	bound_by    TEXT   NOT NULL CHECK (bound_by IN ('dpop', 'mtls')),
	thumbprint  TEXT   NOT NULL,
	scope       TEXT   NOT NULL,
	functions   TEXT   NOT NULL, -- JSON array
	audience    TEXT   NOT NULL,
	auth_time   INTEGER NOT NULL,
	expires_at  INTEGER NOT NULL,
	revoked_at  INTEGER
) STRICT;

-- refresh_tokens live as long as their consent.
CREATE TABLE refresh_tokens (
	id          INTEGER PRIMARY KEY,
	institution TEXT   NOT NULL,
	digest      BLOB NOT NULL,
	client_id   TEXT   NOT NULL,
	consent_id  TEXT   NOT NULL,
	grant_row   INTEGER NOT NULL,
	revoked_at  INTEGER
) STRICT;

-- replays are the assertions and proofs that must not come twice. The time until
-- which one could still be accepted comes first, so that new rows fall on few
-- pages and forgetting is a range.
CREATE TABLE replays (
	institution TEXT   NOT NULL,
	until       INTEGER NOT NULL,
	digest      BLOB NOT NULL,
	PRIMARY KEY (institution, until, digest)
) STRICT, WITHOUT ROWID;

-- used_challenges are the PKCE challenges that led to a code.
CREATE TABLE used_challenges (
	institution TEXT   NOT NULL,
	digest      BLOB NOT NULL,
	used_at     INTEGER NOT NULL,
	PRIMARY KEY (institution, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX used_challenges_at ON used_challenges (institution, used_at);

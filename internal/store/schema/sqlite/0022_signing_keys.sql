-- +goose Up

-- signing_keys holds the issuers' own keys. Rows are never deleted, so that no
-- kid comes back and the sum of the versions rises with every change.
CREATE TABLE signing_keys (
	institution  TEXT    NOT NULL,
	issuer       TEXT    NOT NULL,
	kid          TEXT    NOT NULL,
	algorithm    TEXT    NOT NULL,
	state        TEXT    NOT NULL CHECK (state IN ('next', 'active', 'retired')),
	version      INTEGER NOT NULL,
	kept         TEXT    NOT NULL CHECK (kept IN ('sealed', 'hsm')),
	public       BLOB    NOT NULL,
	sealed       BLOB, -- the private key; NULL of a retired one, and of one in an HSM
	created_at   INTEGER NOT NULL,
	activated_at INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	remove_at    INTEGER NOT NULL, -- of a retired one: when it is published no longer
	PRIMARY KEY (institution, issuer, kid)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX signing_keys_active ON signing_keys (institution, issuer, algorithm) WHERE state = 'active';

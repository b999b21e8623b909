-- +goose Up

-- signing_keys holds the issuers' own keys. Rows are never deleted, so that no
-- kid comes back and the sum of the versions rises with every change.
CREATE TABLE signing_keys (
	institution  TEXT    NOT NULL,
	issuer       TEXT    NOT NULL,
	kid          TEXT    NOT NULL,
	algorithm    TEXT    NOT NULL,
	state        TEXT    NOT NULL CHECK (state IN ('next', 'active', 'retired')),
	version      BIGINT  NOT NULL,
	kept         TEXT    NOT NULL CHECK (kept IN ('sealed', 'hsm')),
	public       BYTEA   NOT NULL,
	sealed       BYTEA, -- the private key; NULL of a retired one, and of one in an HSM
	created_at   BIGINT  NOT NULL,
	activated_at BIGINT  NOT NULL,
	expires_at   BIGINT  NOT NULL,
	remove_at    BIGINT  NOT NULL, -- of a retired one: when it is published no longer
	PRIMARY KEY (institution, issuer, kid)
);

CREATE UNIQUE INDEX signing_keys_active ON signing_keys (institution, issuer, algorithm) WHERE state = 'active';

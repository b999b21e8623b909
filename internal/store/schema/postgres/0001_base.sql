-- +goose Up

-- audit holds every act under a number that rises with time; numbers have gaps.
-- Rows are only ever added.
CREATE TABLE audit (
	seq         BIGINT PRIMARY KEY,
	institution TEXT   NOT NULL,
	at          BIGINT NOT NULL,
	name        TEXT   NOT NULL,
	entry       TEXT   NOT NULL, -- the act as canonical JSON (RFC 8785)
	mac         BYTEA  NOT NULL  -- of entry, by the log's key
);

-- audit_tile holds the Merkle tree over the entries, 256 hashes a row, and for
-- its leaves the numbers of the rows that they are of.
CREATE TABLE audit_tile (
	level  BIGINT NOT NULL,
	n      BIGINT NOT NULL,
	hashes BYTEA  NOT NULL,
	seqs   BYTEA,
	PRIMARY KEY (level, n)
);

-- audit_checkpoint holds the signed roots. Each names the size that it grew
-- from, so that two sealers cannot both extend the same tree.
CREATE TABLE audit_checkpoint (
	grown_from BIGINT PRIMARY KEY,
	size       BIGINT NOT NULL,
	last_seq   BIGINT NOT NULL, -- the highest number that is sealed
	signed     TEXT   NOT NULL,
	made_at    BIGINT NOT NULL
);

-- audit_key holds the seed of the log's key, sealed.
CREATE TABLE audit_key (
	id   BIGINT PRIMARY KEY CHECK (id = 1),
	seed BYTEA  NOT NULL
);

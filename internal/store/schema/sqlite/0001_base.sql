-- +goose Up

-- audit holds every act under numbers without gaps, in the order in which they
-- became durable. Rows are only ever added.
CREATE TABLE audit (
	seq         INTEGER PRIMARY KEY,
	institution TEXT    NOT NULL,
	at          INTEGER NOT NULL,
	name        TEXT    NOT NULL,
	entry       TEXT    NOT NULL, -- the act as canonical JSON (RFC 8785)
	mac         BLOB    NOT NULL  -- of entry, by the log's key
) STRICT;

-- audit_tile holds the Merkle tree over the entries, 256 hashes a row, and for
-- its leaves the numbers of the rows that they are of.
CREATE TABLE audit_tile (
	level  INTEGER NOT NULL,
	n      INTEGER NOT NULL,
	hashes BLOB    NOT NULL,
	seqs   BLOB,
	PRIMARY KEY (level, n)
) STRICT, WITHOUT ROWID;

-- audit_checkpoint holds the signed roots. Each names the size that it grew
-- from, so that two sealers cannot both extend the same tree.
CREATE TABLE audit_checkpoint (
	grown_from INTEGER PRIMARY KEY,
	size       INTEGER NOT NULL,
	last_seq   INTEGER NOT NULL, -- the highest number that is sealed
	signed     TEXT    NOT NULL,
	made_at    INTEGER NOT NULL
) STRICT;

-- audit_key holds the seed of the log's key, sealed.
CREATE TABLE audit_key (
	id   INTEGER PRIMARY KEY CHECK (id = 1),
	seed BLOB    NOT NULL
) STRICT;

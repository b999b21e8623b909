-- +goose Up

-- audit holds every act, in the order in which they became durable. Rows are
-- only ever added; audit_leaf and audit_checkpoint prove that.
CREATE TABLE audit (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	institution TEXT    NOT NULL,
	at          INTEGER NOT NULL,
	name        TEXT    NOT NULL,
	entry       TEXT    NOT NULL -- the act as canonical JSON (RFC 8785)
) STRICT;

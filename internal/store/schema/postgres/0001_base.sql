-- +goose Up

-- audit holds every act, numbered about in the order in which they became
-- durable. Rows are only ever added; audit_leaf and audit_checkpoint prove that.
CREATE TABLE audit (
	seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	institution TEXT   NOT NULL,
	at          BIGINT NOT NULL,
	name        TEXT   NOT NULL,
	entry       TEXT   NOT NULL -- the act as canonical JSON (RFC 8785)
);

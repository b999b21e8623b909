-- +goose Up

-- initial_access_tokens let a partner register clients by itself (RFC 7591 §3).
CREATE TABLE initial_access_tokens (
	id          BIGINT PRIMARY KEY,
	institution TEXT   NOT NULL,
	digest      BYTEA NOT NULL,
	partner_id  TEXT   NOT NULL,
	uses_left   BIGINT NOT NULL CHECK (uses_left >= 0),
	issued_at   BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL
);

-- The registration access token by which a client manages its registration (RFC
-- 7592), and the thumbprint of the certificate that it goes with; NULL where the
-- bank's staff registered the client, or no certificate was shown.
ALTER TABLE clients ADD COLUMN management_token BIGINT;
ALTER TABLE clients ADD COLUMN management_digest BYTEA;
ALTER TABLE clients ADD COLUMN management_thumbprint TEXT;

-- How the customer behind a token logged in (RFC 9470).
ALTER TABLE access_tokens ADD COLUMN acr TEXT NOT NULL DEFAULT '';

-- +goose Up

-- sign_in_sessions holds logins that outlive their journey, by the digest of
-- their cookie.
CREATE TABLE sign_in_sessions (
	institution TEXT    NOT NULL,
	digest      BYTEA   NOT NULL,
	user_id     TEXT    NOT NULL,
	auth_at     BIGINT  NOT NULL,
	method      TEXT    NOT NULL,
	questioned  INTEGER NOT NULL, -- the login included the additional question
	until       BIGINT  NOT NULL,
	PRIMARY KEY (institution, digest)
);

CREATE INDEX sign_in_sessions_until ON sign_in_sessions (institution, until);

-- +goose Up

-- journeys holds each journey from its login on. Before it, a journey is a
-- sealed cookie and nothing else.
CREATE TABLE journeys (
	institution  TEXT    NOT NULL,
	id           BIGINT  NOT NULL,
	number       TEXT    NOT NULL, -- お問い合わせ番号
	partner_id   TEXT    NOT NULL,
	client_id    TEXT    NOT NULL,
	user_id      TEXT    NOT NULL, -- empty: left before the login
	company_id   TEXT    NOT NULL,
	step         TEXT    NOT NULL,
	version      BIGINT  NOT NULL, -- counts transitions
	button       TEXT    NOT NULL, -- that made this version
	press        BYTEA   NOT NULL, -- digest of the press that began the row
	claim        BIGINT  NOT NULL, -- the press that asks the bank now; 0: none
	claim_button TEXT    NOT NULL,
	claim_until  BIGINT  NOT NULL,
	began_at     BIGINT  NOT NULL,
	touched_at   BIGINT  NOT NULL,
	ended_at     BIGINT  NOT NULL,
	consent_id   TEXT    NOT NULL,
	sealed       BYTEA   NOT NULL, -- everything that was gathered
	way          BYTEA   NOT NULL, -- the way back, sealed; empty: none
	way_until    BIGINT  NOT NULL,
	PRIMARY KEY (institution, id)
);

CREATE INDEX journeys_number ON journeys (institution, number);
CREATE INDEX journeys_began ON journeys (institution, began_at);
CREATE INDEX journeys_way ON journeys (institution, way_until) WHERE way_until > 0;

-- journey_pins holds the inquiry PINs that a journey staged (登録済み＊).
CREATE TABLE journey_pins (
	institution TEXT    NOT NULL,
	journey     BIGINT  NOT NULL,
	account_id  TEXT    NOT NULL,
	state       TEXT    NOT NULL CHECK (state IN ('registered', 'pending')),
	pin         BYTEA   NOT NULL, -- sealed with institution and account
	version     BIGINT  NOT NULL,
	staged_at   BIGINT  NOT NULL,
	PRIMARY KEY (institution, journey, account_id)
);

-- inquiry_pins holds the inquiry PINs in force, by account and by the user who
-- registered them.
CREATE TABLE inquiry_pins (
	institution TEXT    NOT NULL,
	account_id  TEXT    NOT NULL,
	user_id     TEXT    NOT NULL,
	user_name   TEXT    NOT NULL,
	company_id  TEXT    NOT NULL,
	state       TEXT    NOT NULL CHECK (state IN ('registered', 'pending', 'rejected')),
	pin         BYTEA   NOT NULL, -- sealed with institution and account
	version     BIGINT  NOT NULL,
	consent_id  TEXT    NOT NULL, -- with which it came into force; empty: by the bank
	changed_at  BIGINT  NOT NULL,
	PRIMARY KEY (institution, account_id, user_id)
);

CREATE INDEX inquiry_pins_company ON inquiry_pins (institution, company_id);
CREATE INDEX inquiry_pins_pending ON inquiry_pins (institution, changed_at) WHERE state = 'pending';

-- pin_slots says which node may have a call with an account's PIN at the core.
CREATE TABLE pin_slots (
	institution TEXT    NOT NULL,
	account_id  TEXT    NOT NULL,
	number      BIGINT  NOT NULL,
	holder      BIGINT  NOT NULL,
	until       BIGINT  NOT NULL,
	PRIMARY KEY (institution, account_id, number)
);

-- consents holds what customers allowed. Those that ended stay for years.
CREATE TABLE consents (
	institution  TEXT    NOT NULL,
	id           TEXT    NOT NULL,
	user_id      TEXT    NOT NULL,
	company_id   TEXT    NOT NULL,
	partner_id   TEXT    NOT NULL,
	client_id    TEXT    NOT NULL,
	state        TEXT    NOT NULL CHECK (state IN ('issued', 'active', 'suspended', 'ended')),
	end_reason   TEXT    NOT NULL,
	functions    TEXT    NOT NULL, -- JSON array
	accounts     TEXT    NOT NULL, -- JSON array
	history_days BIGINT  NOT NULL,
	given_at     BIGINT  NOT NULL,
	ends_at      BIGINT  NOT NULL, -- the first instant after the last day
	ended_at     BIGINT  NOT NULL,
	replaces     TEXT    NOT NULL, -- ends when this one's code is redeemed
	terms        TEXT    NOT NULL,
	journey      TEXT    NOT NULL, -- お問い合わせ番号
	PRIMARY KEY (institution, id)
);

CREATE INDEX consents_user ON consents (institution, user_id, partner_id);
CREATE INDEX consents_company ON consents (institution, company_id);
CREATE INDEX consents_issued ON consents (institution, given_at) WHERE state = 'issued';
CREATE INDEX consents_ends ON consents (institution, ends_at) WHERE state IN ('active', 'suspended');

-- login_presses holds each press of API連携 by the digest of what was sent.
CREATE TABLE login_presses (
	institution TEXT    NOT NULL,
	press       BYTEA   NOT NULL,
	nonce       BIGINT  NOT NULL,
	until       BIGINT  NOT NULL, -- end of the claim's lease
	outcome     BYTEA   NOT NULL, -- empty: the bank is still asked
	PRIMARY KEY (institution, press)
);

CREATE INDEX login_presses_until ON login_presses (institution, until);

-- certificate_hops remembers the one-time secrets that journeys took.
CREATE TABLE certificate_hops (
	institution TEXT    NOT NULL,
	secret      BYTEA   NOT NULL, -- digest
	journey     BIGINT  NOT NULL,
	until       BIGINT  NOT NULL,
	PRIMARY KEY (institution, secret)
);

CREATE INDEX certificate_hops_until ON certificate_hops (institution, until);

-- login_counters counts tries since the last right secret.
CREATE TABLE login_counters (
	institution   TEXT    NOT NULL,
	way           TEXT    NOT NULL CHECK (way IN ('id', 'certificate', 'answer', 'pin')),
	subject       TEXT    NOT NULL,
	version       BIGINT  NOT NULL,
	taken         BIGINT  NOT NULL,
	wrong         BIGINT  NOT NULL,
	cap           BIGINT  NOT NULL, -- -1: the core did not say
	stops         BIGINT  NOT NULL,
	stopped_until BIGINT  NOT NULL,
	PRIMARY KEY (institution, way, subject)
);

-- login_rates counts the presses of an address in one minute.
CREATE TABLE login_rates (
	institution TEXT    NOT NULL,
	subject     TEXT    NOT NULL, -- the address, keyed
	minute      BIGINT  NOT NULL,
	taken       BIGINT  NOT NULL,
	PRIMARY KEY (institution, subject, minute)
);

CREATE INDEX login_rates_minute ON login_rates (institution, minute);

-- login_sightings is what each user was seen with.
CREATE TABLE login_sightings (
	institution TEXT    NOT NULL,
	user_id     TEXT    NOT NULL,
	trait       TEXT    NOT NULL CHECK (trait IN ('device', 'network', 'partner', 'hour')),
	value       TEXT    NOT NULL,
	last_at     BIGINT  NOT NULL,
	PRIMARY KEY (institution, user_id, trait, value)
);

-- +goose Up

-- partners holds the API partners of each institution as the bank registered
-- them. They are stopped, never deleted: audit rows and consents name them.
CREATE TABLE partners (
	institution         TEXT   NOT NULL,
	id                  TEXT   NOT NULL,
	service             TEXT   NOT NULL,
	corporation         TEXT   NOT NULL,
	registration_number TEXT   NOT NULL,
	contact_desk        TEXT   NOT NULL,
	contact_phone       TEXT   NOT NULL,
	contact_mail        TEXT   NOT NULL,
	contact_url         TEXT   NOT NULL,
	chained_service     TEXT   NOT NULL,
	loss_sharing        TEXT   NOT NULL,
	logo_file           TEXT   NOT NULL,
	functions           TEXT   NOT NULL, -- JSON array
	required_functions  TEXT   NOT NULL, -- JSON array
	chooses_functions   INTEGER NOT NULL CHECK (chooses_functions IN (0, 1)),
	consent_for         INTEGER NOT NULL, -- microseconds; 0: the institution's
	history_days        INTEGER NOT NULL, -- 0: the institution's
	status              TEXT   NOT NULL CHECK (status IN ('active', 'stopped')),
	contract_from       INTEGER NOT NULL,
	contract_until      INTEGER NOT NULL, -- 0: no end is agreed
	registered_at       INTEGER NOT NULL,
	PRIMARY KEY (institution, id)
) STRICT;

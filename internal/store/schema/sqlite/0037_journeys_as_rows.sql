-- +goose Up

-- A journey is too long to stand in a page of keys: SQLite kept each on two pages, and
-- read both of every journey that it compared on the way to another. Behind an index
-- of the key alone it reads the one that is asked for. Nobody looks journeys up by
-- number, and their ids rise with the time at which they began.
CREATE TABLE journeys_as_rows (
	institution  TEXT    NOT NULL,
	id           INTEGER NOT NULL,
	number       TEXT    NOT NULL,
	partner_id   TEXT    NOT NULL,
	client_id    TEXT    NOT NULL,
	user_id      TEXT    NOT NULL,
	company_id   TEXT    NOT NULL,
	step         TEXT    NOT NULL,
	version      INTEGER NOT NULL,
	button       TEXT    NOT NULL,
	press        BLOB    NOT NULL,
	claim        INTEGER NOT NULL,
	claim_button TEXT    NOT NULL,
	claim_until  INTEGER NOT NULL,
	began_at     INTEGER NOT NULL,
	touched_at   INTEGER NOT NULL,
	ended_at     INTEGER NOT NULL,
	consent_id   TEXT    NOT NULL,
	sealed       BLOB    NOT NULL,
	way          BLOB    NOT NULL,
	way_until    INTEGER NOT NULL,
	PRIMARY KEY (institution, id)
) STRICT;

INSERT INTO journeys_as_rows SELECT * FROM journeys;
DROP TABLE journeys;
ALTER TABLE journeys_as_rows RENAME TO journeys;
CREATE INDEX journeys_way ON journeys (institution, way_until) WHERE way_until > 0;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('journeys', 'sqlite_autoindex_journeys_1', '1000000 1000000 1'),
	('journeys', 'journeys_way', '10000 10000 2');

-- +goose Up

-- Consents that ended are removed in the order in which they did.
CREATE INDEX consents_ended ON consents (institution, ended_at) WHERE state = 'ended';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('consents', 'consents_ended', '10000000 10000000 2');

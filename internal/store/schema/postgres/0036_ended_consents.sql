-- +goose NO TRANSACTION
-- +goose Up

-- Consents that ended are removed in the order in which they did. Servers go on
-- meanwhile.
CREATE INDEX CONCURRENTLY IF NOT EXISTS consents_ended ON consents (institution, ended_at) WHERE state = 'ended';

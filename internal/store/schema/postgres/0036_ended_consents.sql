-- +goose NO TRANSACTION
-- +goose Up

-- Consents that ended are removed in the order in which they did. Servers go on
-- meanwhile.
-- One that could not be finished stands there and is never used.
DROP INDEX CONCURRENTLY IF EXISTS consents_ended;
CREATE INDEX CONCURRENTLY consents_ended ON consents (institution, ended_at) WHERE state = 'ended';

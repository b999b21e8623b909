-- +goose NO TRANSACTION
-- +goose Up

-- Consents are looked for by user only while they are not over, and those that
-- are over are many times more. Servers go on meanwhile.
-- One that could not be finished stands there and is never used.
DROP INDEX CONCURRENTLY IF EXISTS consents_live_user;
CREATE INDEX CONCURRENTLY consents_live_user ON consents (institution, user_id, partner_id) WHERE state <> 'ended';
DROP INDEX CONCURRENTLY IF EXISTS consents_user;

-- +goose NO TRANSACTION
-- +goose Up

-- Nobody looks journeys up by number, and their ids rise with the time at which they
-- began. Servers go on meanwhile.
DROP INDEX CONCURRENTLY IF EXISTS journeys_number;
DROP INDEX CONCURRENTLY IF EXISTS journeys_began;

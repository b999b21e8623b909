-- +goose Up
-- What a right secret does not forget: tries that were in flight beside it.
ALTER TABLE login_counters ADD COLUMN era INTEGER NOT NULL DEFAULT 0;          -- right secrets so far
ALTER TABLE login_counters ADD COLUMN flying INTEGER NOT NULL DEFAULT 0;       -- of taken, those in flight
ALTER TABLE login_counters ADD COLUMN flying_until INTEGER NOT NULL DEFAULT 0; -- by then they have ended, or their server died

-- +goose Up

-- schema_breaks holds the numbers of those steps that every program has to know:
-- a step after which an older one would fail adds its own. All other steps only
-- add, so that an older program works on.
CREATE TABLE schema_breaks (
	step BIGINT PRIMARY KEY
);

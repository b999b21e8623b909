-- +goose Up

-- SQLite keeps long values where their row is; this step is PostgreSQL's.
SELECT 1;

-- +goose Up

-- PostgreSQL learns by itself how its tables are shaped; this step is SQLite's.
SELECT 1;

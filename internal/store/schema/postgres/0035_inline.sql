-- +goose Up

-- What a journey gathered is sealed and a little too long to stay in its row by
-- itself: each step tried to compress it, in vain, wrote it to a table beside and
-- deleted the former one there.
ALTER TABLE journeys ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE journeys ALTER COLUMN way SET STORAGE EXTERNAL;
ALTER TABLE journeys SET (toast_tuple_target = 8160);

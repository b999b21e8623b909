-- +goose Up

-- Every key begins with the institution, of which there are a few with many rows
-- each. Without figures SQLite takes ten rows for each and reads all of an
-- institution's consents to find a user's. These say how the tables are shaped;
-- they need not be true to be right.
ANALYZE consents;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('consents', 'consents', '1000000 1000000 1'),
	('consents', 'consents_live_user', '1000000 1000000 2 1'),
	('consents', 'consents_company', '1000000 1000000 8'),
	('consents', 'consents_issued', '1000 1000 1'),
	('consents', 'consents_ends', '1000000 1000000 500'),
	('journeys', 'journeys', '1000000 1000000 1'),
	('journeys', 'journeys_number', '1000000 1000000 1'),
	('journeys', 'journeys_began', '1000000 1000000 2'),
	('journeys', 'journeys_way', '10000 10000 2'),
	('inquiry_pins', 'inquiry_pins', '1000000 1000000 2 1'),
	('inquiry_pins', 'inquiry_pins_company', '1000000 1000000 6'),
	('inquiry_pins', 'inquiry_pins_pending', '1000 1000 2'),
	('used_challenges', 'used_challenges', '1000000 1000000 1'),
	('used_challenges', 'used_challenges_at', '1000000 1000000 2'),
	('login_presses', 'login_presses', '100000 100000 1'),
	('login_presses', 'login_presses_until', '100000 100000 2'),
	('certificate_hops', 'certificate_hops', '100000 100000 1'),
	('certificate_hops', 'certificate_hops_until', '100000 100000 2'),
	('login_rates', 'login_rates', '100000 100000 10 1'),
	('login_rates', 'login_rates_minute', '100000 100000 1000'),
	('sign_in_sessions', 'sign_in_sessions', '100000 100000 1'),
	('sign_in_sessions', 'sign_in_sessions_until', '100000 100000 2');

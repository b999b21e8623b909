-- +goose Up

-- Consents are looked for by user and by company only while they are not over,
-- and those that are over are many times more.
CREATE INDEX consents_live_user ON consents (institution, user_id, partner_id) WHERE state <> 'ended';
CREATE INDEX consents_live_company ON consents (institution, company_id) WHERE state <> 'ended';
DROP INDEX consents_user;
DROP INDEX consents_company;

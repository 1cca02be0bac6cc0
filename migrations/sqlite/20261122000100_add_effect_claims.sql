-- How often an effect was claimed: what is said of it by an earlier claim is not heard.
ALTER TABLE effects ADD COLUMN claims INTEGER NOT NULL DEFAULT 0;
-- Whether the last claim was to settle the outcome of an earlier one.
ALTER TABLE effects ADD COLUMN settles INTEGER NOT NULL DEFAULT 0;
UPDATE effects SET claims = 1 WHERE started_at IS NOT NULL;

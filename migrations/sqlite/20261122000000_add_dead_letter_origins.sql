-- Where what was put aside came from, when it is no effect: an event that a consumer cannot decide, or a record of the
-- topic that it cannot read.
ALTER TABLE dead_letters ADD COLUMN subscription_name TEXT;
ALTER TABLE dead_letters ADD COLUMN global_position INTEGER;
ALTER TABLE dead_letters ADD COLUMN topic TEXT;
ALTER TABLE dead_letters ADD COLUMN partition INTEGER;
ALTER TABLE dead_letters ADD COLUMN record_offset INTEGER;

-- Effects wait in a queue for each account that is read from, so that one which may not start is left alone as a whole.
DROP INDEX effects_due;
CREATE INDEX effects_due ON effects (account, lane, source_account, not_before) WHERE status IN ('planned', 'unknown');

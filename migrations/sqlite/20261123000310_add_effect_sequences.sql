-- Effects of one sequence are done one after the other, in the order of their numbers.
ALTER TABLE effects ADD COLUMN sequence_key TEXT;
ALTER TABLE effects ADD COLUMN sequence_number INTEGER;
CREATE INDEX effects_in_sequence ON effects (sequence_key, sequence_number)
    WHERE sequence_key IS NOT NULL AND status IN ('planned', 'started', 'unknown');

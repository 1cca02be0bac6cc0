-- The effects of one story, whichever streams their outcomes belong to.
CREATE INDEX effects_by_story ON effects (correlation_id);

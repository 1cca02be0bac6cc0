-- The time from which on the messages of a stream are in batches, milliseconds since 1970; 0 for its beginning.
ALTER TABLE ingest_progress ADD COLUMN since_ms INTEGER;

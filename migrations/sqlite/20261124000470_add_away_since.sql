-- Since when the receiver has been away for a batch whose attempts are used up; absent where it is not.
ALTER TABLE ingest_batches ADD COLUMN away_since TEXT;

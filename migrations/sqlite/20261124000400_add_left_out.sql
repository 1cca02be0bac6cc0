-- What a job could not read although it read everything else, in words.
ALTER TABLE sync_jobs ADD COLUMN left_out TEXT;

-- Whether the job that follows one which is wanted once more while it runs reads everything again.
ALTER TABLE sync_jobs ADD COLUMN wanted_full INTEGER NOT NULL DEFAULT 0;

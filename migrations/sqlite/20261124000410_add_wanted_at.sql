-- When a job was wanted last: a wish that a pending job takes up as well moves it.
ALTER TABLE sync_jobs ADD COLUMN wanted_at TEXT;

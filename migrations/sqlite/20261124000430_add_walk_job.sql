-- The job whose walk the stretches that are left belong to.
ALTER TABLE chat_cursors ADD COLUMN walk_job BLOB;

-- The watermark that a walk of several pages would have set: the next walk goes over the same stretch once more.
ALTER TABLE books_walks ADD COLUMN held timestamptz;

-- The events of one story in their order: a long story is read page by page.
DROP INDEX events_by_story;
CREATE INDEX events_by_story ON events (correlation_id, global_position);

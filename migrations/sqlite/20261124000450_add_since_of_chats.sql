-- The time from which on a chat is read, milliseconds since 1970; 0 for its beginning.
ALTER TABLE chat_cursors ADD COLUMN since_ms INTEGER;

-- When it was told that a chat has news which no walk since has looked for.
ALTER TABLE chat_cursors ADD COLUMN told_at timestamptz;

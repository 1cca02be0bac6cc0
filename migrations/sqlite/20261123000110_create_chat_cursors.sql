-- How far the messages of each chat of a mapping are in the log. Saved with the events it covers.
CREATE TABLE chat_cursors (
    mapping_id     BLOB NOT NULL,
    chat_id        TEXT NOT NULL,
    account        TEXT NOT NULL,
    channel_id     TEXT NOT NULL,
    -- The chat that a thread hangs on; absent for the channel's own chat.
    parent_chat_id TEXT,
    -- Every message up to this time is in the log, by the provider's clock, milliseconds since 1970.
    newest_ms      INTEGER NOT NULL,
    -- An unfinished walk: its newest message so far, and the stretches that are left.
    top_ms         INTEGER,
    stretches      TEXT,
    -- The job that brought it up to date last.
    read_in        BLOB,
    -- What the provider told of it then; the same again means that nothing is new.
    seen_count     INTEGER,
    seen_last_ms   INTEGER,
    updated_at     TEXT NOT NULL,
    PRIMARY KEY (mapping_id, chat_id)
) STRICT;

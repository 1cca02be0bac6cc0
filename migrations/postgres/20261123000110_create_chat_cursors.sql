-- How far the messages of each chat of a mapping are in the log. Saved with the events it covers.
CREATE TABLE chat_cursors (
    mapping_id     uuid NOT NULL,
    chat_id        text COLLATE "C" NOT NULL,
    account        text COLLATE "C" NOT NULL,
    channel_id     text COLLATE "C" NOT NULL,
    -- The chat that a thread hangs on; absent for the channel's own chat.
    parent_chat_id text COLLATE "C",
    -- Every message up to this time is in the log, by the provider's clock, milliseconds since 1970.
    newest_ms      bigint NOT NULL,
    -- An unfinished walk: its newest message so far, and the stretches that are left.
    top_ms         bigint,
    stretches      jsonb,
    -- The job that brought it up to date last.
    read_in        uuid,
    -- What the provider told of it then; the same again means that nothing is new.
    seen_count     bigint,
    seen_last_ms   bigint,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (mapping_id, chat_id)
);

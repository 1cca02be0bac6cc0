-- Which chat channel belongs to which room of which client. A row changes in the same commit as the event that says so.
CREATE TABLE channel_mappings (
    mapping_id      BLOB PRIMARY KEY,
    account         TEXT NOT NULL,
    organization    TEXT NOT NULL,
    channel_id      TEXT NOT NULL,
    chat_id         TEXT NOT NULL,
    channel_name    TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    room_id         TEXT NOT NULL,
    -- 'error': the last sync failed, the next ones are tried all the same.
    state           TEXT NOT NULL CHECK (state IN ('active', 'paused', 'error', 'ended')),
    settings        TEXT NOT NULL,
    -- Version of the channel's stream at the last decision about this mapping.
    version         INTEGER NOT NULL,
    created_at      TEXT NOT NULL,
    -- The last decision.
    updated_at      TEXT NOT NULL,
    last_error      TEXT,
    -- The last sync that completed, and the newest message that was found.
    last_sync_at    TEXT,
    last_message_at TEXT
) STRICT;

-- A second fence behind the expected version of the channel's stream: at most one room at a time.
CREATE UNIQUE INDEX channel_mappings_one_room ON channel_mappings (account, channel_id) WHERE state <> 'ended';
CREATE INDEX channel_mappings_by_organization ON channel_mappings (organization, mapping_id);
CREATE INDEX channel_mappings_by_account ON channel_mappings (account, mapping_id);
CREATE INDEX channel_mappings_by_client ON channel_mappings (client_id, mapping_id);
CREATE INDEX channel_mappings_by_state ON channel_mappings (state, mapping_id);

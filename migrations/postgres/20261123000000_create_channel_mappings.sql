-- Which chat channel belongs to which room of which client. A row changes in the same commit as the event that says so.
CREATE TABLE channel_mappings (
    mapping_id      uuid PRIMARY KEY,
    account         text COLLATE "C" NOT NULL,
    organization    text COLLATE "C" NOT NULL,
    channel_id      text COLLATE "C" NOT NULL,
    chat_id         text COLLATE "C" NOT NULL,
    channel_name    text COLLATE "C" NOT NULL,
    client_id       text COLLATE "C" NOT NULL,
    room_id         text COLLATE "C" NOT NULL,
    -- 'error': the last sync failed, the next ones are tried all the same.
    state           text COLLATE "C" NOT NULL CHECK (state IN ('active', 'paused', 'error', 'ended')),
    settings        jsonb NOT NULL,
    -- Version of the channel's stream at the last decision about this mapping.
    version         bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    -- The last decision.
    updated_at      timestamptz NOT NULL,
    last_error      text COLLATE "C",
    -- The last sync that completed, and the newest message that was found.
    last_sync_at    timestamptz,
    last_message_at timestamptz
);

-- A second fence behind the expected version of the channel's stream: at most one room at a time.
CREATE UNIQUE INDEX channel_mappings_one_room ON channel_mappings (account, channel_id) WHERE state <> 'ended';
CREATE INDEX channel_mappings_by_organization ON channel_mappings (organization, mapping_id);
CREATE INDEX channel_mappings_by_account ON channel_mappings (account, mapping_id);
CREATE INDEX channel_mappings_by_client ON channel_mappings (client_id, mapping_id);
CREATE INDEX channel_mappings_by_state ON channel_mappings (state, mapping_id);

-- What we know about our access to each provider account.
CREATE TABLE provider_accounts (
    account    TEXT PRIMARY KEY,
    state      TEXT NOT NULL CHECK (state IN ('ok', 'needs_consent')),
    reason     TEXT,
    since      TEXT NOT NULL,
    checked_at TEXT NOT NULL
) STRICT;

-- Access tokens, encrypted; the key is outside the database.
CREATE TABLE oauth_tokens (
    account    TEXT PRIMARY KEY,
    key_id     TEXT NOT NULL,
    ciphertext BLOB NOT NULL,
    expires_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- What all processes together have used of a provider's limits.
CREATE TABLE budgets (
    account       TEXT NOT NULL,
    lane          TEXT NOT NULL,
    -- Rate lanes: when the next permit is free. Window lanes: the permits taken, as JSON.
    next_free_at  TEXT,
    taken         TEXT,
    refused_until TEXT,
    PRIMARY KEY (account, lane)
) STRICT;

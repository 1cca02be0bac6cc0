-- What we know about our access to each provider account.
CREATE TABLE provider_accounts (
    account       TEXT PRIMARY KEY,
    state         TEXT NOT NULL CHECK (state IN ('ok', 'needs_consent')),
    reason        TEXT,
    since         TEXT NOT NULL,
    -- When the grant was last tried; paces the attempts while consent is missing.
    checked_at    TEXT NOT NULL,
    -- Keyed fingerprint of the refresh token that was refused; a different one is tried at once.
    refused_grant TEXT
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
    -- Rate lanes: when all permits given out have been used up.
    busy_until    TEXT,
    -- Window lanes: moments of the permits inside the last window, ascending, as JSON.
    granted       TEXT,
    -- Closed by the provider until then.
    refused_until TEXT,
    -- From then on the row says nothing and may be deleted.
    idle_at       TEXT NOT NULL,
    PRIMARY KEY (account, lane)
) STRICT;

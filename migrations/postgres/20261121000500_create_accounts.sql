-- What we know about our access to each provider account.
CREATE TABLE provider_accounts (
    account       text COLLATE "C" PRIMARY KEY,
    state         text COLLATE "C" NOT NULL CHECK (state IN ('ok', 'needs_consent')),
    reason        text COLLATE "C",
    since         timestamptz NOT NULL,
    -- When the grant was last tried; paces the attempts while consent is missing.
    checked_at    timestamptz NOT NULL,
    -- Keyed fingerprint of the refresh token that was refused; a different one is tried at once.
    refused_grant text COLLATE "C"
);

-- Access tokens, encrypted; the key is outside the database.
CREATE TABLE oauth_tokens (
    account    text COLLATE "C" PRIMARY KEY,
    key_id     text COLLATE "C" NOT NULL,
    ciphertext bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- What all processes together have used of a provider's limits.
CREATE TABLE budgets (
    account       text COLLATE "C" NOT NULL,
    lane          text COLLATE "C" NOT NULL,
    -- Rate lanes: when all permits given out have been used up.
    busy_until    timestamptz,
    -- Window lanes: moments of the permits inside the last window, ascending, as JSON.
    granted       jsonb,
    -- Closed by the provider until then.
    refused_until timestamptz,
    -- From then on the row says nothing and may be deleted.
    idle_at       timestamptz NOT NULL,
    PRIMARY KEY (account, lane)
);

-- Grants that people gave: refresh tokens, encrypted; the key is outside the database.
CREATE TABLE grants (
    account         text COLLATE "C" PRIMARY KEY,
    key_id          text COLLATE "C" NOT NULL,
    ciphertext      bytea NOT NULL,
    -- Where it was given, and the only place where it can be refreshed.
    accounts_server text COLLATE "C" NOT NULL,
    -- Granted scopes as a JSON array; null where the provider did not tell them.
    scopes          jsonb,
    granted_by      text COLLATE "C" NOT NULL,
    granted_at      timestamptz NOT NULL,
    -- Since when the provider refuses it.
    refused_at      timestamptz
);

-- People who were sent to a provider and are expected back. The state itself is in their browser alone.
CREATE TABLE consent_requests (
    state_hash   text COLLATE "C" PRIMARY KEY,
    account      text COLLATE "C" NOT NULL,
    actor        jsonb NOT NULL,
    redirect_uri text COLLATE "C" NOT NULL,
    return_to    text COLLATE "C",
    expires_at   timestamptz NOT NULL
);
CREATE INDEX consent_requests_by_end ON consent_requests (expires_at);

-- The rights of a grant, as the provider told them with a token, or as the last look found them missing.
CREATE TABLE scope_probes (
    account    text COLLATE "C" PRIMARY KEY,
    -- Keyed fingerprint of the refresh token; with another one the probe says nothing.
    probed     text COLLATE "C" NOT NULL,
    -- JSON array of scopes; null where the provider does not tell them.
    granted    jsonb,
    -- JSON array of what is missing and what it breaks; empty where the provider told the rights.
    missing    jsonb NOT NULL,
    checked_at timestamptz NOT NULL
);

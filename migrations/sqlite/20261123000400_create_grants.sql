-- Grants that people gave: refresh tokens, encrypted; the key is outside the database.
CREATE TABLE grants (
    account         TEXT PRIMARY KEY,
    key_id          TEXT NOT NULL,
    ciphertext      BLOB NOT NULL,
    -- Where it was given, and the only place where it can be refreshed.
    accounts_server TEXT NOT NULL,
    -- Granted scopes as a JSON array; null where the provider did not tell them.
    scopes          TEXT,
    granted_by      TEXT NOT NULL,
    granted_at      TEXT NOT NULL,
    -- Since when the provider refuses it.
    refused_at      TEXT
) STRICT;

-- People who were sent to a provider and are expected back. The state itself is in their browser alone.
CREATE TABLE consent_requests (
    state_hash   TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    actor        TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    return_to    TEXT,
    expires_at   TEXT NOT NULL
) STRICT;
CREATE INDEX consent_requests_by_end ON consent_requests (expires_at);

-- The rights of a grant, as the provider told them with a token, or as the last look found them missing.
CREATE TABLE scope_probes (
    account    TEXT PRIMARY KEY,
    -- Keyed fingerprint of the refresh token; with another one the probe says nothing.
    probed     TEXT NOT NULL,
    -- JSON array of scopes; null where the provider does not tell them.
    granted    TEXT,
    -- JSON array of what is missing and what it breaks; empty where the provider told the rights.
    missing    TEXT NOT NULL,
    checked_at TEXT NOT NULL
) STRICT;

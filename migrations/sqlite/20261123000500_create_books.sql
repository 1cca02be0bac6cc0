-- What is known of Books, as the next sync needs it: each row changes in the commit of its events.

-- The users of Books, and the accounts of the ERP that follow from them.
CREATE TABLE books_users (
    account      TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    organization TEXT NOT NULL,
    -- Versions of the user's stream and of the account's stream, and the last state in each.
    version      INTEGER NOT NULL,
    fact         TEXT NOT NULL,
    is_gone      INTEGER NOT NULL,
    -- Complete lists in a row that did not have the user.
    missed       INTEGER NOT NULL,
    erp_version  INTEGER NOT NULL,
    erp          TEXT,
    seen_at      TEXT NOT NULL,
    PRIMARY KEY (account, user_id)
) STRICT;

-- The customers of Books, and whose they are.
CREATE TABLE books_contacts (
    account          TEXT NOT NULL,
    contact_id       TEXT NOT NULL,
    organization     TEXT NOT NULL,
    owner_id         TEXT,
    -- Versions of the contact's stream and of the customer's stream, and the last state in each.
    version          INTEGER NOT NULL,
    fact             TEXT NOT NULL,
    -- The event that told the last state of the contact: seeing it again is a sighting.
    fact_id          BLOB NOT NULL,
    is_gone          INTEGER NOT NULL,
    customer_version INTEGER NOT NULL,
    assignment       TEXT,
    -- What the ERP wants and Books has not followed.
    wish             TEXT,
    -- The last job that saw it.
    seen_in          BLOB,
    seen_at          TEXT NOT NULL,
    PRIMARY KEY (account, contact_id)
) STRICT;

CREATE INDEX books_contacts_by_owner ON books_contacts (account, owner_id);

-- How far the contacts of an account are read.
CREATE TABLE books_walks (
    account      TEXT PRIMARY KEY,
    -- Every change up to this time of the provider's clock is in the log.
    watermark    TEXT,
    -- The last walk over everything that reached its end.
    last_full_at TEXT,
    -- A walk under way: whose it is, from when (absent: everything), the page to ask for, and the watermark after it.
    job_id       BLOB,
    since        TEXT,
    next_page    INTEGER,
    newest       TEXT,
    -- The walk has seen its last page; only those that it did not see are left to be asked for.
    is_confirming INTEGER NOT NULL
) STRICT;

-- What contradicts what, and what was decided. Decided: the users that were known then.
CREATE TABLE erp_conflicts (
    conflict_id  BLOB PRIMARY KEY,
    account      TEXT NOT NULL,
    organization TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('open', 'decided', 'resolved')),
    version      INTEGER NOT NULL,
    about        TEXT NOT NULL,
    decision     TEXT,
    changed_at   TEXT NOT NULL
) STRICT;

CREATE INDEX erp_conflicts_by_account ON erp_conflicts (account, state);

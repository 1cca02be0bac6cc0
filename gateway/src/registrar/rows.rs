//! Statements over `registrations`.

use chrono::{DateTime, Utc};
use event_log::Error;
use event_log::sql::{self, Connection, Pool};
use event_log::sqlx;

use super::KIND;

/// States in which a registration still needs us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Asked for, not answered yet.
    Creating,
    /// Live.
    Active,
    /// Live beside its successor.
    Retiring,
}

/// One row that is not final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) registration_id: String,
    pub(super) notify_url: String,
    pub(super) state: State,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) active_since: Option<DateTime<Utc>>,
    pub(super) retiring_since: Option<DateTime<Utc>>,
    pub(super) checked_at: Option<DateTime<Utc>>,
}

/// Accounts and targets with rows that are not final.
pub(super) async fn targets(readers: &Pool) -> Result<Vec<(String, String)>, Error> {
    let rows = sql::query(
        "SELECT DISTINCT account, target FROM registrations \
         WHERE kind = $1 AND state IN ('creating', 'active', 'retiring') ORDER BY account, target",
    )
    .bind(KIND)
    .fetch_all(readers)
    .await?;
    let read = |row: &sql::Row| Ok::<_, sqlx::Error>((row.try_get("account")?, row.try_get("target")?));
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// The rows of one target that are not final, oldest first.
pub(super) async fn open(readers: &Pool, account: &str, target: &str) -> Result<Vec<Row>, Error> {
    let rows = sql::query(
        "SELECT registration_id, notify_url, state, expires_at, created_at, active_since, retiring_since, checked_at \
         FROM registrations WHERE account = $1 AND target = $2 AND kind = $3 \
         AND state IN ('creating', 'active', 'retiring') ORDER BY created_at, registration_id",
    )
    .bind(account)
    .bind(target)
    .bind(KIND)
    .fetch_all(readers)
    .await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

fn read(row: &sql::Row) -> Result<Row, sqlx::Error> {
    let state: String = row.try_get("state")?;
    let state = match state.as_str() {
        "creating" => State::Creating,
        "retiring" => State::Retiring,
        _ => State::Active,
    };
    Ok(Row {
        registration_id: row.try_get("registration_id")?,
        notify_url: row.try_get("notify_url")?,
        state,
        expires_at: row.try_get("expires_at")?,
        created_at: row.try_get("created_at")?,
        active_since: row.try_get("active_since")?,
        retiring_since: row.try_get("retiring_since")?,
        checked_at: row.try_get("checked_at")?,
    })
}

/// What is kept of a registration before the provider is asked for it.
#[derive(Debug)]
pub(super) struct Creation {
    pub(super) registration_id: String,
    pub(super) account: String,
    pub(super) target: String,
    pub(super) notify_url: String,
    /// SHA-256 of the token; the token itself is kept nowhere.
    pub(super) token_hash: [u8; 32],
}

/// Keeps what is about to be asked for.
pub(super) async fn insert(connection: &mut Connection, now: DateTime<Utc>, creation: &Creation) -> Result<(), Error> {
    sql::query(
        "INSERT INTO registrations (registration_id, account, kind, target, notify_url, token_hash, state, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'creating', $7)",
    )
    .bind(&creation.registration_id)
    .bind(&creation.account)
    .bind(KIND)
    .bind(&creation.target)
    .bind(&creation.notify_url)
    .bind(creation.token_hash.as_slice())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The provider has it; earlier failures of its target are forgotten. Returns whether that is news: also where it was
/// given up in vain, because its answer came late, but not where it has had a life already.
pub(super) async fn activate(
    connection: &mut Connection,
    now: DateTime<Utc>,
    registration_id: &str,
    expires_at: DateTime<Utc>,
    active_since: DateTime<Utc>,
) -> Result<bool, Error> {
    let activated = sql::query(
        "UPDATE registrations SET state = 'active', expires_at = $2, active_since = $3, checked_at = $4, \
         last_seen_at = $4, error = NULL WHERE registration_id = $1 AND active_since IS NULL",
    )
    .bind(registration_id)
    .bind(expires_at)
    .bind(active_since)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    if activated == 0 {
        return Ok(false);
    }
    sql::query(
        "DELETE FROM registrations WHERE state = 'failed' AND (account, target, kind) = \
         (SELECT account, target, kind FROM registrations WHERE registration_id = $1)",
    )
    .bind(registration_id)
    .execute(connection)
    .await?;
    Ok(true)
}

/// The provider still has it.
pub(super) async fn confirm(
    connection: &mut Connection,
    now: DateTime<Utc>,
    registration_id: &str,
    expires_at: DateTime<Utc>,
) -> Result<(), Error> {
    sql::query(
        "UPDATE registrations SET expires_at = $2, checked_at = $3, last_seen_at = $3, error = NULL \
         WHERE registration_id = $1",
    )
    .bind(registration_id)
    .bind(expires_at)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// It goes on beside its successor for a while.
pub(super) async fn retire(
    connection: &mut Connection,
    now: DateTime<Utc>,
    registration_id: &str,
) -> Result<(), Error> {
    sql::query("UPDATE registrations SET state = 'retiring', retiring_since = $2 WHERE registration_id = $1")
        .bind(registration_id)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// It is over: `removed`, `lost` or `failed`, with the reason. Returns whether that is news.
pub(super) async fn end(
    connection: &mut Connection,
    now: DateTime<Utc>,
    registration_id: &str,
    state: &str,
    reason: Option<&str>,
) -> Result<bool, Error> {
    let ended = sql::query(
        "UPDATE registrations SET state = $2, error = $3, checked_at = $4 WHERE registration_id = $1 \
         AND state IN ('creating', 'active', 'retiring')",
    )
    .bind(registration_id)
    .bind(state)
    .bind(reason)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(ended > 0)
}

/// The provider refused it. Returns whether this cause is new for the target; only the latest failure is kept.
pub(super) async fn fail(
    connection: &mut Connection,
    now: DateTime<Utc>,
    creation: &Creation,
    code: &str,
    error: &str,
) -> Result<bool, Error> {
    let earlier: Vec<String> = sql::query_scalar(
        "DELETE FROM registrations WHERE account = $1 AND target = $2 AND kind = $3 AND state = 'failed' \
         RETURNING coalesce(error, '')",
    )
    .bind(&creation.account)
    .bind(&creation.target)
    .bind(KIND)
    .fetch_all(&mut *connection)
    .await?;
    let error = format!("{code}: {error}");
    end(connection, now, &creation.registration_id, "failed", Some(&error)).await?;
    let same = |earlier: &String| earlier.split(':').next() == Some(code);
    Ok(!earlier.iter().any(same))
}

/// Why the provider could not be asked about the target; its registrations are as they were.
pub(super) async fn trouble(
    connection: &mut Connection,
    account: &str,
    target: &str,
    error: &str,
) -> Result<(), Error> {
    sql::query(
        "UPDATE registrations SET error = $3 WHERE account = $1 AND target = $2 AND kind = $4 \
         AND state IN ('creating', 'active', 'retiring')",
    )
    .bind(account)
    .bind(target)
    .bind(error)
    .bind(KIND)
    .execute(connection)
    .await?;
    Ok(())
}

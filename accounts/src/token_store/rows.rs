//! Statements over `oauth_tokens`, and its rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use event_log::sql::{self, Target};
use event_log::sqlx;

use crate::vault::Sealed;

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct TokenRow {
    pub(crate) sealed: Sealed,
    /// When the token stops working; also inside the sealed text, where nobody can change it.
    pub(crate) expires_at: DateTime<Utc>,
}

/// The kept token of an account.
pub(crate) async fn load(executor: impl Into<Target<'_>>, account: &str) -> Result<Option<TokenRow>, sqlx::Error> {
    let row = sql::query("SELECT key_id, ciphertext, expires_at FROM oauth_tokens WHERE account = $1")
        .bind(account)
        .fetch_optional(executor)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let sealed = Sealed { key_id: row.try_get(0)?, ciphertext: row.try_get(1)? };
    Ok(Some(TokenRow { sealed, expires_at: row.try_get(2)? }))
}

/// Keeps the token of an account in place of the one before.
pub(crate) async fn save(
    executor: impl Into<Target<'_>>,
    account: &str,
    row: &TokenRow,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sql::query(
        "INSERT INTO oauth_tokens (account, key_id, ciphertext, expires_at, updated_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (account) DO UPDATE SET key_id = excluded.key_id, ciphertext = excluded.ciphertext, \
         expires_at = excluded.expires_at, updated_at = excluded.updated_at",
    )
    .bind(account)
    .bind(&row.sealed.key_id)
    .bind(&row.sealed.ciphertext)
    .bind(row.expires_at)
    .bind(now)
    .execute(executor)
    .await?;
    Ok(())
}

/// When the kept token of each account ends, and when it was obtained.
pub(crate) async fn times(
    executor: impl Into<Target<'_>>,
) -> Result<BTreeMap<String, (DateTime<Utc>, DateTime<Utc>)>, sqlx::Error> {
    let rows = sql::query("SELECT account, expires_at, updated_at FROM oauth_tokens").fetch_all(executor).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))).collect()
}

/// Forgets the token of an account.
pub(crate) async fn delete(executor: impl Into<Target<'_>>, account: &str) -> Result<(), sqlx::Error> {
    sql::query("DELETE FROM oauth_tokens WHERE account = $1").bind(account).execute(executor).await?;
    Ok(())
}

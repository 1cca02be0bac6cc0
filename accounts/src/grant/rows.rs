//! Statements over `grants`, and its rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use event_log::sql::{self, Row, Target};
use event_log::sqlx;

use crate::vault::Sealed;

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct GrantRow {
    pub(crate) sealed: Sealed,
    /// Where it was given.
    pub(crate) accounts_server: String,
    /// What was granted; `None` where the provider did not tell.
    pub(crate) scopes: Option<Vec<String>>,
    /// The subject of who gave it.
    pub(crate) granted_by: String,
    pub(crate) granted_at: DateTime<Utc>,
    /// Since when the provider refuses it.
    pub(crate) refused_at: Option<DateTime<Utc>>,
}

/// The grant that a person gave for one account.
pub(crate) async fn load(target: impl Into<Target<'_>>, account: &str) -> Result<Option<GrantRow>, sqlx::Error> {
    let row = sql::query(
        "SELECT account, key_id, ciphertext, accounts_server, scopes, granted_by, granted_at, refused_at FROM grants \
         WHERE account = $1",
    )
    .bind(account)
    .fetch_optional(target)
    .await?;
    row.as_ref().map(grant).transpose()
}

/// The grants that people gave, by account.
pub(crate) async fn load_all(target: impl Into<Target<'_>>) -> Result<BTreeMap<String, GrantRow>, sqlx::Error> {
    let rows = sql::query(
        "SELECT account, key_id, ciphertext, accounts_server, scopes, granted_by, granted_at, refused_at FROM grants",
    )
    .fetch_all(target)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, grant(row)?))).collect()
}

/// Keeps a grant in place of the one before.
pub(crate) async fn save(target: impl Into<Target<'_>>, account: &str, row: &GrantRow) -> Result<(), sqlx::Error> {
    let scopes = row.scopes.as_ref().map(|scopes| sql::json(serde_json::json!(scopes).to_string()));
    sql::query(
        "INSERT INTO grants (account, key_id, ciphertext, accounts_server, scopes, granted_by, granted_at, refused_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (account) DO UPDATE SET key_id = excluded.key_id, ciphertext = excluded.ciphertext, \
         accounts_server = excluded.accounts_server, scopes = excluded.scopes, granted_by = excluded.granted_by, \
         granted_at = excluded.granted_at, refused_at = excluded.refused_at",
    )
    .bind(account)
    .bind(&row.sealed.key_id)
    .bind(&row.sealed.ciphertext)
    .bind(&row.accounts_server)
    .bind(scopes)
    .bind(&row.granted_by)
    .bind(row.granted_at)
    .bind(row.refused_at)
    .execute(target)
    .await?;
    Ok(())
}

/// Notes since when the provider refuses the grant that was given at `granted_at`, or that it no longer does.
pub(crate) async fn set_refused(
    target: impl Into<Target<'_>>,
    account: &str,
    granted_at: DateTime<Utc>,
    refused_at: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    sql::query("UPDATE grants SET refused_at = $3 WHERE account = $1 AND granted_at = $2")
        .bind(account)
        .bind(granted_at)
        .bind(refused_at)
        .execute(target)
        .await?;
    Ok(())
}

/// Forgets the grant of an account.
pub(crate) async fn delete(target: impl Into<Target<'_>>, account: &str) -> Result<(), sqlx::Error> {
    sql::query("DELETE FROM grants WHERE account = $1").bind(account).execute(target).await?;
    Ok(())
}

fn grant(row: &Row) -> Result<GrantRow, sqlx::Error> {
    let scopes: Option<String> = row.try_get(4)?;
    Ok(GrantRow {
        sealed: Sealed { key_id: row.try_get(1)?, ciphertext: row.try_get(2)? },
        accounts_server: row.try_get(3)?,
        scopes: scopes.and_then(|scopes| serde_json::from_str(&scopes).ok()),
        granted_by: row.try_get(5)?,
        granted_at: row.try_get(6)?,
        refused_at: row.try_get(7)?,
    })
}

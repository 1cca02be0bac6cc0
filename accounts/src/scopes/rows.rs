//! Statements over `scope_probes`, and which accounts have mapped channels.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use event_log::sql::{self, Target};
use event_log::sqlx;

use super::MissingScope;

/// What is known of the rights of a grant.
#[derive(Debug, Clone)]
pub(crate) struct ProbeRow {
    /// Fingerprint of the refresh token that was probed.
    pub(crate) probed: String,
    /// Its rights, where the provider told them.
    pub(crate) granted: Option<Vec<String>>,
    /// What was found missing, where it did not.
    pub(crate) missing: Vec<MissingScope>,
    pub(crate) checked_at: DateTime<Utc>,
}

/// What is known of the rights of each account's grant.
pub(crate) async fn load_all(target: impl Into<Target<'_>>) -> Result<BTreeMap<String, ProbeRow>, sqlx::Error> {
    let rows = sql::query("SELECT account, probed, missing, checked_at, granted FROM scope_probes");
    let rows = rows.fetch_all(target).await?;
    rows.iter()
        .map(|row| {
            let missing: String = row.try_get(2)?;
            let missing = serde_json::from_str(&missing).unwrap_or_default();
            let granted: Option<String> = row.try_get(4)?;
            let granted = granted.and_then(|granted| serde_json::from_str(&granted).ok());
            Ok((row.try_get(0)?, ProbeRow { probed: row.try_get(1)?, granted, missing, checked_at: row.try_get(3)? }))
        })
        .collect()
}

/// Keeps what is known in place of what was.
pub(crate) async fn save(target: impl Into<Target<'_>>, account: &str, row: &ProbeRow) -> Result<(), sqlx::Error> {
    sql::query(
        "INSERT INTO scope_probes (account, probed, missing, checked_at, granted) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (account) DO UPDATE SET probed = excluded.probed, missing = excluded.missing, \
         checked_at = excluded.checked_at, granted = excluded.granted",
    )
    .bind(account)
    .bind(&row.probed)
    .bind(sql::json(serde_json::json!(row.missing).to_string()))
    .bind(row.checked_at)
    .bind(row.granted.as_ref().map(|granted| sql::json(serde_json::json!(granted).to_string())))
    .execute(target)
    .await?;
    Ok(())
}

/// The accounts with channels that belong to a room.
pub(crate) async fn mapped_accounts(target: impl Into<Target<'_>>) -> Result<BTreeSet<String>, sqlx::Error> {
    let rows =
        sql::query("SELECT DISTINCT account FROM channel_mappings WHERE state <> 'ended'").fetch_all(target).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

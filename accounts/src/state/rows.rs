//! Statements over `provider_accounts`, and its rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use event_log::sql::{self, Row, Target};
use event_log::sqlx;

use super::{Access, State};

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountRow {
    pub(crate) access: Access,
    /// When the grant was last tried.
    pub(crate) checked_at: DateTime<Utc>,
    /// Fingerprint of the refresh token that was refused.
    pub(crate) refused_grant: Option<String>,
}

/// What is kept about one account.
pub(crate) async fn load(executor: impl Into<Target<'_>>, account: &str) -> Result<Option<AccountRow>, sqlx::Error> {
    let row =
        sql::query("SELECT state, reason, since, checked_at, refused_grant FROM provider_accounts WHERE account = $1")
            .bind(account)
            .fetch_optional(executor)
            .await?;
    row.as_ref().map(account_row).transpose()
}

/// Keeps what is known about one account; `now` is its `since` while nothing speaks against it.
pub(crate) async fn save(
    executor: impl Into<Target<'_>>,
    account: &str,
    row: &AccountRow,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let (state, reason, since) = match &row.access {
        Access::Ok => ("ok", None, now),
        Access::NeedsConsent { reason, since } => ("needs_consent", Some(reason.as_str()), *since),
    };
    sql::query(
        "INSERT INTO provider_accounts (account, state, reason, since, checked_at, refused_grant) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (account) DO UPDATE SET reason = excluded.reason, checked_at = excluded.checked_at, \
         refused_grant = excluded.refused_grant, state = excluded.state, \
         since = CASE WHEN provider_accounts.state = excluded.state THEN provider_accounts.since ELSE excluded.since END",
    )
    .bind(account)
    .bind(state)
    .bind(reason)
    .bind(since)
    .bind(row.checked_at)
    .bind(row.refused_grant.as_deref())
    .execute(executor)
    .await?;
    Ok(())
}

/// What is kept about all accounts, with the expiry of their tokens.
pub(crate) async fn states(executor: impl Into<Target<'_>>) -> Result<BTreeMap<String, State>, sqlx::Error> {
    let rows = sql::query(
        "SELECT state, reason, since, checked_at, refused_grant, provider_accounts.account, expires_at \
         FROM provider_accounts LEFT JOIN oauth_tokens ON oauth_tokens.account = provider_accounts.account",
    )
    .fetch_all(executor)
    .await?;
    rows.iter()
        .map(|row| {
            let state = State { access: account_row(row)?.access, token_expires_at: row.try_get(6)? };
            Ok((row.try_get(5)?, state))
        })
        .collect()
}

fn account_row(row: &Row) -> Result<AccountRow, sqlx::Error> {
    let reason: Option<String> = row.try_get(1)?;
    let state: String = row.try_get(0)?;
    let access = match state.as_str() {
        "ok" => Access::Ok,
        _ => Access::NeedsConsent { reason: reason.unwrap_or_default(), since: row.try_get(2)? },
    };
    Ok(AccountRow { access, checked_at: row.try_get(3)?, refused_grant: row.try_get(4)? })
}

//! Statements over every table that holds something sealed.

use std::collections::BTreeMap;

use event_log::sql::{self, Target};
use event_log::sqlx;

use crate::vault::Sealed;

/// A table whose rows are sealed for their account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Access tokens.
    Tokens,
    /// Refresh tokens that people gave.
    Grants,
}

/// One row.
#[derive(Debug, Clone)]
pub(super) struct SealedRow {
    pub(super) account: String,
    pub(super) sealed: Sealed,
}

impl Table {
    pub(super) const ALL: [Self; 2] = [Self::Grants, Self::Tokens];

    /// The name that is authenticated with a row.
    pub(super) fn owner(self, account: &str) -> String {
        match self {
            Self::Tokens => account.to_owned(),
            Self::Grants => crate::grant::owner(account),
        }
    }
}

/// Some rows that another key sealed, after `after`, in the order of the accounts.
pub(super) async fn others(
    target: impl Into<Target<'_>>,
    table: Table,
    key_id: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<SealedRow>, sqlx::Error> {
    let query = match table {
        Table::Tokens => {
            "SELECT account, key_id, ciphertext FROM oauth_tokens WHERE key_id <> $1 AND account > $2 \
             ORDER BY account LIMIT $3"
        }
        Table::Grants => {
            "SELECT account, key_id, ciphertext FROM grants WHERE key_id <> $1 AND account > $2 \
             ORDER BY account LIMIT $3"
        }
    };
    let rows = sql::query(query).bind(key_id).bind(after).bind(limit).fetch_all(target).await?;
    rows.iter()
        .map(|row| {
            let sealed = Sealed { key_id: row.try_get(1)?, ciphertext: row.try_get(2)? };
            Ok(SealedRow { account: row.try_get(0)?, sealed })
        })
        .collect()
}

/// Puts a row under another key, unless somebody has written it meanwhile; says whether it did.
pub(super) async fn reseal(
    target: impl Into<Target<'_>>,
    table: Table,
    row: &SealedRow,
    anew: &Sealed,
) -> Result<bool, sqlx::Error> {
    let query = match table {
        Table::Tokens => "UPDATE oauth_tokens SET key_id = $3, ciphertext = $4 WHERE account = $1 AND ciphertext = $2",
        Table::Grants => "UPDATE grants SET key_id = $3, ciphertext = $4 WHERE account = $1 AND ciphertext = $2",
    };
    let done = sql::query(query)
        .bind(&row.account)
        .bind(&row.sealed.ciphertext)
        .bind(&anew.key_id)
        .bind(&anew.ciphertext)
        .execute(target)
        .await?;
    Ok(done > 0)
}

/// How many rows each key sealed.
pub(super) async fn count(target: impl Into<Target<'_>>) -> Result<BTreeMap<String, u64>, sqlx::Error> {
    let rows = sql::query(
        "SELECT key_id, COUNT(*) FROM (SELECT key_id FROM oauth_tokens UNION ALL SELECT key_id FROM grants) AS sealed \
         GROUP BY key_id",
    )
    .fetch_all(target)
    .await?;
    rows.iter()
        .map(|row| {
            let count: i64 = row.try_get(1)?;
            Ok((row.try_get(0)?, u64::try_from(count).unwrap_or(0)))
        })
        .collect()
}

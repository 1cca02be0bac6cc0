//! Taking work that is due.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::UnitOfWork;
use event_log::sqlx::{self, SqlitePool};

use super::{Effect, Lane, effect, json_list};
use crate::Error;

/// Claims up to `limit` due effects of one account and lane for `leased_by`. Effects that read from an account which
/// needs consent stay where they are, and so do effects whose change another one is making at this moment.
///
/// # Errors
/// Database failures, or a row that does not decode.
pub async fn claim(
    unit: &mut UnitOfWork<'_>,
    account: &str,
    lane: Lane,
    limit: u32,
    leased_by: &str,
    lease: Duration,
) -> Result<Vec<Effect>, Error> {
    let now = unit.now();
    let rows = sqlx::query(
        "SELECT effect_key, kind, stream_name, run, account, organization, attempt, status, started_at, request, \
         once_key, correlation_id, causation_id FROM effects \
         WHERE account = $1 AND lane = $2 AND status IN ('planned', 'unknown') AND not_before <= $3 \
         AND (source_account IS NULL OR source_account NOT IN \
              (SELECT account FROM provider_accounts WHERE state = 'needs_consent')) \
         AND (once_key IS NULL OR NOT EXISTS (SELECT 1 FROM effects AS same WHERE same.once_key = effects.once_key \
              AND same.status IN ('started', 'unknown') AND same.effect_key <> effects.effect_key)) \
         ORDER BY not_before LIMIT $4",
    )
    .bind(account)
    .bind(lane.as_str())
    .bind(now)
    .bind(limit)
    .fetch_all(unit.connection())
    .await?;
    let mut effects = rows.iter().map(effect).collect::<Result<Vec<_>, _>>()?;
    let mut changes = HashSet::new();
    effects.retain(|one| one.once_key.as_ref().is_none_or(|change| changes.insert(change.clone())));
    if effects.is_empty() {
        return Ok(effects);
    }
    let keys: Vec<&str> = effects.iter().map(|one| one.key.as_str()).collect();
    sqlx::query(
        "UPDATE effects SET status = 'started', leased_by = $1, leased_until = $2, started_at = $3 \
         WHERE effect_key IN (SELECT value FROM json_each($4))",
    )
    .bind(leased_by)
    .bind(now + lease)
    .bind(now)
    .bind(json_list(&keys))
    .execute(unit.connection())
    .await?;
    Ok(effects)
}

/// When the next effect of an account and lane is due.
///
/// # Errors
/// Database failures.
pub async fn next_due(readers: &SqlitePool, account: &str, lane: Lane) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar(
        "SELECT min(not_before) FROM effects \
         WHERE account = $1 AND lane = $2 AND status IN ('planned', 'unknown')",
    )
    .bind(account)
    .bind(lane.as_str())
    .fetch_one(readers)
    .await?)
}

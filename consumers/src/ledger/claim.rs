//! Taking work that is due.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::UnitOfWork;
use event_log::sql::{self, Pool};

use super::{Effect, Kind, Lane, effect};
use crate::Error;
use crate::pause::Paused;

/// Which effects may start, shared word for word by [`claim`] and [`next_due`], so that what is due can be claimed.
///
/// Left where they are: kinds of a newer program; effects that read from an account which needs consent, or that need a
/// product of an account which is paused; and effects whose change another one is making, or may have made.
macro_rules! may_start {
    () => {
        "account = $1 AND lane = $2 AND status IN ('planned', 'unknown') AND kind IN (SELECT value FROM json_each($3)) \
         AND (source_account IS NULL OR source_account NOT IN \
              (SELECT account FROM provider_accounts WHERE state = 'needs_consent')) \
         AND account || CASE kind WHEN 'crm_record.update' THEN ':crm' ELSE ':workdrive' END \
             NOT IN (SELECT value FROM json_each($4)) \
         AND (source_account IS NULL OR source_account || ':workdrive' NOT IN (SELECT value FROM json_each($4))) \
         AND (once_key IS NULL OR NOT EXISTS (SELECT 1 FROM effects AS same WHERE same.once_key = effects.once_key \
              AND same.effect_key <> effects.effect_key AND (same.status = 'started' \
              OR same.status = 'unknown' AND effects.status = 'planned')))"
    };
}

/// Whose work is claimed, and for whom.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Account that the effects change.
    pub account: String,
    /// Lane of that account.
    pub lane: Lane,
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// The process that claims.
    pub leased_by: String,
    /// How long the claim holds without being prolonged.
    pub lease: Duration,
    /// Accounts that are left alone for now.
    pub paused: Paused,
}

/// Claims up to `limit` effects that are due and may start.
///
/// A row that does not decode is set aside as failed: it would be in the way of everything behind it.
///
/// # Errors
/// Database failures.
pub async fn claim(unit: &mut UnitOfWork<'_>, claim: &Claim, limit: u32) -> Result<Vec<Effect>, Error> {
    let now = unit.now();
    let rows = sql::query(concat!(
        "SELECT effect_key, kind, stream_name, run, account, source_account, organization, attempt, status, started_at, request, \
         once_key, correlation_id, causation_id FROM effects WHERE ",
        may_start!(),
        " AND not_before <= $5 ORDER BY not_before LIMIT $6"
    ))
    .bind(&claim.account)
    .bind(claim.lane.as_str())
    .bind(sql::list(claim.kinds.iter().map(|kind| kind.as_str())))
    .bind(sql::list(claim.paused.names()))
    .bind(now)
    .bind(limit)
    .fetch_all(unit.connection())
    .await?;
    let mut effects = Vec::with_capacity(rows.len());
    for row in &rows {
        match effect(row) {
            Ok(effect) => effects.push(effect),
            Err(error) => {
                let effect_key: String = row.try_get("effect_key")?;
                set_aside(unit, &effect_key, &error).await?;
            }
        }
    }
    let mut changes = HashSet::new();
    effects.retain(|one| one.once_key.as_ref().is_none_or(|change| changes.insert(change.clone())));
    if effects.is_empty() {
        return Ok(effects);
    }
    let keys: Vec<&str> = effects.iter().map(|one| one.key.as_str()).collect();
    // An effect that is settled keeps the time at which it was really started: the settling looks for what was made since.
    sql::query(
        "UPDATE effects SET leased_by = $1, leased_until = $2, status = 'started', \
         started_at = CASE status WHEN 'unknown' THEN coalesce(started_at, $3) ELSE $3 END \
         WHERE effect_key IN (SELECT value FROM json_each($4))",
    )
    .bind(&claim.leased_by)
    .bind(now + claim.lease)
    .bind(now)
    .bind(sql::list(keys))
    .execute(unit.connection())
    .await?;
    Ok(effects)
}

async fn set_aside(unit: &mut UnitOfWork<'_>, effect_key: &str, error: &Error) -> Result<(), Error> {
    tracing::error!(error = %error, effect.key = effect_key, "an effect does not decode and is set aside");
    let now = unit.now();
    sql::query(
        "UPDATE effects SET status = 'failed', error_code = 'undecodable', error = $1, finished_at = $2 \
         WHERE effect_key = $3",
    )
    .bind(error.to_string())
    .bind(now)
    .bind(effect_key)
    .execute(unit.connection())
    .await?;
    Ok(())
}

/// When the next effect that may start is due.
///
/// # Errors
/// Database failures.
pub async fn next_due(readers: &Pool, claim: &Claim) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sql::query_scalar(concat!(
        "SELECT not_before FROM effects WHERE ",
        may_start!(),
        " ORDER BY not_before LIMIT 1"
    ))
    .bind(&claim.account)
    .bind(claim.lane.as_str())
    .bind(sql::list(claim.kinds.iter().map(|kind| kind.as_str())))
    .bind(sql::list(claim.paused.names()))
    .fetch_optional(readers)
    .await?)
}

//! What a process that ended without saying so has left behind.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::UnitOfWork;
use event_log::sql;

use crate::Error;

/// Every started effect belongs to nobody: for a process that is alone on the database. Their outcome is unknown,
/// except of those that only read. They are settled after `settle_after`, so that a provider which is still busy with
/// a request of the dead process has had time to finish it.
///
/// # Errors
/// Database failures.
pub async fn recover_all(unit: &mut UnitOfWork<'_>, settle_after: Duration) -> Result<u64, Error> {
    let settle_at = unit.now() + settle_after;
    forsake(unit, settle_at, None, end_of_time()).await
}

/// The same for effects whose lease ran out.
///
/// # Errors
/// Database failures.
pub async fn recover_expired(unit: &mut UnitOfWork<'_>, settle_after: Duration) -> Result<u64, Error> {
    let now = unit.now();
    forsake(unit, now + settle_after, None, now).await
}

/// The same for what this process is doing, when it stops before it is finished. The provider may still be busy with
/// what we let go of.
///
/// # Errors
/// Database failures.
pub async fn park(unit: &mut UnitOfWork<'_>, leased_by: &str, settle_after: Duration) -> Result<u64, Error> {
    let settle_at = unit.now() + settle_after;
    forsake(unit, settle_at, Some(leased_by), end_of_time()).await
}

async fn forsake(
    unit: &mut UnitOfWork<'_>,
    settle_at: DateTime<Utc>,
    leased_by: Option<&str>,
    leased_until_before: DateTime<Utc>,
) -> Result<u64, Error> {
    let found = sql::query(
        "UPDATE effects SET leased_by = NULL, leased_until = NULL, not_before = $1, \
         status = CASE WHEN kind = 'folder.locate' THEN 'planned' ELSE 'unknown' END \
         WHERE status = 'started' AND ($2 IS NULL OR leased_by = $2) AND leased_until < $3",
    )
    .bind(settle_at)
    .bind(leased_by)
    .bind(leased_until_before)
    .execute(unit.connection())
    .await?;
    Ok(found)
}

/// Prolongs the leases of what this process is really doing; a claim that nobody works on any more runs out. Returns the
/// keys that are still its own: the others were taken over, or are finished.
///
/// # Errors
/// Database failures.
pub async fn renew(
    unit: &mut UnitOfWork<'_>,
    leased_by: &str,
    effect_keys: &[String],
    lease: Duration,
) -> Result<HashSet<String>, Error> {
    let until = unit.now() + lease;
    let renewed: Vec<String> = sql::query_scalar(
        "UPDATE effects SET leased_until = $1 WHERE effect_key IN (SELECT value FROM json_each($2)) \
         AND status = 'started' AND leased_by = $3 RETURNING effect_key",
    )
    .bind(until)
    .bind(sql::list(effect_keys))
    .bind(leased_by)
    .fetch_all(unit.connection())
    .await?;
    Ok(renewed.into_iter().collect())
}

/// Later than every lease, and still four digits wide where times are text.
fn end_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).expect("9999-12-31T23:59:59Z is a time")
}

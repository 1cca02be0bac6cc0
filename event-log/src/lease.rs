//! Time-limited claims on work of which there may be only one at a time.

mod lead;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{Error, UnitOfWork, sql};

pub use lead::{Leadership, process_name};

/// Claims `lease_name` for `leased_by` until `duration` from now, or prolongs its own claim.
///
/// Returns whether the claim is held. A claim that ran out belongs to whoever asks next.
///
/// # Errors
/// Database failures.
pub async fn take_lease(
    unit: &mut UnitOfWork<'_>,
    lease_name: &str,
    leased_by: &str,
    duration: Duration,
) -> Result<bool, Error> {
    let now = unit.now();
    let until = now + duration;
    let taken = sql::query(
        "INSERT INTO leases (lease_name, leased_by, leased_until) VALUES ($1, $2, $3) \
         ON CONFLICT (lease_name) DO UPDATE SET leased_by = excluded.leased_by, leased_until = excluded.leased_until \
         WHERE leases.leased_by = excluded.leased_by OR leases.leased_until <= $4",
    )
    .bind(lease_name)
    .bind(leased_by)
    .bind(until)
    .bind(now)
    .execute(unit.connection())
    .await?;
    Ok(taken > 0)
}

/// Prolongs a claim until `duration` from now, if `leased_by` has had it without a break, though it may have run out.
///
/// Returns whether it has. Unlike [`take_lease`] it never begins a claim anew: who was replaced stays so, even when its
/// successor has ended. Units of work are serial, so one that begins with this is written by no one who was replaced.
///
/// # Errors
/// Database failures.
pub async fn prolong_lease(
    unit: &mut UnitOfWork<'_>,
    lease_name: &str,
    leased_by: &str,
    duration: Duration,
) -> Result<bool, Error> {
    let until = unit.now() + duration;
    let prolonged = sql::query("UPDATE leases SET leased_until = $3 WHERE lease_name = $1 AND leased_by = $2")
        .bind(lease_name)
        .bind(leased_by)
        .bind(until)
        .execute(unit.connection())
        .await?;
    Ok(prolonged > 0)
}

/// Whether somebody else has the claim now, by a look that writes nothing and keeps no writer waiting.
pub(crate) async fn is_taken(
    readers: &sql::Pool,
    lease_name: &str,
    leased_by: &str,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let taken = sql::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM leases WHERE lease_name = $1 AND leased_by <> $2 AND leased_until > $3)",
    )
    .bind(lease_name)
    .bind(leased_by)
    .bind(now)
    .fetch_one(readers)
    .await?;
    Ok(taken)
}

/// Gives a claim back, if it is still held by `leased_by`.
///
/// # Errors
/// Database failures.
pub async fn release_lease(unit: &mut UnitOfWork<'_>, lease_name: &str, leased_by: &str) -> Result<(), Error> {
    sql::query("DELETE FROM leases WHERE lease_name = $1 AND leased_by = $2")
        .bind(lease_name)
        .bind(leased_by)
        .execute(unit.connection())
        .await?;
    Ok(())
}

/// Ends every claim: for a process that has just become the only one on the database, so that whoever held them has ended.
///
/// # Errors
/// Database failures.
pub async fn forsake_leases(unit: &mut UnitOfWork<'_>) -> Result<u64, Error> {
    let ended = sql::query("DELETE FROM leases").execute(unit.connection()).await?;
    Ok(ended)
}

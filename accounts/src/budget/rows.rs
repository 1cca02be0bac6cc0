//! Statements over `budgets`, and its rows as lane states.

use chrono::{DateTime, TimeDelta, Utc};
use event_log::sql::{self, Connection, Pool};
use event_log::sqlx;
use providers::budget::{LaneState, Limit};

/// The state of one lane; `None` when nothing is remembered.
pub(super) async fn load(
    connection: &mut Connection,
    account: &str,
    lane: &str,
) -> Result<Option<LaneState>, sqlx::Error> {
    let row = sql::query("SELECT busy_until, granted, refused_until FROM budgets WHERE account = $1 AND lane = $2")
        .bind(account)
        .bind(lane)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let granted: Option<String> = row.try_get(1)?;
    let granted = granted.map(|json| serde_json::from_str(&json)).transpose();
    Ok(Some(LaneState {
        busy_until: row.try_get(0)?,
        granted: granted.map_err(|source| sqlx::Error::Decode(source.into()))?.unwrap_or_default(),
        refused_until: row.try_get(2)?,
    }))
}

/// Keeps the state of one lane.
pub(super) async fn save(
    connection: &mut Connection,
    account: &str,
    lane: &str,
    state: &LaneState,
    limit: &Limit,
) -> Result<(), sqlx::Error> {
    let granted = (!state.granted.is_empty()).then(|| serde_json::to_string(&state.granted)).transpose();
    let granted = granted.map_err(|source| sqlx::Error::Encode(source.into()))?;
    sql::query(
        "INSERT INTO budgets (account, lane, busy_until, granted, refused_until, idle_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (account, lane) DO UPDATE SET busy_until = excluded.busy_until, granted = excluded.granted, \
         refused_until = excluded.refused_until, idle_at = excluded.idle_at",
    )
    .bind(account)
    .bind(lane)
    .bind(state.busy_until.map(rounded_up))
    .bind(granted.map(sql::json))
    .bind(state.refused_until.map(rounded_up))
    .bind(rounded_up(idle_at(state, limit)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Until when the provider refuses a lane.
pub(super) async fn refused_until(
    readers: &Pool,
    account: &str,
    lane: &str,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let row = sql::query_scalar("SELECT refused_until FROM budgets WHERE account = $1 AND lane = $2")
        .bind(account)
        .bind(lane)
        .fetch_optional(readers)
        .await?;
    Ok(row.flatten())
}

/// Forgets the lanes of an account that say nothing any more.
pub(super) async fn delete_idle(
    connection: &mut Connection,
    account: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sql::query("DELETE FROM budgets WHERE account = $1 AND idle_at <= $2")
        .bind(account)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

fn idle_at(state: &LaneState, limit: &Limit) -> DateTime<Utc> {
    let window = match limit {
        Limit::Window { window, .. } => TimeDelta::from_std(*window).unwrap_or(TimeDelta::MAX),
        Limit::Rate { .. } | Limit::Unlimited => TimeDelta::zero(),
    };
    let last_granted = state.granted.back().and_then(|last| last.checked_add_signed(window));
    state.busy_until.max(state.refused_until).max(last_granted).unwrap_or(DateTime::UNIX_EPOCH)
}

/// PostgreSQL keeps microseconds. What it would cut off is a little more of a permit than the limit has, each time.
fn rounded_up(time: DateTime<Utc>) -> DateTime<Utc> {
    let beyond = time.timestamp_subsec_nanos() % 1_000;
    if beyond == 0 {
        return time;
    }
    time.checked_add_signed(TimeDelta::nanoseconds(i64::from(1_000 - beyond))).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_microsecond_counts_whole() {
        for (nanos, expected) in
            [(0, 0), (1, 1_000), (1_000, 1_000), (1_999_001, 2_000_000), (999_999_999, 1_000_000_000)]
        {
            assert_eq!(rounded_up(DateTime::from_timestamp_nanos(nanos)), DateTime::from_timestamp_nanos(expected));
        }
    }
}

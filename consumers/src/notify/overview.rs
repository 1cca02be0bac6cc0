//! How the endpoints are doing, for people.

use chrono::{DateTime, Utc};
use event_log::GlobalPosition;
use event_log::sql::{self, Pool};
use serde::Serialize;

use super::settings::Settings;
use crate::Error;

/// How an endpoint is doing.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// The endpoint.
    pub endpoint: String,
    /// `new`: no process has told it anything yet; `active`; `failing`: the last answers were no success; `stopped`: it said that
    /// it wants nothing more.
    pub state: &'static str,
    /// Whose events it is told.
    pub organization: String,
    /// Later events are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_position: Option<GlobalPosition>,
    /// Notifications that it has.
    pub delivered: u64,
    /// When it last took one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_delivered_at: Option<DateTime<Utc>>,
    /// Notifications on their way.
    pub open: u64,
    /// Notifications that were given up and not sent on their way again.
    pub dead_letters: u64,
    /// What went wrong with the notification that waits longest after a failed attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<DateTime<Utc>>,
}

/// How an endpoint is doing.
///
/// # Errors
/// Database failures.
pub async fn overview(readers: &Pool, endpoint: &Settings) -> Result<Overview, Error> {
    let row = sql::query(
        "SELECT since_position, delivered, last_delivered_at, stopped_at FROM notify_endpoints WHERE endpoint = $1",
    )
    .bind(&endpoint.name)
    .fetch_optional(readers)
    .await?;
    let (open, error) = open(readers, endpoint).await?;
    let mut found = Overview {
        endpoint: endpoint.name.clone(),
        state: "new",
        organization: endpoint.organization.clone(),
        since_position: None,
        delivered: 0,
        last_delivered_at: None,
        open,
        dead_letters: dead_letters(readers, endpoint).await?,
        error,
        stopped_at: None,
    };
    let Some(row) = row else { return Ok(found) };
    found.since_position = Some(GlobalPosition(row.try_get("since_position")?));
    found.delivered = row.try_get::<i64, _>("delivered")?.cast_unsigned();
    found.last_delivered_at = row.try_get("last_delivered_at")?;
    found.stopped_at = row.try_get("stopped_at")?;
    found.state = match () {
        () if found.stopped_at.is_some() => "stopped",
        () if found.error.is_some() => "failing",
        () => "active",
    };
    Ok(found)
}

async fn open(readers: &Pool, endpoint: &Settings) -> Result<(u64, Option<String>), Error> {
    let row = sql::query(
        "SELECT count(*) AS open, (SELECT error FROM effects AS failing WHERE failing.account = $1 \
         AND failing.lane = 'control' AND failing.status IN ('planned', 'unknown') AND failing.error IS NOT NULL \
         ORDER BY failing.not_before LIMIT 1) AS error \
         FROM effects WHERE account = $1 AND lane = 'control' AND status IN ('planned', 'unknown')",
    )
    .bind(endpoint.ledger_account())
    .fetch_one(readers)
    .await?;
    Ok((row.try_get::<i64, _>("open")?.cast_unsigned(), row.try_get("error")?))
}

async fn dead_letters(readers: &Pool, endpoint: &Settings) -> Result<u64, Error> {
    let count: i64 = sql::query_scalar(
        "SELECT count(*) FROM dead_letters WHERE organization = $1 AND account = $2 AND resolved_at IS NULL",
    )
    .bind(&endpoint.organization)
    .bind(endpoint.ledger_account())
    .fetch_one(readers)
    .await?;
    Ok(count.cast_unsigned())
}

//! Counting what happened, from the log alone.

use event_log::sql::{self, Pool};
use event_log::{GlobalPosition, Log};
use serde::Serialize;

/// What happened after a position of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Webhooks.
    pub webhooks: Webhooks,
    /// Polls.
    pub polls: Polls,
    /// Transfers, one per run of a record.
    pub transfers: Transfers,
    /// Files.
    pub files: Files,
    /// CRM records.
    pub crm: Crm,
    /// Effects whose outcome had been unknown.
    pub effects: Effects,
}

/// Webhooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Webhooks {
    /// All requests.
    pub received: u64,
    /// Recorded.
    pub accepted: u64,
    /// Recorded before; the sighting was kept.
    pub duplicate: u64,
    /// Refused.
    pub rejected: u64,
}

/// Polls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Polls {
    /// Finished runs.
    pub runs: u64,
    /// Changes that a webhook should have announced and did not.
    pub found_missed: u64,
}

/// Transfers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Transfers {
    /// Records that asked for a transfer.
    pub requested: u64,
    /// Records whose folder was copied, all or some of its files.
    pub completed: u64,
    /// Records whose folder was not: no such folder, nothing in it, access refused.
    pub failed: u64,
}

/// Files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Files {
    /// Copied.
    pub copied: u64,
    /// Given up.
    pub failed: u64,
    /// Bytes copied.
    pub bytes: u64,
}

/// CRM records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Crm {
    /// Checkboxes set.
    pub updated: u64,
}

/// Effects whose outcome had been unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Settled by reading the provider back.
    pub unknown_settled: u64,
    /// Of these, not done by the provider and so done then.
    pub done_after_all: u64,
}

/// Counts what was recorded after `after`.
///
/// # Errors
/// Database failures.
pub async fn since(log: &Log, after: GlobalPosition) -> anyhow::Result<Summary> {
    let readers = log.database().readers();
    let rows =
        sql::query("SELECT event_type, count(*) AS events FROM events WHERE global_position > $1 GROUP BY event_type")
            .bind(after.0)
            .fetch_all(readers)
            .await?;
    let mut summary = Summary::default();
    for row in rows {
        let event_type: String = row.try_get("event_type")?;
        let events: i64 = row.try_get("events")?;
        let events = events.cast_unsigned();
        match event_type.as_str() {
            "delivery.received" => summary.webhooks.accepted = events,
            "transfer_file.failed" => summary.files.failed = events,
            "crm_record.updated" => summary.crm.updated = events,
            "effect.settled" => summary.effects.unknown_settled = events,
            _ => {}
        }
    }
    let number = |sql: &'static str| count(readers, sql, after);
    summary.transfers.requested = number(
        "SELECT count(DISTINCT stream_name) FROM events WHERE event_type = 'transfer.requested' AND global_position > $1",
    )
    .await?;
    summary.transfers.completed = number(
        "SELECT count(*) FROM events WHERE event_type = 'transfer.completed' AND global_position IN \
         (SELECT max(global_position) FROM events WHERE event_type IN ('transfer.completed', 'transfer.failed') \
          AND global_position > $1 GROUP BY stream_name)",
    )
    .await?;
    summary.transfers.failed = number(
        "SELECT count(*) FROM events WHERE event_type = 'transfer.failed' AND global_position IN \
         (SELECT max(global_position) FROM events WHERE event_type IN ('transfer.completed', 'transfer.failed') \
          AND global_position > $1 GROUP BY stream_name)",
    )
    .await?;
    summary.files.copied = number(
        "SELECT count(*) FROM events WHERE event_type = 'transfer_file.completed' AND global_position > $1 \
         AND coalesce(CAST(data ->> 'reused' AS TEXT), 'false') IN ('false', '0')",
    )
    .await?;
    summary.files.bytes = number(
        "SELECT CAST(coalesce(sum(CAST(data ->> 'bytes' AS BIGINT)), 0) AS BIGINT) FROM events WHERE event_type = 'transfer_file.completed' \
         AND global_position > $1 AND coalesce(CAST(data ->> 'reused' AS TEXT), 'false') IN ('false', '0')",
    )
    .await?;
    summary.effects.done_after_all = number(
        "SELECT count(*) FROM events WHERE event_type = 'effect.settled' AND global_position > $1 \
         AND CAST(data ->> 'done' AS TEXT) IN ('false', '0')",
    )
    .await?;
    summary.polls.runs = number(
        "SELECT count(*) FROM events WHERE event_type = 'poll.completed' AND global_position > $1 \
         AND CAST(data ->> 'last_page' AS TEXT) IN ('true', '1')",
    )
    .await?;
    summary.polls.found_missed = number(
        "SELECT CAST(coalesce(sum(CAST(data ->> 'found_missed' AS BIGINT)), 0) AS BIGINT) FROM events \
         WHERE event_type = 'poll.completed' AND global_position > $1",
    )
    .await?;
    summary.webhooks.duplicate = number(
        "SELECT count(*) FROM sightings JOIN events USING (event_id) \
         WHERE events.event_type = 'delivery.received' AND events.global_position > $1",
    )
    .await?;
    summary.webhooks.rejected = number("SELECT count(*) FROM rejected_deliveries WHERE $1 >= 0").await?;
    summary.webhooks.received = summary.webhooks.accepted + summary.webhooks.duplicate + summary.webhooks.rejected;
    Ok(summary)
}

async fn count(readers: &Pool, sql: &'static str, after: GlobalPosition) -> anyhow::Result<u64> {
    let count: i64 = sql::query_scalar(sql).bind(after.0).fetch_one(readers).await?;
    Ok(count.cast_unsigned())
}

//! How far each chat is composed, and what became of each batch.

use chrono::{DateTime, Utc};
use event_log::sql::{self, Connection, Pool};
use event_log::{StreamName, StreamVersion, UnitOfWork};
use serde::Serialize;
use uuid::Uuid;

use crate::Error;

/// How far a chat's messages are in batches of a mapping.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// Up to this version of the chat's stream.
    pub(super) version: StreamVersion,
    /// From this time on, milliseconds since 1970; absent where nobody noted it.
    pub(super) since_ms: Option<i64>,
}

/// Which messages of a chat are in batches of a mapping.
///
/// # Errors
/// Database failures.
pub(super) async fn progress(
    connection: &mut Connection,
    mapping_id: Uuid,
    stream: &StreamName,
) -> Result<Progress, Error> {
    let row =
        sql::query("SELECT stream_version, since_ms FROM ingest_progress WHERE mapping_id = $1 AND stream_name = $2")
            .bind(mapping_id)
            .bind(stream.as_str())
            .fetch_optional(connection)
            .await?;
    let Some(row) = row else { return Ok(Progress::default()) };
    Ok(Progress { version: StreamVersion(row.try_get("stream_version")?), since_ms: row.try_get("since_ms")? })
}

/// A chat's messages are in batches so far.
///
/// # Errors
/// Database failures.
pub(super) async fn save_progress(
    connection: &mut Connection,
    mapping_id: Uuid,
    stream: &StreamName,
    progress: Progress,
) -> Result<(), Error> {
    sql::query(
        "INSERT INTO ingest_progress (mapping_id, stream_name, stream_version, since_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (mapping_id, stream_name) DO UPDATE SET stream_version = excluded.stream_version, \
         since_ms = excluded.since_ms",
    )
    .bind(mapping_id)
    .bind(stream.as_str())
    .bind(progress.version.0)
    .bind(progress.since_ms)
    .execute(connection)
    .await?;
    Ok(())
}

/// The number that the next line of a mapping gets.
///
/// # Errors
/// Database failures.
pub(super) async fn next_line(connection: &mut Connection, mapping_id: Uuid) -> Result<i64, Error> {
    let next: Option<i64> = sql::query_scalar(
        "SELECT first_line + lines FROM ingest_batches WHERE mapping_id = $1 ORDER BY first_line DESC LIMIT 1",
    )
    .bind(mapping_id)
    .fetch_optional(connection)
    .await?;
    Ok(next.unwrap_or(0))
}

/// A batch waits to be sent.
///
/// # Errors
/// Database failures.
pub(super) async fn open(
    unit: &mut UnitOfWork<'_>,
    mapping_id: Uuid,
    batch_id: Uuid,
    first_line: i64,
    lines: i64,
) -> Result<(), Error> {
    let now = unit.now();
    sql::query(
        "INSERT INTO ingest_batches (batch_id, mapping_id, first_line, lines, state, composed_at) \
         VALUES ($1, $2, $3, $4, 'open', $5)",
    )
    .bind(batch_id)
    .bind(mapping_id)
    .bind(first_line)
    .bind(lines)
    .bind(now)
    .execute(unit.connection())
    .await?;
    Ok(())
}

/// What became of a batch: `delivered`, `split` or `refused`.
///
/// # Errors
/// Database failures.
pub(super) async fn settle(unit: &mut UnitOfWork<'_>, batch_id: Uuid, state: &'static str) -> Result<(), Error> {
    let now = unit.now();
    sql::query("UPDATE ingest_batches SET state = $1, settled_at = $2, away_since = NULL WHERE batch_id = $3")
        .bind(state)
        .bind(now)
        .bind(batch_id)
        .execute(unit.connection())
        .await?;
    Ok(())
}

/// Notes that the receiver is away for a batch, and gives since when it has been.
///
/// # Errors
/// Database failures.
pub(super) async fn away_since(unit: &mut UnitOfWork<'_>, batch_id: Uuid) -> Result<DateTime<Utc>, Error> {
    let now = unit.now();
    let since: Option<DateTime<Utc>> = sql::query_scalar(
        "UPDATE ingest_batches SET away_since = coalesce(away_since, $2) WHERE batch_id = $1 RETURNING away_since",
    )
    .bind(batch_id)
    .bind(now)
    .fetch_optional(unit.connection())
    .await?;
    Ok(since.unwrap_or(now))
}

/// So many batches with so many messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Batches.
    pub batches: u64,
    /// Messages in them: one line each.
    pub messages: u64,
}

/// How far the messages of a mapping have come. Edits and deletions count as messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In batches at all; batches that were split count by their halves.
    pub composed: Tally,
    /// The receiver has them.
    pub delivered: Tally,
    /// Given up.
    pub refused: Tally,
    /// On their way.
    pub open: Tally,
}

/// Counts what became of a mapping's messages.
///
/// # Errors
/// Database failures.
pub async fn delivered(readers: &Pool, mapping_id: Uuid) -> Result<Counts, Error> {
    let rows = sql::query(
        "SELECT state, count(*) AS batches, CAST(sum(lines) AS bigint) AS messages FROM ingest_batches \
         WHERE mapping_id = $1 AND state <> 'split' GROUP BY state",
    )
    .bind(mapping_id)
    .fetch_all(readers)
    .await?;
    let mut counts = Counts::default();
    for row in rows {
        let state: String = row.try_get("state")?;
        let (batches, messages): (i64, i64) = (row.try_get("batches")?, row.try_get("messages")?);
        let tally = Tally { batches: batches.cast_unsigned(), messages: messages.cast_unsigned() };
        counts.composed.batches += tally.batches;
        counts.composed.messages += tally.messages;
        match state.as_str() {
            "delivered" => counts.delivered = tally,
            "refused" => counts.refused = tally,
            _ => counts.open = tally,
        }
    }
    Ok(counts)
}

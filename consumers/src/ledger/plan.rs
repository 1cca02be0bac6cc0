//! Writing intents down.

use chrono::{DateTime, Utc};
use event_log::sql::{self, Builder, Connection, Pool};
use event_log::{EventId, StreamName};
use serde::Serialize;
use uuid::Uuid;

use super::Kind;
use crate::Error;

/// An effect to be done.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Recognises it for ever.
    pub key: String,
    /// What it does.
    pub kind: Kind,
    /// The stream its outcome belongs to.
    pub stream: StreamName,
    /// Which run of that stream.
    pub run: i64,
    /// The account it changes.
    pub account: String,
    /// The account it reads from, where that is another one.
    pub source_account: Option<String>,
    /// The organisation that owns it.
    pub organization: String,
    /// What makes it the same change as another effect.
    pub once_key: Option<String>,
    /// Its place among effects that are done one after the other.
    pub sequence: Option<Sequence>,
    /// Length, where known.
    pub bytes: Option<u64>,
    /// What exactly to do, as JSON.
    pub request: String,
    /// The story.
    pub correlation_id: Uuid,
    /// The event that led here.
    pub causation_id: Option<EventId>,
    /// Not before this time; absent: at once.
    pub not_before: Option<DateTime<Utc>>,
}

/// A place among effects that are done one after the other: an effect waits for the open ones with lower numbers, and for none
/// that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The same for all that are done one after the other. They change the same account.
    pub key: String,
    /// The order.
    pub number: i64,
}

impl Planned {
    /// The request as the ledger keeps it.
    ///
    /// # Panics
    /// When `request` does not serialise to JSON, which is a bug in its type.
    #[must_use]
    pub fn encode(request: &impl Serialize) -> String {
        serde_json::to_string(request).expect("an effect's request serialises to JSON")
    }
}

/// Rows of one statement: 17 values each, well below SQLite's limit of 32,766.
const ROWS: usize = 200;

/// Writes intents. An effect that is there already stays as it is in its own run; in a later run it counts for that
/// run, and starts over if it had failed: by settling, where its outcome was not known when it was given up.
///
/// # Errors
/// Database failures.
pub async fn plan(connection: &mut Connection, now: DateTime<Utc>, planned: &[Planned]) -> Result<(), Error> {
    for chunk in planned.chunks(ROWS) {
        let mut query = Builder::new(
            "INSERT INTO effects (effect_key, kind, lane, stream_name, run, account, source_account, organization, \
             status, not_before, once_key, sequence_key, sequence_number, bytes, request, correlation_id, causation_id, \
             planned_at) ",
        );
        query.push_values(chunk, |mut row, one| {
            row.push_bind(&one.key)
                .push_bind(one.kind.as_str())
                .push_bind(one.kind.lane().as_str())
                .push_bind(one.stream.as_str())
                .push_bind(one.run)
                .push_bind(&one.account)
                .push_bind(&one.source_account)
                .push_bind(&one.organization)
                .push("'planned'")
                .push_bind(one.not_before.unwrap_or(now))
                .push_bind(&one.once_key)
                .push_bind(one.sequence.as_ref().map(|sequence| sequence.key.as_str()))
                .push_bind(one.sequence.as_ref().map(|sequence| sequence.number))
                .push_bind(one.bytes.map(u64::cast_signed))
                .push_bind(sql::json(&one.request))
                .push_bind(one.correlation_id)
                .push_bind(one.causation_id.map(|id| id.0))
                .push_bind(now);
        });
        query.push(
            " ON CONFLICT (effect_key) DO UPDATE SET run = excluded.run, correlation_id = excluded.correlation_id, \
             causation_id = excluded.causation_id, \
             not_before = CASE effects.status WHEN 'failed' THEN excluded.not_before ELSE effects.not_before END, \
             request = CASE WHEN effects.status = 'failed' AND effects.error_code IS DISTINCT FROM 'unsettled' \
               THEN excluded.request ELSE effects.request END, \
             attempt = CASE effects.status WHEN 'failed' THEN 0 ELSE effects.attempt END, \
             finished_at = CASE effects.status WHEN 'failed' THEN NULL ELSE effects.finished_at END, \
             status = CASE WHEN effects.status <> 'failed' THEN effects.status \
               WHEN effects.error_code = 'unsettled' THEN 'unknown' ELSE 'planned' END \
             WHERE effects.run < excluded.run",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Sends an effect that was given up on its way again, with fresh attempts. What was given up before its outcome was
/// known is settled first. `false` when it was not given up.
///
/// # Errors
/// Database failures.
pub async fn start_over(connection: &mut Connection, now: DateTime<Utc>, effect_key: &str) -> Result<bool, Error> {
    let started = sql::query(
        "UPDATE effects SET status = CASE error_code WHEN 'unsettled' THEN 'unknown' ELSE 'planned' END, \
         attempt = 0, not_before = $1, finished_at = NULL WHERE effect_key = $2 AND status = 'failed'",
    )
    .bind(now)
    .bind(effect_key)
    .execute(connection)
    .await?;
    Ok(started == 1)
}

/// Lets what waits in a sequence before a place end soon, where a later effect makes it pointless: it is due at once, and
/// the dead letters of what was given up need nobody any more.
///
/// # Errors
/// Database failures.
pub(crate) async fn overtake(connection: &mut Connection, now: DateTime<Utc>, place: &Sequence) -> Result<(), Error> {
    sql::query(
        "UPDATE effects SET not_before = $1 WHERE sequence_key = $2 AND sequence_number < $3 \
         AND status = 'planned' AND not_before > $1",
    )
    .bind(now)
    .bind(&place.key)
    .bind(place.number)
    .execute(&mut *connection)
    .await?;
    sql::query(
        "UPDATE dead_letters SET resolved_at = $1 WHERE resolved_at IS NULL AND effect_key IN \
         (SELECT effect_key FROM effects WHERE sequence_key = $2 AND sequence_number < $3 AND status = 'failed')",
    )
    .bind(now)
    .bind(&place.key)
    .bind(place.number)
    .execute(connection)
    .await?;
    Ok(())
}

/// An effect that has made its change.
#[derive(Debug, Clone)]
pub struct Done {
    /// The effect.
    pub effect_key: String,
    /// Its change.
    pub once_key: String,
    /// What it remembered, as JSON.
    pub result: String,
}

/// The effects that have made one of these changes already.
///
/// # Errors
/// Database failures.
pub async fn done(readers: &Pool, once_keys: &[String]) -> Result<Vec<Done>, Error> {
    let rows = sql::query(
        "SELECT effect_key, once_key, result FROM effects \
         WHERE once_key IN (SELECT value FROM json_each($1)) AND status = 'succeeded'",
    )
    .bind(sql::list(once_keys))
    .fetch_all(readers)
    .await?;
    rows.into_iter()
        .map(|row| {
            let result: Option<String> = row.try_get("result")?;
            Ok(Done {
                effect_key: row.try_get("effect_key")?,
                once_key: row.try_get("once_key")?,
                result: result.unwrap_or_default(),
            })
        })
        .collect()
}

//! Work that was given up: shown, and sent on its way again.
//!
//! Three things end here: an effect whose policy gave up, an event that a consumer cannot decide ([`EVENT_DECIDE`]), and a
//! record of the topic that a consumer cannot read ([`RECORD_READ`]).

mod refused;

use catalogue::effect::{REDRIVEN, Redriven};
use chrono::{DateTime, Utc};
use event_log::sql::{self, Pool, Row};
use event_log::{Append, GlobalPosition, Log, NewEvent, StreamName, UnitOfWork};
use serde::Serialize;
use uuid::Uuid;

use crate::Error;
use crate::ledger::start_over;
use crate::settings::Settings;

pub use refused::{EVENT_DECIDE, RECORD_READ, refuse_event, refuse_record};

/// Parked work.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// Its number.
    pub dead_letter_id: i64,
    /// The effect; of an event or a record, what recognises it.
    pub effect_key: String,
    /// Its kind.
    pub kind: String,
    /// The stream it belongs to.
    pub stream_name: String,
    /// The account; empty where it is not known.
    pub account: String,
    /// The organisation; empty where it is not known.
    pub organization: String,
    /// Stable code of the cause.
    pub reason: String,
    /// The cause in words.
    pub error: String,
    /// Attempts that failed.
    pub attempts: i64,
    /// The story.
    pub correlation_id: Uuid,
    /// When it was parked.
    pub parked_at: DateTime<Utc>,
    /// When somebody sent it on its way again.
    pub redriven_at: Option<DateTime<Utc>>,
    /// When it turned out well, or was parked again under a new number.
    pub resolved_at: Option<DateTime<Utc>>,
    /// What the effect was to do, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<serde_json::Value>,
    /// Which consumer could not decide the event or read the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_name: Option<String>,
    /// Where the event stands in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_position: Option<GlobalPosition>,
    /// Where the record is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordPlace>,
}

/// Where a record is in Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordPlace {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
}

/// Which dead letters.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this account.
    pub account: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// Also those that are resolved.
    pub resolved: bool,
}

/// Dead letters, newest first.
///
/// # Errors
/// Database failures.
pub async fn list(readers: &Pool, filter: &Filter, limit: u32) -> Result<Vec<DeadLetter>, Error> {
    let rows = sql::query(
        "SELECT dead_letters.*, NULL AS request FROM dead_letters \
         WHERE ($1 IS NULL OR account = $1) AND ($2 IS NULL OR reason = $2) AND ($3 OR resolved_at IS NULL) \
         ORDER BY dead_letter_id DESC LIMIT $4",
    )
    .bind(filter.account.as_deref())
    .bind(filter.reason.as_deref())
    .bind(filter.resolved)
    .bind(limit)
    .fetch_all(readers)
    .await?;
    rows.iter().map(dead_letter).collect()
}

/// One dead letter with its request.
///
/// # Errors
/// Database failures.
pub async fn show(readers: &Pool, dead_letter_id: i64) -> Result<Option<DeadLetter>, Error> {
    let row = sql::query(
        "SELECT dead_letters.*, effects.request FROM dead_letters LEFT JOIN effects USING (effect_key) \
         WHERE dead_letter_id = $1",
    )
    .bind(dead_letter_id)
    .fetch_optional(readers)
    .await?;
    row.as_ref().map(dead_letter).transpose()
}

/// Sends parked work on its way again, and tells so: in the stream of the effect, or in that of the dead letter.
///
/// An effect gets fresh attempts. An event is decided again at once. A record is only closed: what it should have carried
/// was read from the log when it was missed.
///
/// # Errors
/// [`Error::NoSuchDeadLetter`] when it is not there, resolved, or under way already; why an event could not be decided
/// this time either.
pub async fn redrive(log: &Log, settings: &Settings, dead_letter_id: i64) -> Result<(), Error> {
    let Some(letter) = show(log.database().readers(), dead_letter_id).await? else {
        return Err(Error::NoSuchDeadLetter(dead_letter_id));
    };
    match letter.kind.as_str() {
        EVENT_DECIDE => refused::decide_again(log, settings, letter).await,
        RECORD_READ => refused::close(log, dead_letter_id).await,
        _ => log.write(move |unit| Box::pin(async move { redrive_in(unit, dead_letter_id).await })).await,
    }
}

/// Whether it still waits for somebody.
async fn is_open(unit: &mut UnitOfWork<'_>, dead_letter_id: i64) -> Result<bool, Error> {
    Ok(sql::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM dead_letters WHERE dead_letter_id = $1 AND resolved_at IS NULL)",
    )
    .bind(dead_letter_id)
    .fetch_one(unit.connection())
    .await?)
}

async fn redrive_in(unit: &mut UnitOfWork<'_>, dead_letter_id: i64) -> Result<(), Error> {
    let now = unit.now();
    let row = sql::query(
        "SELECT dead_letters.*, effects.request FROM dead_letters JOIN effects USING (effect_key) \
         WHERE dead_letter_id = $1 AND dead_letters.resolved_at IS NULL AND effects.status = 'failed'",
    )
    .bind(dead_letter_id)
    .fetch_optional(unit.connection())
    .await?;
    let Some(row) = row else { return Err(Error::NoSuchDeadLetter(dead_letter_id)) };
    let letter = dead_letter(&row)?;
    sql::query("UPDATE dead_letters SET redriven_at = $1 WHERE dead_letter_id = $2")
        .bind(now)
        .bind(dead_letter_id)
        .execute(unit.connection())
        .await?;
    start_over(unit.connection(), now, &letter.effect_key).await?;
    let data = Redriven { effect_key: letter.effect_key.clone(), kind: letter.kind, dead_letter_id };
    let event = NewEvent::new(REDRIVEN, "operator", &data)
        .in_story(letter.correlation_id, None)
        .of(letter.account, letter.organization);
    let stream = StreamName::parse(&letter.stream_name)
        .map_err(|source| Error::BadStream { effect_key: letter.effect_key, source })?;
    unit.append(Append::new(stream, vec![event])).await?;
    Ok(())
}

fn dead_letter(row: &Row) -> Result<DeadLetter, Error> {
    let request: Option<String> = row.try_get("request")?;
    let global_position: Option<i64> = row.try_get("global_position")?;
    let topic: Option<String> = row.try_get("topic")?;
    let record = match topic {
        Some(topic) => {
            Some(RecordPlace { topic, partition: row.try_get("partition")?, offset: row.try_get("record_offset")? })
        }
        None => None,
    };
    Ok(DeadLetter {
        dead_letter_id: row.try_get("dead_letter_id")?,
        effect_key: row.try_get("effect_key")?,
        kind: row.try_get("kind")?,
        stream_name: row.try_get("stream_name")?,
        account: row.try_get("account")?,
        organization: row.try_get("organization")?,
        reason: row.try_get("reason")?,
        error: row.try_get("error")?,
        attempts: row.try_get("attempts")?,
        correlation_id: row.try_get("correlation_id")?,
        parked_at: row.try_get("parked_at")?,
        redriven_at: row.try_get("redriven_at")?,
        resolved_at: row.try_get("resolved_at")?,
        request: request.and_then(|text| serde_json::from_str(&text).ok()),
        subscription_name: row.try_get("subscription_name")?,
        global_position: global_position.map(GlobalPosition),
        record,
    })
}

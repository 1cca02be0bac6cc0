//! Writing outcomes down: the row and its events in one unit of work.

use catalogue::effect::{RETRIED, Retried, SETTLED, Settled};
use event_log::sql;
use event_log::{Append, EventType, NewEvent, StreamName, UnitOfWork};
use serde::Serialize;

use super::{Effect, Verdict, plan};
use crate::Error;

struct Change<'a> {
    status: &'static str,
    attempt: i64,
    not_before: Option<chrono::DateTime<chrono::Utc>>,
    bytes: Option<u64>,
    result: Option<String>,
    failure: Option<(&'a str, &'a str)>,
}

/// How the ledger stands after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The run that the effect counts for by now: a later one when the transfer was asked for again meanwhile.
    pub run: i64,
    /// Nothing else of that run is open.
    pub is_last: bool,
}

/// Records how an attempt ended: the row, the story it tells, what follows from it.
///
/// # Errors
/// Database failures, [`Error::LostLease`].
pub async fn finish(unit: &mut UnitOfWork<'_>, effect: &Effect, verdict: &Verdict) -> Result<Finished, Error> {
    let now = unit.now();
    let change = change(effect, verdict);
    let row = sql::query(
        "UPDATE effects SET status = $1, attempt = $2, not_before = coalesce($3, not_before), \
         bytes = coalesce($4, bytes), result = coalesce($5, result), error_code = $6, error = $7, \
         finished_at = CASE WHEN $1 IN ('succeeded', 'failed') THEN $8 ELSE NULL END, \
         leased_by = NULL, leased_until = NULL \
         WHERE effect_key = $9 AND status = 'started' AND claims = $10 \
         RETURNING run, EXISTS (SELECT 1 FROM effects AS other WHERE other.stream_name = effects.stream_name \
           AND other.run = effects.run AND other.effect_key <> effects.effect_key \
           AND other.status IN ('planned', 'started', 'unknown')) AS has_open",
    )
    .bind(change.status)
    .bind(change.attempt)
    .bind(change.not_before)
    .bind(change.bytes.map(u64::cast_signed))
    .bind(change.result.map(sql::json))
    .bind(change.failure.map(|(code, _)| code))
    .bind(change.failure.map(|(_, error)| error))
    .bind(now)
    .bind(&effect.key)
    .bind(effect.claims)
    .fetch_optional(unit.connection())
    .await?;
    let Some(row) = row else { return Err(Error::LostLease { effect_key: effect.key.clone() }) };
    let (run, mut has_open): (i64, bool) = (row.try_get("run")?, row.try_get("has_open")?);

    let mut events = story(effect, verdict);
    match verdict {
        Verdict::Succeeded { events: told, plan: follows, .. } => {
            plan::plan(unit.connection(), now, follows).await?;
            // What was planned may have been finished in an earlier run.
            has_open = has_open || !follows.is_empty() && self::has_open(unit, &effect.stream, run).await?;
            events.extend(told.iter().cloned());
            resolve_dead_letter(unit, effect).await?;
        }
        Verdict::Failed { code, error, events: told, dead_letter } => {
            events.extend(told.iter().cloned());
            match dead_letter {
                true => park(unit, effect, code, error).await?,
                // Nobody can do anything about it any more, whatever it was parked for before.
                false => resolve_dead_letter(unit, effect).await?,
            }
        }
        _ => {}
    }
    if !events.is_empty() {
        unit.append_all(&events).await?;
    }
    Ok(Finished { run, is_last: !has_open })
}

async fn has_open(unit: &mut UnitOfWork<'_>, stream: &StreamName, run: i64) -> Result<bool, Error> {
    Ok(sql::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM effects WHERE stream_name = $1 AND run = $2 \
         AND status IN ('planned', 'started', 'unknown'))",
    )
    .bind(stream.as_str())
    .bind(run)
    .fetch_one(unit.connection())
    .await?)
}

fn change<'a>(effect: &Effect, verdict: &'a Verdict) -> Change<'a> {
    let same = Change {
        status: "planned",
        attempt: effect.attempt,
        not_before: None,
        bytes: None,
        result: None,
        failure: None,
    };
    match verdict {
        Verdict::Succeeded { result, bytes, .. } => {
            Change { status: "succeeded", bytes: *bytes, result: Some(result.to_string()), ..same }
        }
        Verdict::Failed { code, error, .. } => {
            Change { status: "failed", attempt: effect.attempt + 1, failure: Some((code, error)), ..same }
        }
        Verdict::Retry { code, error, not_before } => {
            Change { attempt: effect.attempt + 1, not_before: Some(*not_before), failure: Some((code, error)), ..same }
        }
        // An effect whose outcome was unknown stays so while it waits: it has not been settled yet.
        Verdict::Wait { code, error, until } => Change {
            status: if effect.unknown { "unknown" } else { "planned" },
            not_before: Some(*until),
            failure: Some((code, error)),
            ..same
        },
        Verdict::Unknown { code, error, settle_at } => Change {
            status: "unknown",
            attempt: effect.attempt + 1,
            not_before: Some(*settle_at),
            failure: Some((code, error)),
            ..same
        },
        Verdict::NotDone => same,
    }
}

/// What the ledger itself tells about an attempt.
fn story(effect: &Effect, verdict: &Verdict) -> Vec<Append> {
    let mut events = Vec::new();
    if !effect.kind.tells_attempts() {
        return events;
    }
    let done = match verdict {
        Verdict::Succeeded { .. } => Some(true),
        Verdict::NotDone => Some(false),
        _ => None,
    };
    if let (true, Some(done)) = (effect.unknown, done) {
        let data =
            Settled { effect_key: effect.key.clone(), kind: effect.kind.to_string(), attempt: effect.attempt, done };
        events.push(tell(effect, SETTLED, &data));
    }
    if let Verdict::Retry { code, error, not_before: at } | Verdict::Unknown { code, error, settle_at: at } = verdict {
        let data = Retried {
            effect_key: effect.key.clone(),
            kind: effect.kind.to_string(),
            attempt: effect.attempt + 1,
            code: code.clone(),
            error: error.clone(),
            not_before: *at,
        };
        events.push(tell(effect, RETRIED, &data));
    }
    events
}

/// An event in the effect's stream and story.
pub(crate) fn tell(effect: &Effect, event_type: EventType, data: &impl Serialize) -> Append {
    let event = NewEvent::new(event_type, "effect", data)
        .in_story(effect.correlation_id, effect.causation_id)
        .of(&effect.account, &effect.organization);
    Append::new(effect.stream.clone(), vec![event])
}

async fn park(unit: &mut UnitOfWork<'_>, effect: &Effect, code: &str, error: &str) -> Result<(), Error> {
    let now = unit.now();
    sql::query("UPDATE dead_letters SET resolved_at = $1 WHERE effect_key = $2 AND resolved_at IS NULL")
        .bind(now)
        .bind(&effect.key)
        .execute(unit.connection())
        .await?;
    sql::query(
        "INSERT INTO dead_letters (effect_key, kind, stream_name, account, organization, reason, error, attempts, \
         correlation_id, parked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&effect.key)
    .bind(effect.kind.as_str())
    .bind(effect.stream.as_str())
    .bind(&effect.account)
    .bind(&effect.organization)
    .bind(code)
    .bind(error)
    .bind(effect.attempt + 1)
    .bind(effect.correlation_id)
    .bind(now)
    .execute(unit.connection())
    .await?;
    metrics::counter!("dead_letters_parked_total", "kind" => effect.kind.as_str()).increment(1);
    Ok(())
}

async fn resolve_dead_letter(unit: &mut UnitOfWork<'_>, effect: &Effect) -> Result<(), Error> {
    if !effect.was_tried() {
        return Ok(());
    }
    let now = unit.now();
    sql::query("UPDATE dead_letters SET resolved_at = $1 WHERE effect_key = $2 AND resolved_at IS NULL")
        .bind(now)
        .bind(&effect.key)
        .execute(unit.connection())
        .await?;
    Ok(())
}

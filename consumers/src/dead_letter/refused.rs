//! Events that could not be decided and records that could not be read: put aside, so that what is behind them goes on.

use catalogue::effect::{REDRIVEN, Redriven};
use chrono::{DateTime, Utc};
use event_log::sql;
use event_log::{Append, GlobalPosition, Log, NewEvent, RecordedEvent, StreamName, UnitOfWork};
use kafka::Poison;
use uuid::Uuid;

use super::{DeadLetter, is_open};
use crate::Error;
use crate::consumer::Consumer;
use crate::settings::Settings;
use crate::trouble::in_words;

/// Kind of an event that a consumer could not decide.
pub const EVENT_DECIDE: &str = "event.decide";
/// Kind of a record of the topic that could not be read.
pub const RECORD_READ: &str = "record.read";

/// Puts an event aside that `subscription` cannot decide, for good. Putting aside what lies aside changes nothing.
///
/// # Errors
/// Database failures.
pub async fn refuse_event(
    unit: &mut UnitOfWork<'_>,
    subscription: &str,
    event: &RecordedEvent,
    error: &Error,
) -> Result<(), Error> {
    let position = event.global_position;
    let refused = Refused {
        key: format!("{EVENT_DECIDE}:{subscription}:{}", position.0),
        kind: EVENT_DECIDE,
        stream_name: event.stream_name.as_str(),
        account: event.account.as_deref().unwrap_or_default(),
        organization: event.organization.as_deref().unwrap_or_default(),
        reason: "undecidable",
        error: &in_words(error),
        correlation_id: event.correlation_id,
        subscription,
        position: Some(position),
        place: None,
    };
    park(unit, &refused).await
}

/// Puts a record of the topic aside that `subscription` cannot read. Putting aside what lies aside changes nothing.
///
/// # Errors
/// Database failures.
pub async fn refuse_record(unit: &mut UnitOfWork<'_>, subscription: &str, poison: &Poison) -> Result<(), Error> {
    let refused = Refused {
        key: format!("{RECORD_READ}:{subscription}:{}/{}@{}", poison.topic, poison.partition, poison.offset),
        kind: RECORD_READ,
        stream_name: poison.key.as_deref().unwrap_or_default(),
        account: "",
        organization: "",
        reason: "unreadable_record",
        error: &poison.reason,
        correlation_id: Uuid::nil(),
        subscription,
        position: None,
        place: Some(poison),
    };
    park(unit, &refused).await
}

struct Refused<'a> {
    key: String,
    kind: &'static str,
    stream_name: &'a str,
    account: &'a str,
    organization: &'a str,
    reason: &'static str,
    error: &'a str,
    correlation_id: Uuid,
    subscription: &'a str,
    position: Option<GlobalPosition>,
    place: Option<&'a Poison>,
}

async fn park(unit: &mut UnitOfWork<'_>, refused: &Refused<'_>) -> Result<(), Error> {
    let now = unit.now();
    let parked = sql::query(
        "INSERT INTO dead_letters (effect_key, kind, stream_name, account, organization, reason, error, attempts, \
         correlation_id, parked_at, subscription_name, global_position, topic, partition, record_offset) \
         SELECT $1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12, $13, $14 \
         WHERE NOT EXISTS (SELECT 1 FROM dead_letters WHERE effect_key = $1 AND resolved_at IS NULL)",
    )
    .bind(&refused.key)
    .bind(refused.kind)
    .bind(refused.stream_name)
    .bind(refused.account)
    .bind(refused.organization)
    .bind(refused.reason)
    .bind(refused.error)
    .bind(refused.correlation_id)
    .bind(now)
    .bind(refused.subscription)
    .bind(refused.position.map(|position| position.0))
    .bind(refused.place.map(|place| place.topic.as_str()))
    .bind(refused.place.map(|place| place.partition))
    .bind(refused.place.map(|place| place.offset))
    .execute(unit.connection())
    .await?;
    metrics::counter!("dead_letters_parked_total", "kind" => refused.kind).increment(parked);
    Ok(())
}

/// Decides an event again that was put aside: the decision and the end of the dead letter are one unit of work. If it
/// cannot be decided this time either, the dead letter stays and says so.
///
/// # Errors
/// Why it could not be decided, or [`Error::NoSuchDeadLetter`] when somebody else has done it meanwhile.
pub(super) async fn decide_again(log: &Log, settings: &Settings, letter: DeadLetter) -> Result<(), Error> {
    let dead_letter_id = letter.dead_letter_id;
    let of_what = letter.subscription_name.as_deref().and_then(Consumer::named).zip(letter.global_position);
    let Some((consumer, position)) = of_what else { return Err(Error::NoSuchDeadLetter(dead_letter_id)) };
    let Some(event) = log.event_at(position).await? else { return Err(Error::NoSuchDeadLetter(dead_letter_id)) };
    let settings = settings.clone();
    let deciding = log.write::<_, Error, _>(move |unit| {
        Box::pin(async move {
            if !is_open(unit, dead_letter_id).await? {
                return Err(Error::NoSuchDeadLetter(dead_letter_id));
            }
            consumer.decide(unit, &settings, &event).await?;
            let now = unit.now();
            resolve(unit, dead_letter_id, now).await?;
            let data = Redriven { effect_key: letter.effect_key, kind: letter.kind, dead_letter_id };
            let mut told = NewEvent::new(REDRIVEN, "operator", &data).in_story(event.correlation_id, Some(event.id));
            told.account = event.account;
            told.organization = event.organization;
            // Not in the event's own stream: whoever writes there may know its version and expect it.
            let stream = StreamName::new("dead_letter", dead_letter_id);
            unit.append(Append::new(stream, vec![told])).await?;
            Ok(())
        })
    });
    let decided = deciding.await;
    match &decided {
        Err(error) if !error.is_retryable() && !matches!(error, Error::NoSuchDeadLetter(_)) => {
            let error = in_words(error);
            log.write::<_, Error, _>(move |unit| Box::pin(tried_in_vain(unit, dead_letter_id, error))).await?;
        }
        _ => {}
    }
    decided
}

/// Closes what cannot be done again.
///
/// # Errors
/// Database failures, [`Error::NoSuchDeadLetter`] when it is closed already.
pub(super) async fn close(log: &Log, dead_letter_id: i64) -> Result<(), Error> {
    log.write::<_, Error, _>(move |unit| {
        Box::pin(async move {
            if !is_open(unit, dead_letter_id).await? {
                return Err(Error::NoSuchDeadLetter(dead_letter_id));
            }
            let now = unit.now();
            resolve(unit, dead_letter_id, now).await
        })
    })
    .await
}

async fn resolve(unit: &mut UnitOfWork<'_>, dead_letter_id: i64, now: DateTime<Utc>) -> Result<(), Error> {
    sql::query("UPDATE dead_letters SET redriven_at = $1, resolved_at = $1 WHERE dead_letter_id = $2")
        .bind(now)
        .bind(dead_letter_id)
        .execute(unit.connection())
        .await?;
    Ok(())
}

async fn tried_in_vain(unit: &mut UnitOfWork<'_>, dead_letter_id: i64, error: String) -> Result<(), Error> {
    let now = unit.now();
    sql::query(
        "UPDATE dead_letters SET redriven_at = $1, attempts = attempts + 1, error = $2 \
         WHERE dead_letter_id = $3 AND resolved_at IS NULL",
    )
    .bind(now)
    .bind(error)
    .bind(dead_letter_id)
    .execute(unit.connection())
    .await?;
    Ok(())
}

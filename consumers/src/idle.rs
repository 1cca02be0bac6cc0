//! Whether there is anything left to do: how `transfer` knows that it is done.

use chrono::TimeDelta;
use event_log::sql::{self, Builder};
use event_log::{GlobalPosition, Log, checkpoints};
use kafka::{Marks, Portion, StreamHash};
use serde::Serialize;

use crate::ledger::Summary;
use crate::notify::settings::Endpoints;
use crate::{Consumer, Error};

/// A stopped account is tried again every few seconds. What was refused this lately speaks for all effects of the same
/// accounts; an older refusal, such as one found at start, speaks for nothing.
const LATELY: TimeDelta = TimeDelta::seconds(15);

/// What is left to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Idle {
    /// Effects by status.
    pub effects: Summary,
    /// Open effects that wait for a person: consent, client registration, licence.
    pub waiting_for_a_person: u64,
    /// Events that a decider has not looked at yet.
    pub undecided: bool,
}

impl Idle {
    /// Nothing is under way and nothing will start by itself.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.undecided && self.effects.open() == self.waiting_for_a_person && self.effects.started == 0
    }
}

/// Events beyond what is decided of all streams that are looked at one by one; with more, something is undecided.
const LOOKED_AT: usize = 1000;

/// Looks what is left to do for all consumers.
///
/// # Errors
/// Database failures.
pub async fn look(log: &Log) -> Result<Idle, Error> {
    look_for(log, &Consumer::ALL).await
}

/// Looks what is left to do for some of the consumers, whatever the others have before them.
///
/// # Errors
/// Database failures.
pub async fn look_for(log: &Log, consumers: &[Consumer]) -> Result<Idle, Error> {
    let readers = log.database().readers();
    // What is decided is read first: a decision between the two looks then only means another look.
    let rows = checkpoints(readers).await?;
    let decided = Consumer::ALL.map(|consumer| Marks::of(consumer.name(), &rows));
    // One statement, so one moment: a decision between two looks would be in neither.
    let mut query = Builder::new(
        "WITH wanted AS NOT MATERIALIZED (SELECT account, source_account, status, error_code, started_at \
         FROM effects WHERE kind IN (SELECT value FROM json_each(",
    );
    query.push_bind(sql::list(consumers.iter().flat_map(|consumer| consumer.kinds()).map(|kind| kind.as_str())));
    query.push(
        "))), stopped AS (SELECT DISTINCT account, source_account FROM wanted WHERE status IN ('planned', 'unknown') \
         AND error_code IN ('needs_consent', 'bad_client', 'licence', 'denied') AND started_at > ",
    );
    query.push_bind(log.now() - LATELY).push(
        "), needing AS (SELECT account FROM provider_accounts WHERE state = 'needs_consent') \
         SELECT counts.*, (SELECT count(*) FROM wanted WHERE status IN ('planned', 'unknown') \
           AND (account IN (SELECT account FROM needing) OR source_account IN (SELECT account FROM needing) \
             OR EXISTS (SELECT 1 FROM stopped WHERE stopped.account = wanted.account \
               AND stopped.source_account IS NOT DISTINCT FROM wanted.source_account))) AS waiting",
    );
    for (number, (consumer, decided)) in Consumer::ALL.iter().zip(&decided).enumerate() {
        push_beyond(&mut query, number, *consumer, decided);
    }
    query.push(
        " FROM (SELECT count(*) FILTER (WHERE status = 'planned') AS planned, \
         count(*) FILTER (WHERE status = 'started') AS started, count(*) FILTER (WHERE status = 'unknown') AS unknown, \
         count(*) FILTER (WHERE status = 'succeeded') AS succeeded, count(*) FILTER (WHERE status = 'failed') AS failed \
         FROM wanted) AS counts",
    );
    let row = query.build().fetch_one(readers).await?;
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    let effects = Summary {
        planned: count("planned")?,
        started: count("started")?,
        unknown: count("unknown")?,
        succeeded: count("succeeded")?,
        failed: count("failed")?,
    };
    let mut undecided = false;
    for (number, (consumer, decided)) in Consumer::ALL.iter().zip(&decided).enumerate() {
        let beyond: Option<String> = row.try_get(beyond(number).as_str())?;
        undecided = undecided || consumers.contains(consumer) && is_undecided(decided, beyond.as_deref());
    }
    Ok(Idle { effects, waiting_for_a_person: count("waiting")?, undecided })
}

/// Position and stream of the events beyond what a consumer has decided of all streams, in lines.
fn push_beyond(query: &mut Builder<'_>, number: usize, consumer: Consumer, decided: &Marks) {
    query.push(
        ", (SELECT string_agg(CAST(global_position AS TEXT) || ' ' || stream_name, '\n') FROM \
         (SELECT global_position, stream_name FROM events WHERE event_type IN (SELECT value FROM json_each(",
    );
    query.push_bind(types(consumer)).push(")) AND global_position > ");
    query
        .push_bind(decided.floor(Portion::ALL).0)
        .push(format!(" LIMIT {LOOKED_AT}) AS beyond) AS {}", beyond(number)));
}

/// The column of what is beyond what a consumer has decided.
fn beyond(number: usize) -> String {
    format!("beyond_{number}")
}

/// What endpoints are told depends on the settings, and nobody waits for its end: it is left out.
fn types(consumer: Consumer) -> sql::Value<'static> {
    sql::list(consumer.follows(&Endpoints::default()).iter().map(|event_type| event_type.as_str().to_owned()))
}

/// Whether one of the events beyond what is decided of all streams is not decided either. Over Kafka, each partition has
/// come as far as its own streams needed.
fn is_undecided(decided: &Marks, beyond: Option<&str>) -> bool {
    let Some(beyond) = beyond else { return false };
    let events: Vec<&str> = beyond.split('\n').collect();
    events.len() >= LOOKED_AT
        || events.iter().any(|event| {
            let Some((position, stream)) = event.split_once(' ') else { return true };
            let Ok(position) = position.parse() else { return true };
            !decided.is_handled(StreamHash::of_key(stream.as_bytes()), GlobalPosition(position))
        })
}

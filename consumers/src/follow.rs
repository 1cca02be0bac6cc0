//! Following the log: decisions and the checkpoint in one unit of work.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use event_log::{Batch, EventType, RecordedEvent, Subscription, UnitOfWork};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::context::Context;

/// What a decider does with one event.
pub(crate) type Decide = for<'a, 'c> fn(
    &'a mut UnitOfWork<'c>,
    &'a Context,
    &'a RecordedEvent,
) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// Positions read at a time: small enough that one decision waits for few others.
const WINDOW: u32 = 500;
/// Decisions in one unit of work.
const DECISIONS: usize = 200;
/// An event of a poll names many records: so much of it counts as one more decision.
const BYTES_OF_A_DECISION: usize = 256;
/// A checkpoint that only moves over foreign events is saved this often, in positions.
const SAVE_EVERY: i64 = 5_000;
/// Pause after the log could not read or write.
const AGAIN: Duration = Duration::from_millis(500);

/// Follows events of `types` under `name` until `stop`.
///
/// An event that cannot be decided (it does not decode) is skipped with an error in the log: it would stop everything
/// behind it for ever.
pub(crate) async fn follow(
    context: Arc<Context>,
    name: &'static str,
    types: Vec<EventType>,
    decide: Decide,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut subscription = Subscription::open(&context.log, name, types, WINDOW).await?;
    let mut saved = subscription.position().0;
    while let Some(batch) = stop.run_until_cancelled(subscription.next_batch()).await {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                tracing::warn!(error = %error, subscription.name = name, "the log could not be read; trying again");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        if batch.events.is_empty() && batch.last.0 - saved < SAVE_EVERY {
            continue;
        }
        saved = batch.last.0;
        for part in parts(batch) {
            if !handle(&context, name, Arc::new(part), decide, &stop).await {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Stretches that are decided in one unit of work: other writers wait for each.
fn parts(batch: Batch) -> Vec<Batch> {
    let mut parts: Vec<Batch> = Vec::new();
    let mut weight = 0;
    for event in batch.events {
        let last = event.global_position;
        weight += 1 + event.data.len() / BYTES_OF_A_DECISION;
        match parts.last_mut() {
            Some(part) if weight <= DECISIONS => {
                part.events.push(event);
                part.last = last;
            }
            _ => {
                weight = 1 + event.data.len() / BYTES_OF_A_DECISION;
                parts.push(Batch { events: vec![event], last });
            }
        }
    }
    match parts.last_mut() {
        Some(part) => part.last = batch.last,
        None => parts.push(Batch { events: Vec::new(), last: batch.last }),
    }
    parts
}

/// Decides until it is written; `false` when it was stopped before.
async fn handle(
    context: &Arc<Context>,
    name: &'static str,
    batch: Arc<Batch>,
    decide: Decide,
    stop: &CancellationToken,
) -> bool {
    let mut skip = Vec::new();
    loop {
        let Err((error, at)) = decide_batch(context, name, batch.clone(), decide, skip.clone()).await else {
            if !batch.events.is_empty() {
                context.work_was_planned();
            }
            return true;
        };
        match at {
            Some(at) if !error.is_retryable() => {
                let event = &batch.events[at];
                metrics::counter!("events_skipped_total", "subscription" => name).increment(1);
                tracing::error!(
                    error = %error, subscription.name = name, global_position = event.global_position.0,
                    "an event could not be decided and is skipped"
                );
                skip.push(at);
            }
            _ if stop.is_cancelled() => return false,
            _ => {
                tracing::warn!(error = %error, subscription.name = name, "decisions could not be written yet");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// The failure, and which event of the batch it came from.
struct Stuck(Error, Option<usize>);

impl From<event_log::Error> for Stuck {
    fn from(error: event_log::Error) -> Self {
        Stuck(Error::Log(error), None)
    }
}

async fn decide_batch(
    context: &Arc<Context>,
    name: &'static str,
    batch: Arc<Batch>,
    decide: Decide,
    skip: Vec<usize>,
) -> Result<(), (Error, Option<usize>)> {
    let shared = context.clone();
    context
        .log
        .write::<(), Stuck, _>(move |unit| {
            Box::pin(async move {
                for (at, event) in batch.events.iter().enumerate().filter(|(at, _)| !skip.contains(at)) {
                    decide(unit, &shared, event).await.map_err(|error| Stuck(error, Some(at)))?;
                }
                unit.save_checkpoint(name, batch.last).await?;
                Ok(())
            })
        })
        .await
        .map_err(|Stuck(error, at)| (error, at))
}

#[cfg(test)]
mod tests {
    use event_log::{EventId, GlobalPosition, StreamName, StreamVersion};

    use super::*;

    fn event(position: i64, bytes: usize) -> RecordedEvent {
        RecordedEvent {
            global_position: GlobalPosition(position),
            id: EventId::fresh(),
            stream_name: StreamName::new("poll", "p"),
            stream_version: StreamVersion(position),
            event_type: catalogue::poll::COMPLETED,
            schema_version: 1,
            account: None,
            organization: None,
            source: "poll".to_owned(),
            correlation_id: uuid::Uuid::nil(),
            causation_id: None,
            occurred_at: None,
            received_at: None,
            recorded_at: chrono::DateTime::UNIX_EPOCH,
            data: "x".repeat(bytes),
            metadata: "{}".to_owned(),
            payload: None,
        }
    }

    /// Events and last position of each part.
    fn shape(events: Vec<RecordedEvent>, last: i64) -> Vec<(usize, i64)> {
        let parts = parts(Batch { events, last: GlobalPosition(last) });
        parts.iter().map(|part| (part.events.len(), part.last.0)).collect()
    }

    #[test]
    fn many_decisions_are_spread_over_several_units_of_work() {
        let small = (1..=500).map(|position| event(position, 10)).collect();
        assert_eq!(shape(small, 600), [(200, 200), (200, 400), (100, 600)]);
        let polls = (1..=25).map(|position| event(position, 5_000)).collect();
        assert_eq!(shape(polls, 25), [(10, 10), (10, 20), (5, 25)]);
    }

    #[test]
    fn batch_without_events_still_moves_the_checkpoint() {
        assert_eq!(shape(Vec::new(), 7), [(0, 7)]);
        assert_eq!(shape(vec![event(3, 1_000_000)], 7), [(1, 7)]);
    }
}

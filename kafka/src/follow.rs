//! The loop that joins the topic, the marks and the log: each event of a subscription is decided once.
//!
//! Polling never waits for deciding: while the database cannot be written, partitions are paused and the group keeps its
//! member. Offsets are stored only after the decisions are durable, so they never pass the marks.

use std::sync::Arc;
use std::time::Duration;

use event_log::{EventType, Log};
use futures::future::BoxFuture;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::decide::Decider;
use crate::handler::Handler;
use crate::source::{Arrival, Source};
use crate::{Error, Settings};

mod direct;
mod neglect;
mod plan;
mod queues;

pub use direct::follow_directly;

use plan::{Done, Planner, Task};
use queues::Queues;

/// How often is looked for what nobody sends: marks to save, records that were lost.
const TICK: Duration = Duration::from_secs(1);
/// Every so many ticks a partition whose records should have come and did not is read from the log.
const QUIET_TICKS: u32 = 10;
/// Pause before a consumer that failed for good is replaced.
const REPLACE: Duration = Duration::from_secs(2);

/// Handles the events of `types` (empty: all) that the group of `subscription` is assigned, until `stop`.
///
/// Any number of processes may do this at once under one name, beside others that follow the log directly: each event is
/// decided once. Outages of brokers and database are waited out.
///
/// # Errors
/// [`Error::Settings`] at once; otherwise it goes on until it is stopped.
///
/// # Cancellation
/// Dropping the future is like killing the process: a unit of work that was begun may still become durable.
pub async fn follow<H: Handler>(
    log: Log,
    settings: Settings,
    subscription: String,
    types: Vec<EventType>,
    handler: Arc<H>,
    stop: CancellationToken,
) -> Result<(), Error> {
    settings.check().map_err(Error::Settings)?;
    let decider = Decider { log, subscription, handler };
    let Some(marks) = decider.marks(&stop).await else { return Ok(()) };
    let mut planner = Planner::new(decider, types.clone(), settings.topic.clone(), marks, stop.clone());
    while !stop.is_cancelled() {
        let source = Source::open(&settings, planner.subscription(), types.clone())?;
        match consume(source, planner, &stop).await {
            (back, Ok(())) => planner = back,
            (back, Err(error)) => {
                tracing::warn!(
                    error = crate::error::chain(&error),
                    subscription.name = back.subscription(),
                    "the consumer failed and is replaced"
                );
                planner = back;
                stop.run_until_cancelled(tokio::time::sleep(REPLACE)).await;
            }
        }
    }
    Ok(())
}

/// Consumes until stopped, or until the source fails for good.
async fn consume<H: Handler>(
    mut source: Source,
    planner: Planner<H>,
    stop: &CancellationToken,
) -> (Planner<H>, Result<(), Error>) {
    let mut idle = Some(planner);
    let mut running: Option<BoxFuture<'static, Done<H>>> = None;
    let mut queues = Queues::default();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = Ok(());
    loop {
        if let Some(planner) = idle.take() {
            match queues.next_task(planner.is_saving_due()) {
                Some(task) => running = Some(Box::pin(planner.run(task))),
                None => idle = Some(planner),
            }
        }
        queues.balance(&source);
        tokio::select! {
            arrival = source.next() => match arrival {
                Ok(Arrival::Records(records)) => queues.push(records),
                Ok(Arrival::Assigned(partitions)) => queues.assigned(&partitions),
                Ok(Arrival::Revoked(partitions)) => queues.revoked(&partitions),
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            },
            Done { planner, finished } = outcome(&mut running) => {
                source.finished(&finished);
                idle = Some(planner);
            }
            _ = tick.tick() => queues.tick(QUIET_TICKS),
            () = stop.cancelled() => break,
        }
    }
    let planner = match (idle, running) {
        (Some(planner), _) => planner,
        (None, Some(running)) => {
            let Done { planner, finished } = running.await;
            source.finished(&finished);
            planner
        }
        (None, None) => unreachable!("the planner is idle or running"),
    };
    let Done { planner, finished } = planner.run(Task::Save).await;
    source.finished(&finished);
    source.close().await;
    (planner, ended)
}

/// Waits for what was begun, if something was.
async fn outcome<T>(running: &mut Option<BoxFuture<'static, T>>) -> T {
    let Some(pending) = running else { return std::future::pending().await };
    let done = pending.await;
    *running = None;
    done
}

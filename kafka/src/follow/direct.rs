//! Following the log itself, without Kafka, with the same handler and the same marks.

use std::sync::Arc;

use event_log::{EventType, Log, Subscription};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::TICK;
use super::plan::Planner;
use crate::Error;
use crate::decide::Decider;
use crate::handler::Handler;

/// Positions read at a time: small enough that one decision waits for few others.
const WINDOW: u32 = 500;

/// Handles the events of `types` (empty: all) in position order, until `stop`.
///
/// It begins where everything before is handled, whether directly or over Kafka, and leaves out what is handled behind
/// that. If several processes follow under one name, each event is still decided once; but one of them is enough.
///
/// # Errors
/// None at this time: outages of the database are waited out.
///
/// # Cancellation
/// Dropping the future is like killing the process: a unit of work that was begun may still become durable.
pub async fn follow_directly<H: Handler>(
    log: Log,
    subscription: String,
    types: Vec<EventType>,
    handler: Arc<H>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let decider = Decider { log: log.clone(), subscription, handler };
    let Some(marks) = decider.marks(&stop).await else { return Ok(()) };
    let name = decider.subscription.clone();
    let opened = decider.read(&stop, || Subscription::open(&log, &name, types.clone(), WINDOW)).await;
    let Some(opened) = opened else { return Ok(()) };
    let mut planner = Planner::new(decider.clone(), types.clone(), String::new(), marks, stop.clone());
    let mut subscription = opened.starting_after(planner.floor());
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_known = false;
    loop {
        let batch = tokio::select! {
            batch = subscription.next_batch() => batch,
            _ = tick.tick(), if planner.is_saving_due() => {
                planner.save().await;
                continue;
            }
            () = stop.cancelled() => break,
        };
        match batch {
            Ok(batch) => {
                is_known = false;
                if !planner.stretch(batch.events, batch.last).await {
                    break;
                }
            }
            Err(error) => {
                if decider.pause(&error, &mut is_known, &stop).await.is_none() {
                    break;
                }
            }
        }
    }
    planner.save().await;
    Ok(())
}

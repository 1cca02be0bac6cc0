//! Sending a batch. The receiver recognises its key, so an unknown outcome is settled by sending the same bytes again.

use bytes::Bytes;
use catalogue::batch::{DELIVERED, Delivered, REFUSED, Refused};
use chrono::{DateTime, TimeDelta, Utc};
use event_log::{Append, UnitOfWork};
use providers::error::Error as Refusal;
use providers::ingest::{BatchKey, Posted};

use super::batch::moment;
use super::book;
use super::request::PostBatch;
use super::split::{Halves, note, split};
use crate::Error;
use crate::context::Context;
use crate::ledger::{Effect, Verdict, tell};
use crate::pause::Product;
use crate::trouble::{Trouble, in_words};

/// Pause before a receiver that refuses us as a whole is asked again: a person has to act.
const REFUSED_US: TimeDelta = TimeDelta::seconds(30);
/// Pause before a receiver that could not be reached is asked again.
const UNREACHABLE: TimeDelta = TimeDelta::seconds(5);
/// How long a receiver may be away before the batches that wait for it are given up, one after the other.
const LONGEST_ABSENCE: TimeDelta = TimeDelta::hours(24);
/// Shortest and longest pause before a receiver that is away is asked again; between them, a quarter of its absence.
const AWAY: [TimeDelta; 2] = [TimeDelta::seconds(30), TimeDelta::minutes(5)];
/// Code of a batch that waits for a receiver that is away.
const RECEIVER_AWAY: &str = "receiver_away";
/// Shortest wait, whatever a receiver says: nothing may spin.
const SHORTEST_WAIT: TimeDelta = TimeDelta::milliseconds(100);

/// Does the effect, or settles it, which is the same.
pub(crate) async fn run(context: &Context, effect: &Effect) -> Result<Verdict, Trouble> {
    let request: PostBatch = effect.request()?;
    let settings = context.settings.ingests.get(&request.ingest)?;
    let receiver = context.receivers.get(&request.ingest)?;
    let key = BatchKey::parse(&request.batch_id.to_string()).map_err(Trouble::Read)?;
    match receiver.post(&key, Bytes::from(request.body.clone())).await {
        Posted::Accepted => Ok(delivered(effect, &request, false)),
        Posted::Duplicate => Ok(delivered(effect, &request, true)),
        Posted::TooLarge => split(effect, &request, settings),
        Posted::KeyConflict => {
            let error = "the receiver has other content under the key of this batch".to_owned();
            Err(Trouble::Hopeless { code: "key_conflict", error })
        }
        Posted::Busy { until } => {
            let until = until.max(context.now() + SHORTEST_WAIT);
            Ok(wait("busy", "the receiver is still busy with this batch", until))
        }
        Posted::Throttled { until } => {
            Ok(stop(context, effect, "throttled", "the receiver takes no more for now".to_owned(), until))
        }
        Posted::NotDone(refusal) => not_done(context, effect, &request.ingest, refusal),
        Posted::Unknown(refusal) if effect.attempt + 1 < settings.max_attempts => Err(Trouble::Provider(refusal)),
        Posted::Unknown(refusal) => away(context, &request, refusal).await,
    }
}

/// The attempts are used up without an answer that says anything about the batch: the receiver fails, or cannot be heard.
/// Its absence is waited for, or it would cost every batch that comes up meanwhile.
async fn away(context: &Context, request: &PostBatch, refusal: Refusal) -> Result<Verdict, Trouble> {
    if !matches!(refusal, Refusal::Unavailable { .. }) {
        return Err(Trouble::Provider(refusal));
    }
    let batch_id = request.batch_id;
    let noted = context.log.write(move |unit| Box::pin(async move { book::away_since(unit, batch_id).await }));
    let since = noted.await?;
    let absence = context.now() - since;
    if absence >= LONGEST_ABSENCE {
        return Err(Trouble::Provider(refusal));
    }
    let error =
        format!("the receiver {} has been away since {}: {}", request.ingest, moment(since), in_words(&refusal));
    tracing::error!(batch.id = %batch_id, "a batch waits: {error}");
    let pause = (absence / 4).clamp(AWAY[0], AWAY[1]);
    Ok(wait(RECEIVER_AWAY, &error, context.now() + pause))
}

/// Nothing was taken. What says nothing about this batch stops the receiver and uses up no attempt.
fn not_done(context: &Context, effect: &Effect, ingest: &str, refusal: Refusal) -> Result<Verdict, Trouble> {
    let because = in_words(&refusal);
    let (error, pause) = match &refusal {
        Refusal::Denied { .. } => {
            let error = format!(
                "the receiver does not let us in ({because}); look at ingest.{ingest}.auth and the keys beside it, and at \
                 who may invoke the service"
            );
            (error, REFUSED_US)
        }
        Refusal::NotFound { .. } => {
            (format!("there is no receiver at this address ({because}); look at ingest.{ingest}.url"), REFUSED_US)
        }
        refusal if refusal.stops_account() => {
            let error = format!("no identity token can be had ({because}); look at ingest.{ingest}.service_account");
            (error, REFUSED_US)
        }
        refusal if refusal.is_retryable() => (because, UNREACHABLE),
        _ => return Err(Trouble::Read(refusal)),
    };
    if pause == REFUSED_US {
        tracing::error!(account.id = effect.account, "{error}");
    }
    Ok(stop(context, effect, refusal.code(), error, context.now() + pause))
}

/// Leaves the receiver alone until then.
fn stop(context: &Context, effect: &Effect, code: &str, error: String, until: DateTime<Utc>) -> Verdict {
    let until = until.max(context.now() + SHORTEST_WAIT);
    context.pauses.add(&effect.account, &[Product::Ingest], until);
    wait(code, &error, until)
}

fn wait(code: &str, error: &str, until: DateTime<Utc>) -> Verdict {
    Verdict::Wait { code: code.to_owned(), error: error.to_owned(), until }
}

fn delivered(effect: &Effect, request: &PostBatch, duplicate: bool) -> Verdict {
    let data = Delivered {
        batch_id: request.batch_id,
        mapping_id: request.mapping_id,
        messages: request.positions.len() as u64,
        duplicate,
        attempts: effect.attempt + 1,
    };
    Verdict::Succeeded {
        result: serde_json::json!({ "messages": data.messages, "duplicate": duplicate }),
        bytes: None,
        events: vec![tell(effect, DELIVERED, &data)],
        plan: Vec::new(),
    }
}

/// What is told about a batch that is given up.
pub(crate) fn given_up(effect: &Effect, code: &str, error: &str) -> Vec<Append> {
    let Ok(request) = effect.request::<PostBatch>() else { return Vec::new() };
    let data = Refused {
        batch_id: request.batch_id,
        mapping_id: request.mapping_id,
        messages: request.positions.len() as u64,
        code: code.to_owned(),
        error: error.to_owned(),
    };
    vec![tell(effect, REFUSED, &data)]
}

/// Called in the unit of work that finished the effect: what became of the batch.
///
/// # Errors
/// Database failures.
pub(crate) async fn settle(unit: &mut UnitOfWork<'_>, effect: &Effect, verdict: &Verdict) -> Result<(), Error> {
    let request: PostBatch = effect.request()?;
    match verdict {
        Verdict::Succeeded { result, .. } => match serde_json::from_value::<Halves>(result.clone()) {
            Ok(halves) => note(unit, &request, halves).await,
            Err(_) => book::settle(unit, request.batch_id, "delivered").await,
        },
        Verdict::Failed { .. } => book::settle(unit, request.batch_id, "refused").await,
        _ => Ok(()),
    }
}

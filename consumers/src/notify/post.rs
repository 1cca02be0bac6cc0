//! Sending a notification. The receiver recognises its id, so an unknown outcome is settled by sending the same again.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use event_log::UnitOfWork;
use providers::notify::Posted;

use super::book;
use super::request::PostNotification;
use super::retry::pause;
use super::settings::Settings;
use crate::Error;
use crate::context::Context;
use crate::ledger::{Effect, Verdict};
use crate::pause::Product;
use crate::trouble::Trouble;

/// Code of a notification whose answer was that nothing more is wanted.
const GONE: &str = "gone";
/// Pause before an endpoint that could not be reached at all is tried with another notification.
const UNREACHABLE: TimeDelta = TimeDelta::seconds(2);
/// Shortest wait, whatever a receiver says: nothing may spin.
const SHORTEST_WAIT: TimeDelta = TimeDelta::milliseconds(100);

/// Does the effect, or settles it, which is the same.
pub(crate) async fn run(context: &Context, effect: &Effect) -> Result<Verdict, Trouble> {
    let request: PostNotification = effect.request()?;
    let endpoint = context.settings.endpoints.get(&request.notify)?;
    let sender = context.senders.get(&request.notify)?;
    if book::is_stopped(context.log.database().readers(), &endpoint.name).await? {
        let error = format!(
            "the endpoint said earlier that it wants nothing more; `notify resume {}`, then redrive this",
            endpoint.name
        );
        return Ok(given_up("endpoint_stopped", error));
    }
    let posted = sender.post(&request.id.to_string(), Bytes::from(request.body)).await;
    let labels = [("endpoint", endpoint.name.clone()), ("outcome", posted.code().to_owned())];
    metrics::counter!("notifications_total", &labels).increment(1);
    Ok(match posted {
        Posted::Delivered { status } => Verdict::Succeeded {
            result: serde_json::json!({ "status": status }),
            bytes: None,
            events: Vec::new(),
            plan: Vec::new(),
        },
        Posted::Gone => given_up(GONE, "the receiver answered 410: it wants nothing more".to_owned()),
        Posted::Throttled { status, until } => throttled(context, effect, status, until),
        Posted::Failed { code, error } => failed(context, effect, endpoint, code, error),
    })
}

/// Leaves the endpoint alone until then. Says nothing about this notification, so it is no attempt.
fn throttled(context: &Context, effect: &Effect, status: u16, until: DateTime<Utc>) -> Verdict {
    let until = until.max(context.now() + SHORTEST_WAIT);
    context.pauses.add(&effect.account, &[Product::Notify], until);
    let error = format!("the receiver answered {status}: it takes no more for now");
    Verdict::Wait { code: "throttled".to_owned(), error, until }
}

fn failed(context: &Context, effect: &Effect, endpoint: &Settings, code: &str, error: String) -> Verdict {
    if code == "unreachable" {
        context.pauses.add(&effect.account, &[Product::Notify], context.now() + UNREACHABLE.min(base(endpoint)));
    }
    let error = match code {
        "address_refused" => format!("{error}; say notify.{}.allow_private = true if it should be", endpoint.name),
        _ => error,
    };
    if effect.attempt + 1 >= endpoint.max_attempts {
        return given_up(code, error);
    }
    let pause = pause(endpoint.retry_base, effect.attempt, rand::random_range(0.0..1.0));
    Verdict::Retry { code: code.to_owned(), error, not_before: context.now() + pause }
}

fn base(endpoint: &Settings) -> TimeDelta {
    TimeDelta::from_std(endpoint.retry_base).unwrap_or(UNREACHABLE)
}

fn given_up(code: &str, error: String) -> Verdict {
    Verdict::Failed { code: code.to_owned(), error, events: Vec::new(), dead_letter: true }
}

/// Called in the unit of work that finished the effect: what it means for the endpoint.
///
/// # Errors
/// Database failures.
pub(crate) async fn settle(
    unit: &mut UnitOfWork<'_>,
    context: &Context,
    effect: &Effect,
    verdict: &Verdict,
) -> Result<(), Error> {
    let request: PostNotification = effect.request()?;
    match verdict {
        Verdict::Succeeded { .. } => book::delivered(unit, &request.notify).await,
        Verdict::Failed { code, error, .. } if code == GONE => {
            let endpoint = context.settings.endpoints.get(&request.notify)?;
            book::stop(unit, endpoint, error).await
        }
        _ => Ok(()),
    }
}

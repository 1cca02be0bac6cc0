//! Receivers of notifications: anybody's endpoints behind `/receiver/NAME`, which verify what they get after Standard
//! Webhooks 1.0.0 (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, read 2026-11)
//! and keep it by its id. Written from the specification, not from our sender.

pub(crate) mod inbox;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::json;

use crate::answer::Answer;
use crate::call::Call;
use crate::shared::Shared;

use inbox::Arrival;
pub(crate) use inbox::Inbox;
use verify::{Refusal, Signed};

/// `POST /receiver/NAME`.
pub(crate) async fn receive(shared: &Arc<Shared>, call: &Call, name: &str, body: &[u8]) -> Answer {
    let knobs = shared.world().knobs.receiver.clone();
    let behaviour = knobs.named.get(name).cloned().unwrap_or_default();
    if behaviour.latency_ms > 0 {
        actix_web::rt::time::sleep(Duration::from_millis(behaviour.latency_ms)).await;
    }
    if call.method != Method::POST {
        return problem(405, "only POST");
    }
    let secrets = behaviour.secrets.as_ref().unwrap_or(&knobs.secrets);
    let now_seconds = shared.clock.now_ms() / 1000;
    let signed = match verify::verify(call, body, secrets, now_seconds, knobs.tolerance_seconds) {
        Ok(signed) => signed,
        Err(refusal) => return refused(shared, name, refusal),
    };
    let Ok(content) = serde_json::from_slice(body) else { return refused(shared, name, Refusal::NoJson) };
    if let Some(status) = behaviour.status.filter(|status| !(200..300).contains(status)) {
        shared.world().inbox.turned_away(name, signed.id);
        let headers = [
            ("retry-after", behaviour.retry_after_seconds.map(|seconds| seconds.to_string())),
            ("location", behaviour.location),
        ];
        let present = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
        return present.fold(problem(status, "not now"), |answer, (name, value)| answer.header(name, value));
    }
    let Signed { id, timestamp, by } = signed;
    let mut world = shared.world();
    let arrival = Arrival { receiver: name, id, timestamp, signed_by: by, body, content };
    if !world.inbox.take(arrival) {
        world.journal.misdeed("notification_changed", || format!("{name}: {id} came with another body"));
    }
    Answer::empty(behaviour.status.unwrap_or(204))
}

fn refused(shared: &Shared, name: &str, refusal: Refusal) -> Answer {
    let mut world = shared.world();
    world.journal.misdeed("notification_refused", || format!("{name}: {}", refusal.words()));
    world.inbox.refused(name);
    problem(refusal.status(), refusal.words())
}

/// A refusal in JSON.
pub(crate) fn problem(status: u16, detail: &str) -> Answer {
    Answer::json(status, &json!({"status": status, "detail": detail}))
}

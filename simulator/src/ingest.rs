//! The analysis service: takes batches of messages once each, by their key. Its contract is
//! docs/ingest/openapi-v1.yaml; what the platform in front of it refuses is google.md section 6.

mod access;
pub(crate) mod batch;
pub(crate) mod problem;
pub(crate) mod received;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::answer::Answer;
use crate::call::Call;
use crate::shared::Shared;

use batch::Batch;
use problem::Problem;
pub(crate) use received::Received;
use received::{Kept, Known};

/// Longest `Idempotency-Key` in bytes.
const KEY_BYTES: usize = 255;

/// A batch under way. While it lives its key is answered with 409, also when the client has gone: the platform does not
/// stop what runs (google.md section 6.3).
struct Handling<'a> {
    shared: &'a Shared,
    kept: Kept,
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        self.shared.world().ingest.release(&self.kept.key);
    }
}

/// `POST {url}`.
pub(crate) async fn receive(shared: &Arc<Shared>, call: &Call, body: &[u8]) -> Answer {
    let outcome = match begin(shared, call, body) {
        Ok(Step::Answered(answer)) => return answer,
        Ok(Step::Handle(handling)) => Ok(finish(handling).await),
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(answer) => answer,
        Err(problem) => {
            shared.world().ingest.counts.refused(problem);
            problem.answer()
        }
    }
}

enum Step<'a> {
    Answered(Answer),
    Handle(Box<Handling<'a>>),
}

/// Everything up to the decision that this batch is to be kept.
fn begin<'a>(shared: &'a Shared, call: &Call, body: &[u8]) -> Result<Step<'a>, Problem> {
    access::check(shared, call)?;
    let knobs = shared.world().knobs.ingest.clone();
    if body.len() > knobs.body_bytes {
        return Err(Problem::TooLarge);
    }
    let key = call.header("idempotency-key").filter(|key| (1..=KEY_BYTES).contains(&key.len()));
    let key = key.ok_or(Problem::KeyMissing)?.to_owned();
    let media_type = call.header("content-type").unwrap_or_default();
    if media_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Problem::NotJson);
    }
    let digest: [u8; 32] = Sha256::digest(body).into();
    let now = shared.clock.now_ms();
    let mut world = shared.world();
    match world.ingest.known(&key, &digest) {
        Known::Same => {
            let answer = world.ingest.repeated(&key, knobs.accepted_status);
            return Ok(Step::Answered(answer));
        }
        Known::Different => {
            world.journal.misdeed("ingest_key_reused", || format!("key {key} came with another body"));
            return Err(Problem::KeyReused);
        }
        Known::Handling => return Err(Problem::Busy { retry_seconds: knobs.busy_retry_seconds }),
        Known::New => {}
    }
    let batch = Batch::read(body).map_err(|wrong| {
        world.journal.misdeed("ingest_batch_invalid", || wrong.to_owned());
        Problem::Invalid(wrong)
    })?;
    if batch.messages.len() > knobs.messages {
        return Err(Problem::TooLarge);
    }
    world.ingest.hold(&key);
    drop(world);
    let kept = Kept { key, digest, received_ms: now, duplicates: 0, batch };
    Ok(Step::Handle(Box::new(Handling { shared, kept })))
}

/// Takes its time and keeps the batch.
async fn finish(handling: Box<Handling<'_>>) -> Answer {
    let (latency_ms, status) = {
        let knobs = &handling.shared.world().knobs.ingest;
        (knobs.latency_ms, knobs.accepted_status)
    };
    if latency_ms > 0 {
        actix_web::rt::time::sleep(Duration::from_millis(latency_ms)).await;
    }
    let kept = handling.kept.clone();
    let answer = accepted(status, &kept.batch, false);
    handling.shared.world().ingest.keep(kept);
    answer
}

fn accepted(status: u16, batch: &Batch, duplicate: bool) -> Answer {
    let body = json!({"batch_id": batch.batch_id, "accepted": batch.messages.len(), "duplicate": duplicate});
    Answer::json_as(status, "application/json", &body)
}

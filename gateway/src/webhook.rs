//! `POST /webhooks/{account}`: receive, verify, dedupe, append, answer.
//!
//! A 2xx answer promises that the delivery is durable, with its exact bytes. Every other answer promises that nothing of
//! it is in the log. Nothing is answered before the commit, and nothing is logged per delivery above debug.

mod body;
mod metadata;
mod outcome;
mod traceparent;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use catalogue::delivery;
use chrono::{DateTime, Utc};
use event_log::{Append, Error as LogError, EventId, Log, NewEvent};
use uuid::Uuid;

pub(crate) use self::metadata::cut;

use self::body::Unread;
use self::metadata::Metadata;
use self::outcome::{Cause, Outcomes};
use crate::problem::Problem;
use crate::readiness::Readiness;
use crate::receiver::{Believed, Receiver, Unbelieved};
use crate::rejected::{self, Rejection};
use crate::signature::Request;

/// Everything a delivery needs on its way into the log.
pub(crate) struct Webhooks {
    log: Log,
    receivers: HashMap<String, Receiver>,
    body_timeout: Duration,
    rejected: rejected::Store,
    readiness: Arc<Readiness>,
    outcomes: Outcomes,
}

/// A delivery that is in the log.
struct Accepted {
    event_id: EventId,
    duplicate: bool,
    flagged: bool,
}

/// A request that is not in the log, and what is known of it.
struct Failed {
    cause: Cause,
    body: Bytes,
    body_bytes: u64,
}

/// Longest account name kept of a request for an account that does not exist.
const LONGEST_ACCOUNT_BYTES: usize = 128;

impl Webhooks {
    pub(crate) fn new(
        log: Log,
        receivers: HashMap<String, Receiver>,
        body_timeout: Duration,
        rejected: rejected::Store,
        readiness: Arc<Readiness>,
    ) -> Self {
        Webhooks { log, receivers, body_timeout, rejected, readiness, outcomes: Outcomes::new() }
    }

    /// Names of the accounts that accept deliveries.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &str> {
        self.receivers.keys().map(String::as_str)
    }
}

/// Serves one request to an address below `/webhooks`.
///
/// # Cancellation
/// A sender that hangs up is not told what happened; its delivery may be recorded, and sending it again shows that.
pub(crate) async fn receive(request: HttpRequest, payload: Payload, webhooks: Data<Webhooks>) -> HttpResponse {
    let started = Instant::now();
    let Some(account) = account(&request) else { return Problem::NOT_FOUND.answer(Uuid::now_v7()) };
    if request.method() != Method::POST {
        return Problem::METHOD_NOT_ALLOWED.answer(Uuid::now_v7());
    }
    let received_at = webhooks.log.now();
    let receiver = webhooks.receivers.get(account);
    match webhooks.accept(receiver, &request, payload, received_at).await {
        Ok(accepted) => {
            webhooks.readiness.recorded();
            webhooks.outcomes.accepted(started.elapsed(), accepted.duplicate, accepted.flagged);
            tracing::debug!(account.id = account, event.id = %accepted.event_id, accepted.duplicate, "a delivery was recorded");
            accepted.answer(receiver.and_then(Receiver::answer))
        }
        Err(failed) => webhooks.refuse(&request, account, receiver, failed, received_at),
    }
}

/// What stands in the place of the account in `/webhooks/{account}`, if the address looks like that.
fn account(request: &HttpRequest) -> Option<&str> {
    let account = request.match_info().unprocessed().strip_prefix('/')?;
    (!account.is_empty() && !account.contains('/')).then_some(account)
}

impl Accepted {
    /// Our own answer, with the event's id, unless the sender wants another.
    fn answer(&self, wanted: Option<&'static str>) -> HttpResponse {
        let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wanted) = wanted {
            return HttpResponse::Ok().insert_header(json).body(wanted);
        }
        let status = if self.duplicate { "duplicate" } else { "accepted" };
        HttpResponse::Accepted()
            .insert_header(json)
            .body(format!(r#"{{"status":"{status}","event_id":"{}"}}"#, self.event_id))
    }
}

impl Webhooks {
    async fn accept(
        &self,
        receiver: Option<&Receiver>,
        request: &HttpRequest,
        payload: Payload,
        received_at: DateTime<Utc>,
    ) -> Result<Accepted, Failed> {
        let headers = request.headers();
        let Some(receiver) = receiver else { return Err(Failed::without_body(Cause::AccountUnknown, headers)) };
        let body = body::read(payload, headers, receiver.body_limit_bytes, self.body_timeout).await?;
        let signed = Request { headers, query: request.query_string(), body: &body, now: received_at };
        let believed = match receiver.verify(&signed).await {
            Ok(believed) => believed,
            Err(why) => return Err(Failed::with_body(why.into(), body)),
        };
        let metadata = Metadata::new(headers, request.query_string(), receiver.signature_header(), metadata::RECORDED);
        let (event, flagged) = event(receiver, believed, &metadata, &body, received_at);
        let event_id = event.id;
        match self.log.offer(Append::to_fresh_stream(delivery::CATEGORY, event)).await {
            Ok(appended) => {
                let duplicate = appended.outcomes.iter().any(event_log::EventOutcome::is_duplicate);
                Ok(Accepted { event_id, duplicate, flagged })
            }
            Err(error) => Err(Failed::with_body(error.into(), body)),
        }
    }

    fn refuse(
        &self,
        request: &HttpRequest,
        account: &str,
        receiver: Option<&Receiver>,
        failed: Failed,
        received_at: DateTime<Utc>,
    ) -> HttpResponse {
        let request_id = Uuid::now_v7();
        let problem = failed.cause.problem();
        self.outcomes.refused(&failed.cause);
        if let Cause::StorageFull = &failed.cause {
            self.readiness.storage_full();
        }
        if let Cause::Failed(error) = &failed.cause {
            tracing::error!(%request_id, account.id = account, error = error as &dyn std::error::Error, "a delivery could not be recorded");
        } else {
            tracing::debug!(%request_id, account.id = account, cause = failed.cause.as_str(), "a delivery was not accepted");
        }
        if failed.cause.is_senders() {
            self.rejected.keep(|| {
                let signature_header = receiver.and_then(Receiver::signature_header);
                let query = request.query_string();
                let metadata = Metadata::new(request.headers(), query, signature_header, metadata::REJECTED);
                let kept = failed.body.len().min(rejected::BODY_PREFIX_BYTES);
                Rejection {
                    request_id,
                    received_at,
                    account: cut(account, LONGEST_ACCOUNT_BYTES).to_owned(),
                    cause: failed.cause.as_str(),
                    http_status: problem.status.as_u16(),
                    metadata: serde_json::to_string(&metadata).expect("texts serialise to JSON"),
                    body_prefix: failed.body[..kept].to_vec(),
                    body_bytes: failed.body_bytes,
                }
            });
        }
        problem.answer(request_id)
    }
}

fn event(
    receiver: &Receiver,
    believed: Believed,
    metadata: &Metadata<'_>,
    body: &Bytes,
    received_at: DateTime<Utc>,
) -> (NewEvent, bool) {
    let flagged = believed.data.flagged;
    let mut event = NewEvent::new(delivery::RECEIVED, "webhook", &believed.data)
        .of(receiver.account.as_str(), receiver.organization.as_str())
        .with_metadata(metadata);
    // The story stays a new one: only the event is recognised, should it come again.
    if let Some(id) = believed.event_id {
        event = event.with_id(id);
    }
    event.received_at = Some(received_at);
    event.payload = Some(body.clone());
    (event, flagged)
}

impl Failed {
    fn with_body(cause: Cause, body: Bytes) -> Self {
        Failed { cause, body_bytes: body.len() as u64, body }
    }

    fn without_body(cause: Cause, headers: &HeaderMap) -> Self {
        Failed { cause, body: Bytes::new(), body_bytes: body::announced_length(headers).unwrap_or(0) }
    }
}

impl From<Unread> for Failed {
    fn from(unread: Unread) -> Self {
        Failed { cause: Cause::Body(unread.reason), body: unread.start, body_bytes: unread.size_bytes }
    }
}

impl From<Unbelieved> for Cause {
    fn from(why: Unbelieved) -> Self {
        match why {
            Unbelieved::Refused(refusal) => Cause::Refused(refusal),
            Unbelieved::Unknown(error) => error.into(),
        }
    }
}

impl From<LogError> for Cause {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Overloaded => Cause::Overloaded,
            LogError::StorageFull { .. } => Cause::StorageFull,
            LogError::Closed => Cause::Stopping,
            error => Cause::Failed(error),
        }
    }
}

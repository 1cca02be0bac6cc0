//! What became of a request: its cause, its answer, its place in the metrics.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use metrics::{Counter, Histogram};

use super::body::Reason;
use crate::problem::Problem;
use crate::signature::Refusal;

/// Why a request was not accepted.
#[derive(Debug)]
pub(super) enum Cause {
    AccountUnknown,
    Body(Reason),
    Refused(Refusal),
    Overloaded,
    StorageFull,
    Stopping,
    Failed(event_log::Error),
}

const TOO_LARGE: Problem =
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is longer than this account accepts");
const TIMED_OUT: Problem =
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timed_out", "the body did not arrive in time");
const BROKEN: Problem = Problem::new(StatusCode::BAD_REQUEST, "body_broken", "the body ended before its end");
/// One answer for all: which check failed is for the operator, who finds it under the request's id.
const REFUSED: Problem =
    Problem::new(StatusCode::UNAUTHORIZED, "verification_failed", "the request does not prove where it comes from");
const OVERLOADED: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "overloaded",
    "more deliveries are waiting than can be taken; nothing was recorded",
)
.retry_after(1);
const STORAGE_FULL: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "storage_full",
    "there is no room to record the delivery; nothing was recorded",
)
.retry_after(30);
const STOPPING: Problem =
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is stopping; nothing was recorded")
        .retry_after(5);
const DATABASE: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "database_unavailable",
    "the database did not answer; nothing was recorded",
)
.retry_after(5);

impl Cause {
    /// Its wire name.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Cause::AccountUnknown => "account_unknown",
            Cause::Refused(refusal) => refusal.as_str(),
            Cause::Body(_) | Cause::Overloaded | Cause::StorageFull | Cause::Stopping | Cause::Failed(_) => {
                self.problem().code
            }
        }
    }

    /// The answer.
    pub(super) fn problem(&self) -> Problem {
        match self {
            Cause::AccountUnknown => Problem::NOT_FOUND,
            Cause::Body(Reason::TooLarge) => TOO_LARGE,
            Cause::Body(Reason::TimedOut) => TIMED_OUT,
            Cause::Body(Reason::Broken) => BROKEN,
            Cause::Refused(_) => REFUSED,
            Cause::Overloaded => OVERLOADED,
            Cause::StorageFull => STORAGE_FULL,
            Cause::Stopping => STOPPING,
            Cause::Failed(error) if error.is_retryable() => DATABASE,
            Cause::Failed(_) => Problem::INTERNAL,
        }
    }

    /// Whether the sender did something wrong, so that the request belongs into the store of rejected ones. What fails on
    /// our side is sent again.
    pub(super) fn is_senders(&self) -> bool {
        matches!(self, Cause::AccountUnknown | Cause::Body(_) | Cause::Refused(_))
    }
}

/// Counters of all outcomes, looked up once.
pub(super) struct Outcomes {
    accepted: Counter,
    flagged: Counter,
    duplicate: Counter,
    refused: HashMap<&'static str, Counter>,
    duration: Histogram,
}

impl Outcomes {
    pub(super) fn new() -> Self {
        let counter =
            |outcome, cause| metrics::counter!("webhooks_received_total", "outcome" => outcome, "cause" => cause);
        let causes = [
            Cause::AccountUnknown,
            Cause::Body(Reason::TooLarge),
            Cause::Body(Reason::TimedOut),
            Cause::Body(Reason::Broken),
            Cause::Overloaded,
            Cause::StorageFull,
            Cause::Stopping,
        ];
        let refusals = Refusal::ALL.into_iter().map(Cause::Refused);
        let mut refused: HashMap<_, _> = causes
            .into_iter()
            .chain(refusals)
            .map(|cause| {
                let outcome = if cause.is_senders() { "rejected" } else { "failed" };
                (cause.as_str(), counter(outcome, cause.as_str()))
            })
            .collect();
        for problem in [DATABASE, Problem::INTERNAL] {
            refused.insert(problem.code, counter("failed", problem.code));
        }
        Outcomes {
            accepted: counter("accepted", "none"),
            flagged: counter("accepted", "body_not_json"),
            duplicate: counter("duplicate", "none"),
            refused,
            duration: metrics::histogram!("webhook_accept_duration_seconds"),
        }
    }

    /// Counts a delivery that is in the log, and how long it took to get there.
    pub(super) fn accepted(&self, took: Duration, duplicate: bool, flagged: bool) {
        let counter = match (duplicate, flagged) {
            (true, _) => &self.duplicate,
            (false, true) => &self.flagged,
            (false, false) => &self.accepted,
        };
        counter.increment(1);
        self.duration.record(took.as_secs_f64());
    }

    /// Counts a request that is not in the log.
    pub(super) fn refused(&self, cause: &Cause) {
        if let Some(counter) = self.refused.get(cause.as_str()) {
            counter.increment(1);
        }
    }
}

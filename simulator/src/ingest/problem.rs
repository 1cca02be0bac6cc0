//! Refusals as RFC 9457 problem details.

use serde_json::json;

use crate::answer::Answer;

/// Why a batch was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No `Idempotency-Key`, or one of the wrong length.
    KeyMissing,
    /// Another media type than JSON.
    NotJson,
    /// The body breaks the contract; the text says where.
    Invalid(&'static str),
    /// The token is wrong; the text says how.
    TokenRejected(&'static str),
    /// There is no token.
    Unauthenticated,
    /// The token is right and its owner has no right here.
    NotInvoker,
    /// The same key is being handled.
    Busy { retry_seconds: u32 },
    /// Too many bytes or messages.
    TooLarge,
    /// The key was used for another body.
    KeyReused,
    /// Too many requests.
    Throttled,
    /// Any failure with this status.
    Failed(u16),
    /// Nothing is served here.
    Absent(u16),
}

impl Problem {
    pub(crate) fn answer(self) -> Answer {
        let (status, kind, title, detail) = self.words();
        let body = json!({
            "type": format!("urn:gateledger:ingest:{kind}"), "title": title, "status": status, "detail": detail,
        });
        let answer = Answer::json_as(status, "application/problem+json", &body);
        match self {
            Self::Busy { retry_seconds } => answer.header("retry-after", retry_seconds.to_string()),
            _ => answer,
        }
    }

    fn words(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::KeyMissing => {
                (400, "key-missing", "Idempotency key missing", "Idempotency-Key must have 1 to 255 bytes")
            }
            Self::NotJson => (400, "invalid", "Batch not understood", "the content type must be application/json"),
            Self::Invalid(detail) => (400, "invalid", "Batch not understood", detail),
            Self::TokenRejected(detail) => (401, "token-rejected", "Token rejected", detail),
            Self::Unauthenticated => (403, "forbidden", "Forbidden", "the request was not authenticated"),
            Self::NotInvoker => (403, "forbidden", "Forbidden", "the caller may not invoke this service"),
            Self::Busy { .. } => (409, "busy", "Batch under way", "a request with this key is still being handled"),
            Self::TooLarge => (413, "too-large", "Batch too large", "split the batch and send the parts"),
            Self::KeyReused => {
                (422, "key-reused", "Idempotency key reused", "this key was used for a batch with other content")
            }
            Self::Throttled => (429, "throttled", "Too many requests", "come back later"),
            Self::Failed(status) => (status, "failed", "Failure", "the service could not answer"),
            Self::Absent(status) => (status, "absent", "Nothing here", "only POST to the address of the service"),
        }
    }
}

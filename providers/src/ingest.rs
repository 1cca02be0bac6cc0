//! Batches for a service that ingests them: one POST, one typed outcome.
//!
//! The contract is ours (`docs/ingest`): a batch has a key and never changes once it was sent, and the receiver recognises
//! the key, so a batch whose outcome is unknown is sent again with the same key and the same bytes. What the platform in
//! front of the receiver answers by itself is read as its documentation says (cloud.google.com/run/docs, troubleshooting
//! and autoscaling): 429 and 503 with a time mean later, another 5xx means that the batch may have arrived.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tracing::Instrument;
use url::Url;

use crate::clock::Clock;
use crate::error::{Error, Outcome};
use crate::google::IdTokens;
use crate::http;
use crate::http::answer::{Answer, no_answer};
use crate::http::measure::Measured;

const OPERATION: &str = "ingest.post";

/// Wait after 409 or 429 without a time.
const USUAL_WAIT: TimeDelta = TimeDelta::seconds(30);

/// Longest accepted key, in bytes.
const LONGEST_KEY_BYTES: usize = 255;

/// How we show who we are.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Not at all.
    None,
    /// By a fixed key.
    Bearer(SecretString),
    /// By an identity token of Google for the receiver.
    Google(IdTokens),
}

/// Settings of one receiver.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where batches are posted to.
    pub url: Url,
    /// How we show who we are.
    pub auth: Auth,
    /// From start to end of one request. Longer than the receiver's own limit (300 seconds on Cloud Run unless
    /// configured), or a batch that is accepted late counts as unknown and is sent again.
    pub timeout: Duration,
    /// The time.
    pub clock: Clock,
}

/// What names a batch for the receiver: visible ASCII, at most 255 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BatchKey(String);

impl BatchKey {
    /// Parses a key.
    ///
    /// # Errors
    /// [`Error::Rejected`] with code `bad_batch_key`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > LONGEST_KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::refused_input("bad_batch_key", "batch key", "1 to 255 visible ascii characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a batch.
#[derive(Debug)]
pub enum Posted {
    /// The receiver has it, now.
    Accepted,
    /// The receiver had it before.
    Duplicate,
    /// The receiver is still busy with the same key. Ask again at that moment, with the same bytes.
    Busy {
        /// When to ask again.
        until: DateTime<Utc>,
    },
    /// Too large for the receiver, and not taken. Split it, with new keys.
    TooLarge,
    /// The receiver has other content under this key, and did not take this one. A bug of ours or theirs: a person must
    /// look.
    KeyConflict,
    /// Not taken for now. Come back at that moment, not earlier.
    Throttled {
        /// When to come back.
        until: DateTime<Utc>,
    },
    /// Certainly not taken. [`Error::is_retryable`] says whether trying again can help.
    NotDone(Error),
    /// May have been taken. Send it again with the same key and the same bytes.
    Unknown(Error),
}

impl Posted {
    /// A stable name for tables and metrics, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Busy { .. } => "busy",
            Self::TooLarge => "too_large",
            Self::KeyConflict => "key_conflict",
            Self::Throttled { .. } => "throttled",
            Self::NotDone(_) => "not_done",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Posts batches to one receiver. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Receiver {
    settings: Settings,
    http: reqwest::Client,
}

impl Receiver {
    /// `http` comes from [`crate::http::client`].
    #[must_use]
    pub fn new(settings: Settings, http: reqwest::Client) -> Self {
        Self { settings, http }
    }

    /// Posts a batch of JSON once; with a new identity token once more when the first is refused.
    ///
    /// # Cancellation
    /// A dropped batch may or may not have been taken; send it again with the same key.
    pub async fn post(&self, key: &BatchKey, body: Bytes) -> Posted {
        let span = tracing::info_span!(
            "provider.call",
            provider = "ingest",
            operation = OPERATION,
            http.response.status_code = tracing::field::Empty,
        );
        async {
            let token = match self.token().await {
                Ok(token) => token,
                Err(error) => return without_token(error),
            };
            let answer = self.attempt(key, body.clone(), token.as_ref()).await;
            let (Auth::Google(tokens), Some(refused), Ok(Answer { status, .. })) =
                (&self.settings.auth, &token, &answer)
            else {
                return self.judge(answer);
            };
            if status.as_u16() != 401 {
                return self.judge(answer);
            }
            match tokens.replace(refused).await {
                Ok(token) => {
                    let answer = self.attempt(key, body, Some(&token)).await;
                    self.judge(answer)
                }
                Err(error) => without_token(error),
            }
        }
        .instrument(span)
        .await
    }

    async fn token(&self) -> Result<Option<SecretString>, Error> {
        match &self.settings.auth {
            Auth::None => Ok(None),
            Auth::Bearer(secret) => Ok(Some(secret.clone())),
            Auth::Google(tokens) => tokens.token().await.map(Some),
        }
    }

    async fn attempt(&self, key: &BatchKey, body: Bytes, token: Option<&SecretString>) -> Result<Answer, Error> {
        let mut request = self
            .http
            .request(Method::POST, self.settings.url.clone())
            .timeout(self.settings.timeout)
            .header("Idempotency-Key", key.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        let measured = Measured::start("ingest", OPERATION);
        let sent = async {
            let response = request.send().await.map_err(|error| no_answer(OPERATION, error))?;
            Answer::read(OPERATION, response, self.settings.timeout).await
        };
        let answer = sent.await;
        measured.end(&answer);
        if let Ok(answer) = &answer {
            tracing::Span::current().record("http.response.status_code", answer.status.as_u16());
        }
        answer
    }

    fn judge(&self, answer: Result<Answer, Error>) -> Posted {
        match answer {
            Ok(answer) => judge(&answer, self.settings.clock.now()),
            Err(error) if error.outcome() == Outcome::NotDone => Posted::NotDone(error),
            Err(error) => Posted::Unknown(error),
        }
    }
}

/// Nothing was sent.
fn without_token(error: Error) -> Posted {
    match error.throttled_until() {
        Some(until) => Posted::Throttled { until },
        None => Posted::NotDone(error),
    }
}

/// The header that carries the token; marked sensitive so that nothing prints it.
fn bearer(token: &SecretString) -> Result<HeaderValue, Error> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::refused_input("bad_token", "authorization", "the token does not fit a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Fields of an answer: of an acceptance, or of problem details (RFC 9457).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    duplicate: Option<bool>,
    code: Option<String>,
    title: Option<String>,
    detail: Option<String>,
}

fn judge(answer: &Answer, now: DateTime<Utc>) -> Posted {
    let status = answer.status.as_u16();
    let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
    let announced = http::retry_after(&answer.headers, now).map(|wait| now + wait);
    let unavailable =
        |outcome| Error::Unavailable { operation: OPERATION, status: Some(status), outcome, source: None };
    match status {
        200 | 202 if said.duplicate == Some(true) => Posted::Duplicate,
        200 | 202 => Posted::Accepted,
        409 => Posted::Busy { until: announced.unwrap_or(now + USUAL_WAIT) },
        413 => Posted::TooLarge,
        422 => Posted::KeyConflict,
        429 => Posted::Throttled { until: announced.unwrap_or(now + USUAL_WAIT) },
        503 if announced.is_some() => Posted::Throttled { until: announced.unwrap_or(now) },
        425 => Posted::NotDone(unavailable(Outcome::NotDone)),
        408 | 500.. => Posted::Unknown(unavailable(Outcome::Unknown)),
        // Any other success or a redirect is not in the contract: somebody else answers at this address.
        200..=399 => Posted::Unknown(Error::unreadable(OPERATION, format!("status {status} is not in the contract"))),
        // Whatever batch comes, nobody takes it there.
        404 | 405 => Posted::NotDone(Error::NotFound { what: "a receiver", id: format!("(status {status})") }),
        401 | 403 => Posted::NotDone(Error::Denied {
            operation: OPERATION,
            code: http::code::or_status(said.code.as_deref(), status),
            message: words(said.detail.or(said.title)),
        }),
        _ => Posted::NotDone(Error::Rejected {
            code: http::code::or_status(said.code.as_deref(), status),
            message: words(said.detail.or(said.title)),
            field: None,
        }),
    }
}

fn words(text: Option<String>) -> String {
    let text = text.unwrap_or_else(|| "no readable explanation".to_owned());
    text.chars().filter(|character| !character.is_control()).take(300).collect()
}

impl fmt::Display for BatchKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn judged(status: u16, headers: &[(&'static str, &str)], body: &str) -> Posted {
        judge(&Answer::sample(status, headers, body), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn an_answer_means_what_the_contract_says() {
        for (status, body, code) in [
            (202, r#"{"batch_id":"b","accepted":3,"duplicate":false}"#, "accepted"),
            (200, "", "accepted"),
            (200, r#"{"batch_id":"b","accepted":0,"duplicate":true}"#, "duplicate"),
            (409, "", "busy"),
            (413, "<html>", "too_large"),
            (422, r#"{"code":"key_conflict"}"#, "key_conflict"),
            (429, "<html>", "throttled"),
            (400, "", "not_done"),
            (401, "<html>", "not_done"),
            (403, "<html>", "not_done"),
            (404, "", "not_done"),
            (302, "", "unknown"),
            (204, "", "unknown"),
            (500, "", "unknown"),
            (503, "", "unknown"),
            (504, "", "unknown"),
        ] {
            assert_eq!(judged(status, &[], body).code(), code, "{status}");
        }
    }

    #[test]
    fn an_announced_time_is_kept() {
        for (status, code) in [(409, "busy"), (429, "throttled"), (503, "throttled")] {
            let posted = judged(status, &[("retry-after", "90")], "");
            assert_eq!(posted.code(), code);
            let (Posted::Busy { until } | Posted::Throttled { until }) = posted else { panic!("{status}") };
            assert_eq!(until, DateTime::UNIX_EPOCH + TimeDelta::seconds(90));
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let Posted::NotDone(error) = judged(400, &[], r#"{"code":"bad_line","detail":"line 3"}"#) else { panic!() };
        assert!(!error.is_retryable() && error.to_string().contains("bad_line"), "{error}");
        let Posted::NotDone(error) = judged(425, &[], "") else { panic!() };
        assert!(error.is_retryable());
    }

    #[test]
    fn a_code_is_kept_as_far_as_a_code_goes() {
        let body = serde_json::json!({"code": "x\n\u{1b}".repeat(100_000)}).to_string();
        for status in [400, 403] {
            let Posted::NotDone(error) = judged(status, &[], &body) else { panic!("{status}") };
            let (Error::Rejected { code, .. } | Error::Denied { code, .. }) = error else { panic!("{error}") };
            assert_eq!(code, "x".repeat(80), "{status}");
        }
    }

    #[test]
    fn a_key_fits_a_header() {
        assert!(BatchKey::parse("018f3f6e-1c2d").is_ok());
        for bad in ["", "a b", "a\n", "ü", &"x".repeat(256)] {
            assert!(BatchKey::parse(bad).is_err(), "{bad}");
        }
    }
}

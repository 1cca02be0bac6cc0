//! What a receiver's answer means, and how much of it is kept.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Response;

use super::Posted;
use super::address::Refused;
use crate::http;

/// Wait after 429 without a time.
const USUAL_WAIT: TimeDelta = TimeDelta::seconds(30);
/// Longest wait that a receiver is believed.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(24);
/// How much of a refusal is read.
const EXCERPT_BYTES: usize = 2048;
/// How much of it is shown.
const EXCERPT_CHARACTERS: usize = 200;

/// What an answer means (specification, "Delivery success and failure").
pub(super) async fn judge(response: Response, signatures: &str, now: DateTime<Utc>) -> Posted {
    let status = response.status().as_u16();
    let announced = http::retry_after(response.headers(), now).map(|wait| now + wait.min(LONGEST_WAIT));
    match (status, announced) {
        (200..=299, _) => Posted::Delivered { status },
        (410, _) => Posted::Gone,
        (429, _) => Posted::Throttled { status, until: announced.unwrap_or(now + USUAL_WAIT) },
        (503, Some(until)) => Posted::Throttled { status, until },
        (300..=399, _) => {
            let error = format!("the receiver answered {status}; redirects are not followed, so change the url");
            Posted::Failed { code: "redirected", error }
        }
        _ => {
            let said = excerpt(&beginning(response).await, signatures);
            let code = if status >= 500 { "unavailable" } else { "rejected" };
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            Posted::Failed { code, error: format!("the receiver answered {status}{said}") }
        }
    }
}

/// Nothing was answered.
pub(super) fn no_answer(error: reqwest::Error) -> Posted {
    let error = error.without_url();
    if let Some(refused) = cause::<Refused>(&error) {
        return not_sent(refused);
    }
    let code = match () {
        () if error.is_connect() => "unreachable",
        () if error.is_timeout() => "timeout",
        () => "connection_lost",
    };
    Posted::Failed { code, error: in_words(&error) }
}

/// The address is one that is not called.
pub(super) fn not_sent(refused: &Refused) -> Posted {
    Posted::Failed { code: "address_refused", error: refused.to_string() }
}

/// The beginning of a body, as far as it comes.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < EXCERPT_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(EXCERPT_BYTES);
    body
}

/// What is shown of a body: one short line, without what could be a signature or a secret of ours.
fn excerpt(body: &[u8], signatures: &str) -> String {
    let text = String::from_utf8_lossy(body);
    let is_ours = |word: &str| {
        let signed = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,"));
        word.contains("whsec_") || signed.into_iter().any(|signature| word.contains(signature))
    };
    let words = text.split(|one: char| one.is_whitespace() || one.is_control()).filter(|word| !word.is_empty());
    let shown = words.map(|word| if is_ours(word) { "[redacted]" } else { word });
    shown.collect::<Vec<_>>().join(" ").chars().take(EXCERPT_CHARACTERS).collect()
}

/// The error with its causes, on one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        below = cause.source();
    }
    words
}

fn cause<'e, T: std::error::Error + 'static>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e T> {
    let mut below = Some(error);
    while let Some(error) = below {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        below = error.source();
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn judged(status: u16, retry_after: Option<&str>, body: &'static str) -> Posted {
        let mut response = hyper::Response::builder().status(status);
        if let Some(value) = retry_after {
            response = response.header("retry-after", value);
        }
        judge(response.body(body).unwrap().into(), "v1,c2lnbmF0dXJl", DateTime::UNIX_EPOCH).await
    }

    #[tokio::test]
    async fn an_answer_means_what_the_specification_says() {
        for (status, code) in [
            (200, "delivered"),
            (204, "delivered"),
            (299, "delivered"),
            (301, "redirected"),
            (307, "redirected"),
            (400, "rejected"),
            (404, "rejected"),
            (410, "gone"),
            (429, "throttled"),
            (500, "unavailable"),
            (502, "unavailable"),
            (503, "unavailable"),
        ] {
            assert_eq!(judged(status, None, "").await.code(), code, "{status}");
        }
    }

    #[tokio::test]
    async fn announced_time_is_kept_and_not_believed_beyond_a_day() {
        let until = |posted: Posted| match posted {
            Posted::Throttled { until, .. } => (until - DateTime::UNIX_EPOCH).num_seconds(),
            other => panic!("{other:?}"),
        };
        assert_eq!(until(judged(429, Some("90"), "").await), 90);
        assert_eq!(until(judged(503, Some("Thu, 01 Jan 1970 00:01:00 GMT"), "").await), 60);
        assert_eq!(until(judged(429, None, "").await), 30);
        assert_eq!(until(judged(429, Some("4000000000"), "").await), 86_400);
    }

    #[tokio::test]
    async fn excerpt_is_short_and_shows_no_signature() {
        let said = "no\n\tv1,c2lnbmF0dXJl \u{1b}[31m{\"secret\":\"whsec_abc\"} here";
        let Posted::Failed { error, .. } = judged(400, None, said).await else { panic!() };
        assert_eq!(error, "the receiver answered 400: no [redacted] [redacted] here");
        let long = excerpt("x".repeat(5000).as_bytes(), "");
        assert_eq!(long.len(), EXCERPT_CHARACTERS);
    }
}

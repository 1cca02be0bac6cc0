//! How Zoho Books says no: a number in `code` with a `message`, under any status, 200 included.
//!
//! Sources: zoho.com/books/api/v3/introduction (envelope, limits); the numbers 43, 44, 45, 57 and 1070 are from the notes
//! of people who met them.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::error::{Error, Outcome};
use crate::http;
use crate::http::answer::Answer;
use crate::zoho::call::Call;
use crate::zoho::lenient;
use crate::zoho::refusal::{Refusal, unavailable, words};

/// The code of a denial that is seen for a missing scope or right, and for a bad token as well.
pub(crate) const NOT_AUTHORIZED: &str = "57";

/// Wait when the organisation is blocked for security reasons and the answer does not say how long; an hour was seen.
const BLOCK: TimeDelta = TimeDelta::hours(1);

/// Wait when the calls of the minute are used up.
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// Wait when too many calls are in flight.
const IN_FLIGHT: TimeDelta = TimeDelta::seconds(10);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope {
    #[serde(deserialize_with = "lenient::integer")]
    code: Option<i64>,
    #[serde(deserialize_with = "lenient::text")]
    message: Option<String>,
}

/// Whether the body tells of a failure, whatever the status.
pub(crate) fn complains(answer: &Answer) -> bool {
    envelope(answer).code.is_some_and(|code| code != 0)
}

/// Reads an unsuccessful answer.
pub(crate) fn judge(call: &Call<'_>, answer: &Answer, now: DateTime<Utc>) -> Refusal {
    let Envelope { code, message } = envelope(answer);
    let status = answer.status.as_u16();
    let named = code.map_or_else(|| format!("status_{status}"), |code| code.to_string());
    let message = words(message.as_deref().unwrap_or("no readable explanation"));
    let announced = http::retry_after(&answer.headers, now);
    let throttled = |usual| Refusal::Throttled { code: named.clone(), wait: announced.or(usual), narrow: false };
    match (status, code) {
        (_, Some(43)) => throttled(Some(BLOCK)),
        (_, Some(44)) => throttled(Some(MINUTE)),
        (_, Some(45)) => throttled(Some(until_tomorrow(now))),
        (_, Some(1070)) => throttled(Some(IN_FLIGHT)),
        (429, _) => throttled(None),
        (_, Some(14)) => Refusal::Token,
        (_, Some(57)) => Refusal::Failed(denied(call, named, &message)),
        (_, Some(1000)) => Refusal::Failed(broken(call, status)),
        (408 | 500.., _) => Refusal::Failed(unavailable(call, answer)),
        (_, Some(1002)) | (404, None) => {
            Refusal::Failed(Error::NotFound { what: call.operation.what, id: call.subject.to_owned() })
        }
        (401 | 403, _) => Refusal::Failed(denied(call, named, &message)),
        _ => Refusal::Failed(Error::Rejected { code: named, message, field: None }),
    }
}

fn envelope(answer: &Answer) -> Envelope {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// To the next start of a day in UTC. When the allowance of the day really comes back is not documented; where that is
/// later, the first refusal of the new day waits for the next.
fn until_tomorrow(now: DateTime<Utc>) -> TimeDelta {
    let tomorrow = (now.date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
    tomorrow - now
}

fn denied(call: &Call<'_>, code: String, message: &str) -> Error {
    let message = format!("{message}; the call needs {}", call.operation.scope_hint);
    Error::Denied { operation: call.operation.name, code, message }
}

/// An internal error of theirs, which a write may have survived.
fn broken(call: &Call<'_>, status: u16) -> Error {
    Error::Unavailable {
        operation: call.operation.name,
        status: Some(status),
        outcome: Outcome::Unknown,
        source: Some("internal error 1000".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoho::books::write;
    use crate::zoho::call::Operation;

    const UPDATE: Operation = write("books.update_owner", "ZohoBooks.contacts.UPDATE", "books contact");

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("times in tests are valid")
    }

    fn judged(status: u16, headers: &[(&'static str, &str)], body: &str) -> Refusal {
        let call = Call { operation: &UPDATE, subject: "460", lanes: Vec::new() };
        judge(&call, &Answer::sample(status, headers, body), at("2026-01-15T21:30:00Z"))
    }

    fn failed(status: u16, body: &str) -> Error {
        match judged(status, &[], body) {
            Refusal::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_limit_has_its_own_wait_and_an_announced_one_counts_more() {
        let wait = |status, headers: &[(&'static str, &str)], code: u32| match judged(
            status,
            headers,
            &format!(r#"{{"code":{code},"message":"x"}}"#),
        ) {
            Refusal::Throttled { wait, narrow: false, .. } => wait.map(|wait| wait.num_seconds()),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(429, &[("retry-after", "3600")], 43), Some(3600));
        assert_eq!(wait(429, &[("retry-after", "1800")], 43), Some(1800));
        assert_eq!(wait(429, &[], 43), Some(3600));
        assert_eq!(wait(429, &[], 44), Some(60));
        assert_eq!(wait(200, &[], 44), Some(60));
        assert_eq!(wait(429, &[], 45), Some(9000));
        assert_eq!(wait(429, &[], 1070), Some(10));
        assert!(matches!(judged(429, &[], "<html>"), Refusal::Throttled { wait: None, .. }));
    }

    #[test]
    fn a_code_under_status_200_is_a_failure() {
        let complains = |body: &str| complains(&Answer::sample(200, &[], body));
        assert!(complains(r#"{"code":1002,"message":"x"}"#) && complains(r#"{"code":"4"}"#));
        assert!(
            !complains(r#"{"code":0,"message":"success"}"#) && !complains(r#"{"code":"0"}"#) && !complains("<html>")
        );
    }

    #[test]
    fn a_missing_contact_is_not_found_and_a_bad_value_is_rejected() {
        assert!(matches!(failed(404, r#"{"code":1002,"message":"x"}"#), Error::NotFound { id, .. } if id == "460"));
        assert!(matches!(failed(200, r#"{"code":1002,"message":"x"}"#), Error::NotFound { .. }));
        let bad = failed(400, r#"{"code":4,"message":"Invalid value passed for owner_id"}"#);
        assert!(matches!(&bad, Error::Rejected { code, .. } if code == "4"), "{bad}");
        assert_eq!(bad.outcome(), Outcome::NotDone);
    }

    #[test]
    fn a_bad_token_and_a_missing_right_are_told_apart_where_possible() {
        assert!(matches!(judged(401, &[], r#"{"code":14,"message":"x"}"#), Refusal::Token));
        let right = failed(401, r#"{"code":57,"message":"You are not authorized"}"#);
        assert!(right.to_string().contains("ZohoBooks.contacts.UPDATE"), "{right}");
        assert!(matches!(failed(401, ""), Error::Denied { code, .. } if code == "status_401"));
    }

    #[test]
    fn an_internal_error_leaves_a_write_unknown() {
        for (status, body) in [(500, ""), (200, r#"{"code":1000}"#), (502, "<html>")] {
            assert_eq!(failed(status, body).outcome(), Outcome::Unknown);
        }
    }
}

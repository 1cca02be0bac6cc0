//! How WorkDrive says no: `{"errors":[{"id","title"}]}` or `{"error":{…}}`, a header, or the reason phrase.
//!
//! | answer | means |
//! |---|---|
//! | 401, `WWW-Authenticate` with `expired_token` or `invalid_token` | old token |
//! | 401, reason phrase with `INVALID_OAUTHSCOPE` | scope missing |
//! | 401 `R008` | gone, never existed, or not visible |
//! | 401 `F7003` | the token is refused |
//! | 429, or `F7008` under any status | limit used up |
//! | 402 | licence |
//! | 409 | the name is taken, whatever the code |
//! | 507, 509 | organisation's or person's storage full, not bandwidth |
//! | 5xx `F000` | permanent refusal of this input |
//! | 500 `F7007` | a wider scope is needed |

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::error::Error;
use crate::http;
use crate::http::answer::Answer;
use crate::zoho::call::Call;
use crate::zoho::lenient;
use crate::zoho::refusal::{Refusal, unavailable, words};

/// Reads an unsuccessful answer.
pub(crate) fn judge(call: &Call<'_>, answer: &Answer, now: DateTime<Utc>) -> Refusal {
    let (id, title) = complaint(answer);
    let status = answer.status.as_u16();
    if status == 429 || id == "F7008" {
        let code = if id.is_empty() { "status_429".to_owned() } else { id };
        return Refusal::Throttled { code, wait: http::retry_after(&answer.headers, now), narrow: true };
    }
    if status == 401 {
        return unauthorized(call, answer, id, title);
    }
    let operation = call.operation.name;
    let code = if id.is_empty() { format!("status_{status}") } else { id.clone() };
    let message = if title.is_empty() { "no readable explanation".to_owned() } else { title };
    Refusal::Failed(match (status, id.as_str()) {
        (402, _) => Error::Licence { detail: format!("{code}: {message}") },
        (507, _) => Error::StorageFull { detail: "storage of the organisation".to_owned() },
        (509, _) => Error::StorageFull { detail: "storage of the account's owner".to_owned() },
        (409, _) => Error::NameTaken { name: String::new() },
        (_, "R008") => not_found(call),
        (_, "F7007") => missing_scope(call),
        (_, "F000") => Error::Rejected { code, message, field: None },
        (408 | 500.., _) => unavailable(call, answer),
        (403, _) => Error::Denied { operation, code, message },
        (404, _) => not_found(call),
        (423, _) => Error::Denied { operation, code, message },
        _ => Error::Rejected { code, message, field: None },
    })
}

fn unauthorized(call: &Call<'_>, answer: &Answer, id: String, title: String) -> Refusal {
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let reason = answer.reason.as_deref().unwrap_or_default();
    if reason.contains("INVALID_OAUTHSCOPE") || challenge.contains("insufficient_scope") {
        return Refusal::Failed(missing_scope(call));
    }
    if challenge.contains("expired_token") || challenge.contains("invalid_token") {
        return Refusal::Token;
    }
    match id.as_str() {
        "R008" => Refusal::Failed(not_found(call)),
        "F7003" => Refusal::Token,
        _ => Refusal::Failed(Error::Denied {
            operation: call.operation.name,
            code: if id.is_empty() { "status_401".to_owned() } else { id },
            message: title,
        }),
    }
}

/// Id and title of the first error, empty where there is none.
fn complaint(answer: &Answer) -> (String, String) {
    let body = answer.any_json().unwrap_or_default();
    let error = if body["errors"][0].is_object() { &body["errors"][0] } else { &body["error"] };
    let text = |value: &Value| lenient::as_text(value).map(|text| words(&text)).unwrap_or_default();
    (text(&error["id"]), text(&error["title"]))
}

fn not_found(call: &Call<'_>) -> Error {
    Error::NotFound { what: call.operation.what, id: call.subject.to_owned() }
}

fn missing_scope(call: &Call<'_>) -> Error {
    Error::MissingScope { operation: call.operation.name, scope_hint: call.operation.scope_hint }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::error::Outcome;
    use crate::zoho::call::Operation;
    use crate::zoho::workdrive::write;

    const UPLOAD: Operation = write("workdrive.upload_small", "ZohoFiles.files.CREATE", "parent folder");

    fn judged(answer: &Answer) -> Refusal {
        judge(&Call { operation: &UPLOAD, subject: "p1", lanes: Vec::new() }, answer, DateTime::UNIX_EPOCH)
    }

    fn failed(status: u16, body: &str) -> Error {
        match judged(&Answer::sample(status, &[], body)) {
            Refusal::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_meanings_of_401_are_told_apart() {
        let expired = Answer::sample(401, &[("www-authenticate", r#"Bearer error="expired_token""#)], "");
        assert!(matches!(judged(&expired), Refusal::Token));
        let bad = Answer::sample(401, &[], r#"{"errors":[{"id":"F7003","title":"Invalid OAuth token."}]}"#);
        assert!(matches!(judged(&bad), Refusal::Token));
        let gone = failed(401, r#"{"errors":[{"id":"R008","title":"Unauthorized access"}]}"#);
        assert!(matches!(&gone, Error::NotFound { id, .. } if id == "p1"), "{gone}");
        let reason = Some("INVALID_OAUTHSCOPE".to_owned());
        let scope = judged(&Answer { reason, ..Answer::sample(401, &[], "") });
        assert!(matches!(scope, Refusal::Failed(Error::MissingScope { .. })), "{scope:?}");
        assert!(matches!(failed(401, "<html>"), Error::Denied { .. }));
    }

    #[test]
    fn a_used_up_limit_is_known_by_status_or_by_code() {
        let body = r#"{"errors":[{"id":"F7008","title":"Request rate limit exceeded"}]}"#;
        let Refusal::Throttled { code, wait, .. } = judged(&Answer::sample(429, &[("retry-after", "84")], body)) else {
            panic!("not throttled")
        };
        assert_eq!((code.as_str(), wait), ("F7008", Some(TimeDelta::seconds(84))));
        assert!(matches!(judged(&Answer::sample(400, &[], body)), Refusal::Throttled { wait: None, .. }));
        assert!(matches!(judged(&Answer::sample(429, &[], "")), Refusal::Throttled { .. }));
    }

    #[test]
    fn full_storage_and_licence_are_final_although_the_status_looks_passing() {
        assert!(matches!(failed(507, ""), Error::StorageFull { .. }));
        assert!(matches!(failed(509, ""), Error::StorageFull { .. }));
        assert!(matches!(failed(402, ""), Error::Licence { .. }));
        for status in [402, 507, 509] {
            let error = failed(status, "");
            assert!(!error.is_retryable() && error.outcome() == Outcome::NotDone, "{error}");
        }
    }

    #[test]
    fn f000_is_a_permanent_refusal_under_a_server_error() {
        let error = failed(500, r#"{"errors":[{"id":"F000","title":"LESS_THAN_MIN_OCCURANCE"}]}"#);
        assert!(matches!(&error, Error::Rejected { message, .. } if message == "LESS_THAN_MIN_OCCURANCE"), "{error}");
        assert_eq!(error.outcome(), Outcome::NotDone);
    }

    #[test]
    fn f7007_under_a_server_error_means_a_wider_scope() {
        assert!(matches!(failed(500, r#"{"errors":[{"id":"F7007"}]}"#), Error::MissingScope { .. }));
    }

    #[test]
    fn other_server_errors_leave_a_write_unknown() {
        for body in ["", "<html>oops</html>", r#"{"errors":[{"id":"F900","title":"x"}]}"#] {
            assert_eq!(failed(500, body).outcome(), Outcome::Unknown);
        }
    }

    #[test]
    fn both_envelopes_are_understood() {
        let error = failed(400, r#"{"error":{"id":"R007","title":"Bad input"}}"#);
        assert!(matches!(&error, Error::Rejected { code, message, .. } if code == "R007" && message == "Bad input"));
    }

    #[test]
    fn a_taken_name_and_a_missing_item_have_their_own_kinds() {
        assert!(matches!(failed(409, ""), Error::NameTaken { .. }));
        assert!(matches!(failed(409, r#"{"errors":[{"id":"F000"}]}"#), Error::NameTaken { .. }));
        assert!(matches!(failed(404, ""), Error::NotFound { .. }));
        assert!(matches!(failed(413, ""), Error::Rejected { .. }));
        assert!(matches!(failed(403, ""), Error::Denied { .. }));
        assert!(matches!(failed(423, ""), Error::Denied { .. }));
    }
}

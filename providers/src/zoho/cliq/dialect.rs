//! How Zoho Cliq says no: `code` and `message`, bare in version 2 and inside `error` in version 3.
//!
//! Used up limits come as 400 or 429, without a time, and lock the person out for minutes. So no 400 is final before its
//! code is read. Sources: zoho.com/cliq/help/restapi/v2 (limits), the response-code page, the OpenAPI files of version 3,
//! and help.zoho.com/portal/en/community/topic/zoho-cliq-api-rate-limit (the 400).

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::error::Error;
use crate::http;
use crate::http::answer::Answer;
use crate::zoho::call::Call;
use crate::zoho::refusal::{Refusal, unavailable, words};

/// The code of a denial that version 3 documents for a bad token, and that is seen for a missing right as well.
pub(crate) const UNAUTHORIZED: &str = "unauthorized";

/// Reads an unsuccessful answer.
pub(crate) fn judge(call: &Call<'_>, answer: &Answer, now: DateTime<Utc>) -> Refusal {
    let body = answer.any_json().unwrap_or(Value::Null);
    let complaint = if body["error"].is_object() { &body["error"] } else { &body };
    let code = complaint["code"].as_str().unwrap_or_default();
    let message = words(complaint["message"].as_str().unwrap_or_default());
    let status = answer.status.as_u16();
    let named = http::code::or_status(Some(code), status);
    match (status, code) {
        (429, _) | (_, "request_limit_exceeded" | "rate_limit_exceeded") => {
            Refusal::Throttled { code: named, wait: http::retry_after(&answer.headers, now), narrow: false }
        }
        (_, "oauthtoken_invalid") => Refusal::Token,
        (408 | 500.., _) => Refusal::Failed(unavailable(call, answer)),
        (401 | 403, _) => Refusal::Failed(denied(call, named, &message)),
        (404, _) => Refusal::Failed(Error::NotFound { what: call.operation.what, id: call.subject.to_owned() }),
        (400, "") => {
            Refusal::Failed(Error::unreadable(call.operation.name, "status 400 without a code; it may be a limit"))
        }
        _ => Refusal::Failed(Error::Rejected { code: named, message, field: field(code) }),
    }
}

fn denied(call: &Call<'_>, code: String, message: &str) -> Error {
    let message = format!("{message}; the call needs {}", call.operation.scope_hint);
    Error::Denied { operation: call.operation.name, code, message }
}

fn field(code: &str) -> Option<String> {
    (code == "invalid.time.submitted").then(|| "time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoho::call::Operation;
    use crate::zoho::cliq::read;

    const MESSAGES: Operation = read("cliq.messages", "ZohoCliq.Messages.READ", "cliq chat");

    fn judged(status: u16, body: &str) -> Refusal {
        let call = Call { operation: &MESSAGES, subject: "CT_1", lanes: Vec::new() };
        judge(&call, &Answer::sample(status, &[], body), DateTime::UNIX_EPOCH)
    }

    fn failed(status: u16, body: &str) -> Error {
        match judged(status, body) {
            Refusal::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_used_up_limit_is_known_in_both_dialects_and_under_400_and_429() {
        for (status, body) in [
            (400, r#"{"code":"request_limit_exceeded","message":"You have exceeded the URL throttle limits."}"#),
            (400, r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#),
            (429, r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#),
            (429, r#"{"message":"slow down"}"#),
            (429, "<html>"),
        ] {
            assert!(matches!(judged(status, body), Refusal::Throttled { .. }), "{status} {body}");
        }
    }

    #[test]
    fn a_400_that_explains_nothing_is_not_final() {
        for body in ["", "<html>", "{}", r#"{"message":"x"}"#] {
            let error = failed(400, body);
            assert!(error.is_retryable(), "{error}");
        }
        let error = failed(400, r#"{"error":{"code":"invalid.time.submitted","message":"x"}}"#);
        assert!(matches!(&error, Error::Rejected { field: Some(field), .. } if field == "time"), "{error}");
    }

    #[test]
    fn a_bad_token_a_missing_right_and_a_missing_thing_are_told_apart() {
        assert!(matches!(judged(401, r#"{"code":"oauthtoken_invalid","message":"x"}"#), Refusal::Token));
        let denied = failed(401, r#"{"error":{"code":"unauthorized","message":"x"}}"#);
        assert!(matches!(&denied, Error::Denied { code, .. } if code == UNAUTHORIZED), "{denied}");
        assert!(denied.to_string().contains("ZohoCliq.Messages.READ"), "{denied}");
        assert!(matches!(failed(403, r#"{"code":"invalid_access"}"#), Error::Denied { .. }));
        assert!(matches!(failed(404, ""), Error::NotFound { id, .. } if id == "CT_1"));
        assert!(matches!(failed(500, r#"{"code":"operation_failed"}"#), Error::Unavailable { .. }));
    }
}

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
        let code = if id.is_empty() {
            "status_429".to_owned()
        } else {
            id
        };
        return Refusal::Throttled {
            code,
            wait: http::retry_after(&answer.headers, now),
            narrow: true,
        };
    }
    if status == 401 {
        return unauthorized(call, answer, id, title);
    }
    let operation = call.operation.name;
    let code = if id.is_empty() {
        format!("status_{status}")
    } else {
        id.clone()
    };
    let message = if title.is_empty() {
        "no readable explanation".to_owned()
    } else {
        title
    };
    Refusal::Failed(match (status, id.as_str()) {
        (402, _) => Error::Licence {
            detail: format!("{code}: {message}"),
        },
        (507, _) => Error::StorageFull {
            detail: "storage of the organisation".to_owned(),
        },
        (509, _) => Error::StorageFull {
            detail: "storage of the account's owner".to_owned(),
        },
        (_, "R008") => not_found(call),
        (_, "F7007") => missing_scope(call),
        (_, "F000") => Error::Rejected {
            code,
            message,
            field: None,
        },
        (408 | 500.., _) => unavailable(call, answer),
        (403, _) => Error::Denied {
            operation,
            code,
            message,
        },
        (404, _) => not_found(call),
        (409, _) => Error::NameTaken {
            name: String::new(),
        },
        (423, _) => Error::Denied {
            operation,
            code,
            message,
        },
        _ => Error::Rejected {
            code,
            message,
            field: None,
        },
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
            code: if id.is_empty() {
                "status_401".to_owned()
            } else {
                id
            },
            message: title,
        }),
    }
}

/// Id and title of the first error, empty where there is none.
fn complaint(answer: &Answer) -> (String, String) {
    let body = answer.any_json().unwrap_or_default();
    let error = if body["errors"][0].is_object() {
        &body["errors"][0]
    } else {
        &body["error"]
    };
    let text = |value: &Value| {
        lenient::as_text(value)
            .map(|text| words(&text))
            .unwrap_or_default()
    };
    (text(&error["id"]), text(&error["title"]))
}

fn not_found(call: &Call<'_>) -> Error {
    Error::NotFound {
        what: call.operation.what,
        id: call.subject.to_owned(),
    }
}

fn missing_scope(call: &Call<'_>) -> Error {
    Error::MissingScope {
        operation: call.operation.name,
        scope_hint: call.operation.scope_hint,
    }
}

//! How Zoho CRM says no: an object with `code`, `message` and `details`, bare or inside `data[]` or `watch[]`.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::error::Error;
use crate::http;
use crate::http::answer::Answer;
use crate::zoho::call::Call;
use crate::zoho::refusal::{Refusal, unavailable, words};

/// Reads an unsuccessful answer.
pub(crate) fn judge(call: &Call<'_>, answer: &Answer, now: DateTime<Utc>) -> Refusal {
    let body = answer.any_json();
    let complaint = body.as_ref().and_then(complaint).unwrap_or(&Value::Null);
    let code = complaint["code"].as_str().unwrap_or_default();
    let status = answer.status.as_u16();
    let throttled = |narrow| Refusal::Throttled {
        code: if code.is_empty() {
            format!("status_{status}")
        } else {
            code.to_owned()
        },
        wait: http::retry_after(&answer.headers, now),
        narrow,
    };
    match (status, code) {
        (_, "TOO_MANY_REQUESTS") => throttled(false),
        (_, "RATE_LIMIT_EXCEEDED") => throttled(true),
        (429, _) => throttled(false),
        (_, "INVALID_TOKEN") => Refusal::Token,
        (500.., _) => Refusal::Failed(unavailable(call, answer)),
        (408, _) => Refusal::Failed(unavailable(call, answer)),
        (401 | 403, "") => Refusal::Failed(denied(call, &format!("status_{status}"), "")),
        (404, "") => Refusal::Failed(not_found(call)),
        (_, "") => Refusal::Failed(Error::Rejected {
            code: format!("status_{status}"),
            message: "no readable explanation".to_owned(),
            field: None,
        }),
        _ => Refusal::Failed(refused(call, complaint)),
    }
}

/// The meaning of one complaint: of a whole call, or of one record in it.
pub(super) fn refused(call: &Call<'_>, complaint: &Value) -> Error {
    let code = complaint["code"].as_str().unwrap_or("unnamed");
    let message = complaint["message"].as_str().unwrap_or_default();
    let details = &complaint["details"];
    match code {
        "OAUTH_SCOPE_MISMATCH" => Error::MissingScope {
            operation: call.operation.name,
            scope_hint: call.operation.scope_hint,
        },
        "NO_PERMISSION" | "AUTHENTICATION_FAILURE" | "AUTHORIZATION_FAILED" => {
            denied(call, code, message)
        }
        "INVALID_DATA" if names_the_id(details) => not_found(call),
        _ => Error::Rejected {
            code: code.to_owned(),
            message: words(message),
            field: field(code, details),
        },
    }
}

/// The first element that complains, or the bare object.
fn complaint(body: &Value) -> Option<&Value> {
    for list in ["data", "watch"] {
        if let Some(elements) = body[list].as_array() {
            let complains =
                |element: &&Value| element["code"].is_string() && element["status"] != "success";
            return elements.iter().find(complains);
        }
    }
    body.is_object().then_some(body)
}

/// Bad id in the body: `api_name` is `id`; bad id in the path: `resource_path_index` is given.
fn names_the_id(details: &Value) -> bool {
    details["api_name"] == "id" || !details["resource_path_index"].is_null()
}

fn field(code: &str, details: &Value) -> Option<String> {
    if code == "INVALID_MODULE" {
        return Some("module".to_owned());
    }
    let named = ["api_name", "column_name", "param_name", "parameter"]
        .iter()
        .find_map(|key| details[key].as_str());
    named.map(words)
}

fn not_found(call: &Call<'_>) -> Error {
    Error::NotFound {
        what: call.operation.what,
        id: call.subject.to_owned(),
    }
}

fn denied(call: &Call<'_>, code: &str, message: &str) -> Error {
    Error::Denied {
        operation: call.operation.name,
        code: code.to_owned(),
        message: words(message),
    }
}

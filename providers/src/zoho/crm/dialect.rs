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
        code: http::code::or_status(Some(code), status),
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
        "OAUTH_SCOPE_MISMATCH" => {
            Error::MissingScope { operation: call.operation.name, scope_hint: call.operation.scope_hint }
        }
        "NO_PERMISSION" | "AUTHENTICATION_FAILURE" | "AUTHORIZATION_FAILED" => denied(call, code, message),
        "INVALID_DATA" if names_the_id(details) => not_found(call),
        _ => Error::Rejected { code: named(code), message: words(message), field: field(code, details) },
    }
}

/// The first element that complains, or the bare object.
fn complaint(body: &Value) -> Option<&Value> {
    for list in ["data", "watch"] {
        if let Some(elements) = body[list].as_array() {
            let complains = |element: &&Value| element["code"].is_string() && element["status"] != "success";
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
    let named = ["api_name", "column_name", "param_name", "parameter"].iter().find_map(|key| details[key].as_str());
    named.map(words)
}

fn not_found(call: &Call<'_>) -> Error {
    Error::NotFound { what: call.operation.what, id: call.subject.to_owned() }
}

fn named(code: &str) -> String {
    http::code::read(code).unwrap_or_else(|| "unnamed".to_owned())
}

fn denied(call: &Call<'_>, code: &str, message: &str) -> Error {
    Error::Denied { operation: call.operation.name, code: named(code), message: words(message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Outcome;
    use crate::zoho::call::Operation;
    use crate::zoho::crm::write;

    const UPDATE: Operation = write("crm.update", "ZohoCRM.modules.{Module}.UPDATE", "crm record");

    fn judged(status: u16, body: &str) -> Refusal {
        let call = Call { operation: &UPDATE, subject: "52", lanes: Vec::new() };
        judge(&call, &Answer::sample(status, &[], body), DateTime::UNIX_EPOCH)
    }

    fn failed(status: u16, body: &str) -> Error {
        match judged(status, body) {
            Refusal::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_invalid_token_asks_for_another_one() {
        let body = r#"{"code":"INVALID_TOKEN","details":{},"message":"invalid oauth token","status":"error"}"#;
        assert!(matches!(judged(401, body), Refusal::Token));
    }

    #[test]
    fn a_missing_scope_is_known_by_its_code_under_either_status() {
        for status in [401, 403] {
            let error = failed(status, r#"{"code":"OAUTH_SCOPE_MISMATCH","status":"error"}"#);
            assert!(matches!(error, Error::MissingScope { operation: "crm.update", .. }), "{error}");
        }
    }

    #[test]
    fn missing_rights_are_denied() {
        for (status, code) in [(401, "AUTHENTICATION_FAILURE"), (403, "NO_PERMISSION"), (400, "AUTHORIZATION_FAILED")] {
            let error = failed(status, &format!(r#"{{"code":"{code}","message":"no","status":"error"}}"#));
            assert!(matches!(&error, Error::Denied { code: found, .. } if found == code), "{error}");
        }
    }

    #[test]
    fn too_many_requests_closes_everything_and_the_query_limit_only_queries() {
        let all = judged(429, r#"{"code":"TOO_MANY_REQUESTS","details":{},"message":"slow","status":"error"}"#);
        assert!(matches!(all, Refusal::Throttled { narrow: false, wait: None, .. }), "{all:?}");
        let queries = judged(429, r#"{"code":"RATE_LIMIT_EXCEEDED","status":"error"}"#);
        assert!(matches!(queries, Refusal::Throttled { narrow: true, .. }), "{queries:?}");
        assert!(matches!(judged(429, "<html>busy</html>"), Refusal::Throttled { narrow: false, .. }));
    }

    #[test]
    fn a_wrong_id_is_not_found_in_the_body_and_in_the_path() {
        let in_body =
            r#"{"data":[{"code":"INVALID_DATA","details":{"api_name":"id"},"message":"x","status":"error"}]}"#;
        let in_path = r#"{"code":"INVALID_DATA","details":{"resource_path_index":2},"message":"x","status":"error"}"#;
        for body in [in_body, in_path] {
            let error = failed(400, body);
            assert!(matches!(&error, Error::NotFound { id, .. } if id == "52"), "{error}");
        }
        assert!(matches!(failed(404, ""), Error::NotFound { .. }));
    }

    #[test]
    fn a_refused_value_names_its_field() {
        let body = r#"{"data":[{"code":"INVALID_DATA","details":{"expected_data_type":"boolean","api_name":"Docs_Moved",
            "json_path":"$.data[0].Docs_Moved"},"message":"invalid data","status":"error"}]}"#;
        let error = failed(400, body);
        assert!(matches!(&error, Error::Rejected { field: Some(field), .. } if field == "Docs_Moved"), "{error}");
        assert_eq!(error.outcome(), Outcome::NotDone);
    }

    #[test]
    fn an_unknown_module_or_column_is_named() {
        let module = failed(400, r#"{"code":"INVALID_MODULE","details":{},"message":"no","status":"error"}"#);
        assert!(matches!(&module, Error::Rejected { field: Some(field), .. } if field == "module"), "{module}");
        let column =
            failed(400, r#"{"code":"INVALID_QUERY","details":{"column_name":"Nope","reason":"x"},"status":"error"}"#);
        assert!(matches!(&column, Error::Rejected { field: Some(field), .. } if field == "Nope"), "{column}");
        let pattern = failed(404, r#"{"code":"INVALID_URL_PATTERN","details":{},"message":"no","status":"error"}"#);
        assert!(matches!(&pattern, Error::Rejected { code, .. } if code == "INVALID_URL_PATTERN"), "{pattern}");
    }

    #[test]
    fn a_server_error_leaves_a_write_unknown_whatever_its_body() {
        for body in [r#"{"code":"INTERNAL_ERROR","details":{},"message":"x","status":"error"}"#, "<html></html>", ""] {
            for status in [500, 502, 503] {
                let error = failed(status, body);
                assert!(matches!(error, Error::Unavailable { .. }) && error.outcome() == Outcome::Unknown, "{error}");
            }
        }
    }
}

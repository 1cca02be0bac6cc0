//! WorkDrive's error envelope and its overloaded 401 (zoho.md sections 1.11 and 3.12).

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::context::Context;
use crate::oauth::BadToken;

/// The media type of JSON:API.
const JSON_API: &str = "application/vnd.api+json;charset=UTF-8";

pub(crate) fn error(status: u16, id: &str, title: &str) -> Answer {
    Answer::json(status, &json!({"errors": [{"id": id, "title": title}]}))
}

pub(crate) fn data(status: u16, data: Value) -> Answer {
    document(status, &json!({"data": data}))
}

pub(crate) fn document(status: u16, body: &Value) -> Answer {
    Answer::json_as(status, JSON_API, body)
}

pub(crate) fn bad_token(bad: BadToken) -> Answer {
    match bad {
        BadToken::Expired => error(401, "F7003", "Invalid OAuth token.")
            .header("www-authenticate", "Zoho-oauthtoken error=\"invalid_token\", error_description=\"expired_token\""),
        BadToken::Missing | BadToken::Unknown => error(401, "F7003", "Invalid OAuth token."),
    }
}

/// The signal is the reason phrase, which only HTTP/1.1 has.
fn missing_scope() -> Answer {
    error(401, "F7003", "Invalid OAuth scope.").reason("INVALID_OAUTHSCOPE")
}

/// Deleted, foreign or never existing: a 401 that has nothing to do with the token.
pub(crate) fn unauthorized_access() -> Answer {
    error(401, "R008", "Unauthorized access")
}

pub(crate) fn too_many_requests() -> Answer {
    error(429, "F7008", "Request rate limit exceeded")
}

/// Refuses unless the grant covers every scope.
pub(crate) fn require(context: &Context<'_>, scopes: &[&str]) -> Result<(), Answer> {
    match scopes.iter().all(|scope| context.allows(scope)) {
        true => Ok(()),
        false => Err(missing_scope()),
    }
}

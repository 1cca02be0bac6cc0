//! Cliq's errors: v2 says them flat, v3 inside `error` or as a bare message (zoho.md sections 1.11 and 5.6).
//!
//! Codes that the sheet does not name are those of Cliq's v3 description (key Q2): `chat_not_found`,
//! `message_not_found`, `invalid_parameters`; and `oauthtoken_scope_invalid`, which public clients of Cliq check for.

use serde_json::json;

use crate::answer::Answer;
use crate::context::Context;
use crate::knobs::CliqKnobs;
use crate::oauth::BadToken;

/// The two versions of the API, which share state and limits and not their errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V2,
    V3,
}

pub(crate) fn error(version: Version, status: u16, code: &str, message: &str) -> Answer {
    match version {
        Version::V2 => Answer::json(status, &json!({"code": code, "message": message})),
        Version::V3 => Answer::json(status, &json!({"error": {"code": code, "message": message}})),
    }
}

/// An error of v3 with nothing but its message.
pub(crate) fn bare(answer: Answer) -> Answer {
    answer.reshaped(|error| json!({"message": error["error"]["message"]}))
}

pub(crate) fn bad_token(version: Version, bad: BadToken) -> Answer {
    let message = match bad {
        BadToken::Missing => "Request was rejected because of invalid AuthToken.",
        BadToken::Unknown | BadToken::Expired => "The OAuth token is invalid or has expired.",
    };
    error(version, 401, "oauthtoken_invalid", message)
}

/// One call too many, or a call during the lock; nothing says how long to wait (section 6, number 36).
pub(crate) fn too_many_requests(version: Version, knobs: &CliqKnobs) -> Answer {
    match version {
        Version::V2 => error(
            version,
            knobs.throttle_status,
            "request_limit_exceeded",
            "You have exceeded the URL throttle limits.",
        ),
        Version::V3 => error(
            version,
            knobs.v3_throttle_status,
            "rate_limit_exceeded",
            "Too many requests within a certain time frame.",
        ),
    }
}

/// Nothing is served here.
pub(crate) fn unknown(version: Version, status: u16) -> Answer {
    error(version, status, "invalid_url", "The URL you've sent is wrong.")
}

/// A failure of the server.
pub(crate) fn failed(version: Version, status: u16) -> Answer {
    error(version, status, "operation_failed", "Sorry, we couldn't process your request due to a technical error.")
}

pub(crate) fn invalid_parameter(version: Version, name: &str) -> Answer {
    error(version, 400, "invalid_parameters", &format!("The parameter {name} is invalid."))
}

pub(crate) fn invalid_time(version: Version) -> Answer {
    error(version, 400, "invalid.time.submitted", "The time submitted is invalid.")
}

pub(crate) fn chat_not_found(version: Version) -> Answer {
    error(version, 404, "chat_not_found", "The requested chat does not exist or you are not a participant.")
}

/// Refuses unless the grant covers the scope.
pub(crate) fn require(context: &Context<'_>, version: Version, scope: &str) -> Result<(), Answer> {
    if context.allows(scope) {
        return Ok(());
    }
    let status = context.world.knobs.cliq.scope_status;
    Err(error(version, status, "oauthtoken_scope_invalid", "The OAuth token does not have the required scope."))
}

/// A number of rows between 1 and `most`; more is refused and counted.
pub(crate) fn limit(context: &mut Context<'_>, version: Version, default: usize, most: usize) -> Result<usize, Answer> {
    let asked = context.call.query.number("limit", default).filter(|asked| *asked > 0);
    let Some(asked) = asked else { return Err(invalid_parameter(version, "limit")) };
    if asked > most {
        context.misdeed("page_limit_too_large", || format!("cliq: limit={asked}"));
        return Err(invalid_parameter(version, "limit"));
    }
    Ok(asked)
}

/// Counts parameters that the endpoint does not know; they are ignored.
pub(crate) fn note_unknown(context: &mut Context<'_>, known: &[&str]) {
    let call = context.call;
    for (name, _) in call.query.pairs().filter(|(name, _)| !known.contains(name)) {
        context.misdeed("unknown_parameter", || format!("{} {name}", call.path()));
    }
}

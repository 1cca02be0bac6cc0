//! Books' envelope: success is `code` 0, errors have another one, whatever the HTTP status (zoho.md section 4.1).

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::context::Context;

/// Bad value of a parameter.
pub(super) const BAD_VALUE: u32 = 2;
const BAD_URL: u32 = 5;
const BAD_TOKEN: u32 = 14;
const METHOD_NOT_ALLOWED: u32 = 37;
const BLOCKED: u32 = 43;
const MINUTE_LIMIT: u32 = 44;
const DAY_LIMIT: u32 = 45;
const NOT_AUTHORIZED: u32 = 57;
const INTERNAL: u32 = 1000;
const MISSING: u32 = 1002;
const CONCURRENCY: u32 = 1070;

fn error(status: u16, code: u32, message: &str) -> Answer {
    Answer::json(status, &json!({"code": code, "message": message}))
}

/// `code` 0 and the fields of `content`.
pub(super) fn success(message: &str, content: Value) -> Answer {
    let mut body = json!({"code": 0, "message": message});
    if let (Value::Object(body), Value::Object(content)) = (&mut body, content) {
        body.extend(content);
    }
    Answer::json(200, &body)
}

pub(super) fn bad_value(parameter: &str) -> Answer {
    error(400, BAD_VALUE, &format!("Invalid value passed for {parameter}"))
}

/// `what` is `Contact` or `User`.
pub(super) fn missing(what: &str) -> Answer {
    error(404, MISSING, &format!("{what} does not exist."))
}

pub(super) fn not_authorized() -> Answer {
    error(401, NOT_AUTHORIZED, "You are not authorized to perform this operation")
}

/// The token does not open the door, for whatever reason (zoho.md section 1.11, unsure between 14 and 57).
pub(crate) fn bad_token() -> Answer {
    error(401, BAD_TOKEN, "Invalid value passed for authtoken.")
}

/// Nothing is served here.
pub(crate) fn unknown(status: u16) -> Answer {
    match status {
        405 => error(405, METHOD_NOT_ALLOWED, "The HTTP method is not allowed for the requested resource"),
        _ => error(status, BAD_URL, "Invalid URL Passed"),
    }
}

/// A failure with a chosen status.
pub(crate) fn failed(status: u16) -> Answer {
    error(status, INTERNAL, "Internal Error")
}

/// The minute is used up.
pub(crate) fn minute_limit() -> Answer {
    error(429, MINUTE_LIMIT, "You have exceeded the maximum number of requests per minute for your organization.")
}

/// The organisation is blocked for so many seconds.
pub(crate) fn blocked(seconds: u64) -> Answer {
    let message = "For security reasons you have been blocked for some time as you have exceeded the maximum number \
                   of requests per minute.";
    error(429, BLOCKED, message).header("retry-after", seconds.to_string())
}

/// The day is used up.
pub(super) fn day_limit() -> Answer {
    error(429, DAY_LIMIT, "You have exceeded the maximum number of API calls for the day.")
}

/// Too many calls are in flight.
pub(super) fn concurrency() -> Answer {
    error(429, CONCURRENCY, "You have exceeded the maximum number of concurrent requests.")
}

/// Refuses unless the grant covers the scope and the call names the organisation it belongs to.
pub(super) fn require(context: &mut Context<'_>, scope: &str) -> Result<(), Answer> {
    if !context.allows(scope) {
        return Err(not_authorized());
    }
    let named = context.call.query.get("organization_id").map(str::to_owned);
    match named {
        None => {
            context.misdeed("organization_id_missing", || "a Books call without organization_id".to_owned());
            Err(bad_value("organization_id"))
        }
        Some(id) if id == context.organization().books.organization_id => Ok(()),
        Some(_) => Err(not_authorized()),
    }
}

/// The error under status 200, as it was seen.
pub(crate) fn under_200(mut answer: Answer) -> Answer {
    if !matches!(answer.status, 401 | 429 | 500..) {
        answer.status = 200;
    }
    answer
}

//! CRM's error envelope (zoho.md sections 1.11 and 2.1).

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::context::Context;
use crate::oauth::BadToken;
use crate::route::Route;

/// The body of an error, also used for one element of a list of results.
pub(crate) fn error_body(code: &str, details: &Value, message: &str) -> Value {
    json!({"code": code, "details": details, "message": message, "status": "error"})
}

pub(crate) fn error(status: u16, code: &str, details: Value, message: &str) -> Answer {
    Answer::json(status, &error_body(code, &details, message))
}

pub(crate) fn bad_token(bad: BadToken) -> Answer {
    match bad {
        BadToken::Missing => error(401, "AUTHENTICATION_FAILURE", json!({}), "Authentication failed"),
        BadToken::Unknown | BadToken::Expired => error(401, "INVALID_TOKEN", json!({}), "invalid oauth token"),
    }
}

/// Search has a code of its own (zoho.md section 2.3).
pub(crate) fn too_many_requests(route: &Route) -> Answer {
    let code = match route {
        Route::SearchRecords { .. } => "RATE_LIMIT_EXCEEDED",
        _ => "TOO_MANY_REQUESTS",
    };
    error(429, code, json!({}), "You have exceeded the number of allowed requests")
}

pub(crate) fn invalid_module() -> Answer {
    error(400, "INVALID_MODULE", json!({}), "the module name given seems to be invalid")
}

/// Refuses unless the grant covers every scope.
pub(crate) fn require(context: &Context<'_>, scopes: &[&str]) -> Result<(), Answer> {
    match scopes.iter().find(|scope| !context.allows(scope)) {
        None => Ok(()),
        Some(_) => Err(error(401, "OAUTH_SCOPE_MISMATCH", json!({}), "invalid oauth scope to access this URL")),
    }
}

/// Refuses unless the module exists and the grant covers `operation` on it.
pub(crate) fn require_module(context: &Context<'_>, module: &str, operation: &str) -> Result<(), Answer> {
    require(context, &[&format!("ZohoCRM.modules.{module}.{operation}")])?;
    match context.organization().crm.module(module) {
        Some(_) => Ok(()),
        None => Err(invalid_module()),
    }
}

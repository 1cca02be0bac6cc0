//! Refusals as problem details (RFC 9457): a stable code, safe words, the request's id, and what helps.

use std::error::Error as StdError;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// Names one request in the answer, in the log and in the audit trail.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One kind of refusal, as the document names it. Its code never changes meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// What programs go by.
    pub code: &'static str,
    /// When it is given, for the document.
    pub meaning: &'static str,
}

impl Refusal {
    /// A kind of refusal; a constant of the endpoints that give it.
    #[must_use]
    pub const fn new(status: u16, code: &'static str, meaning: &'static str) -> Self {
        Refusal { status, code, meaning }
    }
}

/// A request does not have the shape that the document asks for.
pub const INVALID_REQUEST: Refusal =
    Refusal::new(400, "invalid_request", "The request does not have this shape; `errors` names each part.");
/// There is no token.
pub const TOKEN_MISSING: Refusal =
    Refusal::new(401, "token_missing", "There is no `Authorization: Bearer` header with a token.");
/// The token is not one of ours.
pub const TOKEN_INVALID: Refusal =
    Refusal::new(401, "token_invalid", "The token cannot be read, or is not signed by a key that counts here.");
/// The token was valid once.
pub const TOKEN_EXPIRED: Refusal = Refusal::new(401, "token_expired", "The token's time is over, or has not come.");
/// The token's role is too low.
pub const ROLE_INSUFFICIENT: Refusal =
    Refusal::new(403, "role_insufficient", "The token's role is too low; `needed_role` names the lowest that may.");
/// The token names no organisation, and its role does not reach all of them.
pub const ORGANIZATION_MISSING: Refusal =
    Refusal::new(403, "organization_missing", "The token names no organisation; only `super_admin` may do without.");
/// One answer for what is not there and for what belongs to others.
pub const NOT_FOUND: Refusal =
    Refusal::new(404, "not_found", "There is nothing of that name, or it belongs to another organisation.");
/// The address exists, the method does not.
pub const METHOD_NOT_ALLOWED: Refusal =
    Refusal::new(405, "method_not_allowed", "The address does not take this method; `Allow` names those it takes.");
/// The body did not come in time.
pub const BODY_TIMEOUT: Refusal =
    Refusal::new(408, "body_timeout", "The body did not come to its end within `http.client_request_timeout_seconds`.");
/// The body is longer than the limit.
pub const BODY_TOO_LARGE: Refusal = Refusal::new(413, "body_too_large", "The body is longer than 1 MiB.");
/// The body is announced as something else than JSON.
pub const CONTENT_TYPE_UNSUPPORTED: Refusal =
    Refusal::new(415, "content_type_unsupported", "The body must be `application/json`.");
/// A bug, or damage.
pub const INTERNAL: Refusal =
    Refusal::new(500, "internal", "The request failed for a reason that repeating it does not help.");
/// No key for tokens is configured.
pub const AUTH_NOT_CONFIGURED: Refusal =
    Refusal::new(503, "auth_not_configured", "No key for tokens is configured: `auth.secret` or `auth.jwks_url`.");
/// The keys at `auth.jwks_url` cannot be had at present.
pub const KEYS_UNAVAILABLE: Refusal =
    Refusal::new(503, "keys_unavailable", "The keys at `auth.jwks_url` cannot be had at present.");
/// The database does not answer.
pub const DATABASE_UNAVAILABLE: Refusal =
    Refusal::new(503, "database_unavailable", "The database did not answer; nothing was changed.");
/// The change is made, its audit record is not.
pub const AUDIT_UNAVAILABLE: Refusal =
    Refusal::new(503, "audit_unavailable", "It was done, and could not be written to the audit trail.");

/// Seconds after which it makes sense to ask an unavailable part again.
const COME_BACK_SECONDS: u32 = 5;

/// A request that is not served. Its cause goes to the log and never to the caller.
#[derive(Debug)]
pub struct Problem(Box<Told>);

#[derive(Debug)]
struct Told {
    refusal: Refusal,
    detail: String,
    errors: Vec<InputError>,
    needed_role: Option<&'static str>,
    context: Option<serde_json::Value>,
    source: Option<Box<dyn StdError>>,
}

/// The body of an answer that is no success (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Body {
    /// `urn:gateledger:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What programs go by; it never changes meaning.
    code: String,
    /// What is wrong, for people.
    detail: String,
    /// Names the request, also in the log.
    request_id: Uuid,
    /// What is wrong with which part of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    errors: Vec<InputError>,
    /// The lowest role that may do this.
    #[serde(skip_serializing_if = "Option::is_none")]
    needed_role: Option<&'static str>,
    /// More about the cause, where the code has more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<serde_json::Value>,
}

/// One part of a request that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InputError {
    /// Where it stands.
    #[serde(rename = "in")]
    pub place: Place,
    /// Its name; in bodies a path such as `settings.schedule`. Empty for the whole.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What helps.
    pub remedy: String,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The address.
    Path,
    /// What follows `?`.
    Query,
    /// The body.
    Body,
}

impl Problem {
    /// A refusal in words for this case.
    #[must_use]
    pub fn new(refusal: &Refusal, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let (errors, needed_role, context, source) = (Vec::new(), None, None, None);
        Problem(Box::new(Told { refusal: *refusal, detail, errors, needed_role, context, source }))
    }

    /// What is not there, or not the caller's.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Problem::new(&NOT_FOUND, format!("there is no {what}"))
    }

    /// A field of the body that has the right shape and cannot be used. `refusal` is one of the endpoint's own.
    #[must_use]
    pub fn unusable(refusal: &Refusal, field: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        let problem = problem.into();
        let mut told = Problem::new(refusal, format!("{field}: {problem}"));
        told.0.errors.push(InputError { place: Place::Body, field: field.to_owned(), problem, remedy: remedy.into() });
        told
    }

    pub(crate) fn invalid(errors: Vec<InputError>) -> Self {
        let words: Vec<String> = errors
            .iter()
            .map(|error| {
                if error.field.is_empty() {
                    error.problem.clone()
                } else {
                    format!("{}: {}", error.field, error.problem)
                }
            })
            .collect();
        let mut told = Problem::new(&INVALID_REQUEST, words.join("; "));
        told.0.errors = errors;
        told
    }

    pub(crate) fn role_insufficient(needed: crate::Role) -> Self {
        let detail = format!("this needs the role {needed} or a higher one");
        let mut told = Problem::new(&ROLE_INSUFFICIENT, detail);
        told.0.needed_role = Some(needed.as_str());
        told
    }

    /// With more about the cause, as a JSON object.
    #[must_use]
    pub fn with_context(mut self, context: serde_json::Value) -> Self {
        self.0.context = Some(context);
        self
    }

    /// With the cause, for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// A failure that is no fault of the caller.
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn StdError>>) -> Self {
        Problem::new(&INTERNAL, "the request failed; the cause is in the log under this request id").because(source)
    }

    /// Which kind it is.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        &self.0.refusal
    }

    /// What is wrong, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref()
    }

    pub(crate) fn answer(self, request_id: Uuid) -> HttpResponse {
        let status = self.status();
        let told = *self.0;
        let mut answer = HttpResponse::build(status);
        answer.content_type("application/problem+json");
        answer.insert_header((REQUEST_ID, request_id.to_string()));
        match told.refusal {
            // RFC 6750, section 3: a request without a token is told the scheme and no more.
            TOKEN_MISSING => {
                answer.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"gateledger\""));
            }
            TOKEN_INVALID | TOKEN_EXPIRED => {
                answer.insert_header((
                    header::WWW_AUTHENTICATE,
                    format!(
                        "Bearer realm=\"gateledger\", error=\"invalid_token\", error_description=\"{}\"",
                        told.detail
                    ),
                ));
            }
            Refusal { status: 503, .. } => {
                answer.insert_header((header::RETRY_AFTER, COME_BACK_SECONDS));
            }
            _ => {}
        }
        answer.json(Body {
            kind: format!("urn:gateledger:problem:{}", told.refusal.code),
            title: status.canonical_reason().unwrap_or(told.refusal.code).to_owned(),
            status: told.refusal.status,
            code: told.refusal.code.to_owned(),
            detail: told.detail,
            request_id,
            errors: told.errors,
            needed_role: told.needed_role,
            context: told.context,
        })
    }
}

impl From<event_log::Error> for Problem {
    fn from(error: event_log::Error) -> Self {
        if error.is_retryable() {
            Problem::new(&DATABASE_UNAVAILABLE, "the database did not answer; nothing was changed").because(error)
        } else {
            Problem::internal(error)
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        event_log::Error::from(error).into()
    }
}

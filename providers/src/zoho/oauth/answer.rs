//! What the token endpoint says, whatever it was asked. Errors come under status 200 too, so an answer is judged by the
//! presence of `access_token`.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::Deserialize;

use crate::http::answer::Answer;
use crate::http::code;
use crate::zoho::lenient;
use crate::zoho::token::AccessToken;

/// What an access token lives when the answer does not say.
const USUAL_LIFETIME_SECONDS: i64 = 3600;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenAnswer {
    access_token: Option<String>,
    refresh_token: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    scope: Option<String>,
    #[serde(deserialize_with = "lenient::integer")]
    expires_in: Option<i64>,
    api_domain: Option<String>,
    pub(super) error: Option<String>,
    error_description: Option<String>,
    pub(super) status: Option<String>,
}

/// A success.
pub(super) struct Tokens {
    pub(super) access_token: AccessToken,
    pub(super) refresh_token: Option<SecretString>,
    pub(super) scopes: Option<Vec<String>>,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    InvalidCode,
    InvalidClient,
    InvalidClientSecret,
    InvalidRedirect,
    Throttled,
    /// A fault of theirs, with its code if it has one.
    Unavailable(Option<&'static str>),
    /// A code that is not known here.
    Other(String),
    /// Not in the documented shape.
    Unreadable(String),
}

/// Reads an answer that arrived at `now`.
pub(super) fn read(answer: &Answer, now: DateTime<Utc>) -> Result<Tokens, Fault> {
    let status = answer.status.as_u16();
    let Ok(body) = serde_json::from_slice::<TokenAnswer>(&answer.body) else {
        return Err(match status {
            429 => Fault::Throttled,
            500.. => Fault::Unavailable(None),
            _ => Fault::Unreadable(format!("status {status} without readable json")),
        });
    };
    let secret = |text: Option<String>| text.filter(|text| !text.is_empty()).map(SecretString::from);
    if let Some(access) = secret(body.access_token) {
        let lifetime = body.expires_in.filter(|seconds| *seconds > 0).unwrap_or(USUAL_LIFETIME_SECONDS);
        let lifetime = TimeDelta::try_seconds(lifetime.min(86_400)).unwrap_or_default();
        let scopes = body.scope.map(|scope| scopes(&scope));
        let (expires_at, api_domain) = (now + lifetime, body.api_domain);
        return Ok(Tokens {
            access_token: AccessToken { secret: access, expires_at, api_domain, scopes: scopes.clone() },
            refresh_token: secret(body.refresh_token),
            scopes,
        });
    }
    let code = body.error.unwrap_or_default();
    // The text is localised, so the throttle is known by its shape.
    let looks_throttled = body.error_description.is_some() && body.status.as_deref() == Some("failure");
    Err(match code.as_str() {
        "invalid_code" => Fault::InvalidCode,
        "invalid_client" => Fault::InvalidClient,
        "invalid_client_secret" => Fault::InvalidClientSecret,
        "invalid_redirect_uri" => Fault::InvalidRedirect,
        _ if looks_throttled || status == 400 || status == 429 => Fault::Throttled,
        "general_error" => Fault::Unavailable(Some("general_error")),
        _ if status >= 500 => Fault::Unavailable(None),
        "" => Fault::Unreadable("neither access_token nor error".to_owned()),
        _ => Fault::Other(code::or_status(Some(&code), status)),
    })
}

/// Zoho separates with commas, RFC 6749 with spaces.
fn scopes(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|scope| !scope.is_empty()).map(ToOwned::to_owned).collect()
}

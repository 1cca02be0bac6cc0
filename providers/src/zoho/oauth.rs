//! The accounts server: refreshing and revoking a grant, and reading its answers.
//!
//! It answers errors under status 200, so an answer is judged by the presence of `access_token` and by nothing else.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use reqwest::header::ACCEPT;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tracing::Instrument;
use url::Url;

use crate::budget::{Budget, Lane};
use crate::clock::Clock;
use crate::error::{Error, OBTAIN_TOKEN, Outcome, ThrottleScope, Throttled};
use crate::http::answer::{Answer, no_answer};
use crate::zoho::lenient;
use crate::zoho::measure::Measured;
use crate::zoho::token::AccessToken;

const REFRESH: &str = OBTAIN_TOKEN;
const REVOKE: &str = "oauth.revoke";

/// The length of the provider's window of token requests, after which it forgives.
const TOKEN_WINDOW: TimeDelta = TimeDelta::minutes(10);

/// What an access token lives when the answer does not say.
const USUAL_LIFETIME_SECONDS: i64 = 3600;

/// One client registration at one accounts server.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) account: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
    pub(crate) timeout: Duration,
    pub(crate) lane: Lane,
    pub(crate) budget: Arc<dyn Budget>,
    pub(crate) clock: Clock,
}

impl Accounts {
    /// Exchanges the refresh token for a new access token. It stays valid itself: Zoho does not rotate it.
    ///
    /// # Errors
    /// [`Error::NeedsConsent`], [`Error::BadClient`], [`Error::Throttled`] for the whole account,
    /// [`Error::Unavailable`], [`Error::Unreadable`].
    pub(crate) async fn refresh(&self, refresh_token: &SecretString) -> Result<AccessToken, Error> {
        let span = tracing::info_span!("token.refresh", provider = "zoho", account.id = %self.account);
        async {
            self.budget.acquire(&self.lane).await?;
            let form = [
                ("grant_type", "refresh_token"),
                ("client_id", &self.client_id),
                ("client_secret", self.client_secret.expose_secret()),
                ("refresh_token", refresh_token.expose_secret()),
            ];
            let url = crate::http::extend(&self.base, &["oauth", "v2", "token"]);
            let measured = Measured::start(REFRESH);
            let judged = match self.send(REFRESH, self.http.request(Method::POST, url).form(&form)).await {
                Ok(answer) => judge_refresh(&answer, self.clock.now()),
                Err(error) => Err(error),
            };
            measured.end(&judged);
            if let Err(Error::Throttled(throttled)) = &judged {
                self.budget.refuse(&self.lane, throttled.until).await?;
            }
            judged
        }
        .instrument(span)
        .await
    }

    /// Makes the refresh token and what came from it useless.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Rejected`] when the server does not confirm.
    pub(crate) async fn revoke(&self, refresh_token: &SecretString) -> Result<(), Error> {
        let url = crate::http::extend(&self.base, &["oauth", "v2", "token", "revoke"]);
        let url = crate::http::with_query(url, &[("token", refresh_token.expose_secret())]);
        let measured = Measured::start(REVOKE);
        let judged = match self.send(REVOKE, self.http.request(Method::POST, url)).await {
            Ok(answer) => judge_revoke(&answer),
            Err(error) => Err(error),
        };
        measured.end(&judged);
        judged
    }

    async fn send(&self, operation: &'static str, request: reqwest::RequestBuilder) -> Result<Answer, Error> {
        let request = request.header(ACCEPT, "application/json").timeout(self.timeout);
        let response = request.send().await.map_err(|error| no_answer(operation, error))?;
        Answer::read(operation, response, self.timeout).await
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenAnswer {
    access_token: Option<String>,
    #[serde(deserialize_with = "lenient::integer")]
    expires_in: Option<i64>,
    api_domain: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    status: Option<String>,
}

/// Reads the answer to a refresh that arrived at `now`.
fn judge_refresh(answer: &Answer, now: DateTime<Utc>) -> Result<AccessToken, Error> {
    let status = answer.status.as_u16();
    let Ok(body) = answer.json::<TokenAnswer>(REFRESH) else {
        return Err(match status {
            429 => throttled(now, "too many token requests"),
            500.. => unavailable(status, None),
            _ => Error::unreadable(REFRESH, format!("status {status} without readable json")),
        });
    };
    if let Some(secret) = body.access_token.filter(|secret| !secret.is_empty()).map(SecretString::from) {
        let lifetime = body.expires_in.filter(|seconds| *seconds > 0).unwrap_or(USUAL_LIFETIME_SECONDS);
        let lifetime = TimeDelta::try_seconds(lifetime.min(86_400)).unwrap_or_default();
        return Ok(AccessToken { secret, expires_at: now + lifetime, api_domain: body.api_domain });
    }
    let code = body.error.unwrap_or_default();
    // The text is localised, so the throttle is known by its shape.
    let looks_throttled = body.error_description.is_some() && body.status.as_deref() == Some("failure");
    Err(match code.as_str() {
        "invalid_code" => Error::NeedsConsent { reason: "invalid_code: the grant was revoked or replaced".to_owned() },
        "invalid_client" => {
            Error::BadClient { reason: "invalid_client: unknown client id, or one of another region".to_owned() }
        }
        "invalid_client_secret" => {
            Error::BadClient { reason: "invalid_client_secret: the client secret is wrong".to_owned() }
        }
        _ if looks_throttled || status == 400 || status == 429 => throttled(now, "too many token requests"),
        "general_error" => unavailable(status, Some("general_error")),
        _ if status >= 500 => unavailable(status, None),
        "" => Error::unreadable(REFRESH, "neither access_token nor error"),
        _ => Error::Rejected { code, message: "the accounts server refused the refresh".to_owned(), field: None },
    })
}

fn judge_revoke(answer: &Answer) -> Result<(), Error> {
    let status = answer.status.as_u16();
    if status >= 500 {
        return Err(Error::Unavailable {
            operation: REVOKE,
            status: Some(status),
            outcome: Outcome::Unknown,
            source: None,
        });
    }
    let body: TokenAnswer = answer.json(REVOKE)?;
    if body.status.as_deref() == Some("success") {
        return Ok(());
    }
    let code = body.error.unwrap_or_else(|| format!("status_{status}"));
    Err(Error::Rejected { code, message: "the accounts server did not confirm the revocation".to_owned(), field: None })
}

fn throttled(now: DateTime<Utc>, reason: &str) -> Error {
    let until = now + TOKEN_WINDOW;
    Error::Throttled(Throttled { until, scope: ThrottleScope::Account, reason: reason.to_owned() })
}

fn unavailable(status: u16, code: Option<&str>) -> Error {
    Error::Unavailable {
        operation: REFRESH,
        status: Some(status),
        outcome: Outcome::NotDone,
        source: code.map(|code| code.to_owned().into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Result<AccessToken, Error> {
        judge_refresh(&Answer::sample(status, &[], body), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn an_access_token_is_success_under_any_status() {
        for status in [200, 400] {
            let token = judged(
                status,
                r#"{"access_token":"1000.at1","api_domain":"https://www.zohoapis.com",
                "token_type":"Bearer","expires_in":3600}"#,
            )
            .unwrap();
            assert_eq!(token.secret.expose_secret(), "1000.at1");
            assert_eq!(token.expires_at, DateTime::UNIX_EPOCH + TimeDelta::hours(1));
            assert_eq!(token.api_domain.as_deref(), Some("https://www.zohoapis.com"));
        }
    }

    #[test]
    fn errors_under_status_200_are_errors() {
        let error = judged(200, r#"{"error":"invalid_code"}"#).unwrap_err();
        assert!(matches!(error, Error::NeedsConsent { .. }), "{error}");
        for code in ["invalid_client", "invalid_client_secret"] {
            let error = judged(200, &format!(r#"{{"error":"{code}"}}"#)).unwrap_err();
            assert!(matches!(&error, Error::BadClient { reason } if reason.starts_with(code)), "{error}");
        }
        let error = judged(200, r#"{"error":"invalid_redirect_uri"}"#).unwrap_err();
        assert!(matches!(&error, Error::Rejected { code, .. } if code == "invalid_redirect_uri"), "{error}");
    }

    #[test]
    fn the_throttle_is_known_in_any_language_and_waits_out_the_window() {
        let body =
            |text: &str| format!(r#"{{"error":"Access Denied","error_description":"{text}","status":"failure"}}"#);
        for (status, text) in [(400, "You have made too many requests continuously."), (200, "您的请求过于频繁")]
        {
            let error = judged(status, &body(text)).unwrap_err();
            assert_eq!(error.throttled_until(), Some(DateTime::UNIX_EPOCH + TimeDelta::minutes(10)), "{error}");
        }
        assert!(matches!(judged(400, r#"{"error":"zu viele"}"#), Err(Error::Throttled(_))));
        assert!(matches!(judged(429, "slow down"), Err(Error::Throttled(_))));
    }

    #[test]
    fn outages_pass_and_nonsense_is_unreadable() {
        for (status, body) in [(503, "<html></html>"), (500, r#"{"error":"general_error"}"#), (500, "{}")] {
            assert!(matches!(judged(status, body), Err(Error::Unavailable { .. })), "{status} {body}");
        }
        assert!(matches!(judged(200, r#"{"error":"general_error"}"#), Err(Error::Unavailable { .. })));
        for body in ["<html></html>", "{}", r#"{"access_token":""}"#, r#"{"access_token":"10"#] {
            assert!(matches!(judged(200, body), Err(Error::Unreadable { .. })), "{body}");
        }
    }

    #[test]
    fn lifetimes_may_be_strings_or_missing() {
        let lifetime = |body: &str| judged(200, body).unwrap().expires_at - DateTime::UNIX_EPOCH;
        assert_eq!(lifetime(r#"{"access_token":"a","expires_in":"60"}"#), TimeDelta::seconds(60));
        assert_eq!(lifetime(r#"{"access_token":"a"}"#), TimeDelta::hours(1));
        assert_eq!(lifetime(r#"{"access_token":"a","expires_in":-5}"#), TimeDelta::hours(1));
    }
}

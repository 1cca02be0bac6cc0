//! The accounts server: refreshing and revoking a grant, and reading its answers.
//!
//! How its answers are read stands beside this, in `answer`.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use reqwest::header::ACCEPT;
use secrecy::{ExposeSecret, SecretString};
use tracing::Instrument;
use url::Url;

use crate::budget::{Budget, Lane};
use crate::clock::Clock;
use crate::error::{Error, OBTAIN_TOKEN, Outcome, ThrottleScope, Throttled};
use crate::http::answer::{Answer, no_answer};
use crate::http::code;
use crate::http::measure::Measured;
use crate::zoho::oauth::answer::{self, Fault, TokenAnswer};
use crate::zoho::token::AccessToken;

const REFRESH: &str = OBTAIN_TOKEN;
const REVOKE: &str = "oauth.revoke";

/// The length of the provider's window of token requests, after which it forgives.
const TOKEN_WINDOW: TimeDelta = TimeDelta::minutes(10);

/// One client registration at one accounts server.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) account: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
    pub(crate) timeout: Duration,
    /// Requests for access tokens.
    pub(crate) lane: Lane,
    /// Exchanges of codes.
    pub(crate) exchange_lane: Lane,
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
            let measured = Measured::start("zoho", REFRESH);
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
        self.revoke_at(&self.base, refresh_token).await
    }

    /// As [`Self::revoke`], at the server where the grant lives.
    pub(super) async fn revoke_at(&self, base: &Url, refresh_token: &SecretString) -> Result<(), Error> {
        let url = crate::http::extend(base, &["oauth", "v2", "token", "revoke"]);
        let url = crate::http::with_query(url, &[("token", refresh_token.expose_secret())]);
        let measured = Measured::start("zoho", REVOKE);
        let judged = match self.send(REVOKE, self.http.request(Method::POST, url)).await {
            Ok(answer) => judge_revoke(&answer),
            Err(error) => Err(error),
        };
        measured.end(&judged);
        judged
    }

    pub(super) async fn send(
        &self,
        operation: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer, Error> {
        let request = request.header(ACCEPT, "application/json").timeout(self.timeout);
        let response = request.send().await.map_err(|error| no_answer(operation, error))?;
        Answer::read(operation, response, self.timeout).await
    }
}

/// Reads the answer to a refresh that arrived at `now`.
fn judge_refresh(answer: &Answer, now: DateTime<Utc>) -> Result<AccessToken, Error> {
    let status = answer.status.as_u16();
    let fault = match answer::read(answer, now) {
        Ok(tokens) => return Ok(tokens.access_token),
        Err(fault) => fault,
    };
    let refused = |code: String| Error::Rejected {
        code,
        message: "the accounts server refused the refresh".to_owned(),
        field: None,
    };
    Err(match fault {
        Fault::InvalidCode => {
            Error::NeedsConsent { reason: "invalid_code: the grant was revoked or replaced".to_owned() }
        }
        Fault::InvalidClient => {
            Error::BadClient { reason: "invalid_client: unknown client id, or one of another region".to_owned() }
        }
        Fault::InvalidClientSecret => {
            Error::BadClient { reason: "invalid_client_secret: the client secret is wrong".to_owned() }
        }
        Fault::InvalidRedirect => refused("invalid_redirect_uri".to_owned()),
        Fault::Throttled => Error::Throttled(throttled(now, "too many token requests")),
        Fault::Unavailable(code) => unavailable(status, code),
        Fault::Unreadable(detail) => Error::unreadable(REFRESH, detail),
        Fault::Other(code) => refused(code),
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
    let code = code::or_status(body.error.as_deref(), status);
    Err(Error::Rejected { code, message: "the accounts server did not confirm the revocation".to_owned(), field: None })
}

/// The token endpoint forgives after its window.
pub(super) fn throttled(now: DateTime<Utc>, reason: &str) -> Throttled {
    Throttled { until: now + TOKEN_WINDOW, scope: ThrottleScope::Account, reason: reason.to_owned() }
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
        let long = format!(r#"{{"error":"{}"}}"#, "x\\n".repeat(100_000));
        let error = judged(200, &long).unwrap_err();
        assert!(matches!(&error, Error::Rejected { code, .. } if *code == "x".repeat(80)));
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

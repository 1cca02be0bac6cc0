//! Identity tokens for one audience, kept until shortly before they end.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tracing::Instrument;
use url::Url;

use crate::clock::Clock;
use crate::error::{Error, Outcome, ThrottleScope, Throttled};
use crate::google::ServiceAccountKey;
use crate::http;
use crate::http::answer::{Answer, no_answer};
use crate::http::measure::Measured;

const OPERATION: &str = "google.id_token";

/// A token is replaced this long before it ends.
const EARLY: TimeDelta = TimeDelta::minutes(5);

/// What a signed request may live; Google refuses more than about 65 minutes.
const ASSERTION_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// Wait after a throttle answer that names no time.
const USUAL_WAIT: TimeDelta = TimeDelta::seconds(30);

/// Who vouches for us.
#[derive(Debug)]
pub enum Source {
    /// A service account, by its key.
    Key(Box<ServiceAccountKey>),
    /// The machine we run on. The base URL of its metadata server, usually [`Source::machine`].
    Machine(Url),
}

impl Source {
    /// The metadata server of a machine at Google.
    ///
    /// # Panics
    /// Never: the address is a constant.
    #[must_use]
    pub fn machine() -> Self {
        Self::Machine(Url::parse("http://metadata.google.internal/").expect("a constant address is valid"))
    }
}

/// What to ask for and whom.
#[derive(Debug)]
pub struct Settings {
    /// Who vouches for us.
    pub source: Source,
    /// Whom the token is for: the address of the service without its path, or an audience it is configured with.
    pub audience: String,
    /// One request from start to end; 10 seconds are plenty.
    pub timeout: Duration,
    /// The time.
    pub clock: Clock,
}

/// Gives out identity tokens for one audience. Cheap to clone; clones share the token.
#[derive(Clone)]
pub struct IdTokens {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    http: reqwest::Client,
    token: Mutex<Option<IdToken>>,
    /// Held by the one task that asks.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct IdToken {
    secret: SecretString,
    /// When it is to be replaced: before it ends, but never right after it was given.
    renew_at: DateTime<Utc>,
}

impl IdTokens {
    /// `http` comes from [`crate::http::client`].
    #[must_use]
    pub fn new(settings: Settings, http: reqwest::Client) -> Self {
        Self { inner: Arc::new(Inner { settings, http, token: Mutex::default(), turn: tokio::sync::Mutex::default() }) }
    }

    /// A token that lives for at least five more minutes, or for half its life where that is less.
    ///
    /// # Errors
    /// [`Error::BadClient`] when the key or account is refused: a person must act, or the clock is wrong;
    /// [`Error::Throttled`], [`Error::Unavailable`], [`Error::Unreadable`].
    ///
    /// # Cancellation
    /// Dropping it loses one request and nothing else.
    pub async fn token(&self) -> Result<SecretString, Error> {
        if let Some(token) = self.kept(None) {
            return Ok(token);
        }
        self.renew(None).await
    }

    /// A token other than `refused`, which the service did not accept.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub async fn replace(&self, refused: &SecretString) -> Result<SecretString, Error> {
        self.renew(Some(refused)).await
    }

    async fn renew(&self, refused: Option<&SecretString>) -> Result<SecretString, Error> {
        let _turn = self.inner.turn.lock().await;
        if let Some(token) = self.kept(refused) {
            return Ok(token);
        }
        let span = tracing::info_span!("token.refresh", provider = "google");
        let measured = Measured::start("google", OPERATION);
        let token = self.ask().instrument(span).await;
        measured.end(&token);
        let token = token?;
        let secret = token.secret.clone();
        *self.inner.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(secret)
    }

    fn kept(&self, refused: Option<&SecretString>) -> Option<SecretString> {
        let token = self.inner.token.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let is_refused = refused.is_some_and(|refused| refused.expose_secret() == token.secret.expose_secret());
        (!is_refused && token.renew_at > self.inner.settings.clock.now()).then_some(token.secret)
    }

    async fn ask(&self) -> Result<IdToken, Error> {
        let settings = &self.inner.settings;
        let request = match &settings.source {
            Source::Key(key) => self.by_key(key)?,
            Source::Machine(base) => self.by_machine(base),
        };
        let response = request.timeout(settings.timeout).send().await.map_err(|error| no_answer(OPERATION, error))?;
        let answer = Answer::read(OPERATION, response, settings.timeout).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer, settings.clock.now()));
        }
        let secret = match &settings.source {
            Source::Key(_) => answer.json::<TokenAnswer>(OPERATION)?.id_token,
            Source::Machine(_) => String::from_utf8_lossy(&answer.body).trim().to_owned(),
        };
        let (expires_at, now) = (end_of(&secret, &settings.audience)?, settings.clock.now());
        if expires_at <= now {
            return Err(Error::unreadable(OPERATION, "a token that ended already, by our clock"));
        }
        Ok(IdToken { secret: secret.into(), renew_at: expires_at - EARLY.min((expires_at - now) / 2) })
    }

    /// A request signed by the account: claims with `target_audience` and without `scope`.
    fn by_key(&self, key: &ServiceAccountKey) -> Result<RequestBuilder, Error> {
        let now = self.inner.settings.clock.now();
        let claims = json!({
            "iss": key.email(),
            "aud": key.token_uri().as_str(),
            "target_audience": self.inner.settings.audience,
            "iat": now.timestamp(),
            "exp": (now + ASSERTION_LIFETIME).timestamp(),
        });
        let assertion =
            key.sign(&claims).ok_or_else(|| Error::BadClient { reason: "the private key cannot sign".to_owned() })?;
        let form =
            [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.expose_secret())];
        Ok(self.inner.http.request(Method::POST, key.token_uri().clone()).form(&form))
    }

    fn by_machine(&self, base: &Url) -> RequestBuilder {
        let path = ["computeMetadata", "v1", "instance", "service-accounts", "default", "identity"];
        let url = http::with_query(http::extend(base, &path), &[("audience", &self.inner.settings.audience)]);
        self.inner.http.request(Method::GET, url).header("Metadata-Flavor", "Google")
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    error: String,
    error_description: String,
}

fn refusal(answer: &Answer, now: DateTime<Utc>) -> Error {
    let status = answer.status.as_u16();
    let complaint: Complaint = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is_theirs = [&complaint.error, &complaint.error_description].iter().any(|text| *text == "internal_failure");
    match status {
        429 => Error::Throttled(Throttled {
            until: now + http::retry_after(&answer.headers, now).unwrap_or(USUAL_WAIT),
            scope: ThrottleScope::Account,
            reason: "too many token requests".to_owned(),
        }),
        408 | 500.. => unavailable(status),
        _ if is_theirs => unavailable(status),
        _ if complaint.error.is_empty() => {
            Error::BadClient { reason: format!("no identity token: status {status} without an explanation") }
        }
        _ => Error::BadClient { reason: words(&format!("{}: {}", complaint.error, complaint.error_description)) },
    }
}

fn unavailable(status: u16) -> Error {
    Error::Unavailable { operation: OPERATION, status: Some(status), outcome: Outcome::NotDone, source: None }
}

/// The provider's words, cut to a length that fits a log line.
fn words(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(300).collect()
}

#[derive(Deserialize)]
struct Claims {
    exp: i64,
    aud: String,
}

/// When a token ends: no answer says it but the token. It comes over a trusted connection, so its signature is the
/// receiver's business; a token for somebody else is not passed on.
fn end_of(token: &str, audience: &str) -> Result<DateTime<Utc>, Error> {
    let unreadable = |detail: &str| Error::unreadable(OPERATION, detail);
    let claims = token.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Option<Claims> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let claims = claims.ok_or_else(|| unreadable("not a token with an end and an audience"))?;
    if claims.aud != audience {
        return Err(unreadable("a token for another audience"));
    }
    DateTime::from_timestamp(claims.exp, 0).ok_or_else(|| unreadable("the end of the token is no time"))
}

impl fmt::Debug for IdTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IdTokens").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

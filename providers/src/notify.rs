//! Signed notifications for an address that somebody gave us: one POST, one typed outcome.
//!
//! After Standard Webhooks 1.0.0 (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>,
//! read 2026-11). The receiver recognises the id, so what is not certainly delivered is sent again under the same id with
//! the same bytes; only time and signatures are new. The address may be anybody's: redirects are not followed, no proxy is
//! asked, and where private addresses are not allowed, what a name resolves to is looked at before anything is sent.

mod address;
mod answer;
mod secret;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tracing::Instrument;
use url::Url;

pub use address::is_public;
pub use secret::{InvalidSecret, SigningSecret};

use crate::clock::Clock;
use crate::error::BoxError;
use crate::http;

/// Settings of one endpoint.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where notifications are posted to.
    pub url: Url,
    /// What each request is signed with, newest first: one signature for each, so that the receiver may know any of them.
    pub secrets: Vec<SigningSecret>,
    /// From start to end of one request. The specification recommends 15 to 30 seconds.
    pub timeout: Duration,
    /// Whether the address may be on a private network or this machine.
    pub allow_private: bool,
    /// The time.
    pub clock: Clock,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// The receiver has it.
    Delivered {
        /// HTTP status.
        status: u16,
    },
    /// The receiver wants nothing more from us, ever (410).
    Gone,
    /// Too much for now. Come back at that moment, not earlier.
    Throttled {
        /// HTTP status.
        status: u16,
        /// When to come back.
        until: DateTime<Utc>,
    },
    /// Not delivered as far as we know. Send it again later, under the same id with the same bytes.
    Failed {
        /// Stable code.
        code: &'static str,
        /// In words, with the beginning of what the receiver said.
        error: String,
    },
}

impl Posted {
    /// A stable name for tables and metrics, in snake case: a closed set.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Gone => "gone",
            Self::Throttled { .. } => "throttled",
            Self::Failed { code, .. } => code,
        }
    }
}

/// Posts notifications to one endpoint. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    settings: Settings,
    http: reqwest::Client,
}

impl Sender {
    /// `http` comes from [`client`], for the same answer to whether private addresses are allowed.
    #[must_use]
    pub fn new(settings: Settings, http: reqwest::Client) -> Self {
        Self { settings, http }
    }

    /// Posts a notification of JSON once. `id` names it however often it is sent; it holds visible ASCII without a dot.
    ///
    /// # Cancellation
    /// A dropped notification may or may not have been delivered; send it again under the same id.
    pub async fn post(&self, id: &str, body: Bytes) -> Posted {
        let span = tracing::info_span!("notify.post", http.response.status_code = tracing::field::Empty);
        let started = Instant::now();
        let posted = self.attempt(id, body).instrument(span).await;
        let labels = [("provider", "notify"), ("operation", "notify.post"), ("outcome", posted.code())];
        metrics::counter!("provider_requests_total", &labels).increment(1);
        metrics::histogram!("provider_request_duration_seconds", &labels).record(started.elapsed().as_secs_f64());
        posted
    }

    async fn attempt(&self, id: &str, body: Bytes) -> Posted {
        if let (false, Some(refused)) = (self.settings.allow_private, address::refused(&self.settings.url)) {
            return answer::not_sent(&refused);
        }
        let timestamp = self.settings.clock.now().timestamp().to_string();
        let signatures = secret::sign_all(&self.settings.secrets, id, &timestamp, &body);
        let Ok(mut signature) = HeaderValue::try_from(&signatures) else {
            return Posted::Failed { code: "internal", error: "the signatures do not fit a header".to_owned() };
        };
        signature.set_sensitive(true);
        let request = self
            .http
            .post(self.settings.url.clone())
            .timeout(self.settings.timeout)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(response) => {
                tracing::Span::current().record("http.response.status_code", response.status().as_u16());
                answer::judge(response, &signatures, self.settings.clock.now()).await
            }
            Err(error) => answer::no_answer(error),
        }
    }
}

/// Builds the HTTP client for endpoints; one for all that have the same answer to whether private addresses are allowed.
///
/// # Errors
/// As [`http::client`].
pub fn client(allow_private: bool) -> Result<reqwest::Client, BoxError> {
    http::client_of(|| match allow_private {
        true => http::builder().no_proxy(),
        false => http::builder().no_proxy().dns_resolver(Arc::new(address::PublicOnly)),
    })
}

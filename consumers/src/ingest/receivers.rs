//! The clients of the receivers.

use std::collections::BTreeMap;
use std::time::Duration;

use providers::clock::Clock;
use providers::google::{IdTokens, KeyError, ServiceAccountKey, Source};
use providers::ingest::{Auth, Receiver};
use providers::{google, ingest};
use service::clock::SharedClock;
use service::config::{Config, GoogleIdToken, Ingest, IngestAuth, SecretError};

use crate::Error;

/// Time for one request for an identity token.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients of all receivers, by name. They share their connections. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Receivers(BTreeMap<String, Receiver>);

/// Why the receivers cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CannotOpen {
    /// A secret cannot be had.
    #[error("`ingest.{name}.{key}` cannot be used")]
    Secret {
        /// The receiver.
        name: String,
        /// The setting.
        key: &'static str,
        /// Why.
        source: SecretError,
    },
    /// A key of a service account cannot be used.
    #[error("`ingest.{name}.service_account` cannot be used")]
    Key {
        /// The receiver.
        name: String,
        /// Why.
        source: KeyError,
    },
    /// No HTTP client can be made.
    #[error("no http client can be made")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Receivers {
    /// Makes the clients of a configuration. Nothing is asked of anybody yet.
    ///
    /// # Errors
    /// [`CannotOpen`]: a person must correct a setting.
    pub fn open(config: &Config, clock: &SharedClock) -> Result<Self, CannotOpen> {
        if config.ingests.is_empty() {
            return Ok(Receivers::default());
        }
        let http = providers::http::client().map_err(CannotOpen::Http)?;
        let now = clock.clone();
        let clock = Clock::new(move || now.now());
        let receivers = config.ingests.values().map(|one| {
            let auth = auth(config, one, &clock, &http)?;
            let settings = ingest::Settings { url: one.url.clone(), auth, timeout: one.timeout, clock: clock.clone() };
            Ok((one.name.clone(), Receiver::new(settings, http.clone())))
        });
        Ok(Receivers(receivers.collect::<Result<_, _>>()?))
    }

    /// The client of a receiver.
    ///
    /// # Errors
    /// [`Error::NoSuchIngest`].
    pub fn get(&self, name: &str) -> Result<&Receiver, Error> {
        self.0.get(name).ok_or_else(|| Error::NoSuchIngest(name.to_owned()))
    }
}

fn auth(config: &Config, ingest: &Ingest, clock: &Clock, http: &reqwest::Client) -> Result<Auth, CannotOpen> {
    let missing = |key: &'static str| {
        let name = ingest.name.clone();
        move |source| CannotOpen::Secret { name, key, source }
    };
    match &ingest.auth {
        IngestAuth::None => Ok(Auth::None),
        IngestAuth::Bearer { token } => Ok(Auth::Bearer(config.resolve(token).map_err(missing("token"))?)),
        IngestAuth::GoogleIdToken(google) => {
            let source = match &google.service_account {
                None => machine(google),
                Some(key) => {
                    let key = config.resolve(key).map_err(missing("service_account"))?;
                    let key = ServiceAccountKey::parse(&key)
                        .map_err(|source| CannotOpen::Key { name: ingest.name.clone(), source })?;
                    let asked_at = google.token_url.clone().unwrap_or_else(|| key.token_uri().clone());
                    Source::Key(Box::new(key.with_token_uri(asked_at)))
                }
            };
            let settings = google::Settings {
                source,
                audience: google.audience.clone(),
                timeout: TOKEN_TIMEOUT,
                clock: clock.clone(),
            };
            Ok(Auth::Google(IdTokens::new(settings, http.clone())))
        }
    }
}

fn machine(google: &GoogleIdToken) -> Source {
    google.metadata_url.clone().map_or_else(Source::machine, Source::Machine)
}

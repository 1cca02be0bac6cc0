//! The clients of the endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use providers::clock::Clock;
use providers::notify::{InvalidSecret, Sender, Settings, SigningSecret, client, is_public};
use service::clock::SharedClock;
use service::config::{Config, Notify, SecretError};

use crate::Error;

/// The clients of all endpoints, by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Senders(BTreeMap<String, Sender>);

/// Why the endpoints cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CannotOpen {
    /// A secret cannot be had.
    #[error("`notify.{name}.secrets` cannot be used")]
    Secret {
        /// The endpoint.
        name: String,
        /// Why.
        source: SecretError,
    },
    /// A secret is none.
    #[error("`notify.{name}.secrets` cannot be used: number {number}")]
    NoSecret {
        /// The endpoint.
        name: String,
        /// Which, from 1.
        number: usize,
        /// Why.
        source: InvalidSecret,
    },
    /// The address is private, and that is not allowed.
    #[error(
        "`notify.{name}.url` is on a private network or this machine; say `allow_private = true` there if it should be"
    )]
    Private {
        /// The endpoint.
        name: String,
    },
    /// No HTTP client can be made.
    #[error("no http client can be made")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Senders {
    /// Makes the clients of a configuration. Nothing is sent to anybody yet.
    ///
    /// # Errors
    /// [`CannotOpen`]: a person must correct a setting.
    pub fn open(config: &Config, clock: &SharedClock) -> Result<Self, CannotOpen> {
        let now = clock.clone();
        let clock = Clock::new(move || now.now());
        let mut clients: BTreeMap<bool, reqwest::Client> = BTreeMap::new();
        let mut senders = BTreeMap::new();
        for one in config.notifies.values() {
            if !one.allow_private && is_private(one) {
                return Err(CannotOpen::Private { name: one.name.clone() });
            }
            let http = match clients.get(&one.allow_private) {
                Some(known) => known.clone(),
                None => client(one.allow_private).map_err(CannotOpen::Http)?,
            };
            clients.insert(one.allow_private, http.clone());
            let settings = Settings {
                url: one.url.clone(),
                secrets: secrets(config, one)?,
                timeout: one.timeout,
                allow_private: one.allow_private,
                clock: clock.clone(),
            };
            senders.insert(one.name.clone(), Sender::new(settings, http));
        }
        Ok(Senders(senders))
    }

    /// The client of an endpoint.
    ///
    /// # Errors
    /// [`Error::NoSuchEndpoint`].
    pub fn get(&self, name: &str) -> Result<&Sender, Error> {
        self.0.get(name).ok_or_else(|| Error::NoSuchEndpoint(name.to_owned()))
    }
}

/// Whether the address is written as a private number; names are looked at when they are resolved.
fn is_private(notify: &Notify) -> bool {
    let host = notify.url.host_str().unwrap_or_default();
    let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    number.is_ok_and(|address| !is_public(address))
}

fn secrets(config: &Config, notify: &Notify) -> Result<Vec<SigningSecret>, CannotOpen> {
    let read = notify.secrets.iter().zip(1..).map(|(secret, number)| {
        let text = config.resolve(secret).map_err(|source| CannotOpen::Secret { name: notify.name.clone(), source })?;
        SigningSecret::parse(&text).map_err(|source| CannotOpen::NoSecret { name: notify.name.clone(), number, source })
    });
    read.collect()
}

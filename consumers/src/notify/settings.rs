//! The endpoints of the configuration, as this crate needs them.

use std::collections::BTreeMap;
use std::time::Duration;

use event_log::{EventType, RecordedEvent};
use service::config::{Config, Notify, NotifyFrom};
use sha2::{Digest, Sha256};

use crate::Error;

/// One `[notify.NAME]`. Without secrets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// NAME.
    pub name: String,
    /// Whose events it is told.
    pub organization: String,
    /// Only events of this account.
    pub account: Option<String>,
    /// The types of events it is told.
    pub types: Vec<EventType>,
    /// Whether it is told what was before it first was in the settings.
    pub from: NotifyFrom,
    /// Failed attempts after which a notification is given up.
    pub max_attempts: i64,
    /// Pause after the first failed attempt.
    pub retry_base: Duration,
    /// Notifications under way at a time.
    pub concurrency: u32,
    /// Hex SHA-256 of the url: tells whether it has changed.
    pub address: String,
}

/// All endpoints by name.
#[derive(Debug, Clone, Default)]
pub struct Endpoints(BTreeMap<String, Settings>);

/// A type of events that nobody is ever told.
#[derive(Debug, thiserror::Error)]
#[error(
    "`notify.{endpoint}.events` has {pattern:?}, which is no type of events that can be told; `events list` shows types, and \
     a trailing * matches the rest"
)]
pub struct UnknownType {
    endpoint: String,
    pattern: String,
}

impl Endpoints {
    /// The endpoints of a configuration.
    ///
    /// # Errors
    /// [`UnknownType`] names the endpoint and what it asks for.
    pub fn of(config: &Config) -> Result<Self, UnknownType> {
        let endpoints = config.notifies.values().map(|one| Ok((one.name.clone(), Settings::of(one)?)));
        Ok(Endpoints(endpoints.collect::<Result<_, _>>()?))
    }

    /// The endpoint of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchEndpoint`]: a stored effect may belong to an endpoint that was taken out of the configuration.
    pub fn get(&self, name: &str) -> Result<&Settings, Error> {
        self.0.get(name).ok_or_else(|| Error::NoSuchEndpoint(name.to_owned()))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Settings> {
        self.0.values()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every type that somebody is told.
    #[must_use]
    pub fn types(&self) -> Vec<EventType> {
        let mut types: Vec<EventType> = self.all().flat_map(|one| one.types.iter().cloned()).collect();
        types.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        types.dedup();
        types
    }
}

impl Settings {
    fn of(notify: &Notify) -> Result<Self, UnknownType> {
        let mut types = Vec::new();
        for pattern in &notify.events {
            let before = types.len();
            types.extend(
                catalogue::ALL.iter().filter(|one| matches(pattern, one) && may_be_told(one)).copied().cloned(),
            );
            if types.len() == before {
                return Err(UnknownType { endpoint: notify.name.clone(), pattern: pattern.clone() });
            }
        }
        Ok(Settings {
            name: notify.name.clone(),
            organization: notify.organization.clone(),
            account: notify.account.clone(),
            types,
            from: notify.from,
            max_attempts: i64::from(notify.max_attempts),
            retry_base: notify.retry_base,
            concurrency: notify.concurrency,
            address: hex::encode(Sha256::digest(notify.url.as_str())),
        })
    }

    /// Whether it is told an event.
    #[must_use]
    pub fn wants(&self, event: &RecordedEvent) -> bool {
        event.organization.as_deref() == Some(self.organization.as_str())
            && self.account.as_deref().is_none_or(|account| event.account.as_deref() == Some(account))
            && event.stream_name.category() != catalogue::notify::CATEGORY
            && self.types.contains(&event.event_type)
    }

    /// The endpoint as an account of the ledger. No account of the configuration has such a name.
    #[must_use]
    pub fn ledger_account(&self) -> String {
        format!("notify:{}", self.name)
    }
}

fn matches(pattern: &str, event_type: &EventType) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => event_type.as_str().starts_with(beginning),
        None => event_type.as_str() == pattern,
    }
}

fn may_be_told(event_type: &EventType) -> bool {
    ![catalogue::notify::STOPPED, catalogue::notify::RESUMED].contains(event_type)
}

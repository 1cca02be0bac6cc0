//! The public keys at `auth.jwks_url` (RFC 7517), kept in memory.
//!
//! They are fetched when a token names a key that is not known, at most every 30 seconds, and when they are older than ten
//! minutes, so that a key that was withdrawn stops counting. While the address does not answer, the known ones count on for
//! a day since the last fetch, and then no longer: a key may have been withdrawn because somebody else has it.
//! A request waits for a fetch for two seconds at most; the fetch goes on without it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt as _;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use service::clock::SharedClock;
use tokio::sync::watch;
use url::Url;

use super::invalid;
use crate::problem::{self, Problem};

/// Shortest time between fetches that unknown keys ask for.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(30);
/// The same after a fetch that failed.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(5);
/// Keys older than this are fetched anew.
const FRESH_FOR: TimeDelta = TimeDelta::minutes(10);
/// Keys older than this are not believed any more.
const BELIEVED_FOR: TimeDelta = TimeDelta::hours(24);
/// How long one fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one request waits for a fetch.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer that is read.
const LARGEST_ANSWER: usize = 1 << 20;

/// Keys by address.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    url: Url,
    http: reqwest::Client,
    clock: SharedClock,
    state: Arc<Mutex<State>>,
    /// Counts the fetches that have ended.
    ended: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct State {
    keys: Vec<Key>,
    fetched_at: Option<DateTime<Utc>>,
    next_fetch: Option<DateTime<Utc>>,
    is_fetching: bool,
}

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// A key set, each key as it stands there.
#[derive(serde::Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the request failed")]
    Http(#[from] reqwest::Error),
    #[error("the answer has the status {0}")]
    Status(u16),
    #[error("the answer is longer than 1 MiB")]
    TooLong,
    #[error("the answer is no key set")]
    Unreadable(#[from] serde_json::Error),
}

impl State {
    fn is_believed(&self, now: DateTime<Utc>) -> bool {
        self.fetched_at.is_some_and(|at| now < at + BELIEVED_FOR)
    }
}

impl Keys {
    pub(super) fn new(url: Url, clock: SharedClock) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let http = providers::http::client()?;
        Ok(Keys { url, http, clock, state: Arc::default(), ended: Arc::new(watch::Sender::new(0)) })
    }

    /// The key of that id and type; without an id, the only one of the type.
    ///
    /// # Errors
    /// 401 where there is no such key, 503 where the keys cannot be had.
    pub(super) async fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Result<DecodingKey, Problem> {
        let mut ended = self.ended.subscribe();
        let known = self.look(algorithm, id);
        let is_old = self.with(|state| state.fetched_at.is_none_or(|at| at + FRESH_FOR <= self.clock.now()));
        if (known.is_none() || is_old) && self.begin_fetch() {
            let keys = self.clone();
            #[expect(
                clippy::disallowed_methods,
                reason = "ends by itself within the timeout, and nobody depends on it"
            )]
            tokio::spawn(async move { keys.fetch().await });
        }
        if let Some(key) = known {
            return Ok(key);
        }
        if self.with(|state| state.is_fetching) {
            // Whether it came in time shows below.
            let _ = tokio::time::timeout(PATIENCE, ended.changed()).await;
        }
        match self.look(algorithm, id) {
            Some(key) => Ok(key),
            None if !self.with(|state| state.is_believed(self.clock.now())) => {
                Err(Problem::new(&problem::KEYS_UNAVAILABLE, "the keys at auth.jwks_url cannot be had at present"))
            }
            None => Err(invalid("the token is signed with a key that is not known here")),
        }
    }

    fn look(&self, algorithm: Algorithm, id: Option<&str>) -> Option<DecodingKey> {
        let now = self.clock.now();
        self.with(|state| {
            if !state.is_believed(now) {
                return None;
            }
            let mut fitting = state.keys.iter().filter(|key| key.algorithm == algorithm);
            match id {
                Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).map(|key| key.key.clone()),
                None => fitting.next().filter(|_| fitting.next().is_none()).map(|key| key.key.clone()),
            }
        })
    }

    /// Whether the caller is to fetch.
    fn begin_fetch(&self) -> bool {
        let now = self.clock.now();
        self.with(|state| {
            // A clock that was set back must not keep us from fetching.
            let is_too_early = state.next_fetch.is_some_and(|at| now < at && at - now <= ASK_AGAIN_AFTER);
            if state.is_fetching || is_too_early {
                return false;
            }
            state.is_fetching = true;
            true
        })
    }

    async fn fetch(&self) {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.ask()).await;
        let now = self.clock.now();
        let pause = match fetched {
            Ok(Ok(keys)) => {
                self.with(|state| (state.keys, state.fetched_at) = (keys, Some(now)));
                ASK_AGAIN_AFTER
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the keys at auth.jwks_url cannot be had; those that are known count on for a day since the last fetch"
                );
                RETRY_AFTER
            }
            Err(_) => {
                tracing::warn!(
                    "auth.jwks_url does not answer; the keys that are known count on for a day since the last fetch"
                );
                RETRY_AFTER
            }
        };
        self.with(|state| (state.is_fetching, state.next_fetch) = (false, Some(now + pause)));
        self.ended.send_modify(|ended| *ended += 1);
    }

    async fn ask(&self) -> Result<Vec<Key>, FetchError> {
        let answer = self.http.get(self.url.clone()).timeout(FETCH_TIMEOUT).send().await?;
        if !answer.status().is_success() {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            body.extend_from_slice(&part?);
            if body.len() > LARGEST_ANSWER {
                return Err(FetchError::TooLong);
            }
        }
        let set: KeySet = serde_json::from_slice(&body)?;
        // Keys of kinds that are not known here must not hide the others.
        Ok(set.keys.into_iter().filter_map(|key| usable(&serde_json::from_value(key).ok()?)).collect())
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A key that signs tokens in a way that counts here. The key's type fixes the algorithm.
fn usable(jwk: &Jwk) -> Option<Key> {
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let fits = jwk.common.key_algorithm.as_ref().is_none_or(|algorithm| *algorithm == named);
    if !signs || !fits {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(Key { id: jwk.common.key_id.clone(), algorithm, key })
}

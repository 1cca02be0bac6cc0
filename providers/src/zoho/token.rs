//! Access tokens: where they are kept, and the one task that refreshes them.
//!
//! A refresh token may be exchanged ten times in ten minutes, so everyone who shares it shares one access token: inside
//! a process through the client, between processes through a [`TokenStore`] with its lease.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;

mod memory;
mod source;

pub use memory::MemoryTokenStore;
pub(crate) use source::Tokens;

/// A short-lived key to the API.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token itself.
    pub secret: SecretString,
    /// When it stops working, counted from the local moment at which the answer with it arrived.
    pub expires_at: DateTime<Utc>,
    /// The API domain the accounts server named for this grant.
    pub api_domain: Option<String>,
    /// Its rights, where the answer that brought it told them.
    pub scopes: Option<Vec<String>>,
}

impl AccessToken {
    /// Whether both are the same key.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }
}

/// The right to refresh one credential, exclusive among all processes; given back when dropped.
pub trait RefreshLease: Send {}

/// Keeps the tokens of one account.
#[async_trait]
pub trait TokenStore: Send + Sync + Debug {
    /// The latest access token, whoever obtained it; `None` when there is none yet.
    ///
    /// # Errors
    /// [`Error::Store`].
    async fn load(&self) -> Result<Option<AccessToken>, Error>;

    /// Replaces the access token. Called before the token is used.
    ///
    /// # Errors
    /// [`Error::Store`].
    async fn save(&self, token: &AccessToken) -> Result<(), Error>;

    /// The refresh token to use now; read anew each time, because a person may have renewed the grant.
    ///
    /// # Errors
    /// [`Error::NeedsConsent`] when there is none, or when [`Self::needs_consent`] was told and the grant has not been
    /// renewed since: this keeps a dead refresh token from being tried again and again. [`Error::Store`].
    async fn refresh_token(&self) -> Result<SecretString, Error>;

    /// Waits for the exclusive right to refresh this credential.
    ///
    /// # Errors
    /// [`Error::Store`].
    async fn refresh_lease(&self) -> Result<Box<dyn RefreshLease>, Error>;

    /// Records that the grant is dead and a person has to authorise again.
    ///
    /// # Errors
    /// [`Error::Store`].
    async fn needs_consent(&self, reason: &str) -> Result<(), Error>;
}

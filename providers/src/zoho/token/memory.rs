//! A token store in the memory of one process.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::OwnedMutexGuard;

use crate::error::Error;
use crate::zoho::token::{AccessToken, RefreshLease, TokenStore};

/// Keeps the tokens of one account in memory; for tests and for commands that run once.
#[derive(Debug)]
pub struct MemoryTokenStore {
    state: Mutex<State>,
    lease: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    refresh_token: Option<SecretString>,
    access_token: Option<AccessToken>,
    consent_missing: Option<String>,
}

impl MemoryTokenStore {
    /// A store that holds a grant and no access token yet.
    #[must_use]
    pub fn new(refresh_token: SecretString) -> Self {
        let state = State { refresh_token: Some(refresh_token), ..State::default() };
        Self { state: Mutex::new(state), lease: Arc::default() }
    }

    /// Replaces the grant after a person authorised again.
    pub fn renew(&self, refresh_token: SecretString) {
        self.with(|state| *state = State { refresh_token: Some(refresh_token), ..State::default() });
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Held {
    _guard: OwnedMutexGuard<()>,
}

impl RefreshLease for Held {}

#[async_trait]
impl TokenStore for MemoryTokenStore {
    async fn load(&self) -> Result<Option<AccessToken>, Error> {
        Ok(self.with(|state| state.access_token.clone()))
    }

    async fn save(&self, token: &AccessToken) -> Result<(), Error> {
        self.with(|state| state.access_token = Some(token.clone()));
        Ok(())
    }

    async fn refresh_token(&self) -> Result<SecretString, Error> {
        self.with(|state| match (&state.consent_missing, &state.refresh_token) {
            (Some(reason), _) => Err(Error::NeedsConsent { reason: reason.clone() }),
            (None, Some(token)) => Ok(token.clone()),
            (None, None) => Err(Error::NeedsConsent { reason: "no refresh token".to_owned() }),
        })
    }

    async fn refresh_lease(&self) -> Result<Box<dyn RefreshLease>, Error> {
        let guard = Arc::clone(&self.lease).lock_owned().await;
        Ok(Box::new(Held { _guard: guard }))
    }

    async fn needs_consent(&self, reason: &str) -> Result<(), Error> {
        self.with(|state| {
            state.consent_missing = Some(reason.to_owned());
            state.access_token = None;
        });
        Ok(())
    }
}

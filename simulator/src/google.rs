//! Google as far as signing in goes: token endpoint of service accounts, metadata server, public keys (google.md
//! section 1).
//!
//! Keys are made when somebody first needs them, because one takes up to seconds. ID tokens live on the virtual
//! clock; assertions are judged by the machine's, which is the one that clients sign with.

mod account;
mod certificates;
mod id_token;
mod jwt;
mod key;
mod metadata;
pub(crate) mod route;
mod token;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web;
use serde_json::json;

use crate::answer::Answer;
use crate::call::{Call, Query};
use crate::rsa_key::CannotGenerate;
use crate::shared::Shared;

pub(crate) use account::ServiceAccount;
pub(crate) use id_token::{Rejected, verify};
pub(crate) use key::Key;
pub(crate) use route::Route;

/// The account of the metadata server and of clients that name none. It opens nothing but a simulator.
pub const DEFAULT_ACCOUNT: &str = "gateledger@simulated-project.iam.gserviceaccount.com";

/// Keys and accounts. Making a key holds a lock of its own, so that everything else goes on meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Google {
    state: Mutex<State>,
    making: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Google's own keys, newest last; older ones are still published.
    keys: Vec<Arc<Key>>,
    accounts: Vec<Arc<ServiceAccount>>,
}

impl Google {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn making(&self) -> MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that signs, made now if there is none. Blocks for up to seconds.
    pub(crate) fn signing_key(&self) -> Result<Arc<Key>, CannotGenerate> {
        let _one_at_a_time = self.making();
        let newest = self.state().keys.last().cloned();
        if let Some(newest) = newest {
            return Ok(newest);
        }
        let key = Arc::new(Key::generate()?);
        self.state().keys.push(key.clone());
        Ok(key)
    }

    /// Signs with a new key from now on; the old ones stay published. Blocks for up to seconds.
    pub(crate) fn rotate(&self) -> Result<(), CannotGenerate> {
        let _one_at_a_time = self.making();
        let key = Arc::new(Key::generate()?);
        self.state().keys.push(key);
        Ok(())
    }

    /// Every published key.
    pub(crate) fn keys(&self) -> Vec<Arc<Key>> {
        self.state().keys.clone()
    }

    /// The account of this name, made now if there is none. Blocks for up to seconds.
    pub(crate) fn account(&self, email: &str) -> Result<Arc<ServiceAccount>, CannotGenerate> {
        let _one_at_a_time = self.making();
        if let Some(known) = self.known_account(email) {
            return Ok(known);
        }
        let account = Arc::new(ServiceAccount::generate(email)?);
        self.state().accounts.push(account.clone());
        Ok(account)
    }

    /// The account of this name, if it exists.
    pub(crate) fn known_account(&self, email: &str) -> Option<Arc<ServiceAccount>> {
        self.state().accounts.iter().find(|account| account.email == email).cloned()
    }

    /// Deletes an account with its key; false when there is none.
    pub(crate) fn forget_account(&self, email: &str) -> bool {
        let mut state = self.state();
        let before = state.accounts.len();
        state.accounts.retain(|account| account.email != email);
        before != state.accounts.len()
    }
}

/// Answers an endpoint. A key that is missing is made on a thread that may block.
pub(crate) async fn answer(shared: &Arc<Shared>, route: &Route, call: &Call, form: &Query) -> Answer {
    let making = shared.clone();
    let ready = web::block(move || making.google.signing_key().map(drop)).await;
    if !matches!(ready, Ok(Ok(()))) {
        return failed(500);
    }
    match route {
        Route::Token => token::token(shared, form),
        Route::Certificates => certificates::certificates(shared),
        Route::Identity => metadata::identity(shared, call),
        Route::Email => metadata::email(call),
    }
}

/// An error in the flat form of OAuth (google.md section 1.3).
fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": code, "error_description": description}))
}

/// A failure with a chosen status; `internal_failure` is the code that clients retry (google.md section 1.3).
pub(crate) fn failed(status: u16) -> Answer {
    error(status, "internal_failure", "Internal failure.")
}

/// Too many requests. The facts do not say how the token endpoint puts it.
pub(crate) fn throttled() -> Answer {
    error(429, "rate_limit_exceeded", "Too many requests.")
}

//! Zoho: OAuth, Books, Cliq, CRM and WorkDrive of one account.
//!
//! Written from Zoho's documentation and from measured behaviour of 2026; each module names the odd facts it relies on.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::budget::{Budget, Limits};
use crate::clock::Clock;
use crate::error::Error;

pub mod books;
mod call;
pub mod cliq;
pub mod crm;
mod lenient;
pub mod oauth;
mod pace;
mod refusal;
mod region;
pub mod token;
pub mod workdrive;

pub use region::{Endpoints, Region, UnknownRegion};
pub use token::{AccessToken, MemoryTokenStore, RefreshLease, TokenStore};
pub use workdrive::{names_match, nfc_eq};

use books::Books;
use cliq::Cliq;
use crm::Crm;
use oauth::{Accounts, OAuth};
use pace::Pace;
use token::Tokens;
use workdrive::WorkDrive;

/// How long to wait for what.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// One call that moves no content, tokens included, from start to end. Default 30 seconds.
    pub call: Duration,
    /// Longest time in which a transfer may make no real progress: the connection takes nothing of an upload, or less
    /// than 16 KiB of a download arrives. Default 30 seconds. There is no limit on a transfer as a whole.
    pub stall: Duration,
    /// From the last byte of an upload to its answer. Default 120 seconds.
    pub upload_answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { call: Duration::from_secs(30), stall: Duration::from_secs(30), upload_answer: Duration::from_secs(120) }
    }
}

/// Settings of one Zoho account.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account's name in our settings; for logs only.
    pub account: String,
    /// Base URLs, usually [`Endpoints::for_region`].
    pub endpoints: Endpoints,
    /// Our registration at the accounts server.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// Limits to stay below.
    pub limits: Limits,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// The time.
    pub clock: Clock,
}

impl Settings {
    /// Settings with the documented hosts of `region` and default limits, timeouts and clock.
    pub fn new(
        account: impl Into<String>,
        region: Region,
        client_id: impl Into<String>,
        client_secret: SecretString,
    ) -> Self {
        Self {
            account: account.into(),
            endpoints: Endpoints::for_region(region),
            client_id: client_id.into(),
            client_secret,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            clock: Clock::system(),
        }
    }
}

/// Calls Zoho as one account. Cheap to clone; clones share the access token.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    http: reqwest::Client,
    budget: Arc<dyn Budget>,
    accounts: Arc<Accounts>,
    tokens: Tokens,
    pace: Pace,
    /// Team ids by team folder id.
    teams: Mutex<HashMap<String, String>>,
}

/// What an account can reach.
#[derive(Debug)]
pub struct Probe {
    /// The API domain the accounts server named for this grant.
    pub api_domain: Option<String>,
    /// Whether CRM answered; a missing users scope shows as [`Error::MissingScope`] and does not forbid other calls.
    pub crm: Result<(), Error>,
    /// Whether WorkDrive answered.
    pub workdrive: Result<(), Error>,
}

impl Client {
    /// A client for one account. `http` comes from [`crate::http::client`]; `budget` and `tokens` are those of the account.
    #[must_use]
    pub fn new(
        settings: Settings,
        http: reqwest::Client,
        budget: Arc<dyn Budget>,
        tokens: Arc<dyn TokenStore>,
    ) -> Self {
        let accounts = Arc::new(Accounts {
            http: http.clone(),
            base: settings.endpoints.accounts.clone(),
            account: settings.account.clone(),
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            timeout: settings.timeouts.call,
            lane: settings.limits.oauth_token(),
            exchange_lane: settings.limits.oauth_exchange(),
            budget: Arc::clone(&budget),
            clock: settings.clock.clone(),
        });
        let tokens = Tokens::new(Arc::clone(&accounts), tokens, settings.clock.clone());
        let pace = Pace::new(settings.limits.cliq_lock());
        Self { inner: Arc::new(Inner { settings, http, budget, accounts, tokens, pace, teams: Mutex::default() }) }
    }

    /// The account's name in our settings.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.inner.settings.account
    }

    /// Calls to Zoho Books.
    #[must_use]
    pub fn books(&self) -> Books<'_> {
        Books::new(self)
    }

    /// Calls to Zoho Cliq.
    #[must_use]
    pub fn cliq(&self) -> Cliq<'_> {
        Cliq::new(self)
    }

    /// Grants given and taken back by people.
    #[must_use]
    pub fn oauth(&self) -> OAuth<'_> {
        OAuth::new(self)
    }

    /// Calls to Zoho CRM.
    #[must_use]
    pub fn crm(&self) -> Crm<'_> {
        Crm::new(self)
    }

    /// Calls to Zoho WorkDrive.
    #[must_use]
    pub fn workdrive(&self) -> WorkDrive<'_> {
        WorkDrive::new(self)
    }

    /// Checks that the grant works and what it reaches: a token, and one cheap read of each product.
    ///
    /// # Errors
    /// When no access token can be had: [`Error::NeedsConsent`], [`Error::BadClient`], [`Error::Throttled`],
    /// [`Error::Unavailable`]. What a single product answers is in the result.
    pub async fn probe(&self) -> Result<Probe, Error> {
        let token = self.inner.tokens.current().await?;
        let crm = self.crm().current_user().await;
        let workdrive = self.workdrive().me().await.map(drop);
        for answer in [crm.as_ref().err(), workdrive.as_ref().err()].into_iter().flatten() {
            if let Error::NeedsConsent { reason } = answer {
                return Err(Error::NeedsConsent { reason: reason.clone() });
            }
        }
        Ok(Probe { api_domain: token.api_domain, crm, workdrive })
    }

    /// Asks for a new access token at once, although the present one may still live. Returns when the new one ends.
    ///
    /// # Errors
    /// Those of [`Self::probe`], when no access token can be had; the present one goes on being used.
    pub async fn refresh(&self) -> Result<DateTime<Utc>, Error> {
        Ok(self.inner.tokens.refresh().await?.expires_at)
    }

    /// Makes sure that there is an access token, without calling any product. Returns when it ends.
    ///
    /// # Errors
    /// Those of [`Self::probe`], when no access token can be had.
    pub async fn authorize(&self) -> Result<DateTime<Utc>, Error> {
        Ok(self.inner.tokens.current().await?.expires_at)
    }

    /// Forgets the access token that this process remembers, because the account has another grant now: the next call
    /// takes the one that the store has.
    pub fn forget_token(&self) {
        self.inner.tokens.forget();
    }

    /// Gives the grant back: the refresh token and its access tokens stop working, and the account needs consent.
    ///
    /// # Errors
    /// [`Error::NeedsConsent`] when there is no grant, [`Error::Unavailable`], [`Error::Rejected`], [`Error::Store`].
    pub async fn revoke(&self) -> Result<(), Error> {
        self.inner.tokens.revoke().await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("account", &self.inner.settings.account).finish_non_exhaustive()
    }
}

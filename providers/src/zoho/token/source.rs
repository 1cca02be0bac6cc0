//! The one place of a process that decides which access token to use and when to ask for another.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::error::{Error, OBTAIN_TOKEN, Outcome};
use crate::zoho::oauth::Accounts;
use crate::zoho::token::{AccessToken, TokenStore};

/// A token is replaced this long before it expires.
const EARLY: TimeDelta = TimeDelta::minutes(5);

/// After a failed refresh nobody in this process tries again for this long; those who queued behind it fail with it.
const QUIET_AFTER_FAILURE: TimeDelta = TimeDelta::seconds(2);

/// After our registration was refused, for this long. Settings do not change while a process runs, and every try counts
/// against the provider's allowance.
const QUIET_AFTER_BAD_CLIENT: TimeDelta = TimeDelta::minutes(5);

/// Below this rest of life a token is not worth sending.
const LAST_USE: TimeDelta = TimeDelta::seconds(10);

/// Gives out the access token of one account.
#[derive(Debug)]
pub(crate) struct Tokens {
    accounts: Arc<Accounts>,
    store: Arc<dyn TokenStore>,
    clock: Clock,
    /// Held by the one task that refreshes.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<AccessToken>,
    /// When the token is to be replaced; before it expires, but never right after it was given.
    renew_at: Option<DateTime<Utc>>,
    quiet_until: Option<DateTime<Utc>>,
    /// Why our registration was refused, if that was the last failure.
    bad_client: Option<String>,
}

impl State {
    /// Notes a failed refresh. A used-up limit needs no note: the budget remembers it, and for longer.
    fn remember(&mut self, error: &Error, now: DateTime<Utc>) {
        let (quiet, bad_client) = match error {
            Error::Throttled(_) => return,
            Error::BadClient { reason } => (QUIET_AFTER_BAD_CLIENT, Some(reason.clone())),
            _ => (QUIET_AFTER_FAILURE, None),
        };
        self.quiet_until = Some(now + quiet);
        self.bad_client = bad_client;
    }
}

/// What the store holds.
enum Stored {
    /// Good for use.
    Fresh(AccessToken),
    /// At its end, or nothing.
    Old(Option<AccessToken>),
}

impl Tokens {
    pub(crate) fn new(accounts: Arc<Accounts>, store: Arc<dyn TokenStore>, clock: Clock) -> Self {
        Self { accounts, store, clock, turn: tokio::sync::Mutex::default(), state: Mutex::default() }
    }

    /// A token to use now; refreshed first when its end is near.
    ///
    /// # Errors
    /// Those of the token endpoint, the store and the budget. A token that still lives is used rather than failing.
    ///
    /// # Cancellation
    /// Dropping it during a refresh may lose one access token of the provider's allowance, nothing else.
    pub(crate) async fn current(&self) -> Result<AccessToken, Error> {
        if let Some(token) = self.cached(None) {
            return Ok(token);
        }
        // Somebody refreshes early already: the old token serves until they are done.
        if let (Some(living), Err(_)) = (self.living(), self.turn.try_lock()) {
            return Ok(living);
        }
        self.renew(None).await
    }

    /// A token other than `refused`, which the provider did not accept.
    ///
    /// # Errors
    /// As [`Self::current`].
    pub(crate) async fn replace(&self, refused: &AccessToken) -> Result<AccessToken, Error> {
        self.renew(Some(refused)).await
    }

    /// A new token, although the present one may still live.
    ///
    /// # Errors
    /// As [`Self::current`], also when the present one could still be used.
    pub(crate) async fn refresh(&self) -> Result<AccessToken, Error> {
        match self.store.load().await? {
            Some(present) => self.renew(Some(&present)).await,
            None => {
                self.forget();
                self.renew(None).await
            }
        }
    }

    /// Forgets what this process remembers: the token, and that a refresh has just failed.
    pub(crate) fn forget(&self) {
        self.with(|state| *state = State::default());
    }

    /// Asks the provider to forget the grant; from then on the account needs consent.
    ///
    /// # Errors
    /// Those of the token endpoint and the store.
    pub(crate) async fn revoke(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let _lease = self.store.refresh_lease().await?;
        let refresh_token = self.store.refresh_token().await?;
        self.accounts.revoke(&refresh_token).await?;
        self.with(|state| *state = State::default());
        self.store.needs_consent("revoked").await
    }

    async fn renew(&self, refused: Option<&AccessToken>) -> Result<AccessToken, Error> {
        let _turn = self.turn.lock().await;
        if let Some(token) = self.cached(refused) {
            return Ok(token);
        }
        if let Stored::Fresh(token) = self.stored(refused).await? {
            return Ok(token);
        }
        self.fail_while_quiet()?;
        let _lease = self.store.refresh_lease().await?;
        // Another process may have refreshed while we waited for the lease.
        let old = match self.stored(refused).await? {
            Stored::Fresh(token) => return Ok(token),
            Stored::Old(old) => old,
        };
        match self.exchange().await {
            Ok(token) => Ok(token),
            Err(error) => self.live_without(old, error).await,
        }
    }

    /// Looks at the stored token, and keeps it when it can be used. One that was refused counts as none.
    async fn stored(&self, refused: Option<&AccessToken>) -> Result<Stored, Error> {
        let stored = self.store.load().await?;
        let Some(stored) = stored.filter(|stored| refused.is_none_or(|refused| !stored.is_same(refused))) else {
            return Ok(Stored::Old(None));
        };
        if stored.expires_at - EARLY <= self.clock.now() {
            return Ok(Stored::Old(Some(stored)));
        }
        self.keep(&stored, stored.expires_at - EARLY);
        Ok(Stored::Fresh(stored))
    }

    async fn exchange(&self) -> Result<AccessToken, Error> {
        let refresh_token = self.store.refresh_token().await?;
        let token = self.accounts.refresh(&refresh_token).await?;
        self.store.save(&token).await?;
        let lifetime = token.expires_at - self.clock.now();
        self.keep(&token, token.expires_at - EARLY.min(lifetime / 2));
        Ok(token)
    }

    /// After a failed refresh: the old token while it lives and the failure may pass, otherwise the failure.
    async fn live_without(&self, old: Option<AccessToken>, error: Error) -> Result<AccessToken, Error> {
        if let Error::NeedsConsent { reason } = &error {
            self.with(|state| *state = State::default());
            self.store.needs_consent(reason).await?;
            return Err(error);
        }
        let now = self.clock.now();
        self.with(|state| state.remember(&error, now));
        match old.filter(|old| error.is_retryable() && old.expires_at - LAST_USE > now) {
            Some(old) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the early token refresh failed and is put off"
                );
                self.keep(&old, now + QUIET_AFTER_FAILURE);
                Ok(old)
            }
            None => Err(error),
        }
    }

    fn fail_while_quiet(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let (is_quiet, bad_client) =
            self.with(|state| (state.quiet_until.is_some_and(|until| until > now), state.bad_client.clone()));
        if !is_quiet {
            return Ok(());
        }
        if let Some(reason) = bad_client {
            return Err(Error::BadClient { reason });
        }
        let source = Some("the refresh before this one failed a moment ago".into());
        Err(Error::Unavailable { operation: OBTAIN_TOKEN, status: None, outcome: Outcome::NotDone, source })
    }

    fn cached(&self, refused: Option<&AccessToken>) -> Option<AccessToken> {
        let now = self.clock.now();
        self.with(|state| {
            let token = state.token.as_ref().filter(|_| state.renew_at.is_some_and(|renew_at| renew_at > now))?;
            refused.is_none_or(|refused| !token.is_same(refused)).then(|| token.clone())
        })
    }

    fn living(&self) -> Option<AccessToken> {
        let now = self.clock.now();
        self.with(|state| state.token.clone().filter(|token| token.expires_at - LAST_USE > now))
    }

    fn keep(&self, token: &AccessToken, renew_at: DateTime<Utc>) {
        self.with(|state| {
            state.token = Some(token.clone());
            state.renew_at = Some(renew_at);
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

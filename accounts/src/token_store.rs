//! The tokens of one account in the database: the access token encrypted, the right to refresh it as a lease, the state
//! of the grant as a row and an event.
//!
//! An access token survives a restart, so that a crash loop does not use up the provider's allowance of refreshes. The
//! refresh token is read anew each time, because a person may have renewed it. A refused one is remembered by its
//! fingerprint: it is tried again ever more rarely, another one at once.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use catalogue::account::{self as catalogue_account, NEEDS_CONSENT, RECOVERED};
use chrono::TimeDelta;
use event_log::{Append, EventType, Log, NewEvent, UnitOfWork};
use providers::clock::Clock;
use providers::error::Error;
use providers::zoho::token::{AccessToken, RefreshLease, TokenStore};
use secrecy::SecretString;
use tokio_util::task::TaskTracker;

use crate::grant::{self, Found, Grant, Place};
use crate::scopes::{self, rows::ProbeRow};
use crate::state::rows::{self as account_rows, AccountRow};
use crate::state::{Access, Board};
use crate::vault::Vault;

use self::lease::Lease;
use self::sealed_token::Kept;

mod lease;
pub(crate) mod rows;
pub(crate) mod sealed_token;

/// A refused refresh token that nobody replaced is tried again after this many times the time since its refusal: few
/// attempts are made, so that the provider's allowance is left for the token that replaces it.
const PAUSE_GROWTH: i32 = 3;

/// The longest pause between two attempts with a refused refresh token.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// What the stores of all accounts share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) log: Log,
    pub(crate) vault: Arc<Vault>,
    pub(crate) board: Arc<Board>,
    pub(crate) clock: Clock,
    /// The tasks that keep leases while they are held.
    pub(crate) tasks: TaskTracker,
}

/// The tokens of one account.
#[derive(Debug)]
pub(crate) struct SqlTokenStore {
    account: Arc<str>,
    organization: Arc<str>,
    grant: Grant,
    /// Shortest time between two attempts with a refused refresh token.
    shortest_pause: TimeDelta,
    shared: Shared,
    /// Held by the one task of this process that refreshes.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The refresh token that was given out last and not judged yet.
    given_out: Mutex<Option<GivenOut>>,
}

/// A refresh token that is being tried.
#[derive(Debug, Clone)]
struct GivenOut {
    fingerprint: String,
    place: Place,
}

impl SqlTokenStore {
    pub(crate) fn new(
        account: &str,
        organization: &str,
        grant: Grant,
        shortest_pause: TimeDelta,
        shared: Shared,
    ) -> Self {
        Self {
            account: account.into(),
            organization: organization.into(),
            grant,
            shortest_pause,
            shared,
            turn: Arc::default(),
            given_out: Mutex::default(),
        }
    }

    /// Whether a refused grant may be tried (again): at once when it is another one, else after a pause.
    fn may_try(&self, row: &AccountRow, found: Option<&Found>) -> bool {
        let Access::NeedsConsent { since, .. } = &row.access else { return true };
        if !self.was_refused(row, found) {
            return true;
        }
        let refused_for = (row.checked_at - *since).min(LONGEST_PAUSE);
        let pause = (refused_for * PAUSE_GROWTH).min(LONGEST_PAUSE).max(self.shortest_pause);
        (self.shared.clock.now() - row.checked_at).abs() >= pause
    }

    /// Whether this refresh token, or its absence, is what was refused.
    fn was_refused(&self, row: &AccountRow, found: Option<&Found>) -> bool {
        match (&row.refused_grant, found) {
            (Some(refused), Some(found)) => self.shared.vault.is_fingerprint(refused, &found.token),
            (refused, found) => refused.is_none() && found.is_none(),
        }
    }

    async fn row(&self) -> Result<Option<AccountRow>, event_log::Error> {
        Ok(account_rows::load(self.shared.log.database().readers(), &self.account).await?)
    }

    /// Records a refusal: the row, the event when the account was usable before, and no access token any more.
    async fn record_refusal(&self, reason: &str, refused: Option<GivenOut>) -> Result<(), event_log::Error> {
        let (refused_grant, place) = refused.map(|refused| (refused.fingerprint, refused.place)).unzip();
        let (account, organization) = (self.account.clone(), self.organization.clone());
        let (reason, now) = (reason.to_owned(), self.shared.clock.now());
        let (access, is_new) = self
            .shared
            .log
            .write(move |unit| {
                Box::pin(async move {
                    let known = account_rows::load(&mut *unit.connection(), &account).await?;
                    let since_before = known.and_then(|row| row.access.consent_missing_since());
                    let access = Access::NeedsConsent { reason, since: since_before.unwrap_or(now) };
                    let row = AccountRow { access, checked_at: now, refused_grant };
                    account_rows::save(&mut *unit.connection(), &account, &row, now).await?;
                    rows::delete(&mut *unit.connection(), &account).await?;
                    if let Some(Place::Given(at)) = place {
                        grant::rows::set_refused(&mut *unit.connection(), &account, at, Some(now)).await?;
                    }
                    if since_before.is_none() {
                        record(unit, NEEDS_CONSENT, &account, &organization, &row.access).await?;
                    }
                    Ok::<_, event_log::Error>((row.access, since_before.is_none()))
                })
            })
            .await?;
        if is_new {
            tracing::error!(account.id = %self.account, "the account needs a person's consent; its work waits");
        }
        self.shared.board.change(&self.account, |state| {
            state.access = access;
            state.token_expires_at = None;
        });
        Ok(())
    }

    /// Remembers that the refused grant is being tried again, so that other processes pause.
    async fn record_attempt(&self, mut row: AccountRow) -> Result<(), event_log::Error> {
        let (account, now) = (self.account.clone(), self.shared.clock.now());
        row.checked_at = now;
        self.shared
            .log
            .write(move |unit| {
                Box::pin(async move {
                    account_rows::save(unit.connection(), &account, &row, now).await?;
                    Ok::<_, event_log::Error>(())
                })
            })
            .await
    }

    /// Keeps a sealed token, and records the recovery when the account needed consent before.
    async fn record_token(
        &self,
        sealed: rows::TokenRow,
        place: Option<Place>,
        rights: Option<ProbeRow>,
    ) -> Result<(), event_log::Error> {
        let (account, organization) = (self.account.clone(), self.organization.clone());
        let now = self.shared.clock.now();
        let recovered = self
            .shared
            .log
            .write(move |unit| {
                Box::pin(async move {
                    let known = account_rows::load(&mut *unit.connection(), &account).await?;
                    rows::save(&mut *unit.connection(), &account, &sealed, now).await?;
                    let row = AccountRow { access: Access::Ok, checked_at: now, refused_grant: None };
                    account_rows::save(&mut *unit.connection(), &account, &row, now).await?;
                    if let Some(Place::Given(at)) = place {
                        grant::rows::set_refused(&mut *unit.connection(), &account, at, None).await?;
                    }
                    if let Some(rights) = &rights {
                        scopes::rows::save(&mut *unit.connection(), &account, rights).await?;
                    }
                    let Some(before) = known.filter(|row| row.access != Access::Ok) else { return Ok(false) };
                    record(unit, RECOVERED, &account, &organization, &before.access).await?;
                    Ok::<_, event_log::Error>(true)
                })
            })
            .await?;
        if recovered {
            tracing::info!(account.id = %self.account, "the account works again; its work goes on");
        }
        Ok(())
    }

    fn given_out(&self) -> std::sync::MutexGuard<'_, Option<GivenOut>> {
        self.given_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn given(&self, found: &Found) -> GivenOut {
        GivenOut { fingerprint: self.shared.vault.fingerprint(&found.token), place: found.place }
    }
}

#[async_trait]
impl TokenStore for SqlTokenStore {
    async fn load(&self) -> Result<Option<AccessToken>, Error> {
        let readers = self.shared.log.database().readers();
        let Some(row) = rows::load(readers, &self.account).await.map_err(store)? else { return Ok(None) };
        let kept = match Kept::open(&self.shared.vault, &self.account, &row) {
            Ok(kept) => kept,
            Err(unsealable) => {
                tracing::warn!(
                    account.id = %self.account,
                    error = %unsealable,
                    "the kept access token cannot be opened and is treated as absent"
                );
                return Ok(None);
            }
        };
        // A token of another grant may have other rights, or belong to another user.
        if let Some(mark) = &kept.grant {
            let found = self.grant.find().await.map_err(store)?;
            if !found.is_ok_and(|found| self.shared.vault.is_fingerprint(mark, &found.token)) {
                return Ok(None);
            }
        }
        self.shared.board.change(&self.account, |state| state.token_expires_at = Some(row.expires_at));
        Ok(Some(kept.into_token()))
    }

    async fn save(&self, token: &AccessToken) -> Result<(), Error> {
        let (grant, place) = self.given_out().take().map(|given| (given.fingerprint, given.place)).unzip();
        let rights = token.scopes.clone().zip(grant.clone()).map(|(granted, probed)| ProbeRow {
            probed,
            granted: Some(granted),
            missing: Vec::new(),
            checked_at: self.shared.clock.now(),
        });
        let kept = Kept::new(token, grant);
        let sealed = kept.seal(&self.shared.vault, &self.account).map_err(store)?;
        self.record_token(sealed, place, rights).await.map_err(store)?;
        self.shared.board.change(&self.account, |state| {
            state.access = Access::Ok;
            state.token_expires_at = Some(token.expires_at);
        });
        Ok(())
    }

    async fn refresh_token(&self) -> Result<SecretString, Error> {
        *self.given_out() = None;
        let row = self.row().await.map_err(store)?;
        let found = self.grant.find().await.map_err(store)?;
        if let Some(row) = row
            && let Access::NeedsConsent { reason, .. } = &row.access
        {
            if !self.may_try(&row, found.as_ref().ok()) {
                return Err(Error::NeedsConsent { reason: reason.clone() });
            }
            if self.was_refused(&row, found.as_ref().ok()) {
                self.record_attempt(row).await.map_err(store)?;
            }
        }
        match found {
            Ok(found) => {
                *self.given_out() = Some(self.given(&found));
                Ok(found.token)
            }
            Err(reason) => {
                self.record_refusal(&reason, None).await.map_err(store)?;
                Err(Error::NeedsConsent { reason })
            }
        }
    }

    async fn refresh_lease(&self) -> Result<Box<dyn RefreshLease>, Error> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let row = self.row().await.map_err(store)?;
        let found = self.grant.find().await.map_err(store)?.ok();
        let pointless = row.is_some_and(|row| !self.may_try(&row, found.as_ref()));
        if pointless {
            // Nothing will be asked of the provider, so other processes need not wait for us.
            return Ok(Box::new(Lease::of_this_process(turn)));
        }
        let lease = Lease::take(&self.account, &self.shared, turn).await.map_err(store)?;
        Ok(Box::new(lease))
    }

    async fn needs_consent(&self, reason: &str) -> Result<(), Error> {
        let given_out = self.given_out().take();
        if given_out.is_none() {
            // Our own refusal, from `refresh_token`, comes back here: it is recorded already.
            let row = self.row().await.map_err(store)?;
            if row.is_some_and(|row| row.access != Access::Ok) {
                return Ok(());
            }
        }
        let refused = match given_out {
            Some(given_out) => Some(given_out),
            None => self.grant.find().await.map_err(store)?.ok().map(|found| self.given(&found)),
        };
        self.record_refusal(reason, refused).await.map_err(store)
    }
}

/// Appends what happened to the account's stream; the reason is the one for which consent was missing.
async fn record(
    unit: &mut UnitOfWork<'_>,
    event_type: EventType,
    account: &str,
    organization: &str,
    access: &Access,
) -> Result<(), event_log::Error> {
    let reason = match access {
        Access::NeedsConsent { reason, .. } => reason.clone(),
        Access::Ok => String::new(),
    };
    let data = catalogue_account::Access { account: account.to_owned(), reason };
    let event = NewEvent::new(event_type, "fetch", &data).of(account, organization);
    unit.append(Append::new(catalogue_account::stream(account), vec![event])).await?;
    Ok(())
}

fn store(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Store(Box::new(source))
}

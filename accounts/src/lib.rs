//! Provider accounts: grants in the vault, budgets and throttles shared by processes, clients built from both.
//!
//! Promises to every caller:
//! - all processes on one database share one access token and one budget for each account, across restarts and crashes;
//! - a grant that the provider refuses becomes one `account.needs_consent` event and a state, and its renewal one
//!   `account.recovered` event, however often calls fail in between;
//! - a grant that a person gives or takes back is one event that says who it was, and counts in every process within
//!   seconds;
//! - secrets lie encrypted in the database and show in no error, log line or `Debug` text.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalogue::account as catalogue_account;
use catalogue::actor::Actor;
use chrono::{DateTime, Utc};
use event_log::{Append, Log, NewEvent};
use providers::zoho;
use service::clock::SharedClock;
use service::config::{Account, Config, Provider, UnknownAccount};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

mod budget;
mod check;
mod client;
mod connect;
mod consent;
mod disconnect;
mod error;
mod grant;
pub mod keys;
mod report;
mod rotation;
mod scopes;
mod state;
mod token_store;
mod vault;

pub use check::{Check, TestReport};
pub use connect::{Arrival, Authorization, Callback, ConnectError, ConnectRequest, Connected};
pub use disconnect::Disconnected;
pub use error::Error;
pub use report::{GrantReport, Origin};
pub use rotation::{Rotation, RotationReport};
pub use scopes::{MissingScope, Product, Scopes, UnknownProduct};
pub use state::{Access, State};
pub use vault::VaultError;

use grant::Grant;
use state::Board;

/// The configured accounts. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    log: Log,
    /// Clients of the accounts whose provider has an API.
    clients: BTreeMap<String, zoho::Client>,
    /// Where the refresh tokens of these accounts are found.
    grants: BTreeMap<String, Grant>,
    board: Arc<Board>,
}

impl Accounts {
    /// Builds the client of each account, with limits from the settings and tokens and budgets from the log's database.
    ///
    /// Asks nothing of a provider. Reads or creates the vault's key file when an account has a grant to keep.
    ///
    /// # Errors
    /// [`Error::Vault`], [`Error::Secret`], [`Error::Region`]: a person must correct the settings. [`Error::Http`],
    /// [`Error::Log`].
    pub async fn open(config: &Config, log: Log, clock: SharedClock) -> Result<Self, Error> {
        let readers = log.database().readers();
        let names = config.accounts.keys().map(String::as_str);
        let board = Arc::new(Board::new(state::read_all(readers, names).await?));
        let client::Built { clients, grants } = client::build_all(config, &log, &clock, &board)?;
        Ok(Self { inner: Arc::new(Inner { config: config.clone(), log, clients, grants, board }) })
    }

    /// The client of a Zoho account; `None` when there is no such account.
    #[must_use]
    pub fn zoho(&self, name: &str) -> Option<&zoho::Client> {
        self.inner.clients.get(name)
    }

    /// The names of all accounts, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.config.accounts.keys().map(String::as_str)
    }

    /// Whose account it is; `None` when there is no such account.
    #[must_use]
    pub fn organization(&self, name: &str) -> Option<&str> {
        self.inner.config.accounts.get(name).map(|account| account.organization.as_str())
    }

    /// Whose API the account belongs to; `None` when there is no such account.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<Provider> {
        self.inner.config.accounts.get(name).map(|account| account.provider)
    }

    /// What this process knows of our access to an account; `None` when there is no such account.
    ///
    /// Changes by other processes are seen while [`Self::run_consent_probe`] runs, and when a call of ours fails.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<State> {
        self.inner.board.get(name)
    }

    /// [`Self::state`] of every account, by name.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, State> {
        self.inner.board.all()
    }

    /// Whether a person must authorise the account again before any call can succeed.
    #[must_use]
    pub fn needs_consent(&self, name: &str) -> bool {
        self.inner.board.needs_consent(name)
    }

    /// A counter that rises with every change of a state; watching it wakes those who wait for an account.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.board.changes()
    }

    /// Tries the accounts that need consent, each every `consent_probe_seconds`, until `stop`. A grant that was replaced
    /// is tried at the next turn; one that is still the refused one ever more rarely, at least every five minutes.
    ///
    /// Also learns, every two seconds, what other processes found out and which grants people gave, and looks once at the
    /// rights of each grant: what is missing is logged with what it breaks.
    ///
    /// # Cancellation
    /// Safe: what was found out is in the database.
    pub async fn run_consent_probe(&self, stop: CancellationToken) {
        consent::run(&self.inner, stop).await;
    }

    /// Asks the provider what the account can reach of what is configured and mapped. Changes nothing there.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Log`]. What the provider answers is in the report.
    pub async fn test(&self, name: &str) -> Result<TestReport, Error> {
        let account = self.inner.account(name)?;
        let mapped = scopes::rows::mapped_accounts(self.inner.log.database().readers()).await?.contains(name);
        let mut report = check::run(&self.inner.config, account, self.zoho(name), mapped).await;
        if account.books.as_ref().is_some_and(|books| books.write_owners) {
            let grant = self.grants().await?.remove(name);
            report.checks.extend(grant.and_then(|grant| check::owners(name, &grant.scopes)));
        }
        Ok(report)
    }

    /// What is known of the grant of each account that can have one, by name.
    ///
    /// # Errors
    /// [`Error::Log`].
    pub async fn grants(&self) -> Result<BTreeMap<String, GrantReport>, Error> {
        report::all(&self.inner).await
    }

    /// Says where to send a person who shall give a grant, and expects them back for ten minutes, in any process.
    ///
    /// # Errors
    /// [`ConnectError::Unknown`], [`ConnectError::NothingToConnect`], [`ConnectError::NothingNeeded`],
    /// [`ConnectError::ForeignReturn`], [`ConnectError::NoRandom`], [`ConnectError::Log`].
    pub async fn begin_connect(
        &self,
        actor: &Actor,
        request: ConnectRequest<'_>,
    ) -> Result<Authorization, ConnectError> {
        connect::begin(&self.inner, actor, request).await
    }

    /// Takes a person back: exchanges the code, keeps the grant encrypted, has the provider forget the one before that a
    /// person gave, and records `account.connected` with who had asked for it.
    ///
    /// # Cancellation
    /// The code may be used up and a grant exist that nobody holds; the person starts again.
    pub async fn finish_connect(&self, callback: Callback) -> Arrival {
        connect::finish(&self.inner, callback).await
    }

    /// Has the provider forget every refresh token of the account, the one in the settings too, and forgets them here.
    /// Work for the account waits until somebody connects it again.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::NothingToConnect`]; [`Error::NotRevoked`] when the provider does not confirm, and then
    /// everything stays as it is; [`Error::Log`].
    ///
    /// # Cancellation
    /// The provider may have forgotten what is still kept here; disconnecting again finishes it.
    pub async fn disconnect(&self, actor: &Actor, name: &str) -> Result<Disconnected, Error> {
        disconnect::run(&self.inner, actor, name).await
    }

    /// Asks for a new access token at once and records `account.refreshed`. Returns when the new one ends.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::NothingToConnect`]; [`Error::NotRefreshed`], and then the present one goes on being
    /// used; [`Error::Log`].
    ///
    /// # Cancellation
    /// One access token of the provider's allowance may be lost.
    pub async fn refresh(&self, actor: &Actor, name: &str) -> Result<DateTime<Utc>, Error> {
        let account = self.inner.account(name)?;
        let client = self.zoho(name).ok_or_else(|| Error::NothingToConnect { account: name.to_owned() })?;
        let refreshed = client.refresh().await;
        let token_expires_at = refreshed.map_err(|source| Error::NotRefreshed { account: name.to_owned(), source })?;
        let data = catalogue_account::Refreshed { account: name.to_owned(), token_expires_at };
        let event = NewEvent::new(catalogue_account::REFRESHED, "operator", &data)
            .of(name, &account.organization)
            .with_metadata(&actor.metadata());
        self.inner.log.append(Append::new(catalogue_account::stream(name), vec![event])).await?;
        Ok(token_expires_at)
    }
}

impl Inner {
    fn account(&self, name: &str) -> Result<&Account, UnknownAccount> {
        self.config.accounts.get(name).ok_or_else(|| UnknownAccount {
            name: name.to_owned(),
            known: self.config.accounts.keys().cloned().collect(),
        })
    }
}

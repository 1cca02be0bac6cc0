//! Provider accounts: grants in the vault, budgets and throttles shared by processes, clients built from both.
//!
//! Promises to every caller:
//! - all processes on one database share one access token and one budget for each account, across restarts and crashes;
//! - a grant that the provider refuses becomes one `account.needs_consent` event and a state, and its renewal one
//!   `account.recovered` event, however often calls fail in between;
//! - secrets lie encrypted in the database and show in no error, log line or `Debug` text.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_log::Log;
use providers::zoho;
use service::clock::SharedClock;
use service::config::{Config, Provider, UnknownAccount};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

mod budget;
mod check;
mod client;
mod consent;
mod error;
mod grant;
mod state;
mod token_store;
mod vault;

pub use check::{Check, TestReport};
pub use error::Error;
pub use state::{Access, State};
pub use vault::VaultError;

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
        let clients = client::build_all(config, &log, &clock, &board)?;
        Ok(Self { inner: Arc::new(Inner { config: config.clone(), log, clients, board }) })
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
    /// Also learns, every two seconds, what other processes found out.
    ///
    /// # Cancellation
    /// Safe: what was found out is in the database.
    pub async fn run_consent_probe(&self, stop: CancellationToken) {
        consent::run(&self.inner, stop).await;
    }

    /// Asks the provider what the account can reach of what the configured transfers need. Changes nothing there.
    ///
    /// # Errors
    /// [`Error::Unknown`]. What the provider answers is in the report.
    pub async fn test(&self, name: &str) -> Result<TestReport, Error> {
        let Some(account) = self.inner.config.accounts.get(name) else {
            let known = self.names().map(str::to_owned).collect();
            return Err(UnknownAccount { name: name.to_owned(), known }.into());
        };
        Ok(check::run(&self.inner.config, account, self.zoho(name)).await)
    }
}

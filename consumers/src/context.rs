//! What every effect needs at hand.

use std::sync::Arc;
use std::time::Duration;

use accounts::Accounts;
use chrono::{DateTime, Utc};
use event_log::{Log, process_name};
use providers::zoho::Client;
use tokio::sync::watch;

use crate::Error;
use crate::pause::Pauses;
use crate::running::Running;
use crate::transfer::listing::Listings;
use crate::transfer::settings::Transfers;
use crate::trouble::Patience;

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long after a lost answer the provider is asked what became of the call: it may still be busy with it.
    pub settle_after: Duration,
    /// How long a claim on an effect holds without being prolonged. Prolonged every sixth of it; let go of after three
    /// quarters, so the clocks of processes may differ by less than the last quarter. Short: an outage of the database ends
    /// what runs. Long: what a killed process was doing waits so long.
    pub lease: Duration,
}

impl Timing {
    /// How long after its lease was last prolonged an effect is worked on: less than the lease, so that two processes never do.
    pub(crate) fn trust(&self) -> Duration {
        self.lease * 3 / 4
    }
}

impl Default for Timing {
    fn default() -> Self {
        Timing { settle_after: Duration::from_secs(1), lease: Duration::from_secs(60) }
    }
}

/// What every effect needs at hand. Shared by all tasks of the consumers.
#[derive(Debug)]
pub struct Context {
    /// The log, and the database under it.
    pub log: Log,
    /// Clients of the accounts.
    pub accounts: Accounts,
    /// The transfers of the configuration.
    pub transfers: Transfers,
    /// How long things take.
    pub timing: Timing,
    /// This process, in leases.
    pub leased_by: String,
    pub(crate) listings: Listings,
    pub(crate) pauses: Pauses,
    pub(crate) running: Running,
    planned: watch::Sender<u64>,
}

impl Context {
    /// Puts the parts together.
    #[must_use]
    pub fn new(log: Log, accounts: Accounts, transfers: Transfers, timing: Timing) -> Arc<Self> {
        let leased_by = process_name();
        let (planned, _) = watch::channel(0);
        Arc::new(Context {
            log,
            accounts,
            transfers,
            timing,
            leased_by,
            listings: Listings::default(),
            pauses: Pauses::default(),
            running: Running::default(),
            planned,
        })
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.log.now()
    }

    /// The client of a Zoho account.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`].
    pub fn zoho(&self, account: &str) -> Result<&Client, Error> {
        self.accounts.zoho(account).ok_or_else(|| Error::NoSuchAccount(account.to_owned()))
    }

    /// Whether a person must authorise an account again before anything can be done there.
    #[must_use]
    pub fn needs_consent(&self, account: &str) -> bool {
        self.accounts.state(account).is_some_and(|state| state.needs_consent())
    }

    /// Wakes whoever waits for work.
    pub(crate) fn work_was_planned(&self) {
        self.planned.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn planned(&self) -> watch::Receiver<u64> {
        self.planned.subscribe()
    }

    pub(crate) fn patience(&self, transfer: &str) -> Patience {
        let settings = self.transfers.get(transfer).ok();
        Patience {
            max_attempts: settings.map_or(3, |settings| settings.max_attempts),
            retry_base: settings.map_or(Duration::from_secs(1), |settings| settings.retry_base),
            settle_after: self.timing.settle_after,
        }
    }
}

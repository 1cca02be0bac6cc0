//! What every effect needs at hand.

use std::sync::Arc;
use std::time::Duration;

use accounts::Accounts;
use chrono::{DateTime, Utc};
use event_log::{Log, process_name};
use providers::zoho::Client;
use serde::Deserialize;
use tokio::sync::watch;

use crate::Error;
use crate::ingest::receivers::Receivers;
use crate::ledger::Effect;
use crate::notify::senders::Senders;
use crate::pause::Pauses;
use crate::running::Running;
use crate::settings::Settings;
use crate::transfer::listing::Listings;
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
    /// The transfers and receivers of the configuration.
    pub settings: Settings,
    /// Clients of the receivers.
    pub receivers: Receivers,
    /// Clients of the endpoints.
    pub senders: Senders,
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
    pub fn new(
        log: Log,
        accounts: Accounts,
        receivers: Receivers,
        senders: Senders,
        settings: Settings,
        timing: Timing,
    ) -> Arc<Self> {
        let leased_by = process_name();
        let (planned, _) = watch::channel(0);
        Arc::new(Context {
            log,
            accounts,
            receivers,
            senders,
            settings,
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

    /// How patient we are with an effect.
    pub(crate) fn patience(&self, effect: &Effect) -> Patience {
        let (max_attempts, retry_base) = self.tries(effect).unwrap_or((3, Duration::from_secs(1)));
        Patience { max_attempts, retry_base, settle_after: self.timing.settle_after }
    }

    /// Attempts and the first pause by the settings of the effect's transfer or receiver, if it is still configured.
    fn tries(&self, effect: &Effect) -> Option<(i64, Duration)> {
        let named: Named = effect.request().ok()?;
        if let Some(transfer) = named.transfer {
            return self.settings.transfers.get(&transfer).ok().map(|one| (one.max_attempts, one.retry_base));
        }
        if let Some(endpoint) = named.notify {
            return self.settings.endpoints.get(&endpoint).ok().map(|one| (one.max_attempts, one.retry_base));
        }
        let ingest = self.settings.ingests.get(&named.ingest?).ok()?;
        Some((ingest.max_attempts, ingest.retry_base))
    }
}

/// Whose settings count for an effect.
#[derive(Deserialize)]
struct Named {
    transfer: Option<String>,
    ingest: Option<String>,
    notify: Option<String>,
}

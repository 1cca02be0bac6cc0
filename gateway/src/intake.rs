//! What comes in without being asked to at that moment: hints become facts, polls find the rest, registrations stay alive.
//!
//! Two roles that meet in the log and in tables only: the poller ([`run_poller`]) and the registrar ([`run_registrar`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounts::Accounts;
use event_log::{Leadership, Log, UnitOfWork, process_name};
use providers::zoho::Client;
use service::config::Config;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

mod error;
pub(crate) mod pause;
pub mod settings;

pub use error::Error;

use crate::{hint, poller, registrar, sync};
use pause::Patience;
use settings::{Settings, Transfer};

/// After this time without a failure the next one is the first again.
const LONG: Duration = Duration::from_secs(60);

/// What both roles work with.
#[derive(Debug)]
pub struct Intake {
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    clients: BTreeMap<String, Client>,
    /// Changes whenever the access to an account is lost or found again.
    pub(crate) changes: watch::Receiver<u64>,
    /// Who we are among those who take leases.
    pub(crate) leased_by: String,
}

impl Intake {
    /// Puts the parts together. Time is the log's clock. `changes` wakes what waits for a person's consent.
    ///
    /// `leased_by` is a name that no other running process has.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`] when a transfer's account has no client.
    pub fn new(
        log: Log,
        settings: Settings,
        clients: BTreeMap<String, Client>,
        changes: watch::Receiver<u64>,
        leased_by: impl Into<String>,
    ) -> Result<Self, Error> {
        let intake = Intake { log, settings, clients, changes, leased_by: leased_by.into() };
        for transfer in &intake.settings.transfers {
            intake.client(&transfer.account)?;
        }
        Ok(intake)
    }

    /// Puts the parts together from the configuration, with the clients of the accounts.
    ///
    /// # Errors
    /// As [`Intake::new`] and [`Settings::from_config`].
    pub fn open(config: &Config, log: Log, accounts: &Accounts) -> Result<Self, Error> {
        let client = |name: &str| accounts.zoho(name).map(|client| (name.to_owned(), client.clone()));
        let clients = accounts.names().filter_map(client).collect();
        Intake::new(log, Settings::from_config(config)?, clients, accounts.changes(), process_name())
    }

    /// Work that only one process may do.
    pub(crate) fn leadership(&self, lease_name: impl Into<String>) -> Leadership {
        Leadership { log: self.log.clone(), lease_name: lease_name.into(), leased_by: self.leased_by.clone() }
    }

    pub(crate) fn client(&self, account: &str) -> Result<&Client, Error> {
        self.clients.get(account).ok_or_else(|| Error::NoSuchAccount(account.to_owned()))
    }

    /// The accounts that can be asked for anything.
    pub(crate) fn accounts(&self) -> Vec<String> {
        self.clients.keys().cloned().collect()
    }

    pub(crate) fn has_client(&self, account: &str) -> bool {
        self.clients.contains_key(account)
    }

    pub(crate) fn transfer(&self, name: &str) -> Result<&Transfer, Error> {
        let found = self.settings.transfers.iter().find(|transfer| transfer.name == name);
        found.ok_or_else(|| Error::NoSuchTransfer(name.to_owned()))
    }
}

/// Does `work` whenever it is ours to do, until `stop`. What fails for a time is begun again.
///
/// # Errors
/// What does not pass by itself.
pub(crate) async fn lead<W, F>(leadership: &Leadership, stop: &CancellationToken, mut work: W) -> Result<(), Error>
where
    W: FnMut(CancellationToken) -> F,
    F: Future<Output = Result<(), Error>>,
{
    let mut patience = Patience::default();
    while !stop.is_cancelled() {
        let began_at = Instant::now();
        let worked = leadership.lead(stop, &mut work).await;
        if began_at.elapsed() >= LONG {
            patience = Patience::default();
        }
        patience.survive(&leadership.lease_name, worked, stop).await?;
    }
    Ok(())
}

/// The first thing in a unit of work that only the leader may write: whoever was replaced without knowing stops here.
///
/// # Errors
/// [`Error::LostLease`], and database failures.
pub(crate) async fn only_as_leader(unit: &mut UnitOfWork<'_>, leadership: &Leadership) -> Result<(), Error> {
    if leadership.hold(unit).await? {
        return Ok(());
    }
    Err(Error::LostLease { lease_name: leadership.lease_name.clone() })
}

/// Runs both roles until `stop`.
///
/// # Errors
/// As [`run_poller`] and [`run_registrar`]; the other role is stopped.
///
/// # Cancellation
/// What is under way is lost and done again after the next start. Stop it with `stop` instead.
pub async fn run_intake(intake: Arc<Intake>, stop: CancellationToken) -> Result<(), Error> {
    let stop = stop.child_token();
    let mut roles = JoinSet::new();
    roles.spawn(run_poller(intake.clone(), stop.clone()));
    roles.spawn(run_registrar(intake, stop.clone()));
    all_or_stop(roles, &stop).await
}

/// The role poller: turns hints into facts, and polls by schedule, until `stop`. Of several processes one works for each
/// account's hints and one for each poll; others stand by.
///
/// # Errors
/// [`Error::Log`] for failures that do not pass by themselves, [`Error::Panicked`].
///
/// # Cancellation
/// As [`run_intake`].
pub async fn run_poller(intake: Arc<Intake>, stop: CancellationToken) -> Result<(), Error> {
    let stop = stop.child_token();
    let mut tasks = JoinSet::new();
    for account in intake.settings.notified_accounts() {
        let (intake, stop) = (intake.clone(), stop.clone());
        tasks.spawn(async move {
            let leadership = intake.leadership(hint::lease_name(&account));
            let work = async |ours| hint::Lane::new(intake.clone(), &account, leadership.clone())?.run(ours).await;
            lead(&leadership, &stop, work).await
        });
    }
    for transfer in intake.settings.transfers.clone() {
        let (intake, stop) = (intake.clone(), stop.clone());
        tasks.spawn(async move {
            let work = async |ours| poller::Poller::new(intake.clone(), &transfer.name)?.run(ours).await;
            lead(&intake.leadership(transfer.poll()), &stop, work).await
        });
    }
    tasks.spawn(sync::run(intake.clone(), stop.clone()));
    all_or_stop(tasks, &stop).await
}

/// The role registrar: keeps the provider's promises to call us alive, until `stop`. One at a time works, others stand by.
///
/// # Errors
/// As [`run_poller`].
///
/// # Cancellation
/// As [`run_intake`].
pub async fn run_registrar(intake: Arc<Intake>, stop: CancellationToken) -> Result<(), Error> {
    registrar::run(intake, stop).await
}

/// Waits for all tasks; the first that fails stops the others.
pub(crate) async fn all_or_stop(mut tasks: JoinSet<Result<(), Error>>, stop: &CancellationToken) -> Result<(), Error> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let result = ended.unwrap_or(Err(Error::Panicked));
        if result.is_err() {
            stop.cancel();
        }
        outcome = outcome.and(result);
    }
    outcome
}

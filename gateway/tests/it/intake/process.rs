//! One process: its connections, its clients, and the roles that run in it.

use std::sync::Arc;
use std::time::Duration;

use accounts::Accounts;
use event_log::{Access, Database, Log};
use gateway::intake::settings::Settings;
use gateway::intake::{Intake, run_poller, run_registrar};
use service::clock::{SharedClock, as_function};
use service::config::Config;
use testkit::wait::soon;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::stage::Roles;

pub(crate) struct Process {
    name: &'static str,
    pub(crate) config: Config,
    clock: SharedClock,
    pub(crate) log: Log,
    pub(crate) accounts: Accounts,
    pub(crate) settings: Settings,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Process {
    /// `name` is its name in leases.
    pub(crate) async fn open(name: &'static str, config: Config, clock: SharedClock) -> Self {
        let (log, accounts) = open(&config, clock.clone()).await;
        let mut settings = Settings::from_config(&config).unwrap();
        settings.missed_after = Duration::from_millis(500);
        Process { name, config, clock, log, accounts, settings, running: None }
    }

    /// Starts the roles.
    pub(crate) fn start(&mut self, roles: Roles) {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let intake = self.intake();
        if roles != Roles::Registrar {
            let (intake, stop) = (intake.clone(), stop.clone());
            tasks.spawn(async move { run_poller(intake, stop).await.unwrap() });
        }
        if roles != Roles::Poller {
            let (intake, stop) = (intake.clone(), stop.clone());
            tasks.spawn(async move { run_registrar(intake, stop).await.unwrap() });
        }
        if roles == Roles::All {
            let about = gateway::server::About::default();
            let render = Arc::new(String::new);
            let server = gateway::server::Http::bind(&self.config, self.log.clone(), about, render, stop.clone());
            let server = server.unwrap();
            tasks.spawn(async move { server.run().await.unwrap() });
        }
        let (accounts, probing) = (self.accounts.clone(), stop.clone());
        tasks.spawn(async move { accounts.run_consent_probe(probing).await });
        self.running = Some(Running { stop, tasks });
    }

    /// Stops the roles and waits until they have ended.
    pub(crate) async fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.stop.cancel();
        let ended = async {
            while let Some(ended) = running.tasks.join_next().await {
                ended.unwrap()
            }
        };
        soon(ended).await;
    }

    /// Ends the roles where they stand: nothing is finished, nothing given back.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.tasks.abort_all();
            while running.tasks.join_next().await.is_some() {}
        }
    }

    /// [`Self::kill`], then a new start on the same database under the same name.
    pub(crate) async fn crash(&mut self) {
        self.kill().await;
        (self.log, self.accounts) = open(&self.config, self.clock.clone()).await;
    }

    pub(crate) fn intake(&self) -> Arc<Intake> {
        let client = |name: &str| self.accounts.zoho(name).map(|client| (name.to_owned(), client.clone()));
        let clients = self.accounts.names().filter_map(client).collect();
        let (log, settings) = (self.log.clone(), self.settings.clone());
        Arc::new(Intake::new(log, settings, clients, self.accounts.changes(), self.name).unwrap())
    }
}

async fn open(config: &Config, clock: SharedClock) -> (Log, Accounts) {
    let settings = event_log::Settings::new(config.store.database.exposed(), Access::CreateAndMigrate);
    let database = Database::open(&settings).await.unwrap();
    let log = Log::open(database, 1024, as_function(clock.clone())).await.unwrap();
    let accounts = Accounts::open(config, log.clone(), clock).await.unwrap();
    (log, accounts)
}

//! A folder with settings and a database, in which processes start and end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use accounts::{Accounts, Error};
use chrono::{DateTime, TimeDelta};
use event_log::{Access, Database, Direction, Filter, GlobalPosition, Log, RecordedEvent, Settings};
use service::clock::{FixedClock, SharedClock, as_function};
use service::config::{Config, LoadOptions};

use crate::lossy_way::LossyWay;
use crate::provider::Provider;
use crate::store::{Backend, Store};

/// Stands in every secret of the settings.
pub(crate) const PLANTED_SECRET: &str = "planted-client-secret";

/// A transfer from `org-b` to `org-a`, as most tests have it.
pub(crate) const TRANSFER: &str = r#"
[transfers.contacts]
crm = "org-a"
source = "org-b"
destination = "org-a"
module = "Contacts"
checkbox_field = "Transfer_Complete"
folder_field = "Source_Folder_Name"
source_team_folder_id = "team-folder"
destination_folder_id = "destination"
"#;

pub(crate) struct Office {
    store: Store,
    folder: tempfile::TempDir,
    environment: Mutex<BTreeMap<String, String>>,
    pub(crate) clock: FixedClock,
}

/// One process at work on the database.
pub(crate) struct Process {
    pub(crate) accounts: Accounts,
    pub(crate) log: Log,
}

impl Office {
    /// Two accounts, `org-a` and `org-b`, whose refresh tokens lie in files named like them.
    pub(crate) async fn new(on: Backend, provider: &Provider, more: &str) -> Self {
        let office = Self::with_settings(on, "").await;
        let mut settings = String::new();
        for account in ["org-a", "org-b"] {
            settings += &format!(
                r#"
[accounts.{account}]
provider = "zoho"
organization = "acme"
client_id = "1000.{account}"
client_secret = "{PLANTED_SECRET}"
refresh_token = "file:{account}.token"
consent_probe_seconds = 1
[accounts.{account}.endpoints]
accounts = "{base}/accounts"
api = "{base}/api"
workdrive = "{base}/workdrive"
[accounts.{account}.limits]
workdrive_metadata_per_second = 1000
"#,
                base = provider.base
            );
            office.put_grant(account, &format!("planted-grant-{account}"));
        }
        office.write("gateledger.toml", &format!("{settings}{more}"));
        office
    }

    /// Whatever the settings say.
    pub(crate) async fn with_settings(on: Backend, settings: &str) -> Self {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (store, folder) = (on.store().await, tempfile::tempdir().unwrap());
        let office = Self { store, folder, environment: Mutex::default(), clock: FixedClock::at(start) };
        office.write("gateledger.toml", settings);
        office
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put_grant(&self, account: &str, refresh_token: &str) {
        self.write(&format!("{account}.token"), refresh_token);
    }

    /// For processes that start from now on.
    pub(crate) fn set_metadata_limit(&self, per_second: usize) {
        let settings = std::fs::read_to_string(self.path("gateledger.toml")).unwrap();
        let limit = format!("workdrive_metadata_per_second = {per_second}\n");
        self.write("gateledger.toml", &settings.replace("workdrive_metadata_per_second = 1000\n", &limit));
    }

    pub(crate) fn pass(&self, minutes: i64) {
        self.clock.advance(TimeDelta::minutes(minutes));
    }

    /// The variables of processes that start from now on.
    pub(crate) fn set_environment(&self, variables: impl IntoIterator<Item = (String, String)>) {
        *self.environment.lock().unwrap() = variables.into_iter().collect();
    }

    /// The settings as a process that starts now reads them.
    pub(crate) fn config(&self) -> Config {
        let environment = self.environment.lock().unwrap().clone();
        let working_dir = self.folder.path().to_owned();
        Config::load(LoadOptions { file: None, environment, dotenv: None, working_dir }).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) async fn start(&self) -> Process {
        self.try_start().await.unwrap()
    }

    pub(crate) async fn try_start(&self) -> Result<Process, Error> {
        self.start_by(Arc::new(self.clock.clone())).await
    }

    /// Starts a process that goes by another clock.
    pub(crate) async fn start_by(&self, clock: SharedClock) -> Result<Process, Error> {
        self.start_on(&self.store.url, clock).await
    }

    /// Starts a process that comes to the database by another way.
    pub(crate) async fn start_through(&self, way: &LossyWay) -> Process {
        self.start_on(&way.url, Arc::new(self.clock.clone())).await.unwrap()
    }

    /// A way to the database that can lose answers.
    pub(crate) async fn lossy_way(&self) -> LossyWay {
        LossyWay::to(&self.store.url).await
    }

    async fn start_on(&self, url: &str, clock: SharedClock) -> Result<Process, Error> {
        let config = self.config();
        let database = Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap();
        let log = Log::open(database, 1024, as_function(clock.clone())).await.unwrap();
        let accounts = Accounts::open(&config, log.clone(), clock).await?;
        Ok(Process { accounts, log })
    }
}

impl Process {
    /// A call that needs a token and nothing else.
    pub(crate) async fn call(&self, account: &str) -> Result<(), providers::error::Error> {
        self.accounts.zoho(account).unwrap().crm().current_user().await
    }

    /// All events about accounts, as their types and the accounts.
    pub(crate) async fn events(&self) -> Vec<(String, String)> {
        let name = |event: RecordedEvent| (event.event_type.as_str().to_owned(), event.account.unwrap_or_default());
        let filter = Filter { event_types: vec!["account.*".to_owned()], ..Filter::default() };
        let events = self.log.list(&filter, GlobalPosition(0), Direction::Forward, 100).await.unwrap();
        events.into_iter().map(name).collect()
    }
}

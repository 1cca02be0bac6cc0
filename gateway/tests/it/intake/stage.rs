//! A simulated provider, a database, and the processes between them, on clocks that a test can move together.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use catalogue::delivery;
use chrono::{DateTime, TimeDelta, Utc};
use event_log::{Append, Direction, Filter, GlobalPosition, NewEvent, RecordedEvent, sql};
use gateway::registrar::{RegistrationView, registrations};
use providers::zoho::Client;
use providers::zoho::crm::{ApiName, RecordId, UpdateOptions};
use serde_json::{Value, json};
use service::clock::{Clock, SystemClock};
use service::config::{Config, LoadOptions};
use simulator::{Control, Fault, FaultRule};
use tempfile::TempDir;
use testkit::wait::{until, until_true};

use super::process::Process;
use crate::store::{Backend, Store};

/// The system's time, moved forward by the test.
#[derive(Debug, Default)]
pub(crate) struct MovedClock {
    offset_ms: AtomicI64,
}

impl MovedClock {
    pub(crate) fn move_by(&self, by: TimeDelta) {
        self.offset_ms.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + TimeDelta::milliseconds(self.offset_ms.load(Ordering::Relaxed))
    }
}

/// What a test wants to differ from the usual.
pub(crate) struct Plan {
    pub(crate) records: Vec<(&'static str, Value)>,
    /// Text of the configuration after the accounts.
    pub(crate) transfers: String,
    pub(crate) public_url: bool,
}

/// A transfer over `Contacts` that polls once a day.
pub(crate) fn transfer(name: &str, account: &str, folder_field: &str) -> String {
    format!(
        "[transfers.{name}]\ncrm = \"{account}\"\nsource = \"org-b\"\ndestination = \"org-a\"\nmodule = \"Contacts\"\n\
         checkbox_field = \"Transfer_Complete\"\nfolder_field = \"{folder_field}\"\nsource_team_folder_id = \"team\"\n\
         destination_folder_id = \"dest\"\ninterval_seconds = 86400\n"
    )
}

impl Default for Plan {
    fn default() -> Self {
        Plan { records: Vec::new(), transfers: transfer("contacts", "org-a", "Source_Folder_Name"), public_url: true }
    }
}

/// A pending record that names a folder.
pub(crate) fn pending(folder: &str) -> Value {
    json!({"Last_Name": "N", "Transfer_Complete": false, "Source_Folder_Name": folder})
}

/// The world of one test.
pub(crate) struct Stage {
    _folder: TempDir,
    _store: Store,
    simulator: simulator::Simulator,
    clock: Arc<MovedClock>,
    /// The process that tests which need one only look at.
    pub(crate) process: Process,
}

/// Which roles run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roles {
    Poller,
    Registrar,
    /// Both, and the server that receives webhooks.
    All,
}

impl Stage {
    pub(crate) async fn new(on: Backend, plan: Plan) -> Self {
        Self::over(on.store().await, plan).await
    }

    pub(crate) async fn over(store: Store, plan: Plan) -> Self {
        let records: Vec<Value> = plan.records.iter().map(|(id, fields)| json!({"id": id, "fields": fields})).collect();
        let module = |records: &[Value]| {
            json!({"name": "Contacts", "records": records, "fields": [
                {"name": "Last_Name", "type": "text"},
                {"name": "Transfer_Complete", "type": "boolean"},
                {"name": "Source_Folder_Name", "type": "text"},
            ]})
        };
        let organization = |name: &str, records: &[Value]| {
            json!({"name": name, "modules": [module(records)], "clients": [
                {"id": format!("client-{name}"), "secret": "secret", "refresh_token": format!("refresh-{name}")},
            ]})
        };
        let seed = json!({"seed": 7, "organizations": [organization("org-a", &records), organization("org-b", &[])]});
        let seed: simulator::Seed = serde_json::from_value(seed).unwrap();
        let simulator = simulator::start(&seed, simulator::Options::default()).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &store.url, simulator.base_url(), &plan);
        let clock = Arc::new(MovedClock::default());
        let process = Process::open("test", config, clock.clone()).await;
        Stage { _folder: folder, _store: store, simulator, clock, process }
    }

    /// A further process on the same database, with connections and clients of its own.
    pub(crate) async fn another_process(&self, name: &'static str) -> Process {
        let mut config = self.process.config.clone();
        config.http.listen.set_port(free_port());
        Process::open(name, config, self.clock.clone()).await
    }

    /// Starts the roles.
    pub(crate) fn start(&mut self, roles: Roles) {
        self.process.start(roles);
    }

    /// Stops the roles and waits until they have ended.
    pub(crate) async fn stop(&mut self) {
        self.process.stop().await;
    }

    /// Drops everything in the process and opens the same database again, as after a crash.
    pub(crate) async fn crash(&mut self) {
        self.process.crash().await;
    }

    pub(crate) fn client(&self, account: &str) -> &Client {
        self.process.accounts.zoho(account).unwrap()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Moves the provider's clock and ours forward, by whole seconds.
    pub(crate) fn advance(&self, by: TimeDelta) {
        self.control().advance(by.to_std().unwrap());
        self.clock.move_by(by);
    }

    /// The simulator's own levers.
    pub(crate) fn control(&self) -> Control {
        self.simulator.control()
    }

    /// Lets so many calls of a route fail, after so many that pass.
    pub(crate) fn fault(&self, route: &str, fault: Fault, times: u64, skip: u64) {
        self.control().add_fault(FaultRule::once(route, fault).times(times).skipping(skip)).unwrap();
    }

    /// How often a route was called and answered.
    pub(crate) fn calls(&self, route: &str) -> u64 {
        self.control().counts().requests(route)
    }

    /// Waits until faults have met so many requests, also such as never end.
    pub(crate) async fn until_met(&self, count: u64) {
        until("a fault to happen", async || {
            let met: u64 = self.control().faults().iter().map(|fault| fault.fired).sum();
            (met >= count).then_some(())
        })
        .await;
    }

    /// Changes a record in the CRM, which notifies whoever watches. Returns the record's new modification time.
    pub(crate) async fn change(&self, account: &str, id: &str, fields: Value) -> Option<DateTime<Utc>> {
        let fields = fields.as_object().unwrap().clone();
        let id: RecordId = id.parse().unwrap();
        let crm = self.client(account).crm();
        crm.update(&contacts(), &id, fields, UpdateOptions::default()).await.unwrap().modified_time
    }

    /// Puts a notification into the log as the gateway would have received it.
    pub(crate) async fn deliver(&self, account: &str, body: &str) -> RecordedEvent {
        let data = delivery::Received {
            verify: "zoho-crm".to_owned(),
            delivery_id: None,
            registration_id: None,
            json: true,
            flagged: false,
            size_bytes: body.len() as u64,
        };
        let mut event = NewEvent::new(delivery::RECEIVED, "webhook", &data).of(account, "acme");
        event.received_at = Some(self.process.log.now());
        event.payload = Some(Bytes::copy_from_slice(body.as_bytes()));
        let id = event.id;
        self.process.log.append(Append::to_fresh_stream(delivery::CATEGORY, event)).await.unwrap();
        self.process.log.event(id).await.unwrap().unwrap()
    }

    /// A notification in the documented shape.
    pub(crate) async fn notify(&self, account: &str, operation: &str, ids: &[&str]) -> RecordedEvent {
        let body = json!({"module": "Contacts", "operation": operation, "ids": ids, "token": "t", "channel_id": "1"});
        self.deliver(account, &body.to_string()).await
    }

    /// All events of a type, oldest first.
    pub(crate) async fn events(&self, event_type: &str) -> Vec<RecordedEvent> {
        let filter = Filter { event_types: vec![event_type.to_owned()], ..Filter::default() };
        self.process.log.list(&filter, GlobalPosition(0), Direction::Forward, 10_000).await.unwrap()
    }

    /// Waits until there are so many events of a type.
    pub(crate) async fn until_events(&self, event_type: &str, count: usize) -> Vec<RecordedEvent> {
        until(&format!("{count} of {event_type}"), async || {
            let events = self.events(event_type).await;
            (events.len() >= count).then_some(events)
        })
        .await
    }

    /// Waits until a lease was prolonged so many times: meanwhile whoever holds it had its turn again and again.
    pub(crate) async fn until_prolonged(&self, lease_name: &str, times: usize) {
        let leased_until = async || {
            sql::query_scalar("SELECT leased_until FROM leases WHERE lease_name = $1")
                .bind(lease_name.to_owned())
                .fetch_one::<DateTime<Utc>>(self.process.log.database().readers())
                .await
                .unwrap()
        };
        for _ in 0..times {
            let before = leased_until().await;
            until_true("the lease is prolonged", async || leased_until().await > before).await;
        }
    }

    /// The folder of each record by the last fact about it.
    pub(crate) async fn known_folders(&self) -> BTreeMap<String, Value> {
        let facts = self.events("crm_record.changed").await;
        let folder = |data: &catalogue::crm::Changed| data.fields.get("Source_Folder_Name").cloned();
        let mut latest: BTreeMap<String, (Option<DateTime<Utc>>, Value)> = BTreeMap::new();
        for fact in facts {
            let data: catalogue::crm::Changed = fact.decode().unwrap();
            let value = folder(&data).unwrap_or_default();
            let known = latest.entry(data.record_id).or_insert((None, Value::Null));
            if data.modified_time >= known.0 {
                *known = (data.modified_time, value);
            }
        }
        latest.into_iter().map(|(id, (_, value))| (id, value)).collect()
    }

    /// Waits until the last fact about a record names the folder; the database may be away meanwhile.
    pub(crate) async fn until_fact(&self, id: &str, folder: &str) {
        until(&format!("the fact that {id} names {folder}"), async || {
            let filter = Filter { event_types: vec!["crm_record.changed".to_owned()], ..Filter::default() };
            let facts = self.process.log.list(&filter, GlobalPosition(0), Direction::Forward, 10_000).await.ok()?;
            let last = facts.iter().rfind(|fact| fact.stream_name.as_str().ends_with(id))?;
            let data: catalogue::crm::Changed = last.decode().unwrap();
            (data.fields["Source_Folder_Name"] == folder).then_some(())
        })
        .await;
    }

    /// What the provider says it has.
    pub(crate) async fn channels(&self) -> Vec<String> {
        let channels = self.client("org-a").crm().watch_list(None, Some(&contacts())).await.unwrap();
        channels.into_iter().map(|channel| channel.channel_id).collect()
    }

    pub(crate) async fn registrations(&self) -> Vec<RegistrationView> {
        registrations(self.process.log.database().readers(), &self.process.settings, self.now()).await.unwrap()
    }

    /// Waits until a registration is live, and returns its id.
    pub(crate) async fn until_registered(&self) -> String {
        until("a live registration", async || {
            let live = self.registrations().await.into_iter().find(|view| view.state == "active");
            live.and_then(|view| view.registration_id)
        })
        .await
    }

    /// One column of the schedule's row, as text.
    pub(crate) async fn schedule(&self, name: &str, column: &'static str) -> Option<String> {
        let statement = match column {
            "last_outcome" => "SELECT last_outcome FROM schedules WHERE schedule_name = $1",
            "last_error" => "SELECT last_error FROM schedules WHERE schedule_name = $1",
            other => panic!("no statement for {other}"),
        };
        let name = format!("crm-pending:{name}");
        sql::query_scalar(statement)
            .bind(name)
            .fetch_optional(self.process.log.database().readers())
            .await
            .unwrap()
            .flatten()
    }

    pub(crate) async fn next_run_at(&self, name: &str) -> Option<DateTime<Utc>> {
        sql::query_scalar("SELECT next_run_at FROM schedules WHERE schedule_name = $1")
            .bind(format!("crm-pending:{name}"))
            .fetch_optional(self.process.log.database().readers())
            .await
            .unwrap()
            .flatten()
    }

    pub(crate) async fn until_outcome(&self, transfer: &str, outcome: &str) {
        until(&format!("outcome {outcome}"), async || {
            let last = self.schedule(transfer, "last_outcome").await;
            (last.as_deref() == Some(outcome)).then_some(())
        })
        .await;
    }

    /// Waits until a registration is live and the polls that it and the start asked for are done.
    pub(crate) async fn until_quiet(&self) -> String {
        let id = self.until_registered().await;
        until("the first polls", async || {
            let statement = "SELECT EXISTS (SELECT 1 FROM schedules WHERE schedule_name = 'crm-pending:contacts' \
                 AND last_outcome = 'completed' AND wanted_trigger IS NULL AND next_run_at > $1)";
            let quiet: bool = sql::query_scalar(statement)
                .bind(self.now())
                .fetch_one(self.process.log.database().readers())
                .await
                .unwrap();
            quiet.then_some(())
        })
        .await;
        id
    }
}

pub(crate) fn contacts() -> ApiName {
    "Contacts".parse().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn config(folder: &std::path::Path, store_url: &str, base: &str, plan: &Plan) -> Config {
    let port = free_port();
    let public_url =
        if plan.public_url { format!("public_url = \"http://127.0.0.1:{port}\"\n") } else { String::new() };
    let account = |name: &str| {
        format!(
            "[accounts.{name}]\nprovider = \"zoho\"\norganization = \"acme\"\nclient_id = \"client-{name}\"\n\
             client_secret = \"secret\"\nrefresh_token = \"refresh-{name}\"\nconsent_probe_seconds = 1\n\
             [accounts.{name}.endpoints]\naccounts = \"{base}/accounts\"\napi = \"{base}/api\"\n\
             workdrive = \"{base}/workdrive\"\ndownload = \"{base}/download\"\nupload = \"{base}/upload\"\n\
             [accounts.{name}.webhook]\nverify = \"zoho-crm\"\n"
        )
    };
    let text = format!(
        "[store]\nurl = \"{store_url}\"\n[vault]\nkey_file = \"test.key\"\n[http]\nlisten = \"127.0.0.1:{port}\"\nworkers = 1\n{public_url}\
         [registrar]\ncheck_seconds = 1\n{}{}{}",
        account("org-a"),
        account("org-b"),
        plan.transfers,
    );
    let file = folder.join("gateledger.toml");
    std::fs::write(&file, text).unwrap();
    let options =
        LoadOptions { file: Some(file), environment: BTreeMap::new(), dotenv: None, working_dir: folder.to_owned() };
    Config::load(options).unwrap()
}

//! A simulated provider, a database and the consumers between them, on clocks that a test can move together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use accounts::Accounts;
use catalogue::crm::{CHANGED, Changed, change_id, stream};
use catalogue::poll;
use chrono::{DateTime, TimeDelta, Utc};
use consumers::dead_letter::{self, DeadLetter};
use consumers::ingest::receivers::Receivers;
use consumers::notify::senders::Senders;
use consumers::{Context, Settings, Timing};
use event_log::{Append, Direction, Filter, GlobalPosition, Log, NewEvent, RecordedEvent};
use providers::zoho::crm::ApiName;
use serde_json::{Value, json};
use service::clock::{Clock, SharedClock, SystemClock, as_function};
use service::config::{Config, LoadOptions};
use simulator::control::{ItemState, RecordChange, StateQuery, TreeChange};
use simulator::{Control, Fault, FaultRule};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::damage::damaging;
use crate::database::{self, On, Place};

/// How long a condition may take to come true.
const DEADLINE: Duration = Duration::from_secs(40);

/// The system's time, moved forward by the test.
#[derive(Debug, Default)]
struct MovedClock {
    offset_ms: AtomicI64,
}

impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + TimeDelta::milliseconds(self.offset_ms.load(Ordering::Relaxed))
    }
}

/// What a test wants to differ from the usual.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Folder names of the pending records 1, 2, … of `Contacts`.
    pub(crate) folders: Vec<&'static str>,
    /// Items of the team folder `Customers`, id `team-b`, of organisation B.
    pub(crate) source: Vec<Value>,
    /// Items of the folder `Migrated`, id `dest`, of organisation A.
    pub(crate) destination: Vec<Value>,
    pub(crate) knobs: Value,
    /// Lines of the transfer's settings.
    pub(crate) transfer: &'static str,
    /// Lines of the settings of the receiver `analysis`, which gets the messages of organisation A; absent for no receiver.
    pub(crate) ingest: Option<&'static str>,
    /// Settings of endpoints that are told what happens; `BASE` stands for the simulator, `LOCAL` for the same by its name.
    pub(crate) notify: String,
    /// Books of organisation A, and lines of its settings; absent for no Books.
    pub(crate) books: Option<(Value, &'static str)>,
    /// Content that is damaged once on its way to WorkDrive.
    pub(crate) damaged: Option<&'static str>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            folders: vec!["Acme"],
            source: vec![text("Acme/a.txt", "alpha"), text("Acme/sub/b.txt", "beta")],
            destination: Vec::new(),
            knobs: json!({}),
            transfer: "",
            ingest: None,
            notify: String::new(),
            books: None,
            damaged: None,
        }
    }
}

/// A file with this text.
pub(crate) fn text(path: &str, text: &str) -> Value {
    json!({"path": path, "text": text})
}

/// A generated file of this size.
pub(crate) fn sized(path: &str, size_bytes: u64) -> Value {
    json!({"path": path, "size_bytes": size_bytes})
}

/// The id of the n-th record.
pub(crate) fn record(number: usize) -> String {
    (520_000_000_000_000_000 + number as u64).to_string()
}

/// The world of one test.
pub(crate) struct Stage {
    _damage: Option<JoinSet<()>>,
    _folder: TempDir,
    place: Place,
    simulator: simulator::Simulator,
    clock: Arc<MovedClock>,
    pub(crate) config: Config,
    pub(crate) log: Log,
    pub(crate) accounts: Accounts,
    running: Option<Running>,
}

/// What a process needs to work here.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) config: Config,
    pub(crate) clock: SharedClock,
}

struct Running {
    stop: CancellationToken,
    abort: CancellationToken,
    tasks: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn new(on: On, plan: Plan) -> Self {
        Stage::at(Place::new(on).await, plan).await
    }

    pub(crate) async fn at(place: Place, plan: Plan) -> Self {
        let seed: simulator::Seed = serde_json::from_value(seed(&plan)).unwrap();
        let simulator = simulator::start(&seed, simulator::Options::default()).unwrap();
        let knobs = json!({"oauth": {"tokens_per_window": 10_000}, "workdrive": {"refused_listing": 0},
            "books": {"per_minute": 10_000}});
        simulator.control().set_knobs(knobs).unwrap();
        simulator.control().set_knobs(plan.knobs.clone()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut workdrive = format!("{}/workdrive", simulator.base_url());
        let mut damage = None;
        if let Some(marker) = plan.damaged {
            let (address, tasks) = damaging(simulator.address(), marker).await;
            workdrive = format!("http://{address}/workdrive");
            damage = Some(tasks);
        }
        let config = config(folder.path(), &place.url, &simulator, &workdrive, &plan);
        let clock = Arc::new(MovedClock::default());
        let (log, accounts) = open(&place.url, &config, clock.clone()).await;
        Stage { _damage: damage, _folder: folder, place, simulator, clock, config, log, accounts, running: None }
    }

    /// With consumers running, and every record known to the log.
    pub(crate) async fn started(on: On, plan: Plan) -> Self {
        let records = plan.folders.len();
        let mut stage = Stage::new(on, plan).await;
        stage.start();
        for number in 1..=records {
            stage.learn(number).await;
        }
        stage
    }

    pub(crate) fn start(&mut self) {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let context = self.context();
        let abort = CancellationToken::new();
        let (running, aborting) = (stop.clone(), abort.clone());
        tasks.spawn(async move { consumers::run(context, true, running, aborting).await.unwrap() });
        let (accounts, probing) = (self.accounts.clone(), stop.clone());
        tasks.spawn(async move { accounts.run_consent_probe(probing).await });
        self.running = Some(Running { stop, abort, tasks });
    }

    pub(crate) fn site(&self) -> Site {
        Site { url: self.place.url.clone(), config: self.config.clone(), clock: self.clock.clone() }
    }

    /// The transfer copies within organisation B.
    pub(crate) fn same_account(&mut self) {
        if let Some(transfer) = self.config.transfers.get_mut("contacts") {
            transfer.destination = "org-b".to_owned();
        }
    }

    pub(crate) fn context(&self) -> Arc<Context> {
        let settings = Settings::of(&self.config).unwrap();
        let clock: SharedClock = self.clock.clone();
        let receivers = Receivers::open(&self.config, &clock).unwrap();
        let senders = Senders::open(&self.config, &clock).unwrap();
        let timing = Timing { settle_after: Duration::from_millis(200), ..Timing::default() };
        Context::new(self.log.clone(), self.accounts.clone(), receivers, senders, settings, timing)
    }

    /// Stops the consumers and waits until they have ended.
    pub(crate) async fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.stop.cancel();
        let ended = async {
            while let Some(ended) = running.tasks.join_next().await {
                ended.unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, ended).await.expect("the consumers stop when they are asked to");
    }

    /// Stops the consumers without letting running effects finish.
    pub(crate) async fn abort(&mut self) {
        if let Some(running) = &self.running {
            running.stop.cancel();
            running.abort.cancel();
        }
        self.stop().await;
    }

    /// Drops everything in the process wherever it is, and opens the same database again.
    pub(crate) async fn crash(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.tasks.abort_all();
            while running.tasks.join_next().await.is_some() {}
        }
        self.reopen().await;
        self.start();
    }

    /// Opens the database again.
    pub(crate) async fn reopen(&mut self) {
        self.log.close().await;
        (self.log, self.accounts) = open(&self.place.url, &self.config, self.clock.clone()).await;
    }

    /// Moves the provider's clock and ours forward.
    pub(crate) fn advance(&self, seconds: u32) {
        self.control().advance(Duration::from_secs(seconds.into()));
        self.clock.offset_ms.fetch_add(i64::from(seconds) * 1000, Ordering::Relaxed);
    }

    pub(crate) fn control(&self) -> Control {
        self.simulator.control()
    }

    /// Lets so many calls of a route fail.
    pub(crate) fn fault(&self, route: &str, fault: Fault, times: u64) {
        self.control().add_fault(FaultRule::once(route, fault).times(times)).unwrap();
    }

    /// How often a route was called.
    pub(crate) fn calls(&self, route: &str) -> u64 {
        self.control().counts().requests(route)
    }

    /// Reads a record from the CRM and appends its present state as a fact.
    pub(crate) async fn learn(&self, number: usize) -> RecordedEvent {
        let fields: [ApiName; 2] = ["Transfer_Complete".parse().unwrap(), "Source_Folder_Name".parse().unwrap()];
        let id = record(number).parse().unwrap();
        let crm = self.accounts.zoho("org-a").unwrap().crm();
        let found = crm.record(&"Contacts".parse().unwrap(), &id, &fields).await.unwrap().unwrap();
        let data = Changed {
            module: "Contacts".to_owned(),
            record_id: record(number),
            modified_time: found.modified_time,
            fields: found.fields,
        };
        self.append_fact(data).await
    }

    /// Appends a fact about a record.
    pub(crate) async fn append_fact(&self, data: Changed) -> RecordedEvent {
        let modified = data.modified_time.map(|at| at.to_rfc3339()).unwrap_or_default();
        let event = NewEvent::new(CHANGED, "poll", &data)
            .with_id(change_id("org-a", "Contacts", &data.record_id, &modified))
            .at(data.modified_time)
            .of("org-a", "acme");
        let id = event.id;
        let stream = stream("org-a", "Contacts", &data.record_id);
        self.log.append(Append::new(stream, vec![event])).await.unwrap();
        self.log.event(id).await.unwrap().unwrap()
    }

    /// Appends what a poll says that found these records pending.
    pub(crate) async fn poll(&self, numbers: &[usize]) {
        let data = poll::Completed {
            poll: "crm-pending:contacts".to_owned(),
            transfer: "contacts".to_owned(),
            run: 1,
            trigger: "schedule".to_owned(),
            cursor_before: None,
            cursor_after: None,
            pending: numbers.iter().map(|number| record(*number)).collect(),
            new_facts: 0,
            found_missed: 0,
            last_page: true,
        };
        let event = NewEvent::new(poll::COMPLETED, "poll", &data).of("org-a", "acme");
        self.log.append(Append::new(poll::stream("crm-pending:contacts"), vec![event])).await.unwrap();
    }

    /// A person changes a record.
    pub(crate) fn change_record(&self, number: usize, fields: Value) {
        let change = RecordChange { fields: fields.as_object().unwrap().clone(), ..RecordChange::default() };
        self.control().change_record("org-a", "Contacts", &record(number), &change).unwrap();
    }

    /// A person adds items; returns their ids.
    pub(crate) fn add(&self, organization: &str, folder: &str, entries: &[Value]) -> Vec<String> {
        let change: TreeChange = serde_json::from_value(json!({"entries": placed(folder, entries)})).unwrap();
        self.control().change_tree(organization, &change).unwrap().ids
    }

    pub(crate) fn change_tree(&self, organization: &str, change: Value) {
        let change: TreeChange = serde_json::from_value(change).unwrap();
        self.control().change_tree(organization, &change).unwrap();
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn until_idle(&self) {
        self.until("everything to be done", async || {
            consumers::idle::look(&self.log).await.unwrap().is_idle().then_some(())
        })
        .await;
    }

    /// Waits until faults have met so many requests.
    pub(crate) async fn until_met(&self, count: u64) {
        self.until("a fault to happen", async || {
            let met: u64 = self.control().faults().iter().map(|fault| fault.fired).sum();
            (met >= count).then_some(())
        })
        .await;
    }

    /// All events of a type, oldest first.
    pub(crate) async fn events(&self, event_type: &str) -> Vec<RecordedEvent> {
        let filter = Filter { event_types: vec![event_type.to_owned()], ..Filter::default() };
        self.log.list(&filter, GlobalPosition(0), Direction::Forward, 10_000).await.unwrap()
    }

    pub(crate) async fn until_events(&self, event_type: &str, count: usize) -> Vec<RecordedEvent> {
        self.until(&format!("{count} of {event_type}"), async || {
            let events = self.events(event_type).await;
            (events.len() >= count).then_some(events)
        })
        .await
    }

    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        dead_letter::list(self.log.database().readers(), &dead_letter::Filter::default(), 100).await.unwrap()
    }

    pub(crate) async fn redrive_all(&self) {
        for letter in self.dead_letters().await {
            self.redrive(letter.dead_letter_id).await.unwrap();
        }
    }

    pub(crate) async fn redrive(&self, dead_letter_id: i64) -> Result<(), consumers::Error> {
        dead_letter::redrive(&self.log, &Settings::of(&self.config).unwrap(), dead_letter_id).await
    }

    /// Waits until a look gives something.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(DEADLINE, found).await {
            Ok(found) => found,
            Err(_) => {
                let left = consumers::idle::look(&self.log).await;
                panic!("waited in vain for {what}; left: {left:?}; dead letters: {:?}", self.dead_letters().await)
            }
        }
    }

    /// The items below a path, without the trash, by path from there.
    pub(crate) fn items(&self, organization: &str, path: &str) -> Vec<(String, ItemState)> {
        let query = StateQuery { organization: Some(organization.to_owned()), md5: true };
        let state = self.control().state(&query);
        let below = state.organizations[0].below(path);
        let mut items: Vec<(String, ItemState)> =
            below.map(|item| (item.path[path.len() + 1..].to_owned(), item.clone())).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        items
    }

    /// MD5 of each file that was copied out of a source folder, by path; folders have none. Panics on doubles.
    pub(crate) fn tree(&self, organization: &str, path: &str) -> BTreeMap<String, Option<String>> {
        let items = self.items(organization, path);
        let count = items.len();
        let tree: BTreeMap<_, _> = items.into_iter().map(|(path, item)| (path, item.md5)).collect();
        assert_eq!(tree.len(), count, "two items of one name in {path}");
        tree
    }

    /// Everything below the source folder is at the destination, and nothing else.
    pub(crate) fn assert_mirrored(&self, folder: &str) {
        let source = self.tree("org-b", &format!("Customers/{folder}"));
        let copied = self.tree("org-a", &format!("Shared/Migrated/{folder}"));
        assert!(!source.is_empty(), "the source folder is empty");
        assert_eq!(copied, source);
    }

    pub(crate) fn is_ticked(&self, number: usize) -> bool {
        let query = StateQuery { organization: Some("org-a".to_owned()), md5: false };
        let state = self.control().state(&query);
        let records = &state.organizations[0].records["Contacts"];
        let found = records.iter().find(|one| one.id == record(number)).unwrap();
        found.fields["Transfer_Complete"] == json!(true)
    }
}

fn placed(folder: &str, entries: &[Value]) -> Vec<Value> {
    entries
        .iter()
        .map(|entry| {
            let mut entry = entry.clone();
            entry.as_object_mut().unwrap().entry("in_folder").or_insert_with(|| json!(folder));
            entry
        })
        .collect()
}

fn seed(plan: &Plan) -> Value {
    let records: Vec<Value> = plan
        .folders
        .iter()
        .enumerate()
        .map(|(at, folder)| {
            json!({"id": record(at + 1), "fields": {
                "Last_Name": "N", "Transfer_Complete": false, "Source_Folder_Name": folder}})
        })
        .collect();
    let module = json!({"name": "Contacts", "records": records, "fields": [
        {"name": "Last_Name", "type": "text"},
        {"name": "Transfer_Complete", "type": "boolean"},
        {"name": "Source_Folder_Name", "type": "text"},
    ]});
    let client = |name: &str| json!([{"id": format!("client-{name}"), "secret": "secret", "refresh_token": format!("refresh-{name}")}]);
    let mut there = vec![json!({"in_folder": "team-a", "path": "Migrated", "id": "dest"})];
    there.extend(placed("dest", &plan.destination));
    json!({"seed": 7, "organizations": [
        {"name": "org-a", "clients": client("org-a"), "modules": [module], "books": books(plan), "workdrive": {
            "team_folders": [{"id": "team-a", "name": "Shared"}], "entries": there}},
        {"name": "org-b", "clients": client("org-b"), "workdrive": {
            "team_folders": [{"id": "team-b", "name": "Customers"}], "entries": placed("team-b", &plan.source)}},
        {"name": "org-c", "clients": client("org-c"), "workdrive": {
            "team_folders": [{"id": "team-c", "name": "Customers"}],
            "entries": placed("team-c", &[text("Gamma/c.txt", "gamma")])}},
    ]})
}

fn books(plan: &Plan) -> Value {
    plan.books.as_ref().map_or_else(|| json!({}), |(seed, _)| seed.clone())
}

fn config(
    folder: &std::path::Path,
    store: &str,
    simulator: &simulator::Simulator,
    workdrive: &str,
    plan: &Plan,
) -> Config {
    let (base, transfer) = (simulator.base_url(), plan.transfer);
    let ingest = plan.ingest.map_or_else(String::new, |lines| {
        let auth = if lines.contains("auth") || lines.contains("metadata") { "" } else { "auth = \"none\"\n" };
        format!(
            "[accounts.org-a.cliq]\ningest = \"analysis\"\n[ingest.analysis]\nurl = \"{base}/ingest\"\n{auth}{}\n",
            lines.replace("BASE", base)
        )
    });
    let account = |name: &str| {
        format!(
            "[accounts.{name}]\nprovider = \"zoho\"\norganization = \"acme\"\nclient_id = \"client-{name}\"\n\
             client_secret = \"secret\"\nrefresh_token = \"refresh-{name}\"\nconsent_probe_seconds = 1\n\
             [accounts.{name}.endpoints]\naccounts = \"{base}/accounts\"\napi = \"{base}/api\"\n\
             workdrive = \"{workdrive}\"\ndownload = \"{base}/download\"\nupload = \"{base}/upload\"\n\
             [accounts.{name}.limits]\nworkdrive_metadata_per_second = 1000.0\n\
             workdrive_listings_per_folder_per_minute = 1000\ntoken_refreshes_per_10_minutes = 1000\n\
             crm_per_second = 1000.0\ncrm_heavy_per_second = 1000.0\nbooks_per_minute = 10000\n"
        )
    };
    let text = format!(
        "[store]\nurl = \"{store}\"\n[vault]\nkey_file = \"{}\"\n{}{}{}\
         [transfers.contacts]\ncrm = \"org-a\"\nsource = \"org-b\"\ndestination = \"org-a\"\nmodule = \"Contacts\"\n\
         checkbox_field = \"Transfer_Complete\"\nfolder_field = \"Source_Folder_Name\"\n\
         source_team_folder_id = \"team-b\"\nretry_base_ms = 20\n{transfer}\n{ingest}{}",
        folder.join("gateledger.key").display(),
        account("org-a"),
        account("org-b"),
        account("org-c"),
        plan.notify.replace("BASE", base).replace("LOCAL", &base.replace("127.0.0.1", "localhost")),
    );
    let text = match &plan.books {
        Some((seed, lines)) => {
            let organization_id = seed["organization_id"].as_str().unwrap();
            format!("{text}\n[accounts.org-a.books]\norganization_id = \"{organization_id}\"\n{lines}\n")
        }
        None => text,
    };
    let text = match text.contains("destination_folder_id") {
        true => text,
        false => text.replacen("retry_base_ms", "destination_folder_id = \"dest\"\nretry_base_ms", 1),
    };
    let file = folder.join("gateledger.toml");
    std::fs::write(&file, text).unwrap();
    let options =
        LoadOptions { file: Some(file), environment: BTreeMap::new(), dotenv: None, working_dir: folder.to_owned() };
    Config::load(options).unwrap()
}

pub(crate) async fn open(url: &str, config: &Config, clock: SharedClock) -> (Log, Accounts) {
    let log = Log::open(database::open(url).await, 1024, as_function(clock.clone())).await.unwrap();
    let accounts = Accounts::open(config, log.clone(), clock).await.unwrap();
    (log, accounts)
}

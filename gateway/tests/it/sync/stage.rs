//! A simulated Cliq, a database, mapped channels and the process that reads them, on clocks that a test moves together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use catalogue::actor::Actor;
use catalogue::message::Posted;
use chrono::TimeDelta;
use event_log::{Direction, Filter, GlobalPosition, RecordedEvent};
use gateway::sync::jobs::{self, Job, Kind, State, Trigger, Wish, channel_subject};
use mappings::channel::{Change, MapRequest, Mapping};
use service::config::{Config, LoadOptions};
use simulator::control::StateQuery;
use simulator::{Control, Seed};
use tempfile::TempDir;
use testkit::store::{Backend, Store};
use testkit::wait::{until, until_true};

use crate::intake::process::Process;
use crate::intake::stage::{MovedClock, Roles};

/// The organisation whose channels are read, in the seeds that the simulator makes.
pub(crate) const ORG: &str = simulator::seed::constants::ORG_A;
const ACCOUNT: &str = "org-a";

pub(crate) struct Stage {
    _folder: TempDir,
    _store: Store,
    simulator: simulator::Simulator,
    pub(crate) clock: Arc<MovedClock>,
    pub(crate) process: Process,
}

impl Stage {
    pub(crate) async fn new(on: Backend, seed: &Seed) -> Self {
        let store = on.store().await;
        let simulator = simulator::start(seed, simulator::Options::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &store.url, simulator.base_url());
        let clock = Arc::new(MovedClock::default());
        let process = Process::open("test", config, clock.clone()).await;
        Stage { _folder: folder, _store: store, simulator, clock, process }
    }

    pub(crate) fn control(&self) -> Control {
        self.simulator.control()
    }

    /// Moves the provider's clock and ours forward.
    pub(crate) fn advance(&self, by: TimeDelta) {
        self.control().advance(by.to_std().unwrap());
        self.clock.move_by(by);
    }

    /// Moves the clocks on while `work` goes on, whenever nothing is asked of the provider and nothing is
    /// recorded: limits of minutes pass in moments.
    pub(crate) async fn with_time_flying<T>(&self, step: TimeDelta, work: impl Future<Output = T>) -> T {
        let is_done = AtomicBool::new(false);
        let fly = async {
            let (mut before, mut quiet_looks) = ((0, GlobalPosition(0)), 0);
            until_true("the work is done", async || {
                let routes = self.control().counts().routes;
                let asked: u64 = routes.values().flat_map(|by_status| by_status.values()).sum();
                let now = (asked, *self.process.log.head().borrow());
                quiet_looks = if now == before { quiet_looks + 1 } else { 0 };
                before = now;
                if quiet_looks == 2 {
                    self.advance(step);
                    quiet_looks = 0;
                }
                is_done.load(Ordering::Relaxed)
            })
            .await;
        };
        let work = async {
            let done = work.await;
            is_done.store(true, Ordering::Relaxed);
            done
        };
        tokio::join!(work, fly).0
    }

    pub(crate) fn start(&mut self) {
        self.process.start(Roles::Poller);
    }

    /// Maps a channel of the simulator, by its name.
    pub(crate) async fn map(&self, channel_name: &str, settings: Change) -> Mapping {
        let state = self.cliq();
        let channel = state.channel(channel_name).unwrap();
        let request = MapRequest {
            account: ACCOUNT.to_owned(),
            channel_id: channel.channel_id.clone(),
            chat_id: channel.chat_id.clone(),
            channel_name: channel.name.clone(),
            client_id: "client".to_owned(),
            room_id: format!("room of {channel_name}"),
            settings,
        };
        mappings::channel::map(&self.process.log, &actor(), &self.process.config, &request).await.unwrap().mapping
    }

    /// Maps every channel.
    pub(crate) async fn map_all(&self) -> Vec<Mapping> {
        let names: Vec<String> = self.cliq().channels.iter().map(|channel| channel.name.clone()).collect();
        let mut all = Vec::new();
        for name in names {
            all.push(self.map(&name, Change::default()).await);
        }
        all
    }

    /// Asks for a sync as a person does.
    pub(crate) async fn ask(&self, mapping: &Mapping, trigger: Trigger) -> Job {
        self.want(Self::wish(mapping, trigger)).await
    }

    /// The wish of a person.
    pub(crate) fn wish(mapping: &Mapping, trigger: Trigger) -> Wish {
        Wish {
            kind: Kind::Channel,
            subject: channel_subject(mapping.mapping_id),
            account: mapping.account.clone(),
            organization: mapping.organization.clone(),
            trigger,
            is_full: false,
            retry_of: None,
            not_before: None,
            actor: Some(actor()),
            cause: None,
        }
    }

    pub(crate) async fn want(&self, wish: Wish) -> Job {
        let wanted = self
            .process
            .log
            .write::<_, event_log::Error, _>(move |unit| Box::pin(async move { jobs::want(unit, &wish).await }));
        wanted.await.unwrap()
    }

    pub(crate) async fn job(&self, job: &Job) -> Job {
        jobs::load(self.process.log.database().readers(), job.job_id).await.unwrap().unwrap()
    }

    /// Waits until a job has ended.
    pub(crate) async fn ended(&self, job: &Job) -> Job {
        until("the job ends", async || {
            let now = self.job(job).await;
            matches!(now.state, State::Completed | State::Failed).then_some(now)
        })
        .await
    }

    /// Waits until so many jobs are completed and none is open.
    pub(crate) async fn completed(&self, count: usize) -> Vec<Job> {
        until(&format!("{count} jobs are completed"), async || {
            let all = self.jobs().await;
            let done = all.iter().filter(|job| job.state == State::Completed).count();
            let is_open = all.iter().any(|job| matches!(job.state, State::Pending | State::Running));
            (done >= count && !is_open).then_some(all)
        })
        .await
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        jobs::list(self.process.log.database().readers(), &jobs::Filter::default(), 1_000).await.unwrap()
    }

    pub(crate) async fn mapping(&self, mapping: &Mapping) -> Mapping {
        mappings::channel::get(self.process.log.database().readers(), None, mapping.mapping_id).await.unwrap()
    }

    pub(crate) fn cliq(&self) -> simulator::control::CliqState {
        let query = StateQuery { organization: Some(ORG.to_owned()), md5: false };
        self.control().state(&query).organizations.remove(0).cliq
    }

    pub(crate) async fn events(&self, event_type: &str) -> Vec<RecordedEvent> {
        let filter = Filter { event_types: vec![event_type.to_owned()], ..Filter::default() };
        self.process.log.list(&filter, GlobalPosition(0), Direction::Forward, 10_000).await.unwrap()
    }

    /// The messages of each chat, as the log has them.
    pub(crate) async fn recorded(&self) -> BTreeMap<String, Vec<Posted>> {
        let mut chats: BTreeMap<String, Vec<Posted>> = BTreeMap::new();
        for event in self.events("message.posted").await {
            let posted: Posted = event.decode().unwrap();
            chats.entry(posted.chat_id.clone()).or_default().push(posted);
        }
        chats
    }

    /// Demands that the log has every message of the mapped channels, each once.
    pub(crate) async fn assert_complete(&self) {
        let recorded = self.recorded().await;
        for (chat_id, messages) in self.cliq().chats() {
            let expected: BTreeSet<&str> = messages.iter().map(|message| message.id.as_str()).collect();
            let found = recorded.get(chat_id).map(Vec::as_slice).unwrap_or_default();
            let ids: BTreeSet<&str> = found.iter().map(|posted| posted.message_id.as_str()).collect();
            assert_eq!(ids.len(), found.len(), "a message of {chat_id} is there twice");
            assert_eq!(ids, expected, "{chat_id}");
        }
    }

    /// Demands that the provider had nothing to complain about.
    pub(crate) fn assert_well_behaved(&self) {
        let misdeeds = self.control().counts().misdeeds;
        assert!(misdeeds.is_empty(), "{misdeeds:?}");
    }

    /// How often a route was called.
    pub(crate) fn calls(&self, route: &str) -> u64 {
        self.control().counts().requests(route)
    }
}

pub(crate) fn actor() -> Actor {
    Actor::of_command("test")
}

fn config(folder: &std::path::Path, store_url: &str, base: &str) -> Config {
    let text = format!(
        "[store]\nurl = \"{store_url}\"\n[vault]\nkey_file = \"test.key\"\n\
         [accounts.{ACCOUNT}]\nprovider = \"zoho\"\norganization = \"acme\"\nclient_id = \"1000.SIMULATORORGA\"\n\
         client_secret = \"simulated-secret-a\"\nrefresh_token = \"1000.simulated.refresh.a\"\nconsent_probe_seconds = 1\n\
         [accounts.{ACCOUNT}.endpoints]\naccounts = \"{base}/accounts\"\napi = \"{base}/api\"\ncliq = \"{base}/cliq\"\n"
    );
    let file = folder.join("gateledger.toml");
    std::fs::write(&file, text).unwrap();
    let options =
        LoadOptions { file: Some(file), environment: BTreeMap::new(), dotenv: None, working_dir: folder.to_owned() };
    Config::load(options).unwrap()
}

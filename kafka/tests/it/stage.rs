//! A database and a topic of its own for one test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::{
    Access, Append, Database, Direction, EventId, EventType, Filter, GlobalPosition, Log, NewEvent, Now, RecordedEvent,
    StreamName,
};
use kafka::Settings;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use serde_json::json;
use tempfile::TempDir;
use testkit::wait::{soon, until_true};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::recorder::{HANDLED, Recorder};

pub(crate) const CHANGED: EventType = EventType::new("thing.changed");
pub(crate) const OTHER: EventType = EventType::new("other.happened");
pub(crate) const SUBSCRIPTION: &str = "test";

pub(crate) type Mock = MockCluster<'static, DefaultProducerContext>;

pub(crate) struct Stage {
    pub(crate) settings: Settings,
    pub(crate) log: Log,
    /// Not there when the tests run on a broker that was given.
    pub(crate) mock: Option<Mock>,
    url: String,
    _folder: TempDir,
}

impl Stage {
    /// With a topic of so many partitions.
    pub(crate) async fn new(partitions: u32) -> Self {
        let given = std::env::var("GATELEDGER_TEST_KAFKA_EVERYWHERE").ok();
        let mock = given.is_none().then(|| Mock::new(1).unwrap());
        let brokers = given.unwrap_or_else(|| mock.as_ref().unwrap().bootstrap_servers());
        Stage::on(brokers, mock, partitions).await
    }

    /// On the mock cluster, whatever is given.
    pub(crate) async fn mock(partitions: u32) -> Self {
        let mock = Mock::new(1).unwrap();
        Stage::on(mock.bootstrap_servers(), Some(mock), partitions).await
    }

    async fn on(brokers: String, mock: Option<Mock>, partitions: u32) -> Self {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let settings = Settings {
            topic: format!("gateledger.test.{name}"),
            group_prefix: format!("test-{name}"),
            partitions,
            options: options(),
            ..Settings::new(brokers)
        };
        if let Some(mock) = &mock {
            mock.create_topic(&settings.topic, partitions.try_into().unwrap(), 1).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("log.db").display());
        let log = open(&url, Arc::new(Utc::now)).await;
        Stage { settings, log, mock, url, _folder: folder }
    }

    /// So many events on the mock cluster, fewer on a broker that may be slow.
    pub(crate) fn many(&self, count: usize) -> usize {
        if self.mock.is_some() { count } else { count / 5 }
    }

    /// The log as another process has it.
    pub(crate) async fn other_log(&self) -> Log {
        open(&self.url, Arc::new(Utc::now)).await
    }

    pub(crate) async fn log_at(&self, clock: &Clock) -> Log {
        open(&self.url, clock.now()).await
    }

    /// A relay on the stage's log.
    pub(crate) fn relay(&self) -> Running {
        self.relay_on(self.log.clone(), "relay-1")
    }

    pub(crate) fn relay_on(&self, log: Log, holder: &str) -> Running {
        let stop = CancellationToken::new();
        let running = kafka::relay::run(log, self.settings.clone(), holder.to_owned(), stop.clone());
        Running { task: tokio::spawn(running), stop }
    }

    /// A consumer over Kafka.
    pub(crate) fn consumer(&self, log: &Log, recorder: &Arc<Recorder>) -> Running {
        let stop = CancellationToken::new();
        let (settings, types) = (self.settings.clone(), vec![CHANGED]);
        let running =
            kafka::follow(log.clone(), settings, SUBSCRIPTION.to_owned(), types, recorder.clone(), stop.clone());
        Running { task: tokio::spawn(running), stop }
    }

    /// A consumer that follows the log itself.
    pub(crate) fn direct_consumer(&self, log: &Log, recorder: &Arc<Recorder>) -> Running {
        let stop = CancellationToken::new();
        let running =
            kafka::follow_directly(log.clone(), SUBSCRIPTION.to_owned(), vec![CHANGED], recorder.clone(), stop.clone());
        Running { task: tokio::spawn(running), stop }
    }

    /// Appends so many changes of `streams` things, with other events between them.
    pub(crate) async fn append(&self, changes: usize, streams: usize) {
        let mut appends = Vec::new();
        for number in 0..changes {
            let stream = StreamName::new("thing", number % streams);
            let event = NewEvent::new(CHANGED, "poll", &json!({"number": number}));
            appends.push(Append::new(stream, vec![event]));
            if number % 3 == 0 {
                let other = NewEvent::new(OTHER, "poll", &json!({}));
                appends.push(Append::new(StreamName::new("other", number % streams), vec![other]));
            }
        }
        for appends in appends.chunks(200) {
            let appends = appends.to_vec();
            let appended = self.log.write(move |unit| Box::pin(async move { unit.append_all(&appends).await })).await;
            appended.unwrap();
        }
    }

    /// Everything in the log, in position order.
    pub(crate) async fn everything(&self) -> Vec<RecordedEvent> {
        let mut all: Vec<RecordedEvent> = Vec::new();
        loop {
            let after = all.last().map_or(GlobalPosition(0), |event| event.global_position);
            let page = self.log.list(&Filter::default(), after, Direction::Forward, 10_000).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    pub(crate) async fn of_type(&self, wanted: &EventType) -> Vec<RecordedEvent> {
        self.everything().await.into_iter().filter(|event| event.event_type == *wanted).collect()
    }

    pub(crate) async fn checkpoint(&self, name: &str) -> i64 {
        let rows = event_log::checkpoints(self.log.database().readers()).await.unwrap();
        rows.iter().find(|row| row.subscription_name == name).map_or(0, |row| row.global_position.0)
    }

    /// Who has the relay's lease, and until when by that one's clock.
    pub(crate) async fn lease(&self) -> Option<(String, DateTime<Utc>)> {
        let asked = event_log::sql::query("SELECT leased_by, leased_until FROM leases WHERE lease_name = 'relay'");
        let row = asked.fetch_optional(self.log.database().readers()).await.unwrap()?;
        Some((row.try_get("leased_by").unwrap(), row.try_get("leased_until").unwrap()))
    }

    /// Waits until the relay has published everything that is in the log now.
    pub(crate) async fn published(&self) {
        let head = self.log.high_water_mark().await.unwrap().0;
        until_true("everything is published", async || self.checkpoint("relay").await >= head).await;
    }

    /// Waits until as many changes are handled as there are, and asserts that each was once, in the order of its stream.
    pub(crate) async fn handled_once(&self) {
        let changes = self.of_type(&CHANGED).await;
        until_true("all changes are handled", async || self.of_type(&HANDLED).await.len() >= changes.len()).await;
        self.assert_handled_once().await;
    }

    pub(crate) async fn assert_handled_once(&self) {
        let all = self.everything().await;
        let changes: BTreeMap<EventId, &RecordedEvent> =
            all.iter().filter(|event| event.event_type == CHANGED).map(|event| (event.id, event)).collect();
        let mut times: BTreeMap<EventId, usize> = BTreeMap::new();
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for handled in all.iter().filter(|event| event.event_type == HANDLED) {
            let change = changes[&handled.causation_id.unwrap()];
            *times.entry(change.id).or_default() += 1;
            let before = last.insert(change.stream_name.as_str(), change.global_position.0);
            assert!(before < Some(change.global_position.0), "{:?} after {before:?}", change.global_position);
        }
        let wrong: Vec<_> = changes
            .values()
            .filter(|change| times.get(&change.id) != Some(&1))
            .map(|change| (change.global_position, times.get(&change.id)))
            .collect();
        assert!(wrong.is_empty(), "not handled once: {wrong:?}");
    }
}

/// Quick to notice what a test does to the brokers.
fn options() -> BTreeMap<String, String> {
    let options = [("topic.metadata.refresh.interval.ms", "1000"), ("fetch.wait.max.ms", "10")];
    options.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

async fn open(url: &str, now: Now) -> Log {
    let database = Database::open(&event_log::Settings::new(url, Access::CreateAndMigrate)).await.unwrap();
    Log::open(database, 1024, now).await.unwrap()
}

/// A relay or consumer at work.
pub(crate) struct Running {
    task: JoinHandle<Result<(), kafka::Error>>,
    stop: CancellationToken,
}

impl Running {
    /// Stops it in order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        soon(self.task).await.unwrap().unwrap();
    }

    /// Drops it where it stands.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

/// A clock that runs ahead of the real one.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    fn now(&self) -> Now {
        let ahead = self.0.clone();
        Arc::new(move || Utc::now() + chrono::Duration::milliseconds(ahead.load(Ordering::SeqCst)))
    }
}

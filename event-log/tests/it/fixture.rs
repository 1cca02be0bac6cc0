//! A database of its own for one test, and events to put into it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::{
    Access, Append, Database, EventId, EventType, GlobalPosition, Log, NewEvent, Now, RecordedEvent, Settings,
    StreamName,
};
use serde_json::json;
use tempfile::TempDir;
use testkit::postgres::TestDatabase;
use tokio::sync::oneshot;

pub(crate) const CHANGED: EventType = EventType::new("crm_record.changed");
pub(crate) const RECEIVED: EventType = EventType::new("delivery.received");
pub(crate) const REQUESTED: EventType = EventType::new("transfer.requested");
pub(crate) const COMPLETED: EventType = EventType::new("transfer.completed");

/// Jobs that may wait in the tests' logs.
const QUEUE: usize = 1024;

/// A database that disappears with the test.
pub(crate) struct Fixture {
    pub(crate) url: String,
    _held: Held,
}

/// What takes the database away when it is dropped.
#[expect(dead_code, reason = "held for its drop")]
enum Held {
    Folder(TempDir),
    Database(TestDatabase),
}

impl Fixture {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("log.db").display());
        Fixture { url, _held: Held::Folder(folder) }
    }

    pub(crate) async fn postgres() -> Self {
        let database = testkit::postgres::database().await;
        Fixture { url: database.url.clone(), _held: Held::Database(database) }
    }

    /// Another log on the same database, as another process would open it.
    pub(crate) async fn log(&self) -> Log {
        self.log_at(Arc::new(Utc::now)).await
    }

    pub(crate) async fn log_at(&self, now: Now) -> Log {
        open(&self.url, now).await
    }
}

pub(crate) async fn open(url: &str, now: Now) -> Log {
    let database = Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap();
    Log::open(database, QUEUE, now).await.unwrap()
}

/// A clock that stands still until the test moves it.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn at(time: DateTime<Utc>) -> Self {
        Clock(Arc::new(AtomicI64::new(time.timestamp_micros())))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros().try_into().unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Now {
        let micros = self.0.clone();
        Arc::new(move || DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap())
    }
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn stream(id: &str) -> StreamName {
    StreamName::new("crm_record", id)
}

/// An event that was never seen before.
pub(crate) fn event() -> NewEvent {
    NewEvent::new(CHANGED, "poll", &json!({"field": "value"}))
}

/// The event of one change: the same for the same name.
pub(crate) fn change(name: &str) -> NewEvent {
    event().with_id(EventId::derived(&["change", name]))
}

pub(crate) fn with_payload(mut event: NewEvent, payload: impl Into<bytes::Bytes>) -> NewEvent {
    event.payload = Some(payload.into());
    event
}

/// One event for one stream.
pub(crate) fn append(id: &str, event: NewEvent) -> Append {
    Append::new(stream(id), vec![event])
}

/// Everything in the log, in position order.
pub(crate) async fn everything(log: &Log) -> Vec<RecordedEvent> {
    let mut all: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = all.last().map_or(GlobalPosition(0), |event| event.global_position);
        let page = log.list(&Default::default(), after, event_log::Direction::Forward, 10_000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// The log holds `count` events at the positions from 1 without a gap.
pub(crate) async fn assert_contiguous(log: &Log, count: usize) {
    let positions: Vec<i64> = everything(log).await.iter().map(|event| event.global_position.0).collect();
    assert_eq!(positions, (1..=i64::try_from(count).unwrap()).collect::<Vec<_>>());
}

/// Keeps the writer busy until the returned sender is used or dropped: what is handed in meanwhile is one group.
pub(crate) async fn hold_writer(log: &Log) -> oneshot::Sender<()> {
    let (release, released) = oneshot::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let log = log.clone();
    tokio::spawn(async move {
        log.write(|_| {
            Box::pin(async move {
                begun.send(()).unwrap();
                let _ = released.await;
                Ok::<_, event_log::Error>(())
            })
        })
        .await
        .unwrap();
    });
    has_begun.await.unwrap();
    release
}

/// What must happen soon, on a slow machine too.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it happens within a minute")
}

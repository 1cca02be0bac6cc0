//! A log in a database of its own, with a clock that tests move.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_log::sql::{self, Dialect};
use event_log::{Access, Append, Database, EventOutcome, Log, NewEvent, Settings, StreamName};
use projector::{ErpCustomerFilter, ErpUserFilter, RecordFilter, TransferFilter};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::postgres::TestDatabase;
use testkit::wait::{soon, until_true};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than a projector that was killed keeps others from working.
pub(crate) const LEASE: Duration = Duration::from_secs(11);

pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) url: String,
    clock: Arc<watch::Sender<i64>>,
    pub(crate) held: Held,
}

/// What takes the database away when it is dropped.
pub(crate) enum Held {
    Folder(#[expect(dead_code, reason = "held for its drop")] TempDir),
    Database(TestDatabase),
    Nothing,
}

impl World {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("log.db").display());
        Self::open(url, Held::Folder(folder)).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let database = testkit::postgres::database().await;
        Self::open(database.url.clone(), Held::Database(database)).await
    }

    pub(crate) async fn open(url: String, held: Held) -> Self {
        let clock = Arc::new(watch::Sender::new(1_768_000_000_000));
        let log = open(&url, &clock, Access::CreateAndMigrate).await;
        World { log, url, clock, held }
    }

    /// The log as another process sees it.
    pub(crate) async fn another_log(&self) -> Log {
        open(&self.url, &self.clock, Access::Existing).await
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.send_modify(|now| *now += i64::try_from(by.as_millis()).unwrap());
    }

    /// Waits until the clock was looked at so many times, by whoever works with the database.
    pub(crate) async fn looks_at_the_clock(&self, times: i64) {
        let mut clock = self.clock.subscribe();
        let then = *clock.borrow() + times;
        soon(clock.wait_for(|now| *now >= then)).await.unwrap();
    }

    pub(crate) async fn append(&self, stream: &StreamName, event: NewEvent) -> EventOutcome {
        self.log.append(Append::new(stream.clone(), vec![event])).await.unwrap().outcomes[0]
    }

    pub(crate) async fn append_all(&self, events: Vec<(StreamName, NewEvent)>) {
        for (stream, event) in events {
            self.append(&stream, event).await;
        }
    }

    /// Follows the log in the background.
    pub(crate) fn follow(&self) -> Following {
        follow(&self.log)
    }

    /// Follows the log to its head.
    pub(crate) async fn catch_up(&self) {
        let following = self.follow();
        until_true("all projections are at the head", async || self.lag().await == 0).await;
        following.stop().await.unwrap();
    }

    pub(crate) async fn lag(&self) -> u64 {
        projector::list(&self.log).await.unwrap().iter().map(|one| one.lag_events).sum()
    }

    pub(crate) async fn checkpoint(&self, name: &str) -> i64 {
        let all = projector::list(&self.log).await.unwrap();
        all.iter().find(|one| one.name == name).unwrap().checkpoint.0
    }

    /// Every row of every read model, as text of this database.
    pub(crate) async fn rows(&self) -> Vec<String> {
        let readers = self.log.database().readers();
        let mut all = Vec::new();
        for table in self.tables().await {
            let row = match readers.dialect() {
                Dialect::Postgres => "CAST(to_jsonb(one) AS text)".to_owned(),
                Dialect::Sqlite => {
                    let columns = sql::query_scalar("SELECT 'quote(' || name || ')' FROM pragma_table_info($1)")
                        .bind(&table)
                        .fetch_all::<String>(readers);
                    columns.await.unwrap().join(" || ' ' || ")
                }
            };
            let select = format!("SELECT {row} FROM {table} AS one ORDER BY 1");
            let rows: Vec<String> = sql::query_scalar_composed(select).fetch_all(readers).await.unwrap();
            all.extend(rows.iter().map(|row| format!("{table}: {row}")));
        }
        all
    }

    /// All that the read models tell, the same on every database.
    pub(crate) async fn told(&self) -> Value {
        let readers = self.log.database().readers();
        let transfers = projector::transfers(readers, &TransferFilter::default(), 10_000).await.unwrap();
        let mut details = Vec::new();
        for one in &transfers {
            let detail = projector::transfer(readers, &one.transfer, &one.record_id, Some(one.run)).await.unwrap();
            details.push(detail.unwrap());
        }
        json!({
            "accounts": projector::accounts(readers).await.unwrap(),
            "records": projector::records(readers, &RecordFilter::default(), 10_000).await.unwrap(),
            "transfers": details,
            "registrations": projector::registrations(readers).await.unwrap(),
            "polls": projector::polls(readers).await.unwrap(),
            "erp_users": projector::erp_users(readers, &ErpUserFilter::default(), 10_000).await.unwrap(),
            "erp_customers": projector::erp_customers(readers, &ErpCustomerFilter::default(), 10_000).await.unwrap(),
            "unmapped_owners": projector::unmapped_owners(readers, None, None).await.unwrap(),
            "conflicts": projector::conflicts(readers, None, None, 10_000).await.unwrap(),
            "summary": projector::summary(readers, None).await.unwrap(),
        })
    }

    /// Names of the tables of read models, also of those that a rebuild has left.
    pub(crate) async fn tables(&self) -> Vec<String> {
        let readers = self.log.database().readers();
        let select = match readers.dialect() {
            Dialect::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
            Dialect::Postgres => {
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
            }
        };
        let mut tables: Vec<String> = sql::query_scalar(select).fetch_all(readers).await.unwrap();
        tables.retain(|name| name.starts_with("rm_"));
        tables
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        let done = self.log.write(move |unit| {
            Box::pin(async move { Ok::<_, event_log::Error>(sql::run(unit.connection(), statement).await?) })
        });
        done.await.unwrap();
    }
}

async fn open(url: &str, clock: &Arc<watch::Sender<i64>>, access: Access) -> Log {
    let database = Database::open(&Settings::new(url, access)).await.unwrap();
    let clock = clock.clone();
    // Every look at the clock is a millisecond later, so that times differ.
    let now = move || {
        let mut looked = 0;
        clock.send_modify(|now| {
            looked = *now;
            *now += 1;
        });
        DateTime::<Utc>::from_timestamp_millis(looked).unwrap()
    };
    Log::open(database, 1024, Arc::new(now)).await.unwrap()
}

/// Follows the log in the background, as a process of its own would.
pub(crate) fn follow(log: &Log) -> Following {
    let stop = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "the test waits for it in `stop`")]
    let running = tokio::spawn(projector::run(log.clone(), event_log::process_name(), stop.clone()));
    Following { stop, running }
}

pub(crate) struct Following {
    stop: CancellationToken,
    running: JoinHandle<Result<(), projector::Error>>,
}

impl Following {
    pub(crate) async fn stop(self) -> Result<(), projector::Error> {
        self.stop.cancel();
        self.running.await.unwrap()
    }

    /// Ends it wherever it is, as a crash would.
    pub(crate) async fn kill(self) {
        self.running.abort();
        let _ = self.running.await;
    }

    pub(crate) async fn ended(self) -> Result<(), projector::Error> {
        self.running.await.unwrap()
    }
}

pub(crate) const NAMES: [&str; 11] = [
    "accounts",
    "records",
    "transfers",
    "transfer_files",
    "registrations",
    "polls",
    "totals",
    "erp_users",
    "erp_customers",
    "unmapped_owners",
    "conflicts",
];

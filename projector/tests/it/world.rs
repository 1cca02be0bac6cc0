//! A log in a folder of its own, with a clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use event_log::sqlx::{self, AssertSqlSafe, Row};
use event_log::{Access, Append, Database, EventOutcome, Log, NewEvent, Settings, StreamName};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct World {
    pub(crate) log: Log,
    clock: Arc<AtomicI64>,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("log.db").display());
        let database = Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap();
        let clock = Arc::new(AtomicI64::new(1_768_000_000_000));
        let now = {
            let clock = clock.clone();
            // Every look at the clock is a millisecond later, so that times differ.
            move || DateTime::<Utc>::from_timestamp_millis(clock.fetch_add(1, Ordering::Relaxed)).unwrap()
        };
        let log = Log::open(database, 1024, Arc::new(now)).await.unwrap();
        World { log, clock, _folder: folder }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
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
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the test waits for it in `stop`")]
        let running = tokio::spawn(projector::run(self.log.clone(), stop.clone()));
        Following { stop, running }
    }

    /// Follows the log to its head.
    pub(crate) async fn catch_up(&self) {
        let following = self.follow();
        self.until("all projections are at the head", async || self.lag().await == 0).await;
        following.stop().await.unwrap();
    }

    pub(crate) async fn lag(&self) -> u64 {
        projector::list(&self.log).await.unwrap().iter().map(|one| one.lag_events).sum()
    }

    pub(crate) async fn checkpoint(&self, name: &str) -> i64 {
        let all = projector::list(&self.log).await.unwrap();
        all.iter().find(|one| one.name == name).unwrap().checkpoint.0
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !holds().await {
            assert!(started.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Every row of every read model, as text.
    pub(crate) async fn rows(&self) -> Vec<String> {
        let mut all = Vec::new();
        for table in self.tables().await {
            let columns: Vec<String> = sqlx::query_scalar("SELECT 'quote(' || name || ')' FROM pragma_table_info($1)")
                .bind(&table)
                .fetch_all(self.log.database().readers())
                .await
                .unwrap();
            let select = format!("SELECT {} FROM {table} ORDER BY 1", columns.join(" || ' ' || "));
            let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(self.log.database().readers()).await.unwrap();
            all.extend(rows.iter().map(|row| format!("{table}: {}", row.get::<&str, _>(0))));
        }
        all
    }

    /// Names of the tables of read models, also of those that a rebuild has left.
    pub(crate) async fn tables(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'rm\\_%' ESCAPE '\\' ORDER BY name",
        )
        .fetch_all(self.log.database().readers())
        .await
        .unwrap()
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        let done = self.log.write(move |unit| {
            Box::pin(async move {
                sqlx::raw_sql(statement).execute(unit.connection()).await?;
                Ok::<_, event_log::Error>(())
            })
        });
        done.await.unwrap();
    }
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

pub(crate) const NAMES: [&str; 7] =
    ["accounts", "records", "transfers", "transfer_files", "registrations", "polls", "totals"];

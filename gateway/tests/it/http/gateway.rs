//! A real gateway on a free port, over a database of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::rt::task::JoinHandle;
use chrono::{DateTime, Utc};
use event_log::{Access, Database, Direction, Filter, GlobalPosition, Log, RecordedEvent, Settings};
use gateway::rejected::{self, Rejected};
use gateway::server::{About, Error, Http};
use service::config::{Config, LoadOptions};
use testkit::wait::until;
use tokio_util::sync::CancellationToken;

use crate::store::{Backend, Store};

/// 2023-11-14T22:13:20Z.
pub(super) const START: i64 = 1_700_000_000;

pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    pub(super) log: Log,
    pub(super) stop: CancellationToken,
    clock: Arc<AtomicI64>,
    running: JoinHandle<Result<(), Error>>,
    store: Option<Store>,
}

/// Reads settings; `[http] listen` and everything else that all tests share is added.
pub(super) fn config(folder: &Path, settings: &str) -> Config {
    let file = folder.join("gateledger.toml");
    let shared = if settings.contains("[http]") { "" } else { "[http]\nlisten = \"127.0.0.1:0\"\nworkers = 2\n" };
    std::fs::write(&file, format!("{shared}{settings}")).unwrap();
    let options =
        LoadOptions { file: Some(file), environment: BTreeMap::new(), dotenv: None, working_dir: folder.to_owned() };
    Config::load(options).unwrap()
}

pub(super) async fn start(on: Backend, settings: &str) -> Gateway {
    let store = on.store().await;
    let mut gateway = start_over(&store.url, settings).await;
    gateway.store = Some(store);
    gateway
}

/// Over a database that outlives the gateway, or that others work on too.
pub(super) async fn start_over(url: &str, settings: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), settings);
    let clock = Arc::new(AtomicI64::new(START));
    let log = open_log(url, config.http.queue_limit, clock.clone()).await;
    let stop = CancellationToken::new();
    let metrics = crate::metrics::recorder().clone();
    let about = About { version: "1.2.3".to_owned(), roles: vec!["gateway".to_owned()], ..About::default() };
    let http = Http::bind(&config, log.clone(), about, Arc::new(move || metrics.render()), stop.clone()).unwrap();
    let address = http.address();
    let running = actix_web::rt::spawn(http.run());
    Gateway { address, log, stop, clock, running, store: None }
}

async fn open_log(url: &str, queue: usize, clock: Arc<AtomicI64>) -> Log {
    let settings = Settings::new(url, Access::CreateAndMigrate);
    let database = Database::open(&settings).await.unwrap();
    let now = move || DateTime::<Utc>::from_timestamp(clock.load(Ordering::Relaxed), 0).unwrap();
    Log::open(database, queue, Arc::new(now)).await.unwrap()
}

impl Gateway {
    pub(super) fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    /// All events with their payloads, oldest first.
    pub(super) async fn events(&self) -> Vec<RecordedEvent> {
        let filter = Filter { with_payload: true, ..Filter::default() };
        self.log.list(&filter, GlobalPosition(0), Direction::Forward, 10_000).await.unwrap()
    }

    /// Rejected requests, newest first, as soon as `expected` of them are stored.
    pub(super) async fn rejected(&self, expected: usize) -> Vec<Rejected> {
        let readers = self.log.database().readers();
        until(&format!("{expected} rejected requests are stored"), async || {
            let found = rejected::list(readers, &rejected::Filter::default(), 1000).await.unwrap();
            (found.len() >= expected).then_some(found)
        })
        .await
    }

    /// Stops the server and waits for its end. Gives the database it had to itself, which else is gone.
    pub(super) async fn stop(self) -> Option<Store> {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
        self.store
    }
}

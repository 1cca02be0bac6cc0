//! Measures how many events the log appends and reads per second on this machine.
//!
//! `cargo run --release -p event-log --example append_rate -- <folder> <events> <waiters> <fresh|derived> [<window>]…`
//!
//! Appends 1 KB payloads from <waiters> tasks that each wait for their commit, then reads all with a subscription of
//! each <window>.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_log::{
    Access, Append, Database, EventId, EventType, GlobalPosition, Log, NewEvent, Settings, StreamName, Subscription,
};
use hdrhistogram::Histogram;

const RECEIVED: EventType = EventType::new("delivery.received");
const PAYLOAD_BYTES: usize = 1024;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let events: usize = arguments.next().map_or(200_000, |text| text.parse().unwrap());
    let waiters: usize = arguments.next().map_or(64, |text| text.parse().unwrap());
    let derived = arguments.next().is_some_and(|kind| kind == "derived");

    let folder = tempfile::tempdir_in(folder).unwrap();
    let url = format!("sqlite:{}", folder.path().join("log.db").display());
    let database = Database::open(&Settings::new(url, Access::CreateAndMigrate)).await.unwrap();
    let log = Log::open(database, 1024, Arc::new(chrono::Utc::now)).await.unwrap();

    let started = Instant::now();
    let mut tasks = Vec::new();
    for waiter in 0..waiters {
        let log = log.clone();
        tasks.push(tokio::spawn(append_in_turn(log, waiter, events / waiters, derived)));
    }
    let mut latencies = Histogram::<u64>::new(3).unwrap();
    for task in tasks {
        latencies.add(task.await.unwrap()).unwrap();
    }
    let took = started.elapsed();
    let appended = events / waiters * waiters;
    let groups: i64 = event_log::sql::query_scalar("SELECT count(DISTINCT recorded_at) FROM events")
        .fetch_one(log.database().readers())
        .await
        .unwrap();
    println!(
        "append: {:.0} events/s, groups of {:.1}, latency p50 {} p99 {} p99.9 {} max {}",
        per_second(appended, took),
        appended as f64 / groups as f64,
        shown(&latencies, 0.5),
        shown(&latencies, 0.99),
        shown(&latencies, 0.999),
        shown(&latencies, 1.0),
    );

    for window in arguments {
        let window: u32 = window.parse().unwrap();
        let started = Instant::now();
        let mut read = 0;
        let mut subscription = Subscription::open(&log, "measurement", Vec::new(), window).await.unwrap();
        while let Some(batch) = subscription.available().await.unwrap() {
            read += batch.events.len();
        }
        assert_eq!(read, appended);
        assert!(subscription.position() >= GlobalPosition(1));
        println!("subscription, window {window}: {:.0} events/s", per_second(read, started.elapsed()));
    }
}

async fn append_in_turn(log: Log, waiter: usize, count: usize, derived: bool) -> Histogram<u64> {
    let mut latencies = Histogram::new(3).unwrap();
    let payload = bytes::Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    let text = "x".repeat(64);
    for number in 0..count {
        let mut event = NewEvent::new(RECEIVED, "webhook", &text).of("org-a", "acme");
        event.payload = Some(payload.clone());
        event.received_at = Some(log.now());
        let append = if derived {
            let record = waiter * 1_000_000 + number / 2;
            let revision = (number % 2).to_string();
            let event = event.with_id(EventId::derived(&["org-a", &record.to_string(), &revision]));
            Append::new(StreamName::new("crm_record", format!("org-a-Contacts-{record}")), vec![event])
        } else {
            Append::to_fresh_stream("delivery", event)
        };
        let asked = Instant::now();
        log.append(append).await.unwrap();
        latencies.record(asked.elapsed().as_micros() as u64).unwrap();
    }
    latencies
}

fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn shown(latencies: &Histogram<u64>, quantile: f64) -> String {
    format!("{:.1} ms", latencies.value_at_quantile(quantile) as f64 / 1000.0)
}

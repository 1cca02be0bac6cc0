//! Rebuilding read models from a log of a million events of a realistic mix.

use bytes::Bytes;
use catalogue::{crm, delivery, transfer};
use event_log::{Access, Append, Database, Log, NewEvent, Settings};
use serde_json::{Map, Value};
use service::clock::{SystemClock, as_function};

use crate::report::Report;
use crate::store::{Kind, Store, Stores};

const EVENTS: u64 = 1_000_000;
/// Records that the events are about.
const RECORDS: u64 = 50_000;
/// Files of each transfer.
const FILES: u64 = 12;

pub(crate) fn measure(rounds: usize, stores: &mut Stores, report: &mut Report) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for kind in Kind::BOTH {
        let folder = tempfile::tempdir()?;
        let store = stores.make(kind, folder.path());
        runtime.block_on(measure_on(&store, rounds, report))?;
    }
    Ok(())
}

async fn measure_on(store: &Store, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let (kind, goal) = match store.kind {
        Kind::Sqlite => (store.kind.name(), "≥ 200000"),
        Kind::Postgres => (store.kind.name(), "≥ 100000"),
    };
    let database = Database::open(&Settings::new(&store.url, Access::CreateAndMigrate)).await?;
    let log = Log::open(database, 4096, as_function(SystemClock::shared())).await?;
    let events = fill(&log).await?;
    report.add(format!("rebuild: {kind}, events in the log"), &[events as f64], "", None);
    for projection in projector::list(&log).await? {
        let mut rates = Vec::new();
        for _ in 0..rounds {
            let rebuilt = projector::rebuild(&log, projection.name, |_| {}).await?;
            rates.push(rebuilt.events as f64 / rebuilt.seconds);
        }
        report.add(format!("rebuild: {kind}, {}", projection.name), &rates, "events/s", Some(goal));
    }
    log.close().await;
    Ok(())
}

/// Stories of changed records, one in ten of which is transferred.
async fn fill(log: &Log) -> anyhow::Result<u64> {
    let mut events = 0;
    let mut story = 0;
    while events < EVENTS {
        let mut appends = Vec::new();
        for _ in 0..100 {
            story += 1;
            let record_id = format!("52000{:011}", story * 7919 % RECORDS);
            appends.push(arrived());
            appends.push(changed(log, &record_id));
            if story % 10 == 0 {
                appends.push(transferred(&record_id, story.cast_signed()));
            }
        }
        events += appends.iter().map(|append| append.events.len() as u64).sum::<u64>();
        let appends = appends.into_iter().map(|append| log.append(append));
        for appended in futures::future::join_all(appends).await {
            appended?;
        }
    }
    Ok(events)
}

fn arrived() -> Append {
    let data = delivery::Received {
        verify: "zoho-crm".to_owned(),
        delivery_id: None,
        registration_id: Some("1000000068001".to_owned()),
        json: true,
        flagged: false,
        size_bytes: 900,
    };
    let mut event = NewEvent::new(delivery::RECEIVED, "webhook", &data).of("org-a", "acme");
    event.payload = Some(Bytes::from_static(&[b'x'; 900]));
    Append::to_fresh_stream(delivery::CATEGORY, event)
}

fn changed(log: &Log, record_id: &str) -> Append {
    let now = log.now();
    let fields: Map<String, Value> =
        (0..6).map(|at| (format!("Field_{at}"), Value::from(format!("value {at}")))).collect();
    let data = crm::Changed {
        module: "Contacts".to_owned(),
        record_id: record_id.to_owned(),
        modified_time: Some(now),
        fields,
    };
    let event = NewEvent::new(crm::CHANGED, "webhook", &data).of("org-a", "acme").at(Some(now));
    Append::new(crm::stream("org-a", "Contacts", record_id), vec![event])
}

fn transferred(record_id: &str, run: i64) -> Append {
    let (name, folder, module) = ("contacts".to_owned(), "Müller & Söhne".to_owned(), "Contacts".to_owned());
    let event = |event_type, data: Value| NewEvent::new(event_type, "effect", &data).of("org-a", "acme");
    let json = |data: serde_json::Result<Value>| data.unwrap_or_default();
    let mut events = vec![event(
        transfer::REQUESTED,
        json(serde_json::to_value(transfer::Requested {
            transfer: name.clone(),
            module: module.clone(),
            record_id: record_id.to_owned(),
            folder_name: folder.clone(),
            run,
            reason: "changed".to_owned(),
        })),
    )];
    events.extend((0..FILES).map(|file| {
        event(
            transfer::FILE_COMPLETED,
            json(serde_json::to_value(transfer::FileCompleted {
                run,
                effect_key: format!("file.copy:contacts:{record_id}:{file}"),
                source_file_id: format!("s{run}f{file}"),
                source_version: "1768471600000-65536".to_owned(),
                path: format!("{folder}/{file}/report.pdf"),
                name: "report.pdf".to_owned(),
                destination_folder_id: "d0".to_owned(),
                destination_file_id: format!("d{run}f{file}"),
                bytes: 65_536,
                verification: transfer::Verification::Verified,
                md5: Some("9e107d9d372bb6826bd81d3542a419d6".to_owned()),
                attempts: 1,
                settled: false,
                reused: false,
            })),
        )
    }));
    events.push(event(
        transfer::COMPLETED,
        json(serde_json::to_value(transfer::Completed {
            transfer: name,
            module,
            record_id: record_id.to_owned(),
            folder_name: folder,
            run,
            files_copied: FILES,
            files_failed: 0,
            folders_failed: 0,
            bytes: FILES * 65_536,
            check: true,
        })),
    ));
    Append::new(transfer::stream("contacts", record_id), events)
}

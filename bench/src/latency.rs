//! From a webhook that is accepted to the first effect that starts because of it, by the log's own times: in one process
//! on either database, and over Kafka with a process for each role.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use chrono::{DateTime, Utc};
use event_log::{Access, Database, Settings, sql};
use providers::http;
use serde_json::json;

use crate::fleet::{Broker, Fleet};
use crate::process::free_address;
use crate::report::Report;
use crate::store::{Kind, Store, Stores};
use crate::world::{Files, World};

const RECORDS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(20);

const APART: &[&[&str]] = &[&["gateway"], &["poller", "registrar"], &["relay"], &["projector"], &["consumer"]];

pub(crate) fn measure(binary: &Path, stores: &mut Stores, report: &mut Report) -> anyhow::Result<()> {
    for kind in Kind::BOTH {
        let delays = delays(binary, stores, kind, "", &[&[]])?;
        add(report, &format!("one process, {}", kind.name()), delays, [Some("≤ 5"), Some("≤ 25")]);
    }
    let broker = Broker::start(stores);
    let delays = delays(binary, stores, Kind::Postgres, &broker.config(), APART)?;
    add(report, "over Kafka, a process for each role", delays, [None, Some("≤ 100")]);
    Ok(())
}

fn add(report: &mut Report, how: &str, mut delays: Vec<f64>, goals: [Option<&'static str>; 2]) {
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    report.add(format!("latency: webhook accepted to effect started, {how}, p50"), &[at(0.5)], "ms", goals[0]);
    report.add(format!("latency: webhook accepted to effect started, {how}, p99"), &[at(0.99)], "ms", goals[1]);
}

fn delays(
    binary: &Path,
    stores: &mut Stores,
    kind: Kind,
    carrier: &str,
    roles: &[&[&str]],
) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let nothing = Files { folders: 0, files_per_folder: 1, bytes: 1024 };
    let world = World::start(binary, folder.path(), nothing, 0)?;
    let address = free_address()?;
    let store = stores.make(kind, folder.path());
    store.migrate(binary, folder.path())?;
    let roles: &[&[&str]] =
        if carrier.is_empty() { &[&["gateway", "poller", "registrar", "projector", "consumer"]] } else { roles };
    let config = format!("{carrier}{}", world.config(address, 8));
    let _fleet = Fleet::start(binary, folder.path(), &store, &config, address, roles)?;
    stores.wait(async {
        let client = http::client().map_err(anyhow::Error::from_boxed)?;
        watched(&client, &format!("http://{address}/status")).await?;
        // Consumers join their group meanwhile.
        tokio::time::sleep(Duration::from_secs(if carrier.is_empty() { 0 } else { 8 })).await;
        let url = format!("{}/control/organizations/org-a/crm/Contacts", world.base);
        for number in 0..RECORDS {
            let record = json!({ "Transfer_Complete": false, "Source_Folder_Name": format!("Tree {number}") });
            client.post(&url).json(&json!({ "fields": record })).send().await?.error_for_status()?;
            tokio::time::sleep(PAUSE).await;
        }
        read_delays(&store).await
    })
}

async fn watched(client: &reqwest::Client, status: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let status = client.get(status).send().await?.text().await?;
        if status.contains("\"state\":\"active\"") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("no watch channel became active")
}

/// Milliseconds from the recorded delivery to the start of the first effect of its story.
async fn read_delays(store: &Store) -> anyhow::Result<Vec<f64>> {
    let database = Database::open(&Settings::new(&store.url, Access::ReadOnly)).await?;
    let begun = Instant::now();
    loop {
        let rows = sql::query(
            "SELECT min(effects.started_at) AS started_at, min(events.recorded_at) AS recorded_at \
             FROM events JOIN effects USING (correlation_id) \
             WHERE events.event_type = 'delivery.received' AND effects.started_at IS NOT NULL GROUP BY events.event_id",
        )
        .fetch_all(database.readers())
        .await?;
        if rows.len() >= RECORDS as usize {
            return rows
                .into_iter()
                .map(|row| {
                    let started_at: DateTime<Utc> = row.try_get("started_at")?;
                    let recorded_at: DateTime<Utc> = row.try_get("recorded_at")?;
                    Ok((started_at - recorded_at).num_microseconds().unwrap_or(0) as f64 / 1000.0)
                })
                .collect();
        }
        if begun.elapsed() > Duration::from_secs(30) {
            bail!("only {} of {RECORDS} webhooks led to an effect", rows.len());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

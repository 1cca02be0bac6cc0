//! From a webhook that is accepted to the first effect that starts because of it, by the log's own times.

use std::path::Path;
use std::time::{Duration, Instant};

use event_log::sql::{self, Builder};
use anyhow::bail;
use event_log::{Access, Database, Settings};
use providers::http;
use serde_json::json;

use crate::process::{free_address, serve};
use crate::report::Report;
use crate::world::{Files, World};

const RECORDS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn measure(binary: &Path, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let nothing = Files { folders: 0, files_per_folder: 1, bytes: 1024 };
    let world = World::start(binary, folder.path(), nothing, 0)?;
    let address = free_address()?;
    let _server = serve(binary, folder.path(), &world.config(address, 8), address)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut delays = runtime.block_on(async {
        let client = http::client().map_err(anyhow::Error::from_boxed)?;
        watched(&client, &format!("http://{address}/status")).await?;
        let url = format!("{}/control/organizations/org-a/crm/Contacts", world.base);
        for number in 0..RECORDS {
            let record = json!({ "Transfer_Complete": false, "Source_Folder_Name": format!("Tree {number}") });
            client.post(&url).json(&json!({ "fields": record })).send().await?.error_for_status()?;
            tokio::time::sleep(PAUSE).await;
        }
        delays(&folder.path().join("gateledger.db")).await
    })?;
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    report.add("latency: webhook accepted to first effect started, p50", &[at(0.5)], "ms", Some("≤ 5"));
    report.add("latency: webhook accepted to first effect started, p99", &[at(0.99)], "ms", Some("≤ 25"));
    Ok(())
}

async fn watched(client: &reqwest::Client, status: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        let status = client.get(status).send().await?.text().await?;
        if status.contains("\"state\":\"active\"") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("no watch channel became active")
}

/// Milliseconds from the recorded delivery to the start of the first effect of its story.
async fn delays(path: &Path) -> anyhow::Result<Vec<f64>> {
    let settings = Settings::new(format!("sqlite:{}", path.display()), Access::ReadOnly);
    let database = Database::open(&settings).await?;
    let begun = Instant::now();
    loop {
        let rows = sql::query(
            "SELECT (julianday(min(effects.started_at)) - julianday(events.recorded_at)) * 86400000.0 AS delay_ms \
             FROM events JOIN effects USING (correlation_id) \
             WHERE events.event_type = 'delivery.received' AND effects.started_at IS NOT NULL GROUP BY events.event_id",
        )
        .fetch_all(database.readers())
        .await?;
        if rows.len() >= RECORDS as usize {
            return rows.into_iter().map(|row| Ok(row.try_get("delay_ms")?)).collect();
        }
        if begun.elapsed() > Duration::from_secs(30) {
            bail!("only {} of {RECORDS} webhooks led to an effect", rows.len());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

//! Many processes: how fast the relay publishes, and how effects per second grow with consumers when the destination is
//! slow.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use event_log::{Access, Database, Settings, sql};

use crate::fleet::{Broker, Fleet, nowhere};
use crate::history;
use crate::report::Report;
use crate::store::{Kind, Stores};
use crate::world::{Files, World};

/// Events that the relay finds.
const EVENTS: u64 = 200_000;
/// Processes that share the work.
const PROCESSES: [usize; 5] = [1, 2, 4, 8, 12];
/// What each call to the provider takes; a copy is a download and an upload.
const LATENCY_MS: u64 = 100;
/// Files that each process gets.
const FILES_PER_PROCESS: u32 = 60;

pub(crate) fn measure_relay(
    binary: &Path,
    rounds: usize,
    stores: &mut Stores,
    report: &mut Report,
) -> anyhow::Result<()> {
    let broker = Broker::start(stores);
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let folder = tempfile::tempdir()?;
        let store = stores.make(Kind::Postgres, folder.path());
        store.migrate(binary, folder.path())?;
        history::fill(stores, &store, EVENTS)?;
        let config = format!("[log]\nlevel = \"warn\"\n{}", broker.config());
        let _fleet = Fleet::start(binary, folder.path(), &store, &config, nowhere()?, &[&["relay"]])?;
        let database = stores.wait(Database::open(&Settings::new(&store.url, Access::ReadOnly)))?;
        let published = || {
            let query = sql::query_scalar("SELECT global_position FROM checkpoints WHERE subscription_name = 'relay'");
            let found: Option<i64> = stores.wait(query.fetch_optional(database.readers()))?;
            Ok::<_, anyhow::Error>(found.unwrap_or(0).unsigned_abs())
        };
        let (begun, mut first) = (Instant::now(), None);
        loop {
            let position = published()?;
            if position > 0 && first.is_none() {
                first = Some((Instant::now(), position));
            }
            if position >= EVENTS {
                break;
            }
            if begun.elapsed() > Duration::from_secs(120) {
                bail!("the relay published {position} of {EVENTS} events in two minutes");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let (since, before) = first.unwrap_or((begun, 0));
        rates.push((EVENTS - before) as f64 / since.elapsed().as_secs_f64());
    }
    report.add("relay: events published", &rates, "/s", None);
    Ok(())
}

pub(crate) fn measure_consumers(binary: &Path, stores: &mut Stores, report: &mut Report) -> anyhow::Result<()> {
    let broker = Broker::start(stores);
    let mut alone = None;
    for processes in PROCESSES {
        let rate = with_processes(binary, stores, &broker, processes)?;
        let alone = *alone.get_or_insert(rate);
        let linear = rate / (alone * processes as f64);
        report.add(format!("scaling: {processes} consumer(s), files copied"), &[rate], "/s", None);
        let goal = (processes > 1).then_some("≥ 0.9");
        report.add(format!("scaling: {processes} consumer(s) / linear"), &[linear], "", goal);
    }
    Ok(())
}

/// Files copied each second, from the first to the last, by so many processes with one slot each.
fn with_processes(binary: &Path, stores: &mut Stores, broker: &Broker, processes: usize) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let count = FILES_PER_PROCESS * u32::try_from(processes)?;
    let files = Files { folders: 0, files_per_folder: count, bytes: 1024 };
    let world = World::start_slow(binary, folder.path(), files, 1, LATENCY_MS)?;
    let store = stores.make(Kind::Postgres, folder.path());
    store.migrate(binary, folder.path())?;
    let address = nowhere()?;
    let config = format!("{}{}", broker.config(), world.config(address, 1));
    let mut roles: Vec<&[&str]> = vec![&["relay", "poller"]];
    roles.extend(vec![&["consumer"] as &[&str]; processes]);
    let _fleet = Fleet::start(binary, folder.path(), &store, &config, address, &roles)?;
    let database = stores.wait(Database::open(&Settings::new(&store.url, Access::ReadOnly)))?;
    let begun = Instant::now();
    loop {
        let query = sql::query(
            "SELECT count(*) AS files, min(finished_at) AS first, max(finished_at) AS last FROM effects \
             WHERE kind = 'file.copy' AND status = 'succeeded'",
        );
        let row = stores.wait(query.fetch_one(database.readers()))?;
        let done: i64 = row.try_get("files")?;
        if done >= i64::from(count) {
            let first: chrono::DateTime<chrono::Utc> = row.try_get("first")?;
            let last: chrono::DateTime<chrono::Utc> = row.try_get("last")?;
            return Ok((done - 1) as f64 / (last - first).as_seconds_f64());
        }
        if begun.elapsed() > Duration::from_secs(180) {
            bail!("{processes} process(es) copied {done} of {count} files in three minutes");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

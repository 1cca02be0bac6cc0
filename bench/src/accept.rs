//! Durable accept against the same server answering after verification only: 1 KB, 64 connections.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::history;
use crate::load::{self, Achieved};
use crate::process::{Process, free_address};
use crate::report::Report;
use crate::store::{Kind, Store, Stores};

const CONNECTIONS: usize = 64;
const BODY_BYTES: usize = 1024;
const WARM_UP: Duration = Duration::from_secs(1);
const DURATION: Duration = Duration::from_secs(5);

pub(crate) fn measure(binary: &Path, rounds: usize, stores: &mut Stores, report: &mut Report) -> anyhow::Result<()> {
    let mut yardstick = Vec::new();
    let mut durable: Vec<(Kind, bool, Vec<Achieved>)> =
        Kind::BOTH.iter().flat_map(|kind| [(*kind, true, Vec::new()), (*kind, false, Vec::new())]).collect();
    for _ in 0..rounds {
        yardstick.push(hmac_only()?);
        for (kind, gateway_only, runs) in &mut durable {
            let roles: &[&str] = if *gateway_only { &["--role", "gateway"] } else { &[] };
            let folder = tempfile::tempdir()?;
            let store = stores.make(*kind, folder.path());
            runs.push(recorded(binary, folder.path(), &store, roles)?);
        }
    }
    report.add("accept: verification only", &rates(&yardstick), "/s", None);
    for (kind, gateway_only, runs) in &durable {
        let (kind, roles) = (kind.name(), if *gateway_only { "role gateway" } else { "all roles" });
        let goal = |goal| gateway_only.then_some(goal);
        let ratios: Vec<f64> =
            runs.iter().zip(&yardstick).map(|(run, only)| run.per_second / only.per_second).collect();
        report.add(format!("accept: durable, {kind}, {roles}"), &rates(runs), "/s", None);
        report.add(format!("accept: durable / verification only, {kind}, {roles}"), &ratios, "", goal("≥ 0.5"));
        report.add(format!("accept: durable p50, {kind}, {roles}"), &milliseconds(runs, |run| run.p50), "ms", None);
        report.add(
            format!("accept: durable p99, {kind}, {roles}"),
            &milliseconds(runs, |run| run.p99),
            "ms",
            goal("≤ 15"),
        );
    }
    Ok(())
}

/// The same with so many events already there, beside an empty log in the same run.
pub(crate) fn measure_grown(
    binary: &Path,
    rounds: usize,
    events: &[u64],
    stores: &mut Stores,
    report: &mut Report,
) -> anyhow::Result<()> {
    for kind in Kind::BOTH {
        for events in events {
            let folder = tempfile::tempdir()?;
            let grown = stores.make(kind, folder.path());
            grown.migrate(binary, folder.path())?;
            history::fill(stores, &grown, *events)?;
            let (mut ratios, mut rate) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                let empty_folder = tempfile::tempdir()?;
                let empty = stores.make(kind, empty_folder.path());
                let empty = recorded(binary, empty_folder.path(), &empty, &["--role", "gateway"])?;
                let grown = recorded(binary, folder.path(), &grown, &["--role", "gateway"])?;
                ratios.push(grown.per_second / empty.per_second);
                rate.push(grown.per_second);
            }
            let (kind, millions) = (kind.name(), *events as f64 / 1e6);
            report.add(format!("accept: {kind}, {millions} million events there"), &rate, "/s", None);
            report.add(format!("accept: {kind}, {millions} million events there / empty"), &ratios, "", Some("≥ 0.9"));
        }
    }
    Ok(())
}

fn rates(runs: &[Achieved]) -> Vec<f64> {
    runs.iter().map(|run| run.per_second).collect()
}

fn milliseconds(runs: &[Achieved], value: impl Fn(&Achieved) -> Duration) -> Vec<f64> {
    runs.iter().map(|run| value(run).as_secs_f64() * 1000.0).collect()
}

fn hmac_only() -> anyhow::Result<Achieved> {
    let address = free_address()?;
    let me = std::env::current_exe()?;
    let port = address.port().to_string();
    let _server = Process::start(Command::new(me).args(["--serve-hmac-only", &port]), address)?;
    load::run(address, CONNECTIONS, BODY_BYTES, WARM_UP)?;
    load::run(address, CONNECTIONS, BODY_BYTES, DURATION)
}

fn recorded(binary: &Path, folder: &Path, store: &Store, roles: &[&str]) -> anyhow::Result<Achieved> {
    let address = free_address()?;
    let config = format!(
        r#"
        {}
        [http]
        listen = "{address}"
        [log]
        level = "warn"
        [accounts.partner]
        provider = "generic"
        [accounts.partner.webhook]
        verify = "hmac"
        secret = "{}"
        header = "{}"
        delivery_id_header = "{}"
        "#,
        store.config(),
        load::SECRET,
        load::SIGNATURE_HEADER,
        load::DELIVERY_HEADER
    );
    std::fs::write(folder.join("gateledger.toml"), config)?;
    let _server = Process::start(Command::new(binary).arg("serve").args(roles).current_dir(folder), address)?;
    load::run(address, CONNECTIONS, BODY_BYTES, WARM_UP)?;
    load::run(address, CONNECTIONS, BODY_BYTES, DURATION)
}

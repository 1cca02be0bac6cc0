//! Durable accept against the same server answering after verification only: 1 KB, 64 connections.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::load::{self, Achieved};
use crate::process::{Process, free_address, serve};
use crate::report::Report;

const CONNECTIONS: usize = 64;
const BODY_BYTES: usize = 1024;
const WARM_UP: Duration = Duration::from_secs(1);
const DURATION: Duration = Duration::from_secs(5);

pub(crate) fn measure(binary: &Path, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut yardstick = Vec::new();
    let mut durable = Vec::new();
    let mut gateway_only = Vec::new();
    for _ in 0..rounds {
        yardstick.push(hmac_only()?);
        durable.push(recorded(binary, folder.path(), &[])?);
        gateway_only.push(recorded(binary, folder.path(), &["--role", "gateway"])?);
    }
    let rates = |runs: &[Achieved]| runs.iter().map(|run| run.per_second).collect::<Vec<_>>();
    let ratios = |runs: &[Achieved]| {
        runs.iter().zip(&yardstick).map(|(run, yardstick)| run.per_second / yardstick.per_second).collect::<Vec<_>>()
    };
    let p99 = |runs: &[Achieved]| runs.iter().map(|run| run.p99.as_secs_f64() * 1000.0).collect::<Vec<_>>();
    let p50 = |runs: &[Achieved]| runs.iter().map(|run| run.p50.as_secs_f64() * 1000.0).collect::<Vec<_>>();
    report.add("accept: verification only", &rates(&yardstick), "/s", None);
    report.add("accept: durable, SQLite, role gateway", &rates(&gateway_only), "/s", None);
    report.add("accept: durable, SQLite, all roles", &rates(&durable), "/s", None);
    report.add("accept: durable / verification only, role gateway", &ratios(&gateway_only), "", Some("≥ 0.5"));
    report.add("accept: durable / verification only, all roles", &ratios(&durable), "", None);
    report.add("accept: durable p50, role gateway", &p50(&gateway_only), "ms", None);
    report.add("accept: durable p99, role gateway", &p99(&gateway_only), "ms", Some("≤ 15"));
    report.add("accept: durable p99, all roles", &p99(&durable), "ms", None);
    Ok(())
}

fn hmac_only() -> anyhow::Result<Achieved> {
    let address = free_address()?;
    let me = std::env::current_exe()?;
    let port = address.port().to_string();
    let _server = Process::start(Command::new(me).args(["--serve-hmac-only", &port]), address)?;
    load::run(address, CONNECTIONS, BODY_BYTES, WARM_UP)?;
    load::run(address, CONNECTIONS, BODY_BYTES, DURATION)
}

fn recorded(binary: &Path, folder: &Path, roles: &[&str]) -> anyhow::Result<Achieved> {
    let address = free_address()?;
    let folder = tempfile::tempdir_in(folder)?;
    let config = format!(
        r#"
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
        load::SECRET,
        load::SIGNATURE_HEADER,
        load::DELIVERY_HEADER
    );
    let _server = match roles {
        [] => serve(binary, folder.path(), &config, address)?,
        roles => {
            std::fs::write(folder.path().join("gateledger.toml"), config)?;
            Process::start(Command::new(binary).arg("serve").args(roles).current_dir(folder.path()), address)?
        }
    };
    load::run(address, CONNECTIONS, BODY_BYTES, WARM_UP)?;
    load::run(address, CONNECTIONS, BODY_BYTES, DURATION)
}

//! `demo`: the whole pipeline against the provider simulator, and a check byte by byte.
//!
//! Everything is real: the same roles as `serve`, HTTP on loopback, a database file or server, a broker if asked for. The simulator loses and repeats
//! webhooks, throttles, cuts connections and swallows answers on the way.

mod check;
mod database;
mod script;
mod setting;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use event_log::GlobalPosition;
use serde::Serialize;
use service::shutdown::{Service, Shutdown};
use simulator::{DemoOptions, Seed};

use crate::args::{self, Global};
use crate::output::{Output, bytes};
use crate::runtime::{self, Parts};
use crate::{progress, serve, summary};

/// What the demo says at the end.
#[derive(Debug, Serialize)]
struct Report {
    verified: bool,
    webhooks: summary::Webhooks,
    polls: summary::Polls,
    transfers: summary::Transfers,
    files: summary::Files,
    crm: summary::Crm,
    effects: Effects,
    elapsed_ms: u64,
    /// What is not as it should be; empty when verified.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

/// Effects, as the provider saw them.
#[derive(Debug, Serialize)]
struct Effects {
    /// Outcomes that were unknown and were found out by reading the provider back.
    unknown_settled: u64,
    /// Of these, not done by the provider and so done then.
    done_after_all: u64,
    /// Changes that the provider carried out more often than once: by its own state and journal, not by our log.
    repeated: u64,
}

/// Runs the demo; returns whether everything was verified.
///
/// # Errors
/// When it could not begin.
pub async fn run(global: &Global, arguments: &args::Demo, output: Output) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let quiet = arguments.headless || output.is_json();
    let temporary = tempfile::tempdir().context("making a temporary folder")?;
    let folder = arguments.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;

    let options = DemoOptions { large_file_bytes: arguments.large_file_bytes, ..DemoOptions::default() };
    let mut seed = Seed::demo_with(&options);
    seed.faults.extend(script::faults());
    let simulator = simulator::start(&seed, simulator::Options::default()).context("starting the simulator")?;
    let database = match &arguments.store {
        Some(server) => Some(database::OwnDatabase::create(server).await?),
        None => None,
    };
    let places = setting::Places {
        store: database.as_ref().map(|database| database.url().to_owned()),
        kafka: arguments.kafka.clone(),
    };
    let config = setting::config(&folder, &simulator, &places)?;
    let bar = progress::bar(quiet);
    let telemetry = runtime::telemetry(global, &config, Some(progress::around(&bar)))?;
    let say = |text: &str| {
        if !quiet {
            bar.suspend(|| eprintln!("{text}"));
        }
    };

    let script = script::Script::prepare(&simulator)?;
    let parts = Parts::open(config).await?;
    let shutdown = Shutdown::listen(parts.config.service.shutdown_grace).context("listening for signals")?;
    let service = Service::new(shutdown.clone());
    let roles = BTreeSet::from(serve::ALL);
    serve::start(&parts, &service, &roles, None, runtime::metrics(&telemetry))?;
    service.spawn("progress", {
        let (log, bar, stop) = (parts.log.clone(), bar.clone(), shutdown.stop().clone());
        async move {
            progress::show(log, bar, stop).await;
            Ok::<_, anyhow::Error>(())
        }
    });

    let playing = tokio::time::timeout(Duration::from_secs(arguments.timeout_seconds), script.play(&parts, &say));
    let mut problems = Vec::new();
    match shutdown.stop().run_until_cancelled(playing).await {
        Some(Ok(played)) => played?,
        Some(Err(_)) => problems.push(format!("not finished within {} s", arguments.timeout_seconds)),
        None => problems.push("stopped by a signal".to_owned()),
    }
    if problems.is_empty() {
        say("comparing both organisations byte by byte through the API");
        problems = check::compare(&parts, &script).await?;
    }
    let summary = summary::since(&parts.log, GlobalPosition(0)).await?;
    let repeated = script.repeated()?;
    if repeated > 0 {
        problems.push(format!("the provider carried out {repeated} change(s) more often than once"));
    }
    shutdown.begin();
    service.run_until_stopped().await?;
    simulator.stop().await;
    parts.close().await;
    drop(parts);
    if let Some(database) = database {
        database.remove().await?;
    }

    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let effects = Effects {
        unknown_settled: summary.effects.unknown_settled,
        done_after_all: summary.effects.done_after_all,
        repeated,
    };
    let summary::Summary { webhooks, polls, transfers, files, crm, .. } = summary;
    let verified = problems.is_empty();
    let report = Report { verified, webhooks, polls, transfers, files, crm, effects, elapsed_ms, problems };
    output.document(&report, || for_people(&report))?;
    Ok(report.verified)
}

fn for_people(report: &Report) -> String {
    let mut lines = vec![
        format!(
            "webhooks   {} received: {} accepted, {} duplicate, {} rejected",
            report.webhooks.received, report.webhooks.accepted, report.webhooks.duplicate, report.webhooks.rejected
        ),
        format!(
            "polls      {} runs, which found {} change(s) that no webhook announced",
            report.polls.runs, report.polls.found_missed
        ),
        format!(
            "transfers  {} requested: {} completed, {} failed",
            report.transfers.requested, report.transfers.completed, report.transfers.failed
        ),
        format!(
            "files      {} copied ({}), {} failed",
            report.files.copied,
            bytes(report.files.bytes),
            report.files.failed
        ),
        format!("crm        {} checkbox(es) set", report.crm.updated),
        format!(
            "effects    {} lost answer(s) settled by reading back ({} had not been done, and were then); {} done twice",
            report.effects.unknown_settled, report.effects.done_after_all, report.effects.repeated
        ),
    ];
    lines.extend(report.problems.iter().map(|problem| format!("PROBLEM    {problem}")));
    let verdict = if report.verified { "verified: both organisations agree byte by byte" } else { "NOT verified" };
    lines.push(format!("{verdict} ({:.1} s)", report.elapsed_ms as f64 / 1000.0));
    lines.join("\n")
}

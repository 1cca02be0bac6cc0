//! `transfer`: the same machinery as `serve`, run until nothing is pending.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use consumers::Consumer;
use event_log::{Direction, Filter, GlobalPosition, Log};
use gateway::intake::Intake;
use gateway::poller::{PollRequest, run_poll_once};
use indicatif::ProgressBar;
use serde::Serialize;
use service::shutdown::{Ended, Service, Shutdown};

use crate::args::{self, Role};
use crate::output::{Output, bytes};
use crate::runtime::Parts;
use crate::{progress, summary};

/// What the command waits for: messages on their way are not its business.
const CONSUMERS: [Consumer; 2] = [Consumer::Transfer, Consumer::CrmUpdate];

/// How often we look whether anything is left to do.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What became of one record.
#[derive(Debug, Clone, Serialize)]
struct RecordReport {
    transfer: String,
    record_id: String,
    folder_name: String,
    outcome: Outcome,
    files_copied: u64,
    files_failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// All files are there and the checkbox is set.
    Succeeded,
    /// The checkbox is set, and some files are missing.
    Incomplete,
    /// Nothing was copied, or the checkbox is not set.
    Failed,
    /// It was not finished: stopped, or waiting for a person.
    Unfinished,
}

#[derive(Debug, Serialize)]
struct Report {
    succeeded: bool,
    records: Vec<RecordReport>,
    #[serde(flatten)]
    summary: summary::Summary,
    waiting_for_a_person: u64,
    stopped: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
    elapsed_ms: u64,
}

/// Runs the command; returns whether every record succeeded.
///
/// # Errors
/// When the work could not begin.
pub async fn run(parts: Parts, arguments: &args::Transfer, bar: ProgressBar, output: Output) -> anyhow::Result<bool> {
    let started = Instant::now();
    let names = chosen(&parts, arguments)?;
    if arguments.dry_run {
        return crate::dry_run::run(&parts, &names, arguments, output).await;
    }
    let log = parts.log.clone();
    let before = log.high_water_mark().await?;
    let shutdown = Shutdown::listen(parts.config.service.shutdown_grace).context("listening for signals")?;
    let service = Service::new(shutdown.clone());
    let intake = parts.intake()?;
    // One command has one process: events need nobody to carry them.
    let roles = [Role::ConsumerTransfer, Role::ConsumerCrmUpdate, Role::Projector];
    parts.spawn_workers(&service, &BTreeSet::from(roles), None);
    service.spawn("progress", {
        let (log, stop) = (log.clone(), shutdown.stop().clone());
        async move {
            progress::show(log, bar, stop).await;
            Ok::<_, anyhow::Error>(())
        }
    });
    let (driver_shutdown, driver_log, options) = (shutdown.clone(), log.clone(), arguments.clone());
    let driver = async move {
        let errors = poll_all(&intake, &names, &options).await;
        until_idle(&driver_log, &driver_shutdown).await?;
        Ok::<_, anyhow::Error>(errors)
    };
    let stop = shutdown.stop().clone();
    let driven = stop.run_until_cancelled(driver).await;
    let stopped = driven.is_none();
    shutdown.begin();
    let ended = service.run_until_stopped().await?;
    if let Ended::Aborted { tasks } = ended {
        tracing::warn!("not everything finished in time ({}); the next run goes on there", tasks.join(", "));
    }
    let errors = driven.transpose()?.unwrap_or_default();
    let report = report(&log, before, stopped, errors, started).await?;
    parts.close().await;
    let text = for_people(&report);
    for line in text.lines() {
        tracing::info!("{line}");
    }
    output.document(&report, || text)?;
    Ok(report.succeeded)
}

fn chosen(parts: &Parts, arguments: &args::Transfer) -> anyhow::Result<Vec<String>> {
    let known: Vec<String> = parts.config.transfers.keys().cloned().collect();
    match &arguments.transfer {
        None => Ok(known),
        Some(name) if known.contains(name) => Ok(vec![name.clone()]),
        Some(name) => {
            anyhow::bail!("there is no transfer {name:?} in the configuration; there are: {}", known.join(", "))
        }
    }
}

/// Looks for pending records of every transfer; what cannot be asked is reported, the others go on.
async fn poll_all(intake: &Arc<Intake>, names: &[String], arguments: &args::Transfer) -> Vec<String> {
    let mut errors = Vec::new();
    let record_id = match arguments.record_id.as_deref().map(str::parse).transpose() {
        Ok(record_id) => record_id,
        Err(error) => return vec![format!("--record-id: {error}")],
    };
    let request = PollRequest { trigger: "manual".to_owned(), record_id, limit: arguments.limit };
    for name in names {
        if let Err(error) = run_poll_once(intake.clone(), name, &request).await {
            let error = anyhow::Error::new(error).context(format!("transfer {name}: looking for pending records"));
            tracing::error!("{error:#}");
            errors.push(format!("{error:#}"));
        }
    }
    errors
}

/// Waits until nothing is under way and nothing will start by itself.
async fn until_idle(log: &Log, shutdown: &Shutdown) -> anyhow::Result<()> {
    while !shutdown.stop().is_cancelled() {
        if consumers::idle::look_for(log, &CONSUMERS).await?.is_idle() {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn report(
    log: &Log,
    before: GlobalPosition,
    stopped: bool,
    errors: Vec<String>,
    started: Instant,
) -> anyhow::Result<Report> {
    let records = records(log, before).await?;
    let waiting_for_a_person = consumers::idle::look_for(log, &CONSUMERS).await?.waiting_for_a_person;
    let succeeded = errors.is_empty()
        && !stopped
        && waiting_for_a_person == 0
        && records.iter().all(|record| record.outcome == Outcome::Succeeded);
    Ok(Report {
        succeeded,
        records,
        summary: summary::since(log, before).await?,
        waiting_for_a_person,
        stopped,
        errors,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// What became of each record that this run had to do with, from the log.
async fn records(log: &Log, before: GlobalPosition) -> anyhow::Result<Vec<RecordReport>> {
    let filter = Filter {
        event_types: [
            "transfer.requested",
            "transfer.completed",
            "transfer.failed",
            "crm_record.updated",
            "crm_record.update_failed",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Filter::default()
    };
    let mut records: BTreeMap<(String, String), RecordReport> = BTreeMap::new();
    let mut after = before;
    loop {
        let events = log.list(&filter, after, Direction::Forward, 1_000).await?;
        let Some(last) = events.last() else { break };
        after = last.global_position;
        for event in &events {
            let data: serde_json::Value = event.decode()?;
            let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
            let record = records.entry((text("transfer"), text("record_id"))).or_insert_with(|| RecordReport {
                transfer: text("transfer"),
                record_id: text("record_id"),
                folder_name: text("folder_name"),
                outcome: Outcome::Unfinished,
                files_copied: 0,
                files_failed: 0,
                code: None,
                error: None,
            });
            match event.event_type.as_str() {
                "transfer.completed" => {
                    record.files_copied = data["files_copied"].as_u64().unwrap_or(0);
                    record.files_failed =
                        data["files_failed"].as_u64().unwrap_or(0) + data["folders_failed"].as_u64().unwrap_or(0);
                    record.outcome =
                        if data["check"].as_bool() == Some(true) { Outcome::Unfinished } else { Outcome::Failed };
                }
                "crm_record.updated" => {
                    record.outcome = if record.files_failed == 0 { Outcome::Succeeded } else { Outcome::Incomplete };
                }
                "transfer.failed" | "crm_record.update_failed" => {
                    record.outcome = Outcome::Failed;
                    record.code = Some(text("code"));
                    record.error = Some(text("error"));
                }
                _ => record.outcome = Outcome::Unfinished,
            }
        }
    }
    Ok(records.into_values().collect())
}

fn for_people(report: &Report) -> String {
    let mut lines: Vec<String> = report
        .records
        .iter()
        .map(|record| {
            let outcome = match record.outcome {
                Outcome::Succeeded => "done",
                Outcome::Incomplete => "incomplete",
                Outcome::Failed => "failed",
                Outcome::Unfinished => "unfinished",
            };
            let error = record.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
            format!(
                "{outcome:<10} record {} ({}): {} file(s) copied, {} failed{error}",
                record.record_id, record.folder_name, record.files_copied, record.files_failed
            )
        })
        .collect();
    let summary = &report.summary;
    lines.push(format!(
        "{} record(s), {} file(s) copied ({}), {} failed, {} checkbox(es) set, {:.1} s",
        report.records.len(),
        summary.files.copied,
        bytes(summary.files.bytes),
        summary.files.failed,
        summary.crm.updated,
        report.elapsed_ms as f64 / 1000.0
    ));
    if report.waiting_for_a_person > 0 {
        lines.push(format!(
            "{} effect(s) wait for a person; `gateledger accounts list` says for what",
            report.waiting_for_a_person
        ));
    }
    if report.stopped {
        lines.push("stopped before everything was done; the next run goes on there".to_owned());
    }
    lines.extend(report.errors.iter().map(|error| format!("error: {error}")));
    lines.join("\n")
}

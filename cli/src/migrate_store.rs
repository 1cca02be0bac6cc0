//! `migrate-store`: a SQLite store moved to PostgreSQL, compared row by row.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use event_log::store_copy::{Progress, Report, State, Step, StoreCopy};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use service::config::{Config, DatabaseUrl, ExposeSecret as _, SecretRef};
use service::shutdown::Shutdown;
use tokio::sync::watch;

use crate::args;
use crate::output::{Output, bytes};
use crate::progress;

/// How often the bar is brought up to date.
const EVERY: Duration = Duration::from_millis(200);

/// Runs the command; `Ok(false)` when the database is not the same as the file, or not yet.
///
/// # Errors
/// When there is nothing to copy, nowhere to copy it to, or a row cannot be copied.
pub async fn run(config: &Config, arguments: &args::MigrateStore, output: Output) -> anyhow::Result<bool> {
    let from = address(config, "--from", &arguments.from)?;
    let to = address(config, "--to", &arguments.to)?;
    let DatabaseUrl::Sqlite(file) = &from else {
        anyhow::bail!("--from must be the file to copy, sqlite:<path>; PostgreSQL is where stores are copied to");
    };
    anyhow::ensure!(
        to.is_shared(),
        "--to must be postgres://user:password@host:5432/database; a SQLite file is copied by copying the file"
    );
    let shutdown = Shutdown::listen(config.service.shutdown_grace).context("listening for signals")?;
    let (sender, watched) = watch::channel(Progress::default());
    let copy = StoreCopy { from: from.exposed(), to: to.exposed(), progress: sender };
    let work = async {
        match arguments.verify_only {
            true => copy.verify(shutdown.stop()).await,
            false => copy.run(shutdown.stop()).await,
        }
    };
    let bar = progress::bar(output.is_json());
    let report = tokio::select! {
        done = work => done,
        never = show(&bar, watched) => match never {},
        () = shutdown.abort().cancelled() => {
            anyhow::bail!("interrupted before it could end in order; run the same command again to go on");
        }
    };
    bar.finish_and_clear();
    let report = report?;
    output.document(&report, || told(&report))?;
    if report.state == State::Complete && !arguments.verify_only {
        eprintln!("{}", next_step(config, file));
    }
    Ok(report.state == State::Complete)
}

fn address(config: &Config, name: &str, text: &str) -> anyhow::Result<DatabaseUrl> {
    let reference = match text.split_once(':') {
        Some(("env", variable)) => Some(SecretRef::Environment(variable.to_owned())),
        Some(("file", path)) => Some(SecretRef::File(path.into())),
        _ => None,
    };
    let resolved = reference.map(|reference| config.resolve(&reference)).transpose().context(name.to_owned())?;
    let text = resolved.as_ref().map_or(text, |secret| secret.expose_secret());
    DatabaseUrl::parse(text.trim(), Path::new("")).map_err(|why| anyhow::anyhow!("{name} {why}"))
}

/// Keeps the bar up to date for as long as it is polled.
async fn show(bar: &ProgressBar, watched: watch::Receiver<Progress>) -> Infallible {
    let style = "{spinner} [{elapsed}] {bar:30} {pos}/{len} rows  {per_sec}  {msg}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    loop {
        tokio::time::sleep(EVERY).await;
        let progress = watched.borrow().clone();
        let step = match progress.step {
            Step::Looking => "looking at both sides",
            Step::Copying => "copying",
            Step::Comparing => "comparing",
        };
        bar.set_length(progress.of);
        bar.set_position(progress.rows);
        bar.set_message(format!("{step} {}", progress.table));
        bar.tick();
    }
}

/// What was done, for people.
fn told(report: &Report) -> String {
    let mut lines = Vec::new();
    let events = report.tables.iter().find(|table| table.table == "events");
    let copied = events.map_or(0, |events| events.copied_rows);
    lines.push(match report.copied_rows {
        0 => format!("{} → {}: nothing was copied", report.from, report.to),
        rows => format!(
            "{} → {}: copied {} events and {} other rows",
            report.from,
            report.to,
            HumanCount(copied),
            HumanCount(rows - copied)
        ),
    });
    if report.state == State::Interrupted {
        lines.push("interrupted; nothing is lost, run the same command again to go on".to_owned());
        return lines.join("\n");
    }
    let compared = HumanCount(report.compared_rows);
    lines.push(format!("compared {compared} rows of {} tables in {:.1} s:", report.tables.len(), report.seconds));
    let equal = report.tables.iter().filter(|table| table.equal == Some(true)).count();
    lines.push(format!("  the same in {equal} of {} tables: counts, data, metadata, read models", report.tables.len()));
    if let Some(order) = &report.order {
        let (here, there) = (&order.source, &order.target);
        lines.push(format!(
            "  order: {}, positions {} to {}, {} missing; {} streams, {} with gaps",
            if here == there { "the same" } else { "NOT the same" },
            there.first_position,
            there.last_position,
            there.missing_positions,
            there.streams,
            there.streams_with_gaps
        ));
    }
    if let Some(payloads) = &report.payloads {
        let (here, there) = (&payloads.source, &payloads.target);
        lines.push(format!(
            "  payloads: {}, {} with {}, SHA-256 {}",
            if here == there { "the same" } else { "NOT the same" },
            HumanCount(there.events),
            bytes(there.bytes),
            there.sha256
        ));
    }
    if report.replaced_zero_rows > 0 {
        lines.push(format!(
            "  in {} rows the character U+0000 became U+FFFD, and nothing else: {}",
            HumanCount(report.replaced_zero_rows),
            report.replaced_zero_keys.join("; ")
        ));
    }
    if !report.left_out.is_empty() {
        lines.push(format!("  not copied, since they are none of gateledger's tables: {}", report.left_out.join(", ")));
    }
    lines.extend(differences(report));
    lines.join("\n")
}

fn differences(report: &Report) -> Vec<String> {
    if report.state != State::Different {
        return Vec::new();
    }
    let mut lines = vec![format!("{} rows differ:", HumanCount(report.different_rows))];
    lines.extend(report.differences.iter().map(|one| format!("  {} {}: {}", one.table, one.key, one.what)));
    if report.different_rows > report.differences.len() as u64 {
        lines.push("  …".to_owned());
    }
    lines
}

/// What a person does now.
fn next_step(config: &Config, file: &Path) -> String {
    let mut lines = vec![format!(
        "next: set store.url to the address of the database; {} is unchanged, keep it as a backup",
        file.display()
    )];
    let key_file = config.vault.key_file.clone().filter(|path| path.is_file());
    let key_file: Option<PathBuf> = key_file.or_else(|| Some(file.with_extension("key")).filter(|path| path.is_file()));
    if config.vault.key.is_some() {
        lines.push("      the vault key that is set now goes on being used, in every process".to_owned());
    } else if let Some(key_file) = key_file {
        lines.push(format!(
            "      set GATELEDGER_KEY to the content of {} in every process: the tokens were encrypted with it",
            key_file.display()
        ));
    }
    lines.push(
        "      then start the roles; with an application role of its own, run `gateledger migrate` first, which grants it what \
         it needs"
            .to_owned(),
    );
    lines.join("\n")
}

//! `mappings import`: decisions about many customers or users that come as a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use event_log::Access;
use mappings::import::{AssignmentsFile, Mode, Report, Unreadable, UsersFile, assignments, users};
use serde::Serialize;
use service::config::Config;

use crate::import_arguments::{Import, ImportFile};
use crate::operator;
use crate::output::Output;
use crate::runtime::open_log;

/// `mappings import`; returns whether no line was refused.
pub async fn run(config: &Config, command: &Import, output: Output) -> anyhow::Result<bool> {
    match command {
        Import::Assignments(arguments) => of_assignments(config, arguments, output).await,
        Import::Users(arguments) => of_users(config, arguments, output).await,
    }
}

async fn of_assignments(config: &Config, arguments: &ImportFile, output: Output) -> anyhow::Result<bool> {
    let file = open(&arguments.file, |input| AssignmentsFile::read(input))?;
    let (actor, mode) = (operator::actor(config), mode(arguments));
    let log = open_log(config, access(mode)).await?;
    let report = assignments(&log, &actor, config, &arguments.account, file, mode).await?;
    show(&report, arguments, output, &["line", "contact", "user", "outcome", "reason"], |line| {
        vec![
            line.line.to_string(),
            line.contact.clone(),
            line.zoho_user_id.clone().unwrap_or_default(),
            line.outcome.as_str().to_owned(),
            line.reason.clone().unwrap_or_default(),
        ]
    })
}

async fn of_users(config: &Config, arguments: &ImportFile, output: Output) -> anyhow::Result<bool> {
    let file = open(&arguments.file, |input| UsersFile::read(input))?;
    let (actor, mode) = (operator::actor(config), mode(arguments));
    let log = open_log(config, access(mode)).await?;
    let report = users(&log, &actor, config, &arguments.account, file, mode).await?;
    show(&report, arguments, output, &["line", "user", "id", "role", "outcome", "reason"], |line| {
        vec![
            line.line.to_string(),
            line.user.clone(),
            line.zoho_user_id.clone().unwrap_or_default(),
            line.erp_role.clone(),
            line.outcome.as_str().to_owned(),
            line.reason.clone().unwrap_or_default(),
        ]
    })
}

fn open<F>(path: &Path, read: impl FnOnce(&mut dyn Read) -> Result<F, Unreadable>) -> anyhow::Result<F> {
    if path == Path::new("-") {
        return read(&mut std::io::stdin().lock()).context("reading standard input");
    }
    let what = || format!("reading {}", path.display());
    read(&mut File::open(path).with_context(what)?).with_context(what)
}

fn mode(arguments: &ImportFile) -> Mode {
    match (arguments.yes, arguments.partial) {
        (false, _) => Mode::DryRun,
        (true, false) => Mode::AllOrNothing,
        (true, true) => Mode::Partial,
    }
}

fn access(mode: Mode) -> Access {
    if mode == Mode::DryRun { Access::ReadOnly } else { Access::Existing }
}

/// Shows what became of the lines; returns whether none was refused.
fn show<L: Serialize>(
    report: &Report<L>,
    arguments: &ImportFile,
    output: Output,
    header: &[&str],
    columns: impl Fn(&L) -> Vec<String>,
) -> anyhow::Result<bool> {
    if report.byte_order_mark {
        eprintln!("a byte-order mark at the start of the file was left out");
    }
    if output.is_json() {
        output.document(report, String::new)?;
    } else {
        output.list(&report.lines, header, columns)?;
    }
    eprintln!("{}", summary(report, arguments));
    Ok(report.refused == 0)
}

fn summary<L>(report: &Report<L>, arguments: &ImportFile) -> String {
    let Report { changed, unchanged, refused, .. } = report;
    let counts = format!("{changed} changed, {unchanged} unchanged, {refused} refused");
    match (report.applied, arguments.yes) {
        (true, _) => counts,
        (false, true) => format!("{counts}: nothing was changed; correct the file, or add --partial"),
        (false, false) if *refused > 0 && !arguments.partial => {
            format!("{counts}: a dry run; correct the file, or add --yes --partial to change what the good lines say")
        }
        (false, false) => format!("{counts}: a dry run; add --yes to do it"),
    }
}

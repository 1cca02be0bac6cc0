//! `mappings import`: decisions about many customers that come as a file.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use event_log::Access;
use mappings::import::{AssignmentsFile, Mode, Report, assignments, read};
use service::config::Config;

use crate::import_arguments::{Import, ImportAssignments};
use crate::operator;
use crate::output::Output;
use crate::runtime::open_log;

/// `mappings import`; returns whether no line was refused.
pub async fn run(config: &Config, command: &Import, output: Output) -> anyhow::Result<bool> {
    let Import::Assignments(arguments) = command;
    let file = open(&arguments.file)?;
    if file.byte_order_mark {
        eprintln!("a byte-order mark at the start of the file was left out");
    }
    let mode = mode(arguments);
    let access = if mode == Mode::DryRun { Access::ReadOnly } else { Access::Existing };
    let log = open_log(config, access).await?;
    let report = assignments(&log, &operator::actor(config), config, &arguments.account, file, mode).await?;
    if output.is_json() {
        output.document(&report, String::new)?;
    } else {
        let header = ["line", "contact", "user", "outcome", "reason"];
        output.list(&report.lines, &header, |line| {
            vec![
                line.line.to_string(),
                line.contact.clone(),
                line.zoho_user_id.clone().unwrap_or_default(),
                line.outcome.as_str().to_owned(),
                line.reason.clone().unwrap_or_default(),
            ]
        })?;
    }
    eprintln!("{}", summary(&report, arguments));
    Ok(report.refused == 0)
}

fn open(path: &Path) -> anyhow::Result<AssignmentsFile> {
    if path == Path::new("-") {
        return read(std::io::stdin().lock()).context("reading standard input");
    }
    let what = || format!("reading {}", path.display());
    read(File::open(path).with_context(what)?).with_context(what)
}

fn mode(arguments: &ImportAssignments) -> Mode {
    match (arguments.yes, arguments.partial) {
        (false, _) => Mode::DryRun,
        (true, false) => Mode::AllOrNothing,
        (true, true) => Mode::Partial,
    }
}

fn summary(report: &Report, arguments: &ImportAssignments) -> String {
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

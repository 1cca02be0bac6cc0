//! `transfer --dry-run`: what would be done, found out by reading only.

use anyhow::Context as _;
use catalogue::crm::Changed;
use consumers::transfer::dry_run::{RecordPlan, plan_record};
use consumers::transfer::settings::Settings;
use providers::zoho::crm::{PendingQuery, Record, RecordId};
use serde::Serialize;

use crate::args;
use crate::output::{Output, bytes};
use crate::runtime::Parts;

#[derive(Debug, Serialize)]
struct Report {
    dry_run: bool,
    records: Vec<RecordPlan>,
    files: u64,
    bytes: u64,
    errors: Vec<String>,
}

/// Records asked for at a time.
const PAGE: u32 = 200;

/// Runs the command; returns whether every record could be planned and has its folder.
///
/// # Errors
/// When a provider refuses to be read.
pub async fn run(parts: &Parts, names: &[String], arguments: &args::Transfer, output: Output) -> anyhow::Result<bool> {
    let context = parts.consumers();
    let mut report = Report { dry_run: true, records: Vec::new(), files: 0, bytes: 0, errors: Vec::new() };
    for name in names {
        let settings = context.settings.transfers.get(name)?;
        let pending = pending(&context, settings, arguments)
            .await
            .with_context(|| format!("transfer {name}: looking for pending records"))?;
        for record in pending {
            match plan_record(&context, settings, &record).await {
                Ok(Some(plan)) => report.records.push(plan),
                Ok(None) => {}
                Err(trouble) => report.errors.push(format!("record {}: {trouble}", record.record_id)),
            }
        }
    }
    report.files = report.records.iter().map(|record| record.files.len() as u64).sum();
    report.bytes = report.records.iter().map(|record| record.bytes).sum();
    output.document(&report, || for_people(&report))?;
    Ok(report.errors.is_empty() && report.records.iter().all(|record| record.would_check))
}

async fn pending(
    context: &consumers::Context,
    settings: &Settings,
    arguments: &args::Transfer,
) -> anyhow::Result<Vec<Changed>> {
    let crm = context.zoho(&settings.crm)?.crm();
    let changed = |record: Record| Changed {
        module: settings.module.to_string(),
        record_id: record.id.to_string(),
        modified_time: record.modified_time,
        fields: record.fields,
    };
    if let Some(id) = &arguments.record_id {
        let id: RecordId = id.parse()?;
        let fields = [settings.checkbox_field.clone(), settings.folder_field.clone()];
        let record = crm.record(&settings.module, &id, &fields).await?;
        let record = record.with_context(|| format!("there is no record {id} in module {}", settings.module))?;
        return Ok(vec![changed(record)]);
    }
    let query = PendingQuery {
        module: settings.module.clone(),
        checkbox_field: settings.checkbox_field.clone(),
        folder_field: settings.folder_field.clone(),
        extra_fields: Vec::new(),
    };
    let limit = arguments.limit.map_or(usize::MAX, |limit| limit as usize);
    let mut found = Vec::new();
    let mut after: Option<RecordId> = None;
    loop {
        let page = crm.pending(&query, after.as_ref(), PAGE).await?;
        found.extend(page.records.into_iter().map(changed));
        if found.len() >= limit || !page.more || page.last.is_none() {
            found.truncate(limit);
            return Ok(found);
        }
        after = page.last;
    }
}

fn for_people(report: &Report) -> String {
    let mut lines = Vec::new();
    for record in &report.records {
        let Some(folder_id) = &record.source_folder_id else {
            lines.push(format!(
                "record {}: no folder named {:?}; it would be skipped",
                record.record_id, record.folder_name
            ));
            continue;
        };
        let choice = match record.candidates {
            1 => String::new(),
            several => format!(", the most recently modified of {several}"),
        };
        lines.push(format!("record {}: folder {:?} ({folder_id}{choice})", record.record_id, record.folder_name));
        lines.extend(record.new_folders.iter().map(|path| format!("  make folder  {path}")));
        lines.extend(record.files.iter().map(|file| {
            let renamed = if file.path.ends_with(&file.name) { String::new() } else { format!("  as {}", file.name) };
            format!("  copy file    {}  ({}){renamed}", file.path, bytes(file.bytes))
        }));
        if record.files_already_copied > 0 {
            lines.push(format!("  {} file(s) were copied before", record.files_already_copied));
        }
        let check =
            if record.would_check { "  set the checkbox" } else { "  leave the checkbox: there is nothing to copy" };
        lines.push(check.to_owned());
    }
    lines.push(format!(
        "dry run: {} record(s), {} file(s), {}; nothing was changed",
        report.records.len(),
        report.files,
        bytes(report.bytes)
    ));
    lines.extend(report.errors.iter().map(|error| format!("error: {error}")));
    lines.join("\n")
}

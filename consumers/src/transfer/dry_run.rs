//! What a transfer would do, found out by reading only: nothing is appended, planned, made or changed.

use std::time::Duration;

use catalogue::crm::Changed;
use providers::zoho::workdrive::{Item, ItemFilter};
use serde::Serialize;

use super::children::{once_key, version};
use super::locate::find;
use super::name::{TakenNames, free, is_same};
use super::settings::Settings;
use crate::context::Context;
use crate::ledger::done;
use crate::transfer::decide::wanted_folder;
use crate::trouble::Trouble;

/// What would happen for one record.
#[derive(Debug, Clone, Serialize)]
pub struct RecordPlan {
    /// The record.
    pub record_id: String,
    /// The folder it names.
    pub folder_name: String,
    /// The source folder that was chosen; absent when none has the name.
    pub source_folder_id: Option<String>,
    /// How many folders have the name.
    pub candidates: u64,
    /// Folders that would be made.
    pub new_folders: Vec<String>,
    /// Files that would be copied.
    pub files: Vec<FilePlan>,
    /// Files that were copied before and would be left alone.
    pub files_already_copied: u64,
    /// Bytes that would be copied.
    pub bytes: u64,
    /// Whether the record's checkbox would be set if all went well.
    pub would_check: bool,
}

/// A file that would be copied.
#[derive(Debug, Clone, Serialize)]
pub struct FilePlan {
    /// Path from the transfer's root, with the source's name.
    pub path: String,
    /// The name it would get.
    pub name: String,
    /// Length by the listing.
    pub bytes: u64,
}

/// A folder of the walk: the source, where it would go (absent: it would be made), and its path.
struct Step {
    source_folder_id: String,
    destination_folder_id: Option<String>,
    path: String,
}

/// Finds out what would happen for a record; `None` when the record asks for nothing.
///
/// # Errors
/// Whatever a provider refused a read with.
pub async fn plan_record(
    context: &Context,
    settings: &Settings,
    record: &Changed,
) -> Result<Option<RecordPlan>, Trouble> {
    let Some(folder_name) = wanted_folder(settings, record) else { return Ok(None) };
    let mut plan = RecordPlan {
        record_id: record.record_id.clone(),
        folder_name: folder_name.to_owned(),
        source_folder_id: None,
        candidates: 0,
        new_folders: Vec::new(),
        files: Vec::new(),
        files_already_copied: 0,
        bytes: 0,
        would_check: false,
    };
    let Some(found) = find(context, settings, folder_name).await? else { return Ok(Some(plan)) };
    plan.source_folder_id = Some(found.folder.id.clone());
    plan.candidates = found.candidates;
    let siblings = listed(context, settings, &settings.destination_folder_id).await?;
    let mut steps = vec![step(&found.folder, found.folder.name.clone(), &siblings)];
    while let Some(step) = steps.pop() {
        walk(context, settings, &step, &mut steps, &mut plan).await?;
    }
    plan.would_check = !plan.files.is_empty() || plan.files_already_copied > 0;
    Ok(Some(plan))
}

async fn walk(
    context: &Context,
    settings: &Settings,
    here: &Step,
    steps: &mut Vec<Step>,
    plan: &mut RecordPlan,
) -> Result<(), Trouble> {
    let content = context
        .zoho(&settings.source)?
        .workdrive()
        .list(&here.source_folder_id, ItemFilter::All)
        .await
        .map_err(Trouble::Source)?;
    let there = match &here.destination_folder_id {
        Some(id) => listed(context, settings, id).await?,
        None => {
            plan.new_folders.push(here.path.clone());
            Vec::new()
        }
    };
    let mut taken = TakenNames::default();
    for item in &there {
        taken.insert(&item.name);
    }
    for item in content.iter().filter(|item| !item.trashed && item.id != settings.destination_folder_id) {
        let path = format!("{}/{}", here.path, item.name);
        if item.is_folder {
            steps.push(step(item, path, &there));
            continue;
        }
        if let Some(folder) = &here.destination_folder_id {
            let once_key = once_key(folder, &item.id, &version(item));
            if !done(context.log.database().readers(), &[once_key]).await?.is_empty() {
                plan.files_already_copied += 1;
                continue;
            }
        }
        let name = free(&item.name, &taken, context.now());
        taken.insert(&name);
        let bytes = item.size.unwrap_or(0);
        plan.bytes += bytes;
        plan.files.push(FilePlan { path, name, bytes });
    }
    Ok(())
}

fn step(folder: &Item, path: String, siblings: &[Item]) -> Step {
    let counterpart = siblings.iter().find(|item| item.is_folder && is_same(&folder.name, &item.name));
    Step { source_folder_id: folder.id.clone(), destination_folder_id: counterpart.map(|item| item.id.clone()), path }
}

async fn listed(context: &Context, settings: &Settings, folder_id: &str) -> Result<Vec<Item>, Trouble> {
    let client = context.zoho(&settings.destination)?;
    let age = Duration::from_secs(30);
    let items = context.listings.items(&settings.destination, client, folder_id, age).await.map_err(Trouble::Read)?;
    Ok(items.iter().filter(|item| !item.trashed).cloned().collect())
}

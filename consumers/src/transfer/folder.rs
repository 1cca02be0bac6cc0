//! One folder of the tree: its counterpart is found or made, and what is in it is planned.
//!
//! Folders are made only after a look at the parent, under a lock per parent, so doing the effect again is safe: that
//! is also how it is settled after a crash.

use std::collections::HashMap;
use std::time::Duration;

use catalogue::transfer::{
    FILE_COMPLETED, FOLDER_FAILED, FOLDER_PREPARED, FileCompleted, FolderFailed, FolderPrepared,
};
use event_log::Append;
use providers::zoho::Client;
use providers::zoho::workdrive::{Item, ItemFilter};

use super::locate::planned_folder;
use super::name::{TakenNames, free, is_same};
use super::request::{CopiedFile, CopyFile, CopyFolder};
use super::settings::Settings;
use crate::Error;
use crate::context::Context;
use crate::ledger::{Done, Effect, Kind, Planned, Verdict, done, plan, tell};
use crate::trouble::Trouble;

/// How old the parent's listing may be on the first attempt. What others add meanwhile is caught by the name that
/// comes back.
const PARENT_AGE: Duration = Duration::from_secs(30);
/// Children planned in one unit of work, so that a huge folder does not hold up the other writers.
const CHUNK: usize = 400;

struct Counterpart {
    id: String,
    created: bool,
}

/// Does the effect.
pub(crate) async fn run(context: &Context, effect: &Effect) -> Result<Verdict, Trouble> {
    let request: CopyFolder = effect.request()?;
    let settings = context.transfers.get(&request.transfer)?;
    let source = context.zoho(&settings.source)?;
    let counterpart = counterpart(context, settings, effect, &request).await?;
    let content = source.workdrive().list(&request.source_folder_id, ItemFilter::All).await?;
    let there = if counterpart.created {
        Default::default()
    } else {
        let destination = context.zoho(&settings.destination)?;
        context.listings.items(&settings.destination, destination, &counterpart.id, Duration::from_secs(1)).await?
    };

    let (folders, files): (Vec<&Item>, Vec<&Item>) =
        content.iter().filter(|item| !item.trashed).partition(|item| item.is_folder);
    let folder_effects =
        folders.iter().map(|folder| child_folder(settings, effect, &request, &counterpart, folder, &there));
    let mut planned: Vec<Planned> = folder_effects.collect();
    let (file_effects, reused) = child_files(context, settings, effect, &request, &counterpart.id, &files, &there).await?;
    planned.extend(file_effects);

    let prepared = FolderPrepared {
        run: effect.run,
        source_folder_id: request.source_folder_id.clone(),
        destination_folder_id: counterpart.id.clone(),
        path: request.path.clone(),
        created: counterpart.created,
        files: files.len() as u64,
        folders: folders.len() as u64,
    };
    while planned.len() > CHUNK {
        let chunk = planned.split_off(planned.len() - CHUNK);
        context
            .log
            .write::<_, Error, _>(move |unit| {
                Box::pin(async move {
                    let now = unit.now();
                    plan(unit.connection(), now, &chunk).await
                })
            })
            .await?;
    }
    let mut events = vec![tell(effect, FOLDER_PREPARED, &prepared)];
    events.extend(reused);
    Ok(Verdict::Succeeded {
        result: serde_json::json!({ "destination_folder_id": counterpart.id, "created": counterpart.created }),
        bytes: None,
        events,
        plan: planned,
    })
}

/// Finds or makes the folder at the destination.
async fn counterpart(
    context: &Context,
    settings: &Settings,
    effect: &Effect,
    request: &CopyFolder,
) -> Result<Counterpart, Trouble> {
    if let Some(id) = &request.destination_folder_id {
        return Ok(Counterpart { id: id.clone(), created: false });
    }
    let account = &settings.destination;
    let destination = context.zoho(account)?;
    let parent = &request.destination_parent_id;
    let _making = context.listings.making_in(account, parent).await;
    // After an attempt that may have made it, only a listing from after that attempt tells.
    let tried_before = effect.unknown || effect.attempt > 0;
    if tried_before || !request.parent_is_new {
        let max_age = if tried_before { Duration::ZERO } else { PARENT_AGE };
        let siblings = context.listings.items(account, destination, parent, max_age).await?;
        if let Some(found) = existing(&siblings, &request.name) {
            return Ok(Counterpart { id: found.id.clone(), created: false });
        }
    }
    let made = destination.workdrive().create_folder(parent, &request.name).await?;
    if !is_same(&request.name, &made.name) {
        return use_the_other_one(context, settings, destination, request, made).await;
    }
    context.listings.made(account, &made.id).await;
    let counterpart = Counterpart { id: made.id.clone(), created: true };
    context.listings.added(account, parent, made).await;
    Ok(counterpart)
}

/// The name came back changed: somebody made the same folder between our look and our call. Theirs is used, ours goes.
async fn use_the_other_one(
    context: &Context,
    settings: &Settings,
    destination: &Client,
    request: &CopyFolder,
    made: Item,
) -> Result<Counterpart, Trouble> {
    let account = &settings.destination;
    let siblings =
        context.listings.items(account, destination, &request.destination_parent_id, Duration::ZERO).await?;
    match existing(&siblings, &request.name) {
        Some(found) => {
            destination.workdrive().trash(&made.id).await?;
            Ok(Counterpart { id: found.id.clone(), created: false })
        }
        // The provider cannot hold the name as it is written; its own spelling is the truth.
        None => Ok(Counterpart { id: made.id, created: true }),
    }
}

fn existing<'a>(siblings: &'a [Item], name: &str) -> Option<&'a Item> {
    let mut matching: Vec<&Item> =
        siblings.iter().filter(|item| item.is_folder && !item.trashed && is_same(name, &item.name)).collect();
    matching.sort_by(|a, b| a.id.cmp(&b.id));
    matching.into_iter().next()
}

fn child_folder(
    settings: &Settings,
    effect: &Effect,
    parent: &CopyFolder,
    counterpart: &Counterpart,
    folder: &Item,
    there: &[Item],
) -> Planned {
    let request = CopyFolder {
        transfer: parent.transfer.clone(),
        record_id: parent.record_id.clone(),
        source_folder_id: folder.id.clone(),
        name: folder.name.clone(),
        path: format!("{}/{}", parent.path, folder.name),
        destination_parent_id: counterpart.id.clone(),
        destination_folder_id: existing(there, &folder.name).map(|item| item.id.clone()),
        parent_is_new: counterpart.created,
    };
    planned_folder(settings, effect, request)
}

/// Plans the files, and tells of those which were copied before.
async fn child_files(
    context: &Context,
    settings: &Settings,
    effect: &Effect,
    parent: &CopyFolder,
    destination_folder_id: &str,
    files: &[&Item],
    there: &[Item],
) -> Result<(Vec<Planned>, Vec<Append>), Trouble> {
    let mut taken = TakenNames::default();
    for item in there.iter().filter(|item| !item.trashed) {
        taken.insert(&item.name);
    }
    let once_keys: Vec<String> =
        files.iter().map(|file| once_key(destination_folder_id, &file.id, &version(file))).collect();
    let copied: HashMap<String, Done> = done(context.log.database().readers(), &once_keys)
        .await?
        .into_iter()
        .map(|done| (done.once_key.clone(), done))
        .collect();
    let mut planned = Vec::with_capacity(files.len());
    let mut reused = Vec::new();
    let mut ordered: Vec<(&&Item, String)> = files.iter().zip(once_keys).collect();
    // Listings promise no order; sorted, every attempt gives the same names to the same files.
    ordered.sort_by(|a, b| a.0.name.cmp(&b.0.name).then_with(|| a.0.id.cmp(&b.0.id)));
    for (file, once_key) in ordered {
        let source_version = version(file);
        let path = format!("{}/{}", parent.path, file.name);
        let key = format!(
            "file.copy:{}:{}:{destination_folder_id}:{}@{source_version}",
            settings.name, parent.record_id, file.id
        );
        let before = copied.get(&once_key);
        let result = before.and_then(|done| serde_json::from_str::<CopiedFile>(&done.result).ok());
        let name = match &result {
            Some(copied) => copied.name.clone(),
            None => free(&file.name, &taken, context.now()),
        };
        taken.insert(&name);
        if let Some(copied) = result.filter(|_| before.is_some_and(|done| done.effect_key == key)) {
            reused.push(tell_reused(effect, &key, file, &source_version, &path, destination_folder_id, copied));
        }
        let request = CopyFile {
            transfer: parent.transfer.clone(),
            record_id: parent.record_id.clone(),
            source_file_id: file.id.clone(),
            source_version,
            source_name: file.name.clone(),
            name,
            path,
            destination_folder_id: destination_folder_id.to_owned(),
            size_bytes: if file.native { None } else { file.size },
        };
        planned.push(Planned {
            key,
            kind: Kind::CopyFile,
            stream: effect.stream.clone(),
            run: effect.run,
            account: settings.destination.clone(),
            source_account: Some(settings.source.clone()),
            organization: settings.organization.clone(),
            once_key: Some(once_key),
            bytes: file.size,
            request: Planned::encode(&request),
            correlation_id: effect.correlation_id,
            causation_id: effect.causation_id,
            not_before: None,
        });
    }
    Ok((planned, reused))
}

fn tell_reused(
    effect: &Effect,
    key: &str,
    file: &Item,
    source_version: &str,
    path: &str,
    destination_folder_id: &str,
    copied: CopiedFile,
) -> Append {
    let data = FileCompleted {
        run: effect.run,
        effect_key: key.to_owned(),
        source_file_id: file.id.clone(),
        source_version: source_version.to_owned(),
        path: path.to_owned(),
        name: copied.name,
        destination_folder_id: destination_folder_id.to_owned(),
        destination_file_id: copied.destination_file_id,
        bytes: copied.bytes,
        verification: copied.verification,
        md5: copied.md5,
        attempts: 0,
        settled: false,
        reused: true,
    };
    tell(effect, FILE_COMPLETED, &data)
}

/// Which version of a file: the provider gives no revision, so its modification time and size stand for one.
pub(crate) fn version(file: &Item) -> String {
    let modified_ms = file.modified.map_or(0, |at| at.timestamp_millis());
    format!("{modified_ms}-{}", file.size.unwrap_or(0))
}

pub(crate) fn once_key(destination_folder_id: &str, source_file_id: &str, source_version: &str) -> String {
    format!("{destination_folder_id}:{source_file_id}@{source_version}")
}

/// What is told about a folder that is given up.
pub(crate) fn given_up(effect: &Effect, code: &str, error: &str) -> Vec<Append> {
    let Ok(request) = effect.request::<CopyFolder>() else { return Vec::new() };
    let data = FolderFailed {
        run: effect.run,
        source_folder_id: request.source_folder_id,
        path: request.path,
        code: code.to_owned(),
        error: error.to_owned(),
    };
    vec![tell(effect, FOLDER_FAILED, &data)]
}

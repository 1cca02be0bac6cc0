//! One folder of the tree: its counterpart is found or made, and what is in it is planned.
//!
//! Folders are made only after a look at the parent, and the ledger never runs two effects at once that make the same
//! folder, in whichever process. So doing the effect again is safe: that is also how it is settled after a crash.

use std::sync::Arc;
use std::time::Duration;

use catalogue::transfer::{FOLDER_FAILED, FOLDER_PREPARED, FolderFailed, FolderPrepared};
use event_log::Append;
use providers::error::{Error as Refusal, Outcome};
use providers::zoho::workdrive::{Item, ItemFilter};
use providers::zoho::{Client, names_match};

use super::children::{Children, Parent};
use super::name::is_same;
use super::request::CopyFolder;
use super::settings::Settings;
use crate::context::Context;
use crate::ledger::{Effect, Verdict, tell, was_started};
use crate::trouble::Trouble;

/// How old the parent's listing may be on the first attempt. What others add meanwhile is caught by the name that
/// comes back.
const PARENT_AGE: Duration = Duration::from_secs(30);
/// The same for a parent that this transfer has made: all that is in it was added by us, and is remembered.
const OWN_PARENT_AGE: Duration = Duration::from_secs(3600);
/// The same after an attempt that may have made the folder. Effects that are tried again together share a listing.
const AGAIN_AGE: Duration = Duration::from_secs(2);

/// The folder at the destination.
#[derive(Debug)]
pub(crate) struct Counterpart {
    pub(crate) id: String,
    pub(crate) created: bool,
}

/// Does the effect.
pub(crate) async fn run(context: &Context, effect: &Effect) -> Result<Verdict, Trouble> {
    let request: CopyFolder = effect.request()?;
    let settings = context.settings.transfers.get(&request.transfer)?;
    let source = context.zoho(&settings.source)?;
    let content = source.workdrive().list(&request.source_folder_id, ItemFilter::All).await.map_err(Trouble::Source)?;
    let counterpart = counterpart(context, settings, effect, &request).await?;
    if counterpart.id == request.source_folder_id {
        let error = "the folder would be copied into itself".to_owned();
        return Err(Trouble::Hopeless { code: "copied_into_itself", error });
    }
    let there = if counterpart.created {
        Arc::default()
    } else {
        let destination = context.zoho(&settings.destination)?;
        let age = Duration::from_secs(1);
        context.listings.items(&settings.destination, destination, &counterpart.id, age).await.map_err(Trouble::Read)?
    };
    let (folders, files): (Vec<&Item>, Vec<&Item>) = content
        .iter()
        // A destination inside the source would be copied into itself for ever.
        .filter(|item| !item.trashed && item.id != settings.destination_folder_id)
        .partition(|item| item.is_folder);
    let prepared = FolderPrepared {
        run: effect.run,
        source_folder_id: request.source_folder_id.clone(),
        destination_folder_id: counterpart.id.clone(),
        path: request.path.clone(),
        created: counterpart.created,
        files: files.len() as u64,
        folders: folders.len() as u64,
    };
    let parent = Parent { settings, effect, request: &request, counterpart: &counterpart };
    let rest = Children::of(&parent, &there).plan(context, &folders, files).await?;
    let mut events = vec![tell(effect, FOLDER_PREPARED, &prepared)];
    events.extend(rest.told);
    Ok(Verdict::Succeeded {
        result: serde_json::json!({ "destination_folder_id": counterpart.id, "created": counterpart.created }),
        bytes: None,
        events,
        plan: rest.planned,
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
    let max_age = match (effect.was_tried(), request.parent_is_new) {
        (true, _) => (context.timing.settle_after / 2).min(AGAIN_AGE),
        (false, true) => OWN_PARENT_AGE,
        (false, false) => PARENT_AGE,
    };
    let siblings = context.listings.items(account, destination, parent, max_age).await.map_err(Trouble::Read)?;
    if let Some(found) = existing(&siblings, &request.name) {
        return Ok(Counterpart { id: found.id.clone(), created: false });
    }
    if was_started(context.log.database().readers(), effect).await? {
        // The folder may have been made since, by another process.
        let siblings =
            context.listings.items(account, destination, parent, Duration::ZERO).await.map_err(Trouble::Read)?;
        if let Some(found) = existing(&siblings, &request.name) {
            return Ok(Counterpart { id: found.id.clone(), created: false });
        }
    }
    let made = match destination.workdrive().create_folder(parent, &request.name).await {
        Ok(made) => made,
        Err(Refusal::NameTaken { .. }) => return the_taken_one(context, settings, destination, request).await,
        Err(refusal) => {
            // Another record's effect may want the same folder before this one is settled.
            if refusal.outcome() == Outcome::Unknown {
                context.listings.forget(account, parent).await;
            }
            return Err(refusal.into());
        }
    };
    if !is_same(&request.name, &made.name) {
        return use_the_other_one(context, settings, destination, request, made).await;
    }
    context.listings.made(account, &made.id).await;
    let counterpart = Counterpart { id: made.id.clone(), created: true };
    context.listings.added(account, parent, made).await;
    Ok(counterpart)
}

/// The provider says that the name is taken: then the folder is there.
async fn the_taken_one(
    context: &Context,
    settings: &Settings,
    destination: &Client,
    request: &CopyFolder,
) -> Result<Counterpart, Trouble> {
    let (account, parent) = (&settings.destination, &request.destination_parent_id);
    let siblings = context.listings.items(account, destination, parent, Duration::ZERO).await.map_err(Trouble::Read)?;
    match existing(&siblings, &request.name).or_else(|| alike(&siblings, &request.name, "")) {
        Some(found) => Ok(Counterpart { id: found.id.clone(), created: false }),
        None => Err(Trouble::Wrong {
            code: "name_taken",
            error: format!("the provider says that {:?} is taken, and shows no folder of that name", request.name),
        }),
    }
}

/// The name came back changed. Either somebody made the same folder between our look and our call, or the provider does
/// not tell names apart that differ only in case: theirs is used, ours goes. Or it cannot hold the name as it is written.
async fn use_the_other_one(
    context: &Context,
    settings: &Settings,
    destination: &Client,
    request: &CopyFolder,
    made: Item,
) -> Result<Counterpart, Trouble> {
    let (account, parent) = (&settings.destination, &request.destination_parent_id);
    let siblings = match context.listings.items(account, destination, parent, Duration::ZERO).await {
        Ok(siblings) => siblings,
        Err(refusal) => {
            // The next attempt looks again, and must not find a folder of our own making besides.
            trash(destination, &made).await;
            return Err(Trouble::Read(refusal));
        }
    };
    if let Some(found) = existing(&siblings, &request.name).or_else(|| alike(&siblings, &request.name, &made.id)) {
        trash(destination, &made).await;
        return Ok(Counterpart { id: found.id.clone(), created: false });
    }
    match destination.workdrive().rename(&made.id, &request.name).await {
        Ok(item) => context.listings.added(account, parent, item).await,
        Err(refusal) => {
            tracing::warn!(error = %refusal, "the provider spells a folder's name in its own way and refuses to change it");
        }
    }
    Ok(Counterpart { id: made.id, created: true })
}

async fn trash(destination: &Client, made: &Item) {
    if let Err(refusal) = destination.workdrive().trash(&made.id).await {
        tracing::warn!(error = %refusal, "an empty folder that is not needed could not be trashed");
    }
}

/// The folder with exactly this name.
pub(crate) fn existing<'a>(siblings: &'a [Item], name: &str) -> Option<&'a Item> {
    folders(siblings).filter(|item| is_same(name, &item.name)).min_by(|a, b| a.id.cmp(&b.id))
}

/// Another folder whose name differs in case only.
fn alike<'a>(siblings: &'a [Item], name: &str, except_id: &str) -> Option<&'a Item> {
    folders(siblings)
        .filter(|item| item.id != except_id && names_match(name, &item.name))
        .min_by(|a, b| a.id.cmp(&b.id))
}

fn folders(siblings: &[Item]) -> impl Iterator<Item = &Item> {
    siblings.iter().filter(|item| item.is_folder && !item.trashed)
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

//! Finding the source folder: inside one team folder only, by name, the most recently modified of several.

use std::time::Duration;

use catalogue::transfer::{LOCATED, Located};
use providers::error::Error as Refusal;
use providers::zoho::workdrive::Item;
use providers::zoho::{Client, names_match};

use super::name::comparable;
use super::request::{CopyFolder, Locate};
use super::settings::Settings;
use crate::context::Context;
use crate::ledger::{Effect, Kind, Planned, Verdict, tell};
use crate::trouble::Trouble;

/// How old the listing of the team folder may be when a name is found in it.
const FRESH_ENOUGH: Duration = Duration::from_secs(30);
/// A name that is not found is looked for once more in a listing not older than this.
const FRESH: Duration = Duration::from_secs(2);

/// The folder that a name stands for.
#[derive(Debug, Clone)]
pub struct Found {
    /// The chosen folder.
    pub folder: Item,
    /// How many matched.
    pub candidates: u64,
    /// Whether folders below the first level could be searched too.
    pub searched_everywhere: bool,
}

/// Does the effect.
pub(crate) async fn run(context: &Context, effect: &Effect) -> Result<Verdict, Trouble> {
    let request: Locate = effect.request()?;
    let settings = context.settings.transfers.get(&request.transfer)?;
    let Some(found) = find(context, settings, &request.folder_name).await? else {
        return Ok(Verdict::Failed {
            code: "source_folder_not_found".to_owned(),
            error: format!("no folder named {:?} in the source team folder", request.folder_name),
            events: Vec::new(),
            dead_letter: false,
        });
    };
    let located = Located {
        run: effect.run,
        source_folder_id: found.folder.id.clone(),
        source_folder_name: found.folder.name.clone(),
        candidates: found.candidates,
        searched_everywhere: found.searched_everywhere,
    };
    let copy = CopyFolder {
        transfer: request.transfer.clone(),
        record_id: request.record_id.clone(),
        source_folder_id: found.folder.id.clone(),
        name: found.folder.name.clone(),
        path: found.folder.name.clone(),
        destination_parent_id: settings.destination_folder_id.clone(),
        destination_folder_id: None,
        parent_is_new: false,
    };
    Ok(Verdict::Succeeded {
        result: serde_json::json!({ "source_folder_id": found.folder.id }),
        bytes: None,
        events: vec![tell(effect, LOCATED, &located)],
        plan: vec![planned_folder(settings, effect, copy)],
    })
}

/// The effect that copies a folder of a run.
pub(crate) fn planned_folder(settings: &Settings, parent: &Effect, request: CopyFolder) -> Planned {
    // Where the counterpart is known, nothing is made.
    let makes = request.destination_folder_id.is_none();
    Planned {
        key: format!("folder.copy:{}:{}:{}:{}", settings.name, request.record_id, parent.run, request.source_folder_id),
        kind: Kind::CopyFolder,
        stream: parent.stream.clone(),
        run: parent.run,
        account: settings.destination.clone(),
        source_account: Some(settings.source.clone()),
        organization: settings.organization.clone(),
        once_key: makes.then(|| format!("folder/{}/{}", request.destination_parent_id, comparable(&request.name))),
        sequence: None,
        bytes: None,
        request: Planned::encode(&request),
        correlation_id: parent.correlation_id,
        causation_id: parent.causation_id,
        not_before: None,
    }
}

/// Looks for the folder. Only reads.
///
/// # Errors
/// Whatever the provider refused a listing with; a search that is refused only narrows where we look.
pub async fn find(context: &Context, settings: &Settings, name: &str) -> Result<Option<Found>, Trouble> {
    let client = context.zoho(&settings.source)?;
    let (nested, searched_everywhere) = match search(context, client, settings, name).await {
        Ok(Some(found)) => (found, true),
        Ok(None) => (Vec::new(), false),
        Err(refusal) if narrows_only(&refusal) => {
            tracing::debug!(account.id = settings.source, error = %refusal, "the team folder cannot be searched; looking at its first level");
            (Vec::new(), false)
        }
        Err(refusal) => return Err(Trouble::Source(refusal)),
    };
    for max_age in [FRESH_ENOUGH, FRESH] {
        let first_level = context
            .listings
            .items(&settings.source, client, &settings.source_team_folder_id, max_age)
            .await
            .map_err(Trouble::Source)?;
        let mut matching: Vec<Item> = first_level
            .iter()
            .chain(&nested)
            .filter(|item| item.is_folder && !item.trashed && names_match(&item.name, name))
            .filter(|item| item.id != settings.destination_folder_id)
            .cloned()
            .collect();
        // Newest first; equal times are decided by id, so that every run chooses the same.
        matching.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.id.cmp(&b.id)));
        matching.dedup_by(|a, b| a.id == b.id);
        let candidates = matching.len() as u64;
        if let Some(folder) = matching.into_iter().next() {
            return Ok(Some(Found { folder, candidates, searched_everywhere }));
        }
    }
    Ok(None)
}

/// Folders below the first level. The index decides what is shown, the parents decide what belongs to the team folder.
async fn search(
    context: &Context,
    client: &Client,
    settings: &Settings,
    name: &str,
) -> Result<Option<Vec<Item>>, Refusal> {
    let team_folder = &settings.source_team_folder_id;
    let Some(team_id) = context.listings.team_of(&settings.source, client, team_folder).await? else {
        return Ok(None);
    };
    let mut inside = Vec::new();
    for hit in client.workdrive().search_folders(&team_id, team_folder, name).await? {
        if is_inside(client, &hit, settings).await? {
            inside.push(hit);
        }
    }
    Ok(Some(inside))
}

/// Deeper trees than this are not climbed; the provider allows far fewer levels.
const DEEPEST: usize = 50;

/// Inside the team folder, and not among the copies, should they lie in there too.
async fn is_inside(client: &Client, folder: &Item, settings: &Settings) -> Result<bool, Refusal> {
    let mut parent = folder.parent_id.clone();
    for _ in 0..DEEPEST {
        match parent {
            None => return Ok(false),
            Some(id) if id == settings.source_team_folder_id => return Ok(true),
            Some(id) if id == settings.destination_folder_id => return Ok(false),
            Some(id) => match client.workdrive().item(&id).await {
                Ok(item) if item.trashed => return Ok(false),
                Ok(item) => parent = item.parent_id,
                Err(Refusal::NotFound { .. } | Refusal::Denied { .. }) => return Ok(false),
                Err(refusal) => return Err(refusal),
            },
        }
    }
    Ok(false)
}

/// Search needs rights that many grants lack, and an edition that has it. Without it the first level is searched.
fn narrows_only(refusal: &Refusal) -> bool {
    !(refusal.is_retryable() || refusal.stops_account())
}

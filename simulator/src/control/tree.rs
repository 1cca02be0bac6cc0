//! Changes of files and folders as somebody in the web pages makes them.

use serde::{Deserialize, Serialize};

use super::{Control, Error, organization};
use crate::clock::{Millis, parse_iso};
use crate::content::Content;
use crate::drive::Drive;
use crate::seed::{EntrySeed, GeneratedSeed};

/// What becomes of a tree; the parts are done in the order of the fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TreeChange {
    /// Files and folders to make; an existing file gets a new version.
    pub entries: Vec<EntrySeed>,
    /// Files and folders to make in numbers.
    pub generated: Vec<GeneratedSeed>,
    /// Items to change.
    pub modify: Vec<ItemChange>,
    /// Ids of items to put into the trash.
    pub trash: Vec<String>,
}

/// What becomes of one item.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ItemChange {
    /// Which item.
    pub id: String,
    /// A new name.
    pub name: Option<String>,
    /// A new parent folder.
    pub parent_id: Option<String>,
    /// A new time of the last change, RFC 3339.
    pub modified_at: Option<String>,
    /// New generated content of this size in bytes.
    pub size_bytes: Option<u64>,
    /// Seed of the new generated content; 0.
    pub seed: u64,
    /// New literal content.
    pub text: Option<String>,
}

/// What was made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TreeChanged {
    /// Ids of the entries, in their order.
    pub ids: Vec<String>,
    /// Number of generated files.
    pub generated_files: u64,
}

impl Control {
    /// Changes the tree of an organisation. What was done before a refusal stays done.
    ///
    /// # Errors
    /// [`Error::Unknown`] for organisation or item, [`Error::Invalid`] for what does not fit.
    pub fn change_tree(&self, organization_name: &str, change: &TreeChange) -> Result<TreeChanged, Error> {
        let now = self.shared.clock.now_ms();
        let mut world = self.shared.world();
        let drive = &mut organization(&mut world, organization_name)?.drive;
        let mut changed = TreeChanged::default();
        for entry in &change.entries {
            changed.ids.push(drive.add_entry(entry, now).map_err(Error::Invalid)?.to_string());
        }
        for generated in &change.generated {
            changed.generated_files += drive.add_generated(generated, now).map_err(Error::Invalid)?;
        }
        for item in &change.modify {
            modify(drive, item, now)?;
        }
        for id in &change.trash {
            known(drive, id)?;
            drive.set_trashed(id, now);
        }
        Ok(changed)
    }
}

fn known(drive: &Drive, id: &str) -> Result<(), Error> {
    match drive.node(id) {
        Some(_) => Ok(()),
        None => Err(Error::Unknown { what: "item", name: id.to_owned() }),
    }
}

fn modify(drive: &mut Drive, change: &ItemChange, now: Millis) -> Result<(), Error> {
    known(drive, &change.id)?;
    if let Some(name) = &change.name {
        drive.rename(&change.id, name.clone(), now);
    }
    if let Some(parent) = &change.parent_id
        && !drive.relocate(&change.id, parent, now)
    {
        return Err(Error::Invalid(format!("item {:?} cannot be moved to {parent:?}", change.id)));
    }
    let content = match (change.size_bytes, &change.text) {
        (Some(size), _) => Some(Content::recipe(size, change.seed)),
        (None, Some(text)) => Some(Content::literal(text.clone())),
        (None, None) => None,
    };
    if let Some(content) = content {
        if drive.node(&change.id).is_some_and(crate::drive::Node::is_folder) {
            return Err(Error::Invalid(format!("item {:?} is a folder and has no content", change.id)));
        }
        drive.replace_content(&change.id, content, now);
    }
    if let Some(text) = &change.modified_at {
        let at = parse_iso(text).ok_or_else(|| Error::Invalid(format!("modified_at {text:?} is not RFC 3339")))?;
        drive.set_modified(&change.id, at);
    }
    Ok(())
}

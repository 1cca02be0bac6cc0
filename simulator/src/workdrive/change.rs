//! Folder create, rename, move and trash (zoho.md section 3.4).

use serde_json::{Map, Value, json};

use super::dialect::{data, document, error, require, unauthorized_access};
use super::{item, limits, naming};
use crate::answer::Answer;
use crate::context::Context;
use crate::drive::NewNode;
use crate::knobs::NameCollision;

/// The status of items in the trash.
const TRASHED: &str = "51";

/// `POST /files` with name and parent.
pub(crate) fn create_folder(context: &mut Context<'_>) -> Answer {
    match try_create_folder(context) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_create_folder(context: &mut Context<'_>) -> Result<Answer, Answer> {
    require(context, &["WorkDrive.files.CREATE"])?;
    let body = body(context)?;
    let attributes = attributes(&body["data"])?;
    let name = text(attributes, "name")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| error(400, "F000", "LESS_THAN_MIN_OCCURANCE"))?;
    let parent = text(attributes, "parent_id").ok_or_else(|| error(400, "F000", "LESS_THAN_MIN_OCCURANCE"))?;
    let drive = &context.organization().drive;
    let Some((folder, _)) = drive.live_folder(parent) else { return Err(limits::unknown_id(context, parent)) };
    let parent = folder.id.clone();
    let taken = drive.child(&parent, name).is_some();
    let name = match (taken, context.world.knobs.workdrive.folder_collision) {
        (false, _) => name.to_owned(),
        (true, NameCollision::Suffix) => naming::suffixed(name, context.now),
        (true, NameCollision::Conflict) => return Err(error(409, "F000", "RESOURCE_ALREADY_EXISTS")),
    };
    if taken {
        let wanted = name.clone();
        context.misdeed("created_folder_with_taken_name", || wanted);
    }
    let at = context.now;
    let drive = &mut context.organization_mut().drive;
    let id = drive.insert(NewNode { id: None, parent, name, content: None, at });
    Ok(shown(context, &id, 201))
}

/// `PATCH /files/{id}` with a name.
pub(crate) fn rename(context: &mut Context<'_>, id: &str) -> Answer {
    match try_rename(context, id) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_rename(context: &mut Context<'_>, id: &str) -> Result<Answer, Answer> {
    require(context, &["WorkDrive.files.UPDATE"])?;
    let body = body(context)?;
    let attributes = attributes(&body["data"])?;
    let Some(node) = context.organization().drive.live(id) else { return Err(limits::unknown_id(context, id)) };
    let parent = node.parent.clone();
    if let Some(status) = text(attributes, "status") {
        return apply_status(context, id, status).map(|()| shown(context, id, 200));
    }
    let name = text(attributes, "name")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| error(400, "F000", "LESS_THAN_MIN_OCCURANCE"))?;
    let taken =
        parent.and_then(|parent| context.organization().drive.child(&parent, name).map(|other| &*other.id != id));
    if taken == Some(true) {
        return Err(error(409, "F000", "RESOURCE_ALREADY_EXISTS"));
    }
    let (name, now) = (name.to_owned(), context.now);
    context.organization_mut().drive.rename(id, name, now);
    Ok(shown(context, id, 200))
}

/// `PATCH /files` with a list of items that get another parent or status.
pub(crate) fn change(context: &mut Context<'_>) -> Answer {
    match try_change(context) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_change(context: &mut Context<'_>) -> Result<Answer, Answer> {
    require(context, &["WorkDrive.files.UPDATE"])?;
    let body = body(context)?;
    let items = body["data"]
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(|| error(400, "F000", "LESS_THAN_MIN_OCCURANCE"))?;
    let mut rows = Vec::new();
    for input in items {
        let id = input["id"].as_str().ok_or_else(|| error(400, "F000", "LESS_THAN_MIN_OCCURANCE"))?;
        let attributes = attributes(input)?;
        if context.organization().drive.live(id).is_none() {
            return Err(limits::unknown_id(context, id));
        }
        if let Some(parent) = text(attributes, "parent_id") {
            relocate(context, id, parent)?;
        }
        if let Some(status) = text(attributes, "status") {
            apply_status(context, id, status)?;
        }
        let drive = &context.organization().drive;
        rows.extend(drive.node(id).map(|node| item::document(node, drive, context.base)));
    }
    Ok(document(200, &json!({"data": rows})))
}

fn relocate(context: &mut Context<'_>, id: &str, parent: &str) -> Result<(), Answer> {
    if context.organization().drive.live_folder(parent).is_none() {
        return Err(limits::unknown_id(context, parent));
    }
    let now = context.now;
    match context.organization_mut().drive.relocate(id, parent, now) {
        true => Ok(()),
        false => Err(error(400, "F000", "INVALID_PARENT")),
    }
}

fn apply_status(context: &mut Context<'_>, id: &str, status: &str) -> Result<(), Answer> {
    if status != TRASHED {
        return Err(error(400, "F000", "INVALID_STATUS"));
    }
    let now = context.now;
    context.organization_mut().drive.set_trashed(id, now);
    Ok(())
}

fn shown(context: &Context<'_>, id: &str, status: u16) -> Answer {
    let drive = &context.organization().drive;
    match drive.node(id) {
        Some(node) => data(status, item::document(node, drive, context.base)),
        None => unauthorized_access(),
    }
}

fn body(context: &Context<'_>) -> Result<Value, Answer> {
    serde_json::from_slice(context.body).map_err(|_| error(400, "F000", "INVALID_JSON"))
}

fn attributes(data: &Value) -> Result<&Map<String, Value>, Answer> {
    data["attributes"].as_object().ok_or_else(|| error(400, "F000", "LESS_THAN_MIN_OCCURANCE"))
}

fn text<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    attributes.get(name)?.as_str()
}

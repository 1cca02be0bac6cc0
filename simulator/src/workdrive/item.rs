//! How one file or folder looks in answers, and `GET /files/{id}` (zoho.md sections 3.2 and 3.3).

use serde_json::{Value, json};

use super::dialect::{data, require};
use super::limits;
use crate::answer::Answer;
use crate::clock::{Millis, instant};
use crate::context::Context;
use crate::drive::{Drive, Node};
use crate::random::hash_text;

/// `GET /files/{id}`. An item in the trash is shown with its status.
pub(crate) fn info(context: &mut Context<'_>, id: &str) -> Answer {
    if let Err(answer) = require(context, &["WorkDrive.files.READ"]) {
        return answer;
    }
    let drive = &context.organization().drive;
    match drive.node(id) {
        Some(node) => data(200, document(node, drive, context.base)),
        None => limits::unknown_id(context, id),
    }
}

/// The item as JSON:API. Whether a time is a number or a quoted number depends on the item and the field.
pub(crate) fn document(node: &Node, drive: &Drive, base: &str) -> Value {
    let place = hash_text(&node.id);
    let millis = |at: Millis, bit: u32| if place >> bit & 1 == 0 { json!(at) } else { json!(at.to_string()) };
    let extension = node.extension();
    let parent: &str = node.parent.as_deref().unwrap_or(&drive.team_id);
    let storage = match node.children() {
        Some(children) => storage_of(children.from(0).filter_map(|(_, id)| drive.node(id))),
        None => {
            json!({"size_in_bytes": node.content().map_or(0, crate::content::Content::size_bytes), "files_count": 0, "folders_count": 0})
        }
    };
    json!({
        "id": &*node.id,
        "type": "files",
        "attributes": {
            "name": node.name,
            "type": kind_of(node),
            "extn": extension,
            "is_folder": node.is_folder(),
            "parent_id": parent,
            "created_time_in_millisecond": millis(node.created_ms, 0),
            "modified_time_in_millisecond": millis(node.modified_ms, 1),
            "uploaded_time_in_millisecond": millis(node.uploaded_ms, 2),
            // Display text for people; not meant to be read by programs.
            "modified_time": instant(node.modified_ms).format("%b %-d, %-I:%M %p").to_string(),
            "storage_info": storage,
            "permalink": format!("{base}/workdrive/file/{}", node.id),
            "status": if node.trashed { "51" } else { "1" },
        },
    })
}

fn storage_of<'a>(children: impl Iterator<Item = &'a Node>) -> Value {
    let (mut files, mut folders) = (0_u64, 0_u64);
    for child in children.filter(|child| !child.trashed) {
        if child.is_folder() {
            folders += 1;
        } else {
            files += 1;
        }
    }
    json!({"size_in_bytes": 0, "files_count": files, "folders_count": folders})
}

/// The `type` attribute: `folder`, or a family of extensions, or the extension itself.
fn kind_of(node: &Node) -> String {
    if node.is_folder() {
        return "folder".to_owned();
    }
    match category(&node.extension()) {
        Some(category) => category.to_owned(),
        None => node.extension(),
    }
}

/// The family an extension belongs to, in the words of `filter[type]`.
pub(super) fn category(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "doc" | "docx" | "odt" | "rtf" | "txt" | "md" => "documents",
        "xls" | "xlsx" | "ods" | "csv" => "spreadsheets",
        "ppt" | "pptx" | "odp" => "presentations",
        "pdf" => "pdf",
        "mp3" | "wav" | "flac" | "ogg" => "audio",
        "mp4" | "mov" | "avi" | "mkv" => "video",
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" => "images",
        _ => return None,
    })
}

//! Puts an uploaded file into the tree: collisions, versions, and the answer with its hash.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Target;
use crate::answer::Answer;
use crate::content::Content;
use crate::context::Context;
use crate::drive::NewNode;
use crate::knobs::{NameCollision, UploadRefusal};
use crate::workdrive::dialect::{error, unauthorized_access};
use crate::workdrive::naming;

/// The two uploads name the attributes of their answers differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Small,
    Stream,
}

pub(super) fn commit(
    context: &mut Context<'_>,
    target: &Target,
    content: Content,
    form: Form,
) -> Result<Answer, Answer> {
    refusal(context)?;
    let drive = &context.organization().drive;
    // 401 also means that the parent is not accessible.
    let (parent, _) = drive.live_folder(&target.parent).ok_or_else(unauthorized_access)?;
    let parent = parent.id.clone();
    let knobs = &context.world.knobs.workdrive;
    let name = if knobs.strip_full_width { naming::without_full_width(&target.name) } else { target.name.clone() };
    if name.is_empty() {
        return Err(error(500, "F000", "LESS_THAN_MIN_OCCURANCE"));
    }
    let existing = drive.child(&parent, &name).map(|node| (node.id.clone(), node.content().cloned()));
    let (collision, now) = (knobs.file_collision, context.now);
    note_repeat(context, existing.as_ref(), &content, &name);
    let id = match existing {
        None => insert(context, parent, name, content),
        Some((id, Some(_))) if target.override_existing => {
            context.organization_mut().drive.replace_content(&id, content, now);
            id
        }
        Some(_) if collision == NameCollision::Conflict => return Err(error(409, "F000", "RESOURCE_ALREADY_EXISTS")),
        Some(_) => insert(context, parent, naming::suffixed(&name, now), content),
    };
    Ok(Answer::json(200, &answer(context, &id, form)))
}

fn refusal(context: &Context<'_>) -> Result<(), Answer> {
    match context.world.knobs.workdrive.upload_refusal {
        UploadRefusal::None => Ok(()),
        UploadRefusal::Licence => Err(error(402, "F000", "LICENSE_SUSPENDED")),
        UploadRefusal::OrganizationStorage => Err(error(507, "F000", "ORGANIZATION_STORAGE_FULL")),
        UploadRefusal::PersonalStorage => Err(error(509, "F000", "PERSONAL_STORAGE_FULL")),
    }
}

/// The same bytes under the same name again: a retry that did not look first.
fn note_repeat(
    context: &mut Context<'_>,
    existing: Option<&(Arc<str>, Option<Content>)>,
    content: &Content,
    name: &str,
) {
    let same = existing.and_then(|(_, existing)| existing.as_ref()).is_some_and(|existing| {
        existing.size_bytes() == content.size_bytes()
            && existing.known_md5().is_some_and(|md5| content.known_md5() == Some(md5))
    });
    if same {
        context.misdeed("upload_of_same_content_to_same_name", || name.to_owned());
    }
}

fn insert(context: &mut Context<'_>, parent: Arc<str>, name: String, content: Content) -> Arc<str> {
    let at = context.now;
    context.organization_mut().drive.insert(NewNode { id: None, parent, name, content: Some(content), at })
}

fn answer(context: &Context<'_>, id: &str, form: Form) -> Value {
    let Some(node) = context.organization().drive.node(id) else { return Value::Null };
    let md5 = node.content().and_then(Content::known_md5).unwrap_or_default();
    let size = node.content().map_or(0, Content::size_bytes);
    let parent = node.parent.as_deref().unwrap_or_default();
    match form {
        Form::Small => {
            let info = json!({
                "RESOURCE_ID": id, "MD5_CHECKSUM": md5, "size": size, "OPERATION": "UPLOAD",
                "EVENT_ID": format!("e-{id}-{}", node.versions),
                "AUDIT_INFO": {
                    "resource": {"name": node.name, "created_time": node.created_ms},
                    "versionInfo": {"versionNumber": format!("{}.0", node.versions)},
                },
            });
            json!({"data": [{"type": "files", "attributes": {
                "Permalink": format!("{}/workdrive/file/{id}", context.base), "parent_id": parent, "resource_id": id,
                "FileName": node.name, "File INFO": info.to_string(),
            }}]})
        }
        Form::Stream => {
            let info = json!({"MD5_CHECKSUM": md5, "size": size});
            json!({"data": [{"attributes": {
                "parent_id": parent, "file_name": node.name, "resource_id": id, "file_info": info.to_string(),
            }}], "status": "success"})
        }
    }
}

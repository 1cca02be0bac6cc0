//! The user, the teams and the team folders (zoho.md section 3.1).

use serde_json::{Value, json};

use super::dialect::{data, document, require, unauthorized_access};
use super::item;
use crate::answer::Answer;
use crate::context::Context;

/// `GET /users/me`.
pub(crate) fn me(context: &mut Context<'_>) -> Answer {
    let organization = context.organization();
    let drive = &organization.drive;
    data(
        200,
        json!({
            "id": drive.user_id, "type": "users",
            "attributes": {
                "email_id": format!("api@{}.example.com", organization.name), "edition": "TEAM",
                "preferred_team_id": drive.team_id,
            },
        }),
    )
}

/// `GET /users/{id}/teams`.
pub(crate) fn teams(context: &mut Context<'_>, user: &str) -> Answer {
    if let Err(answer) = require(context, &["WorkDrive.team.READ"]) {
        return answer;
    }
    let drive = &context.organization().drive;
    if user != drive.user_id && user != "me" {
        return unauthorized_access();
    }
    data(200, json!([{"id": drive.team_id, "type": "teams", "attributes": {"name": drive.team_name}}]))
}

/// `GET /teams/{team}/currentuser`: the member id, which is another one than the user id.
pub(crate) fn current_user(context: &mut Context<'_>, team: &str) -> Answer {
    if let Err(answer) = require(context, &["WorkDrive.team.READ"]) {
        return answer;
    }
    let drive = &context.organization().drive;
    if team != drive.team_id {
        return unauthorized_access();
    }
    data(200, json!({"id": drive.member_id, "type": "users", "attributes": {"zuid": drive.user_id}}))
}

/// `GET /users/{member}/privatespace`.
pub(crate) fn private_space(context: &mut Context<'_>, member: &str) -> Answer {
    if let Err(answer) = require(context, &["WorkDrive.files.READ"]) {
        return answer;
    }
    let drive = &context.organization().drive;
    if member != drive.member_id {
        return unauthorized_access();
    }
    data(200, json!([{"id": drive.private_space_id, "type": "privatespace", "attributes": {"name": "My Folders"}}]))
}

/// `GET /teams/{team}/teamfolders` in pages.
pub(crate) fn team_folders(context: &mut Context<'_>, team: &str) -> Answer {
    let covered = ["WorkDrive.teamfolders.READ", "WorkDrive.workspace.READ"].iter().any(|scope| context.allows(scope));
    if !covered {
        return require(context, &["WorkDrive.teamfolders.READ"]).err().unwrap_or_else(unauthorized_access);
    }
    if team != context.organization().drive.team_id {
        return unauthorized_access();
    }
    let query = &context.call.query;
    let limit = query.number("page[limit]", 50).unwrap_or(50).clamp(1, 50);
    let offset = query.number("page[offset]", 0).unwrap_or(0);
    let drive = &context.organization().drive;
    let ids = drive.team_folders.iter().skip(offset).take(limit);
    let rows: Vec<Value> = ids
        .filter_map(|id| drive.live(id))
        .map(|node| {
            let mut row = item::document(node, drive, context.base);
            row["type"] = "teamfolders".into();
            row
        })
        .collect();
    document(200, &json!({"data": rows}))
}

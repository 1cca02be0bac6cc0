//! `GET /users`: the cheap way to see whether a token is alive (zoho.md section 2.6).

use serde_json::json;

use super::dialect::{error, require};
use crate::answer::Answer;
use crate::context::Context;

const TYPES: &[&str] = &[
    "AllUsers",
    "ActiveUsers",
    "DeactiveUsers",
    "ConfirmedUsers",
    "NotConfirmedUsers",
    "DeletedUsers",
    "ActiveConfirmedUsers",
    "AdminUsers",
    "ActiveConfirmedAdmins",
    "CurrentUser",
];

pub(crate) fn users(context: &mut Context<'_>) -> Answer {
    if let Err(answer) = require(context, &["ZohoCRM.users.READ"]) {
        return answer;
    }
    let kind = context.call.query.get("type").unwrap_or("AllUsers");
    if !TYPES.contains(&kind) {
        return error(
            400,
            "PATTERN_NOT_MATCHED",
            json!({"param_name": "type"}),
            "Please check whether the input values are correct",
        );
    }
    if matches!(kind, "DeactiveUsers" | "NotConfirmedUsers" | "DeletedUsers") {
        return Answer::empty(204);
    }
    let name = context.organization().name.clone();
    let user = json!({
        "id": "520000000000000053", "full_name": format!("API of {name}"), "email": format!("api@{name}.example.com"),
        "status": "active", "role": {"name": "CEO", "id": "520000000000000001"},
        "profile": {"name": "Administrator", "id": "520000000000000002"},
    });
    let info = json!({"per_page": 200, "count": 1, "page": 1, "more_records": false});
    Answer::json(200, &json!({"users": [user], "info": info}))
}

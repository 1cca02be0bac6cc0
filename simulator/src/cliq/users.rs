//! `GET /api/v2/users`: the people of the organisation (zoho.md section 5.4).

use serde_json::{Map, Value, json};

use super::dialect::{Version, invalid_parameter, note_unknown, require};
use super::page::Page;
use super::{Cliq, User};
use crate::answer::Answer;
use crate::context::Context;

const PARAMETERS: &[&str] = &["search", "limit", "next_token", "status", "plan_type", "sort_by", "modified_after"];

pub(crate) fn users(context: &mut Context<'_>) -> Answer {
    match try_users(context) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_users(context: &mut Context<'_>) -> Result<Answer, Answer> {
    require(context, Version::V2, "ZohoCliq.Users.READ")?;
    note_unknown(context, PARAMETERS);
    let page = Page::read(context, 50, 100)?;
    let active = match context.call.query.get("status") {
        None => None,
        Some("active") => Some(true),
        Some("inactive") => Some(false),
        Some(_) => return Err(invalid_parameter(Version::V2, "status")),
    };
    let search = context.call.query.get("search").map(str::to_lowercase);
    let cliq = &context.organization().cliq;
    let is_found = |user: &User| {
        search.as_ref().is_none_or(|search| format!("{} {}", user.name(), user.email).to_lowercase().contains(search))
    };
    let found = cliq.users.iter().enumerate();
    let rows = found.filter(|(_, user)| active.is_none_or(|active| user.active == active) && is_found(user));
    let (rows, next) = page.cut(rows.collect());
    let mut body = Map::new();
    body.insert("data".to_owned(), rows.into_iter().map(|user| shown(cliq, user)).collect());
    body.insert("has_more".to_owned(), next.is_some().into());
    if let Some(next) = next {
        body.insert("next_token".to_owned(), next.into());
    }
    Ok(Answer::json(200, &Value::Object(body)))
}

fn shown(cliq: &Cliq, user: &User) -> Value {
    json!({
        "id": user.id,
        "email_id": user.email,
        "zuid": user.id,
        "zoid": cliq.organization_id,
        "display_name": user.first_name,
        "name": user.name(),
        "organization_id": cliq.organization_id,
    })
}

//! `GET /files/{folder}/files` in offset pages of 50 or cursor pages of 1,000 (zoho.md section 3.2).

use serde_json::{Value, json};

use super::dialect::{document, error, require};
use super::{item, limits};
use crate::answer::Answer;
use crate::context::Context;
use crate::drive::Node;

const OFFSET_PAGE: usize = 50;
const CURSOR_PAGE: usize = 1_000;

/// The values of `filter[type]` that mean a family of extensions.
const FAMILIES: &[&str] = &["documents", "spreadsheets", "presentations", "pdf", "audio", "video", "images"];

pub(crate) fn list(context: &mut Context<'_>, folder: &str) -> Answer {
    match try_list(context, folder) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_list(context: &mut Context<'_>, folder: &str) -> Result<Answer, Answer> {
    require(context, &["WorkDrive.files.READ"])?;
    let filter = context.call.query.get("filter[type]").unwrap_or("all").to_owned();
    let known = matches!(filter.as_str(), "all" | "allfiles" | "folder") || FAMILIES.contains(&filter.as_str());
    if !known {
        return Err(error(400, "F000", "INVALID_FILTER_VALUE"));
    }
    let cursor = context.call.query.get("page[next]").map(str::to_owned);
    let offset = number(context, "page[offset]", 0)?;
    let is_first_page = cursor.as_deref().map_or(offset == 0, |cursor| cursor == "0");
    if context.organization().drive.live_folder(folder).is_none() {
        return Err(limits::unknown_id(context, folder));
    }
    if is_first_page {
        limits::listing(context, folder)?;
    }
    match cursor {
        Some(cursor) => by_cursor(context, folder, &filter, &cursor),
        None => by_offset(context, folder, &filter, offset),
    }
}

fn number(context: &Context<'_>, name: &str, default: usize) -> Result<usize, Answer> {
    context.call.query.number(name, default).ok_or_else(|| error(400, "F000", "INVALID_PARAMETER_VALUE"))
}

fn shows(filter: &str, node: &Node) -> bool {
    if node.trashed {
        return false;
    }
    match filter {
        "all" => true,
        "allfiles" => !node.is_folder(),
        "folder" => node.is_folder(),
        family => !node.is_folder() && item::category(&node.extension()) == Some(family),
    }
}

fn by_offset(context: &mut Context<'_>, folder: &str, filter: &str, offset: usize) -> Result<Answer, Answer> {
    let limit = number(context, "page[limit]", OFFSET_PAGE)?;
    if limit > OFFSET_PAGE {
        context.misdeed("page_limit_too_large", || format!("page[limit]={limit} in offset mode"));
    }
    let drive = &context.organization().drive;
    let Some((_, children)) = drive.live_folder(folder) else { return Err(super::dialect::unauthorized_access()) };
    let rows: Vec<Value> = children
        .from(0)
        .filter_map(|(_, id)| drive.node(id))
        .filter(|node| shows(filter, node))
        .skip(offset)
        .take(limit.clamp(1, OFFSET_PAGE))
        .map(|node| item::document(node, drive, context.base))
        .collect();
    Ok(document(200, &json!({"data": rows})))
}

fn by_cursor(context: &mut Context<'_>, folder: &str, filter: &str, cursor: &str) -> Result<Answer, Answer> {
    let asked = number(context, "page[limit]", OFFSET_PAGE)?;
    if asked > CURSOR_PAGE {
        context.misdeed("page_limit_too_large", || format!("page[limit]={asked} in cursor mode"));
    }
    let limit = asked.clamp(1, CURSOR_PAGE);
    let phantom = context.world.knobs.workdrive.phantom_last_page;
    let start = u64::from_str_radix(cursor, 16).map_err(|_| error(400, "F000", "INVALID_PARAMETER_VALUE"))?;
    let drive = &context.organization().drive;
    let Some((_, children)) = drive.live_folder(folder) else { return Err(super::dialect::unauthorized_access()) };
    let mut found = children
        .from(start)
        .filter_map(|(place, id)| Some((place, drive.node(id)?)))
        .filter(|(_, node)| shows(filter, node));
    let page: Vec<(u64, &Node)> = found.by_ref().take(limit).collect();
    let more = found.next().is_some();
    let rows: Vec<Value> = page.iter().map(|(_, node)| item::document(node, drive, context.base)).collect();
    let next = page.last().map_or(start, |(place, _)| place.saturating_add(1));
    let has_next = more || (phantom && !page.is_empty());
    let links = match has_next {
        true => json!({"cursor": {"has_next": true, "next": next_url(context, folder, filter, limit, next)}}),
        false => json!({"cursor": {"has_next": false}}),
    };
    Ok(document(200, &json!({"links": links, "data": rows})))
}

fn next_url(context: &Context<'_>, folder: &str, filter: &str, limit: usize, next: u64) -> String {
    let filter = if context.call.query.get("filter[type]").is_some() {
        format!("&filter%5Btype%5D={filter}")
    } else {
        String::new()
    };
    format!(
        "{}/workdrive/api/v1/files/{folder}/files?page%5Blimit%5D={limit}&page%5Bnext%5D={next:x}{filter}",
        context.base
    )
}

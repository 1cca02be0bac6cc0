//! `GET /teams/{team}/records`: names and contents, from an index that lags behind (zoho.md section 3.5).

use caseless::default_case_fold_str;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::dialect::{document, error, require, unauthorized_access};
use super::item;
use crate::answer::Answer;
use crate::context::Context;
use crate::drive::{Drive, Node};
use crate::random::hash_text;

const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;

/// What is searched.
struct Wanted {
    words: String,
    in_names: bool,
    in_contents: bool,
}

pub(crate) fn search(context: &mut Context<'_>, team: &str) -> Answer {
    match try_search(context, team) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_search(context: &mut Context<'_>, team: &str) -> Result<Answer, Answer> {
    require(context, &["ZohoSearch.securesearch.READ", "WorkDrive.team.READ"])?;
    if team != context.organization().drive.team_id {
        return Err(unauthorized_access());
    }
    let query = &context.call.query;
    let knobs = &context.world.knobs.workdrive;
    let wanted =
        wanted(context, knobs.search_matches_content).ok_or_else(|| error(400, "F000", "LESS_THAN_MIN_OCCURANCE"))?;
    let indexed_until = context.now - knobs.search_lag_ms;
    let limit = query.number("page[limit]", PAGE).unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let offset = query.number("page[offset]", 0).unwrap_or(0);
    let drive = &context.organization().drive;
    let mut hits: Vec<&Node> = drive
        .nodes()
        .filter(|node| node.parent.is_some() && node.changed_ms <= indexed_until)
        .filter(|node| is_in_scope(context, node) && matches(&wanted, node))
        .filter(|node| drive.live(&node.id).is_some())
        .collect();
    hits.sort_by_key(|node| hash_text(&node.id));
    let rows: Vec<Value> = hits.iter().skip(offset).take(limit).map(|node| shown(node, drive, context)).collect();
    Ok(document(200, &json!({"data": rows, "meta": {"total": hits.len()}})))
}

fn shown(node: &Node, drive: &Drive, context: &Context<'_>) -> Value {
    item::document(node, drive, context.base)
}

fn wanted(context: &Context<'_>, content_too: bool) -> Option<Wanted> {
    let query = &context.call.query;
    let forms =
        [("search[all]", true, content_too), ("search[name]", true, false), ("search[content]", false, content_too)];
    let (words, in_names, in_contents) =
        forms.iter().find_map(|(name, in_names, in_contents)| Some((query.get(name)?, *in_names, *in_contents)))?;
    Some(Wanted { words: folded(words), in_names, in_contents })
}

fn is_in_scope(context: &Context<'_>, node: &Node) -> bool {
    let query = &context.call.query;
    let team_folder = query.get("filter[teamFolder]").is_none_or(|id| *node.team_folder == *id);
    let parent = query.get("filter[parentId]").is_none_or(|id| node.parent.as_deref() == Some(id));
    let kind = match query.get("filter[type]") {
        Some("folder") => node.is_folder(),
        Some("allfiles") => !node.is_folder(),
        _ => true,
    };
    team_folder && parent && kind
}

fn matches(wanted: &Wanted, node: &Node) -> bool {
    let in_name = wanted.in_names && folded(&node.name).contains(&wanted.words);
    in_name || (wanted.in_contents && has_words(node, &wanted.words))
}

fn has_words(node: &Node, words: &str) -> bool {
    let text = node.content().and_then(crate::content::Content::searchable);
    text.is_some_and(|text| folded(text).contains(words))
}

/// NFC and full case folding, so that `STRASSE` finds `Straße` (zoho.md section 13).
fn folded(text: &str) -> String {
    default_case_fold_str(&text.nfc().collect::<String>()).nfc().collect()
}

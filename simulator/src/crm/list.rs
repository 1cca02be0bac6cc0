//! `GET /{module}`: pages of records in id or time order (zoho.md section 2.1).

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::dialect::{error, require_module};
use super::module::Record;
use crate::answer::Answer;
use crate::clock::{Millis, iso_seconds, parse_iso};
use crate::context::Context;
use crate::random::hash_text;

/// `page` works inside the first 2,000 records only.
const DISCRETE_RECORDS: usize = 2_000;
/// `page_token` works inside the first 100,000.
const TOKEN_RECORDS: usize = 100_000;
const TOKEN_LIFE_MS: Millis = 86_400_000;

/// Where a page starts and how long it may be.
struct Window {
    offset: usize,
    per_page: usize,
    page: usize,
}

pub(crate) fn list(context: &mut Context<'_>, module: &str) -> Answer {
    match try_list(context, module) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_list(context: &mut Context<'_>, module: &str) -> Result<Answer, Answer> {
    require_module(context, module, "READ")?;
    let fields = fields(context)?;
    let sort_by = context.call.query.get("sort_by").unwrap_or("id").to_owned();
    if !matches!(sort_by.as_str(), "id" | "Created_Time" | "Modified_Time") {
        return Err(error(
            400,
            "INVALID_DATA",
            json!({"param_name": "sort_by"}),
            "the sort_by given seems to be invalid",
        ));
    }
    let ascending = context.call.query.get("sort_order") == Some("asc");
    let signature =
        hash_text(&format!("{module}|{}|{sort_by}|{ascending}|{}", fields.join(","), context.caller.organization));
    let window = window(context, signature)?;
    let since = since(context)?;
    let ids: Option<Vec<&str>> = context.call.query.get("ids").map(|ids| ids.split(',').map(str::trim).collect());
    let crm = &context.organization().crm;
    let Some(module) = crm.module(module) else { return Err(super::dialect::invalid_module()) };
    let mut records: Vec<&Record> = module
        .records
        .values()
        .filter(|record| ids.as_ref().is_none_or(|ids| ids.contains(&record.id.to_string().as_str())))
        .filter(|record| since.is_none_or(|since| record.modified_ms > since))
        .collect();
    if records.is_empty() && since.is_some() {
        return Ok(Answer::empty(304));
    }
    records.sort_by(|left, right| order(left, right, &sort_by, ascending));
    let page: Vec<Value> = records
        .iter()
        .skip(window.offset)
        .take(window.per_page)
        .map(|record| {
            let values = fields.iter().filter(|field| module.column(field).is_some());
            let mut shown: serde_json::Map<String, Value> =
                values.map(|field| (field.clone(), record.value(field, crm.offset))).collect();
            shown.insert("id".to_owned(), record.id.to_string().into());
            Value::Object(shown)
        })
        .collect();
    if page.is_empty() {
        return Ok(Answer::empty(204));
    }
    let end = window.offset + page.len();
    let more = end < records.len();
    let expiry = context.now + TOKEN_LIFE_MS;
    let (token, token_expiry) = match more {
        true => (json!(page_token(end, signature, expiry)), json!(iso_seconds(expiry, crm.offset))),
        false => (Value::Null, Value::Null),
    };
    let info = json!({
        "per_page": window.per_page, "count": page.len(), "page": window.page, "sort_by": sort_by,
        "sort_order": if ascending { "asc" } else { "desc" }, "more_records": more, "next_page_token": token,
        "previous_page_token": null, "page_token_expiry": token_expiry,
    });
    Ok(Answer::json(200, &json!({"data": page, "info": info})))
}

/// The `fields` parameter, which is mandatory.
pub(super) fn fields(context: &Context<'_>) -> Result<Vec<String>, Answer> {
    let Some(fields) = context.call.query.get("fields").filter(|fields| !fields.trim().is_empty()) else {
        let message = "One of the expected parameter is missing";
        return Err(error(400, "REQUIRED_PARAM_MISSING", json!({"param_name": "fields"}), message));
    };
    let fields: Vec<String> = fields.split(',').map(|field| field.trim().to_owned()).collect();
    if fields.len() > 50 {
        return Err(error(400, "LIMIT_EXCEEDED", json!({"limit": 50, "param_name": "fields"}), "too many fields"));
    }
    Ok(fields)
}

/// `If-Modified-Since` in ISO form.
fn since(context: &Context<'_>) -> Result<Option<Millis>, Answer> {
    match context.call.header("if-modified-since") {
        None => Ok(None),
        Some(text) => parse_iso(text).map(Some).ok_or_else(|| {
            error(400, "INVALID_DATA", json!({"header": "If-Modified-Since"}), "the header is not an ISO time")
        }),
    }
}

fn window(context: &Context<'_>, signature: u64) -> Result<Window, Answer> {
    let query = &context.call.query;
    let invalid = |name: &str| error(400, "INVALID_DATA", json!({"param_name": name}), "invalid data");
    let per_page =
        query.number("per_page", 200).filter(|count| (1..=200).contains(count)).ok_or_else(|| invalid("per_page"))?;
    let page = query.number("page", 1).filter(|page| *page >= 1).ok_or_else(|| invalid("page"))?;
    let Some(token) = query.get("page_token") else {
        if page * per_page > DISCRETE_RECORDS {
            return Err(error(
                400,
                "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
                json!({"limit": DISCRETE_RECORDS}),
                "use page_token beyond 2000 records",
            ));
        }
        return Ok(Window { offset: (page - 1) * per_page, per_page, page });
    };
    if query.get("page").is_some() {
        return Err(error(
            400,
            "AMBIGUITY_DURING_PROCESSING",
            json!({"param_names": ["page", "page_token"]}),
            "page and page_token",
        ));
    }
    let (offset, bound_to, expiry) = read_page_token(token).ok_or_else(|| invalid("page_token"))?;
    if bound_to != signature {
        return Err(error(
            400,
            "TOKEN_BOUND_DATA_MISMATCH",
            json!({"param_name": "page_token"}),
            "the token belongs to another query",
        ));
    }
    if expiry <= context.now {
        return Err(error(400, "EXPIRED_VALUE", json!({"param_name": "page_token"}), "the token has expired"));
    }
    if offset + per_page > TOKEN_RECORDS {
        return Err(error(400, "PAGINATION_LIMIT_EXCEEDED", json!({"limit": TOKEN_RECORDS}), "beyond 100000 records"));
    }
    Ok(Window { offset, per_page, page: offset / per_page + 1 })
}

fn page_token(offset: usize, signature: u64, expiry: Millis) -> String {
    format!("{offset:x}.{signature:x}.{expiry:x}")
}

fn read_page_token(token: &str) -> Option<(usize, u64, Millis)> {
    let mut parts = token.split('.');
    let offset = usize::from_str_radix(parts.next()?, 16).ok()?;
    let signature = u64::from_str_radix(parts.next()?, 16).ok()?;
    let expiry = Millis::from_str_radix(parts.next()?, 16).ok()?;
    Some((offset, signature, expiry))
}

fn order(left: &Record, right: &Record, sort_by: &str, ascending: bool) -> Ordering {
    let ordering = match sort_by {
        "Created_Time" => left.created_ms.cmp(&right.created_ms),
        "Modified_Time" => left.modified_ms.cmp(&right.modified_ms),
        _ => Ordering::Equal,
    };
    let ordering = ordering.then(left.id.cmp(&right.id));
    if ascending { ordering } else { ordering.reverse() }
}

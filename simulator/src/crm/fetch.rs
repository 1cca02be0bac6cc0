//! One record, deleted records, and the number of records (zoho.md sections 2.1 and 2.2).

use serde_json::{Value, json};

use super::dialect::{error, invalid_module, require_module};
use super::module::Person;
use crate::answer::Answer;
use crate::clock::iso_seconds;
use crate::context::Context;

/// `GET /{module}/{id}`; `fields` narrows the answer and may be left out.
pub(crate) fn record(context: &mut Context<'_>, module: &str, id: &str) -> Answer {
    if let Err(answer) = require_module(context, module, "READ") {
        return answer;
    }
    let unknown_is_error = context.world.knobs.crm.unknown_record_is_error;
    let crm = &context.organization().crm;
    let Some(module) = crm.module(module) else { return invalid_module() };
    let Some(record) = id.parse().ok().and_then(|id: u64| module.records.get(&id)) else {
        if unknown_is_error {
            return error(400, "INVALID_DATA", json!({"resource_path_index": 1}), "the id given seems to be invalid");
        }
        return Answer::empty(204);
    };
    let own = module.fields.iter().map(|(name, _)| name.as_str());
    let system = ["Created_Time", "Modified_Time", "Created_By", "Modified_By"];
    let wanted: Option<Vec<&str>> =
        context.call.query.get("fields").map(|fields| fields.split(',').map(str::trim).collect());
    let mut shown: serde_json::Map<String, Value> = own
        .chain(system)
        .filter(|name| wanted.as_ref().is_none_or(|wanted| wanted.contains(name)))
        .map(|name| (name.to_owned(), record.value(name, crm.offset)))
        .collect();
    shown.insert("id".to_owned(), record.id.to_string().into());
    Answer::json(200, &json!({"data": [shown]}))
}

/// `GET /{module}/deleted?type=all|recycle|permanent`.
pub(crate) fn deleted(context: &mut Context<'_>, module: &str) -> Answer {
    if let Err(answer) = require_module(context, module, "READ") {
        return answer;
    }
    let query = &context.call.query;
    let per_page = query.number("per_page", 200).unwrap_or(200).clamp(1, 200);
    let page = query.number("page", 1).unwrap_or(1).max(1);
    let permanent_only = query.get("type") == Some("permanent");
    let crm = &context.organization().crm;
    let Some(module) = crm.module(module) else { return invalid_module() };
    let rows: Vec<Value> = module
        .deleted
        .iter()
        .filter(|_| !permanent_only)
        .skip((page - 1) * per_page)
        .take(per_page)
        .map(|gone| {
            json!({
                "id": gone.id.to_string(), "display_name": gone.display_name, "type": "recycle",
                "deleted_time": iso_seconds(gone.at, crm.offset),
                "deleted_by": Person::Ann.to_json(), "created_by": Person::Ann.to_json(),
            })
        })
        .collect();
    if rows.is_empty() {
        return Answer::empty(204);
    }
    let more = module.deleted.len() > page * per_page;
    let info = json!({"per_page": per_page, "count": rows.len(), "page": page, "more_records": more});
    Answer::json(200, &json!({"data": rows, "info": info}))
}

/// `GET /{module}/actions/count`.
pub(crate) fn count(context: &mut Context<'_>, module: &str) -> Answer {
    if let Err(answer) = require_module(context, module, "READ") {
        return answer;
    }
    let count = context.organization().crm.module(module).map_or(0, |module| module.records.len());
    Answer::json(200, &json!({"count": count}))
}

//! `PUT /{module}` and `PUT /{module}/{id}`: one result per record (zoho.md section 2.5).

use serde_json::{Map, Value, json};

use super::dialect::{error, error_body, invalid_module, require_module};
use super::module::{Module, Person, Record, accepts, type_name};
use crate::answer::Answer;
use crate::clock::{Millis, iso_seconds, parse_iso};
use crate::context::Context;
use crate::notify::{self, Operation};

/// Most records in one call.
const RECORDS: usize = 100;

pub(crate) fn update(context: &mut Context<'_>, module: &str, id: Option<&str>) -> Answer {
    match try_update(context, module, id) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_update(context: &mut Context<'_>, module: &str, id: Option<&str>) -> Result<Answer, Answer> {
    require_module(context, module, "UPDATE")?;
    let inputs = inputs(context)?;
    let unmodified_since = unmodified_since(context)?;
    let now = context.now;
    let mut changed: Vec<(u64, Vec<String>)> = Vec::new();
    let mut stale = false;
    let crm = &mut context.organization_mut().crm;
    let offset = crm.offset;
    let Some(target) = crm.module_mut(module) else { return Err(invalid_module()) };
    let results: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| match apply(target, input, id, index, unmodified_since, now) {
            Ok(record) => {
                let fields = input.keys().filter(|name| *name != "id").cloned().chain(["Modified_Time".to_owned()]);
                changed.push((record.id, fields.collect()));
                success(&record, offset)
            }
            Err(failure) => {
                stale |= failure.code == "ALREADY_MODIFIED";
                error_body(failure.code, &failure.details, failure.message)
            }
        })
        .collect();
    let failed = results.len() - changed.len();
    if context.world.knobs.crm.echo_notifications {
        let by = notify::Change { module, operation: Operation::Update, records: &changed };
        notify::raise(context.world, context.caller.organization, &by, context.base, now);
    }
    let status = match failed {
        0 => 200,
        _ if stale && results.len() == 1 => 412,
        _ if failed == results.len() => context.world.knobs.crm.all_failed_status,
        _ => context.world.knobs.crm.mixed_status,
    };
    Ok(Answer::json(status, &json!({"data": results})))
}

fn inputs(context: &Context<'_>) -> Result<Vec<Map<String, Value>>, Answer> {
    let body: Value = serde_json::from_slice(context.body)
        .map_err(|_| error(400, "INVALID_DATA", json!({"expected_data_type": "jsonobject"}), "body is not JSON"))?;
    let Some(data) = body.get("data") else {
        return Err(error(
            400,
            "MANDATORY_NOT_FOUND",
            json!({"api_name": "data", "json_path": "$.data"}),
            "required field not found",
        ));
    };
    let rows = data.as_array().filter(|rows| !rows.is_empty()).ok_or_else(|| {
        error(
            400,
            "INVALID_DATA",
            json!({"expected_data_type": "jsonarray", "api_name": "data", "json_path": "$.data"}),
            "invalid data",
        )
    })?;
    if rows.len() > RECORDS {
        return Err(error(
            400,
            "LIMIT_EXCEEDED",
            json!({"limit": RECORDS, "api_name": "data", "json_path": "$.data"}),
            "limit exceeded",
        ));
    }
    Ok(rows.iter().map(|row| row.as_object().cloned().unwrap_or_default()).collect())
}

/// The precondition. Its name is not certain, so both spellings are honoured.
fn unmodified_since(context: &Context<'_>) -> Result<Option<Millis>, Answer> {
    let header = context.call.header("if-unmodified-since").or_else(|| context.call.header("if-modified-since"));
    match header {
        None => Ok(None),
        Some(text) => parse_iso(text).map(Some).ok_or_else(|| {
            error(400, "INVALID_DATA", json!({"header": "If-Unmodified-Since"}), "the header is not an ISO time")
        }),
    }
}

struct Failure {
    code: &'static str,
    details: Value,
    message: &'static str,
}

fn invalid(details: Value) -> Failure {
    Failure { code: "INVALID_DATA", details, message: "invalid data" }
}

fn apply(
    module: &mut Module,
    input: &Map<String, Value>,
    path_id: Option<&str>,
    index: usize,
    unmodified_since: Option<Millis>,
    now: Millis,
) -> Result<Record, Failure> {
    let path = |name: &str| format!("$.data[{index}].{name}");
    let id = match path_id {
        Some(id) => id.parse::<u64>().ok(),
        None if !input.contains_key("id") => {
            let details = json!({"api_name": "id", "json_path": path("id")});
            return Err(Failure { code: "MANDATORY_NOT_FOUND", details, message: "required field not found" });
        }
        None => input.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()),
    };
    let Some(id) = id.filter(|id| module.records.contains_key(id)) else {
        let details = match path_id {
            Some(_) => json!({"resource_path_index": 1}),
            None => json!({"api_name": "id", "json_path": path("id")}),
        };
        return Err(Failure { code: "INVALID_DATA", details, message: "the id given seems to be invalid" });
    };
    for (name, value) in input.iter().filter(|(name, _)| *name != "id") {
        let Some(kind) = module.own_field(name) else {
            return Err(invalid(json!({"api_name": name, "json_path": path(name)})));
        };
        if !accepts(kind, value) {
            return Err(invalid(
                json!({"expected_data_type": type_name(kind), "api_name": name, "json_path": path(name)}),
            ));
        }
    }
    let Some(record) = module.records.get_mut(&id) else { return Err(invalid(json!({"api_name": "id"}))) };
    if record.locked {
        return Err(Failure {
            code: "RECORD_LOCKED",
            details: json!({"id": id.to_string()}),
            message: "record is locked",
        });
    }
    // Times in headers and bodies have whole seconds.
    if unmodified_since.is_some_and(|since| record.modified_ms.div_euclid(1000) > since.div_euclid(1000)) {
        let details = json!({
            "id": id.to_string(),
            "Modified_Time": iso_seconds(record.modified_ms, chrono::Offset::fix(&chrono::Utc)),
            "Modified_By": record.modified_by.to_json(),
        });
        return Err(Failure { code: "ALREADY_MODIFIED", details, message: "the record was modified meanwhile" });
    }
    let values: Map<String, Value> =
        input.iter().filter(|(name, _)| *name != "id").map(|(name, value)| (name.clone(), value.clone())).collect();
    record.change(&values, Person::Api, now);
    Ok(record.clone())
}

fn success(record: &Record, offset: chrono::FixedOffset) -> Value {
    json!({
        "code": "SUCCESS",
        "details": {
            "Modified_Time": iso_seconds(record.modified_ms, offset),
            "Modified_By": record.modified_by.to_json(),
            "Created_Time": iso_seconds(record.created_ms, offset),
            "id": record.id.to_string(),
            "Created_By": Person::Ann.to_json(),
        },
        "message": "record updated",
        "status": "success",
    })
}

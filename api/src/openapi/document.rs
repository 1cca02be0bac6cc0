//! Puts the description together.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::endpoint::Changes;
use crate::endpoints::{self, Entry, Table};
use crate::input::BODY_LIMIT;
use crate::problem::Refusal;

const ABOUT: &str = "Shows and steers what Gateledger records, transfers and syncs. Every address under `/api` takes a bearer token \
     (JWT) that names a subject, a role and an organisation; things of other organisations look as if they did not exist. \
     Lists come in pages: give `next_cursor` as `cursor` for the next one, until it is null. Refusals are problem details \
     (RFC 9457) with a stable `code`. A request may bring its own id as `X-Request-Id`, which must be a UUID.";

/// The description of the whole API, as JSON.
#[must_use]
pub fn document() -> Value {
    of(&Table::new(endpoints::all()))
}

pub(crate) fn of(table: &Table) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for entry in &table.entries {
        let endpoint = &entry.endpoint;
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.method.as_str().to_ascii_lowercase()] = operation(entry);
    }
    let mut tags: Vec<&str> = table.entries.iter().map(|entry| group(entry.endpoint.path)).collect();
    tags.dedup();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gateledger",
            "version": "1.0.0",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags.iter().map(|tag| json!({"name": tag})).collect::<Vec<_>>(),
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": table.shapes.0,
            "headers": {
                "RequestId": {
                    "description": "Names the request, also in the log and in the audit trail.",
                    "schema": {"type": "string", "format": "uuid"},
                },
                "RetryAfter": {
                    "description": "Seconds after which it makes sense to ask again.",
                    "schema": {"type": "integer", "minimum": 0},
                },
                "Challenge": {
                    "description": "The scheme of tokens, and what is wrong with this one (RFC 6750).",
                    "schema": {"type": "string"},
                },
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "`gateledger token issue --role viewer --organization NAME` prints one.",
                },
            },
        },
    })
}

/// What a path is about: its first segment after the version.
pub(crate) fn group(path: &'static str) -> &'static str {
    path.split('/').filter(|segment| !segment.is_empty()).nth(2).unwrap_or("api")
}

fn operation(entry: &Entry) -> Value {
    let endpoint = &entry.endpoint;
    let mut description = format!("Role: `{}` or a higher one.", endpoint.role);
    match endpoint.changes {
        Changes::Nothing => {}
        Changes::Recorded => description.push_str(" Recorded with who did it."),
        Changes::Audited => description.push_str(" The call is recorded as `api.called` with who made it."),
    }
    let mut operation = json!({
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": description,
        "tags": [group(endpoint.path)],
        "x-minimum-role": endpoint.role.as_str(),
        "parameters": parameters(entry),
        "responses": responses(entry),
    });
    if let Some(body) = &entry.body {
        operation["requestBody"] = json!({
            "required": true,
            "description": format!("At most {BODY_LIMIT} bytes."),
            "content": {"application/json": {"schema": body}},
        });
    }
    operation
}

fn parameters(entry: &Entry) -> Vec<Value> {
    let mut parameters = Vec::new();
    for (place, schema) in [("path", &entry.path), ("query", &entry.query)] {
        let required: Vec<&Value> = schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let mut property = without_null(property.clone());
            let description = property.as_object_mut().and_then(|property| property.remove("description"));
            let mut parameter = json!({
                "name": name,
                "in": place,
                "required": place == "path" || required.iter().any(|one| *one == name),
                "schema": property,
            });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameters.push(parameter);
        }
    }
    parameters
}

/// The schema of a parameter that is there: what is left out is not null.
fn without_null(mut schema: Value) -> Value {
    if let Some(types) = schema.get_mut("type")
        && let Some(one) = types.as_array().and_then(|types| types.iter().find(|one| *one != "null").cloned())
    {
        *types = one;
    }
    if let Some(allowed) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        allowed.retain(|one| !one.is_null());
    }
    if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
        let mut rest = alternatives.iter().filter(|one| one.get("type").is_none_or(|one| one != "null"));
        if let (Some(only), None) = (rest.next(), rest.next()) {
            let mut only = only.clone();
            if let (Some(description), Some(only)) = (schema.get("description"), only.as_object_mut()) {
                only.insert("description".to_owned(), description.clone());
            }
            return only;
        }
    }
    if let Some(schema) = schema.as_object_mut()
        && schema.get("default").is_some_and(Value::is_null)
    {
        schema.remove("default");
    }
    schema
}

fn responses(entry: &Entry) -> Value {
    let endpoint = &entry.endpoint;
    let mut responses = Map::new();
    for status in endpoint.answers {
        let description = match status {
            201 => "Something new is there.",
            202 => "It will be done.",
            _ => "Done.",
        };
        let answer = json!({
            "description": description,
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
            "content": {"application/json": {"schema": entry.answer}},
        });
        responses.insert(status.to_string(), answer);
    }
    let mut by_status: BTreeMap<u16, Vec<Refusal>> = BTreeMap::new();
    for refusal in endpoint.all_refusals() {
        by_status.entry(refusal.status).or_default().push(refusal);
    }
    for (status, refusals) in by_status {
        responses.insert(status.to_string(), refused(status, &refusals));
    }
    Value::Object(responses)
}

fn refused(status: u16, refusals: &[Refusal]) -> Value {
    let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code).collect();
    let words: Vec<String> =
        refusals.iter().map(|refusal| format!("`{}`: {}", refusal.code, refusal.meaning)).collect();
    let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/RequestId"}});
    match status {
        401 => headers["WWW-Authenticate"] = json!({"$ref": "#/components/headers/Challenge"}),
        503 => headers["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"}),
        _ => {}
    }
    json!({
        "description": words.join("\n\n"),
        "headers": headers,
        "content": {"application/problem+json": {
            "schema": {
                "$ref": "#/components/schemas/Problem",
                "properties": {"status": {"const": status}, "code": {"enum": codes}},
            },
            "example": {
                "type": format!("urn:gateledger:problem:{}", codes[0]),
                "title": actix_web::http::StatusCode::from_u16(status)
                    .ok()
                    .and_then(|status| status.canonical_reason())
                    .unwrap_or_default(),
                "status": status,
                "code": codes[0],
                "detail": refusals[0].meaning,
                "request_id": "018f3c5e-7b1a-7000-8000-000000000000",
            },
        }},
    })
}

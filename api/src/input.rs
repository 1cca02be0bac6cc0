//! Requests into values: address, parameters and body are read and checked by the shapes that the document shows.

mod shape;

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{BytesMut, Payload};
use futures::StreamExt as _;
use percent_encoding::percent_decode_str;
use schemars::Schema;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::endpoints::Entry;
use crate::openapi::Shapes;
use crate::problem::{self, InputError, Place, Problem};

/// Longest body.
pub(crate) const BODY_LIMIT: usize = 1 << 20;

/// The parameters in the address.
///
/// # Errors
/// 404 for a name that nothing can have, 400 for another misfit.
pub(crate) fn path(request: &HttpRequest, entry: &Entry, shapes: &Shapes) -> Result<Value, Problem> {
    let mut values = Map::new();
    for (name, text) in request.match_info().iter() {
        let Ok(text) = percent_decode_str(text).decode_utf8() else {
            return Err(Problem::new(&problem::NOT_FOUND, "the address is not UTF-8"));
        };
        values.insert(name.to_owned(), shapes.read(&text, property(&entry.path, name)));
    }
    checked(Value::Object(values), &entry.path, shapes, Place::Path)
}

/// The parameters after `?`.
///
/// # Errors
/// 400.
pub(crate) fn query(request: &HttpRequest, entry: &Entry, shapes: &Shapes) -> Result<Value, Problem> {
    let mut values = Map::new();
    let mut errors = Vec::new();
    for (name, text) in form_urlencoded::parse(request.query_string().as_bytes()) {
        let schema = property(&entry.query, &name);
        if shapes.is_list(schema) {
            let item = shapes.read(&text, schema.and_then(|schema| schema.get("items")));
            if let Value::Array(items) = values.entry(name.as_ref()).or_insert_with(|| Value::Array(Vec::new())) {
                items.push(item);
            }
        } else if values.insert(name.to_string(), shapes.read(&text, schema)).is_some() {
            let remedy = "give it once".to_owned();
            errors.push(InputError {
                place: Place::Query,
                field: name.into_owned(),
                problem: "is given more than once".to_owned(),
                remedy,
            });
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    checked(Value::Object(values), &entry.query, shapes, Place::Query)
}

/// The body; an empty object where the endpoint takes none.
///
/// # Errors
/// 400, 408 when it does not come within `patience`, 413, 415.
///
/// # Cancellation
/// Safe.
pub(crate) async fn body(
    request: &HttpRequest,
    payload: &mut Payload,
    entry: &Entry,
    shapes: &Shapes,
    patience: Duration,
) -> Result<Value, Problem> {
    let Some(schema) = &entry.body else { return Ok(Value::Object(Map::new())) };
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let detail = "the body must be announced as Content-Type: application/json";
        return Err(Problem::new(&problem::CONTENT_TYPE_UNSUPPORTED, detail));
    }
    let bytes = tokio::time::timeout(patience, whole(payload)).await.unwrap_or_else(|_| {
        let detail = "the body did not come in time; send it faster, or less at a time";
        Err(Problem::new(&problem::BODY_TIMEOUT, detail))
    })?;
    let value = serde_json::from_slice(&bytes).map_err(|error| misfit(format!("is no JSON: {error}"), "send JSON"))?;
    checked(value, schema, shapes, Place::Body)
}

async fn whole(payload: &mut Payload) -> Result<BytesMut, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(part) = payload.next().await {
        let part = part.map_err(|error| misfit(format!("cannot be read to its end: {error}"), "send it again"))?;
        if bytes.len() + part.len() > BODY_LIMIT {
            let detail = format!("the body is longer than {BODY_LIMIT} bytes; send less at a time");
            return Err(Problem::new(&problem::BODY_TOO_LARGE, detail));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn misfit(problem: String, remedy: &str) -> Problem {
    let (field, remedy) = (String::new(), remedy.to_owned());
    Problem::invalid(vec![InputError { place: Place::Body, field, problem: format!("the body {problem}"), remedy }])
}

fn property<'s>(schema: &'s Schema, name: &str) -> Option<&'s Value> {
    schema.get("properties").and_then(|properties| properties.get(name))
}

fn checked(value: Value, schema: &Schema, shapes: &Shapes, place: Place) -> Result<Value, Problem> {
    let errors = shape::check(&value, schema.as_value(), shapes, place);
    if errors.is_empty() { Ok(value) } else { Err(Problem::invalid(errors)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;
    use crate::endpoint::{Call, Changes, Endpoint, Nothing, Reply};
    use crate::endpoints::Table;
    use crate::{Problem, Role};

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[schemars(length(min = 1))]
        name: String,
        count: Option<u32>,
    }

    async fn make(call: Call<Nothing, Nothing, Wanted>) -> Result<Reply<String>, Problem> {
        Ok(format!("{} {:?}", call.body.name, call.body.count).into())
    }

    async fn outcome(kind: &str, bytes: &[u8]) -> Result<Value, (u16, String)> {
        let endpoint = Endpoint::post("/x", Role::Admin, "makeX", "Makes", Changes::Recorded, make);
        let table = Table::new(vec![endpoint]);
        let request = TestRequest::post().insert_header(("content-type", kind)).set_payload(bytes.to_vec());
        let (request, payload) = request.to_http_parts();
        let mut payload = payload;
        let mut payload = Payload::from_request(&request, &mut payload).await.unwrap();
        let read = body(&request, &mut payload, &table.entries[0], &table.shapes, Duration::from_secs(20)).await;
        read.map_err(|problem| (problem.refusal().status, problem.detail().to_owned()))
    }

    #[actix_web::test]
    async fn bodies_are_read_by_their_schema() {
        let good = outcome("application/json; charset=utf-8", br#"{"name":"a","count":null}"#).await;
        assert_eq!(good, Ok(serde_json::json!({"name": "a", "count": null})));
        for (kind, bytes, status, detail) in [
            ("text/plain", "{}", 415, "the body must be announced as Content-Type: application/json"),
            ("application/json", "{}", 400, "name: is missing"),
            ("application/json", "[]", 400, "must be an object"),
            ("application/json", r#"{"name":"","x":1}"#, 400, "name: has 0 characters; x: is not known here"),
            ("application/json", r#"{"name":"a","count":-1}"#, 400, "count: is out of range"),
            ("application/json", r#"{"name":"a","count":4294967296}"#, 400, "count: is out of range"),
            ("application/json", r#"{"name":"a","count":1.5}"#, 400, "count: must be a whole number or null"),
        ] {
            assert_eq!(outcome(kind, bytes.as_bytes()).await, Err((status, detail.to_owned())), "{bytes}");
        }
        let (status, detail) = outcome("application/json", b"{\"name\":").await.unwrap_err();
        assert!(status == 400 && detail.starts_with("the body is no JSON: "), "{detail}");
        let long = format!("{{\"name\":\"{}\"}}", "a".repeat(BODY_LIMIT));
        assert_eq!(outcome("application/json", long.as_bytes()).await.unwrap_err().0, 413);
    }

    #[actix_web::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let endpoint = Endpoint::post("/x", Role::Admin, "makeX", "Makes", Changes::Recorded, make);
        let table = Table::new(vec![endpoint]);
        let request = TestRequest::post().insert_header(("content-type", "application/json")).to_http_request();
        let mut payload = actix_web::dev::Payload::Stream { payload: futures::stream::pending().boxed_local() };
        let mut payload = Payload::from_request(&request, &mut payload).await.unwrap();
        let read = body(&request, &mut payload, &table.entries[0], &table.shapes, Duration::from_millis(1)).await;
        assert_eq!(read.unwrap_err().refusal().status, 408);
    }
}

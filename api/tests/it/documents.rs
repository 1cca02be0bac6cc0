//! The API's own description, and what the docs say of it.

use std::collections::BTreeSet;

use api::reference::{BEGIN, END};
use serde_json::Value;
use testkit::store::Backend;

use crate::server::start;

/// Calls `look` with every object inside a value.
fn each_object<'v>(value: &'v Value, look: &mut impl FnMut(&'v serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|inner| each_object(inner, look));
        }
        Value::Array(items) => items.iter().for_each(|inner| each_object(inner, look)),
        _ => {}
    }
}

#[test]
fn the_document_is_whole() {
    let document = api::document();
    assert_eq!(document["openapi"], "3.1.0");
    each_object(&document, &mut |object| {
        if let Some(Value::String(reference)) = object.get("$ref") {
            let pointer = reference.strip_prefix('#').expect("a reference within the document");
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    });
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(schema), "{name} is no schema");
    }
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name} is there twice");
            let in_path: BTreeSet<&str> =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            let parameters = operation["parameters"].as_array().unwrap();
            let declared = parameters.iter().filter(|parameter| parameter["in"] == "path");
            let declared: BTreeSet<&str> = declared.map(|parameter| parameter["name"].as_str().unwrap()).collect();
            assert_eq!(in_path, declared, "{method} {path}");
            for parameter in parameters {
                assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
                assert!(jsonschema::meta::is_valid(&parameter["schema"]), "{method} {path}: {parameter}");
            }
            for status in ["400", "401", "403", "500", "503"] {
                assert!(operation["responses"][status].is_object(), "{method} {path} says nothing of {status}");
            }
        }
    }
}

#[actix_web::test]
async fn the_document_is_served_to_everybody_as_it_is_printed() {
    let server = start(Backend::Sqlite).await;
    let served = server.http.get(format!("http://{}/openapi.json", server.address)).send().await.unwrap();
    assert_eq!(served.status(), 200);
    assert_eq!(served.json::<Value>().await.unwrap(), api::document());
    server.stop().await;
}

#[test]
fn the_table_of_endpoints_in_the_docs_is_that_of_the_code() {
    let page = include_str!("../../../docs/api.md");
    let (_, rest) = page.split_once(BEGIN).expect("docs/api.md marks where the table begins");
    let (table, _) = rest.split_once(END).expect("docs/api.md marks where the table ends");
    assert_eq!(table.trim(), api::reference::table().trim(), "put the output of `gateledger openapi --table` there");
}

//! The API's own description (OpenAPI 3.1), made from the table of endpoints.

mod document;

use schemars::Schema;
use serde_json::{Map, Value, json};

pub use document::document;
pub(crate) use document::of;

/// Named shapes that others refer to.
#[derive(Debug)]
pub(crate) struct Shapes(pub(crate) Map<String, Value>);

const REFERENCE: &str = "#/components/schemas/";

impl Shapes {
    /// The shape itself, where `schema` only refers to it.
    pub(crate) fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(REFERENCE)) {
            Some(name) => self.0.get(name).unwrap_or(schema),
            None => schema,
        }
    }

    /// A text of an address as the value that its schema wants; a text that is none stays one, to be refused.
    pub(crate) fn read(&self, text: &str, schema: Option<&Value>) -> Value {
        let schema = schema.map(|schema| self.resolve(schema));
        let is = |name: &str| match schema.and_then(|schema| schema.get("type")) {
            Some(Value::Array(types)) => types.iter().any(|one| one == name),
            Some(one) => one == name,
            None => false,
        };
        let number = || text.parse::<i64>().ok().filter(|_| !text.starts_with('+')).map(Value::from);
        match text {
            "true" | "false" if is("boolean") => Value::Bool(text == "true"),
            _ if is("integer") => number().unwrap_or_else(|| text.into()),
            _ => text.into(),
        }
    }

    /// Whether a parameter may be given several times.
    pub(crate) fn is_list(&self, schema: Option<&Value>) -> bool {
        schema.map(|schema| self.resolve(schema)).and_then(|schema| schema.get("type")).is_some_and(|types| {
            types == "array" || types.as_array().is_some_and(|types| types.iter().any(|one| one == "array"))
        })
    }
}

/// A schema that says the whole truth: formats that only name a width become bounds.
pub(crate) fn exact(schema: Schema) -> Schema {
    match exact_value(schema.to_value()) {
        Value::Object(schema) => schema.into(),
        _ => Schema::default(),
    }
}

/// As [`exact`].
pub(crate) fn exact_value(mut value: Value) -> Value {
    match &mut value {
        Value::Object(schema) => {
            let bounds = match schema.get("format").and_then(Value::as_str) {
                Some("uint16") => Some((json!(0), json!(u16::MAX))),
                Some("uint32") => Some((json!(0), json!(u32::MAX))),
                Some("int32") => Some((json!(i32::MIN), json!(i32::MAX))),
                Some("int64") => Some((json!(i64::MIN), json!(i64::MAX))),
                // As far as numbers in JSON are exact everywhere.
                Some("uint" | "uint64") => Some((json!(0), json!(i64::MAX))),
                _ => None,
            };
            if let Some((lowest, highest)) = bounds {
                if !schema.get("format").is_some_and(|format| format == "int64" || format == "int32") {
                    schema.remove("format");
                }
                schema.entry("minimum").or_insert(lowest);
                schema.entry("maximum").or_insert(highest);
            }
            for inner in schema.values_mut() {
                *inner = exact_value(inner.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = exact_value(item.take());
            }
        }
        _ => {}
    }
    value
}

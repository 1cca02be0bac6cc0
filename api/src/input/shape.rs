//! Checks a value by a schema, and says of each part what is wrong and what helps.
//!
//! Understands what our own request types are described with: types, bounds, patterns, words of an enumeration, dates,
//! ids, objects, lists, references and alternatives. A keyword beyond these would be in the document and not be checked,
//! so a test looks for such.

use chrono::DateTime;
use regex_lite::Regex;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::openapi::Shapes;
use crate::problem::{InputError, Place};

/// Everything that is wrong with a value.
pub(super) fn check(value: &Value, schema: &Value, shapes: &Shapes, place: Place) -> Vec<InputError> {
    let mut found = Found { shapes, place, errors: Vec::new() };
    found.look("", value, schema);
    found.errors
}

struct Found<'s> {
    shapes: &'s Shapes,
    place: Place,
    errors: Vec<InputError>,
}

impl Found<'_> {
    fn add(&mut self, field: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let (problem, remedy) = (problem.into(), remedy.into());
        self.errors.push(InputError { place: self.place, field: field.to_owned(), problem, remedy });
    }

    fn look(&mut self, field: &str, value: &Value, schema: &Value) {
        let schema = self.shapes.resolve(schema);
        let Some(schema) = schema.as_object() else { return };
        if let Some(alternatives) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            return self.look_at_alternatives(field, value, alternatives);
        }
        if let Some(types) = schema.get("type")
            && !is_of(value, types)
        {
            let wanted = words(types);
            return self.add(field, format!("must be {wanted}"), format!("give {wanted}"));
        }
        if let Some(only) = schema.get("const")
            && value != only
        {
            return self.add(field, format!("must be {only}"), format!("give {only}"));
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            let all: Vec<String> = allowed.iter().map(plain).collect();
            return self.add(
                field,
                "is none of the words that are known here",
                format!("give one of {}", all.join(", ")),
            );
        }
        match value {
            Value::String(text) => self.look_at_text(field, text, schema),
            Value::Number(_) => self.look_at_number(field, value, schema),
            Value::Array(items) => self.look_at_list(field, items, schema),
            Value::Object(parts) => self.look_at_object(field, parts, schema),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Fits one of several; else what is wrong is said of the nearest, the one with the fewest errors.
    fn look_at_alternatives(&mut self, field: &str, value: &Value, alternatives: &[Value]) {
        let mut nearest: Option<Vec<InputError>> = None;
        for alternative in alternatives {
            let mut found = Found { shapes: self.shapes, place: self.place, errors: Vec::new() };
            found.look(field, value, alternative);
            if found.errors.is_empty() {
                return;
            }
            let is_null = self.shapes.resolve(alternative).get("type").is_some_and(|types| types == "null");
            if !is_null && nearest.as_ref().is_none_or(|nearest| found.errors.len() < nearest.len()) {
                nearest = Some(found.errors);
            }
        }
        self.errors.extend(nearest.unwrap_or_default());
    }

    fn look_at_text(&mut self, field: &str, text: &str, schema: &Map<String, Value>) {
        let length = text.chars().count() as u64;
        let (shortest, longest) = (bound(schema, "minLength"), bound(schema, "maxLength"));
        if shortest.is_some_and(|shortest| length < shortest) || longest.is_some_and(|longest| length > longest) {
            let range = range(shortest, longest);
            return self.add(field, format!("has {length} characters"), format!("give {range} characters"));
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
        {
            return self.add(field, "has the wrong form", format!("give what matches {pattern}"));
        }
        match schema.get("format").and_then(Value::as_str) {
            Some("uuid") if text.len() != 36 || Uuid::parse_str(text).is_err() => {
                self.add(field, "is no UUID", "give one such as 018f3c5e-7b1a-7000-8000-000000000000");
            }
            Some("date-time") if DateTime::parse_from_rfc3339(text).is_err() => {
                self.add(field, "is no time", "give RFC 3339, such as 2026-01-31T12:00:00Z");
            }
            _ => {}
        }
    }

    fn look_at_number(&mut self, field: &str, value: &Value, schema: &Map<String, Value>) {
        let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
        let (Some(number), lowest, highest) = (value.as_f64(), limit("minimum"), limit("maximum")) else { return };
        if lowest.is_some_and(|lowest| number < lowest) || highest.is_some_and(|highest| number > highest) {
            let range = match (schema.get("minimum"), schema.get("maximum")) {
                (Some(lowest), Some(highest)) => format!("from {lowest} to {highest}"),
                (Some(lowest), None) => format!("of at least {lowest}"),
                (_, highest) => format!("of at most {}", highest.unwrap_or(&Value::Null)),
            };
            self.add(field, "is out of range", format!("give a number {range}"));
        }
    }

    fn look_at_list(&mut self, field: &str, items: &[Value], schema: &Map<String, Value>) {
        let length = items.len() as u64;
        let (fewest, most) = (bound(schema, "minItems"), bound(schema, "maxItems"));
        if fewest.is_some_and(|fewest| length < fewest) || most.is_some_and(|most| length > most) {
            let range = range(fewest, most);
            return self.add(field, format!("has {length} members"), format!("give {range} members"));
        }
        let Some(item) = schema.get("items") else { return };
        for (at, value) in items.iter().enumerate() {
            self.look(&format!("{field}[{at}]"), value, item);
        }
    }

    fn look_at_object(&mut self, field: &str, parts: &Map<String, Value>, schema: &Map<String, Value>) {
        let inner = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
        let nothing = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !parts.contains_key(name) {
                self.add(&inner(name), "is missing", "give it");
            }
        }
        for (name, value) in parts {
            match (known.get(name), schema.get("additionalProperties")) {
                (Some(schema), _) => self.look(&inner(name), value, schema),
                (None, Some(Value::Bool(false))) => {
                    let all: Vec<&str> = known.keys().map(String::as_str).collect();
                    let remedy = match all[..] {
                        [] => "leave it out; none is known here".to_owned(),
                        _ => format!("leave it out; known are {}", all.join(", ")),
                    };
                    self.add(&inner(name), "is not known here", remedy);
                }
                (None, Some(schema)) => self.look(&inner(name), value, schema),
                (None, None) => {}
            }
        }
    }
}

fn bound(schema: &Map<String, Value>, name: &str) -> Option<u64> {
    schema.get(name).and_then(Value::as_u64)
}

fn range(lowest: Option<u64>, highest: Option<u64>) -> String {
    match (lowest, highest) {
        (Some(lowest), Some(highest)) => format!("{lowest} to {highest}"),
        (Some(lowest), None) => format!("at least {lowest}"),
        (_, highest) => format!("at most {}", highest.unwrap_or_default()),
    }
}

fn is_of(value: &Value, types: &Value) -> bool {
    match types {
        Value::Array(types) => types.iter().any(|one| is_of(value, one)),
        Value::String(name) => match name.as_str() {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            _ => false,
        },
        _ => true,
    }
}

fn words(types: &Value) -> String {
    let word = |name: &str| match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "null",
    };
    match types {
        Value::Array(types) => types.iter().filter_map(Value::as_str).map(word).collect::<Vec<_>>().join(" or "),
        other => word(other.as_str().unwrap_or_default()).to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::endpoints::{self, Table};

    /// Keywords that are checked above, and those that say nothing about what is right.
    const KNOWN: [&str; 22] = [
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "default",
        "description",
        "enum",
        "examples",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "oneOf",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
    ];

    fn each_schema(schema: &Value, shapes: &Shapes, look: &mut impl FnMut(&Map<String, Value>)) {
        let Some(schema) = shapes.resolve(schema).as_object() else { return };
        look(schema);
        for inner in schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values) {
            each_schema(inner, shapes, look);
        }
        for name in ["anyOf", "oneOf"] {
            for inner in schema.get(name).and_then(Value::as_array).into_iter().flatten() {
                each_schema(inner, shapes, look);
            }
        }
        for name in ["items", "additionalProperties"] {
            schema.get(name).into_iter().for_each(|inner| each_schema(inner, shapes, look));
        }
    }

    #[test]
    fn every_keyword_of_a_request_in_the_document_is_checked_and_nothing_unknown_passes() {
        let table = Table::new(endpoints::all());
        for entry in &table.entries {
            let schemas = [Some(&entry.path), Some(&entry.query), entry.body.as_ref()];
            for schema in schemas.into_iter().flatten() {
                each_schema(schema.as_value(), &table.shapes, &mut |schema| {
                    for keyword in schema.keys() {
                        assert!(KNOWN.contains(&keyword.as_str()), "{keyword} of {:?} is not checked", entry.endpoint);
                    }
                    if schema.contains_key("properties") {
                        let others = schema.get("additionalProperties");
                        assert_eq!(others, Some(&json!(false)), "{:?} takes unknown fields", entry.endpoint);
                    }
                });
            }
        }
    }

    fn errors(value: Value, schema: Value) -> Vec<String> {
        let errors = check(&value, &schema, &Shapes(Map::new()), Place::Body);
        errors.into_iter().map(|error| format!("{} {}; {}", error.field, error.problem, error.remedy)).collect()
    }

    #[test]
    fn each_part_is_named_with_what_helps() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name", "inner"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 3},
                "inner": {
                    "type": "object",
                    "properties": {"words": {"type": "array", "maxItems": 2, "items": {"enum": ["a", "b"]}}},
                },
                "zone": {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]},
            },
        });
        assert_eq!(errors(json!({"name": "ü", "inner": {}, "zone": null}), schema.clone()), [] as [&str; 0]);
        let wrong = json!({"name": "long", "inner": {"words": ["a", "c"]}, "zone": "x", "more": 1});
        assert_eq!(
            errors(wrong, schema.clone()),
            [
                "inner.words[1] is none of the words that are known here; give one of a, b",
                "more is not known here; leave it out; known are inner, name, zone",
                "name has 4 characters; give 1 to 3 characters",
                "zone is no UUID; give one such as 018f3c5e-7b1a-7000-8000-000000000000",
            ]
        );
        assert_eq!(errors(json!({"name": "a"}), schema.clone()), ["inner is missing; give it"]);
        assert_eq!(errors(json!([]), schema), [" must be an object; give an object"]);
    }
}

//! `GET /{module}/search`: answers from an index that lags behind (zoho.md section 2.3).

use serde_json::{Value, json};

use super::dialect::{error, invalid_module, require, require_module};
use super::module::{Module, Record};
use crate::answer::Answer;
use crate::context::Context;
use crate::random::hash_text;
use crate::seed::FieldKind;

const CONDITIONS: usize = 15;
const CRITERIA_CHARS: usize = 3_000;
/// Hard ceiling of one search.
const RECORDS: usize = 2_000;

/// A parsed `criteria`.
#[derive(Debug, PartialEq)]
enum Criteria {
    Equals { field: String, value: String },
    All(Vec<Criteria>),
    Any(Vec<Criteria>),
}

impl Criteria {
    fn conditions(&self) -> usize {
        match self {
            Self::Equals { .. } => 1,
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::conditions).sum(),
        }
    }
}

pub(crate) fn search(context: &mut Context<'_>, module: &str) -> Answer {
    match try_search(context, module) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn try_search(context: &mut Context<'_>, module: &str) -> Result<Answer, Answer> {
    require(context, &["ZohoSearch.securesearch.READ"])?;
    require_module(context, module, "READ")?;
    let query = &context.call.query;
    let invalid = |name: &str| error(400, "INVALID_DATA", json!({"param_name": name}), "invalid data");
    let per_page =
        query.number("per_page", 200).filter(|count| (1..=200).contains(count)).ok_or_else(|| invalid("per_page"))?;
    let page = query.number("page", 1).filter(|page| *page >= 1).ok_or_else(|| invalid("page"))?;
    if page * per_page > RECORDS {
        return Err(error(400, "LIMIT_REACHED", json!({"limit": RECORDS}), "the limit of one search is reached"));
    }
    let crm = &context.organization().crm;
    let Some(module) = crm.module(module) else { return Err(invalid_module()) };
    let indexed_until = context.now - context.world.knobs.crm.search_lag_ms;
    let contains = context.world.knobs.crm.search_equals_contains;
    let matcher = matcher(context, module, contains)?;
    let mut hits: Vec<Record> = module
        .records
        .values()
        .filter_map(|record| record.indexed(indexed_until))
        .filter(|record| matcher(record))
        .collect();
    // The order of an index is its own; a client that needs one sorts.
    hits.sort_by_key(|record| hash_text(&record.id.to_string()));
    let fields: Option<Vec<&str>> = query.get("fields").map(|fields| fields.split(',').map(str::trim).collect());
    let rows: Vec<Value> = hits
        .iter()
        .skip((page - 1) * per_page)
        .take(per_page)
        .map(|record| shown(record, module, fields.as_deref(), crm.offset))
        .collect();
    if rows.is_empty() {
        return Ok(Answer::empty(204));
    }
    let more = hits.len() > page * per_page;
    let info = json!({"per_page": per_page, "count": rows.len(), "page": page, "more_records": more});
    Ok(Answer::json(200, &json!({"data": rows, "info": info})))
}

/// Null columns are left out here, unlike in a list.
fn shown(record: &Record, module: &Module, fields: Option<&[&str]>, offset: chrono::FixedOffset) -> Value {
    let names = module.fields.iter().map(|(name, _)| name.as_str()).chain(["Created_Time", "Modified_Time"]);
    let mut row: serde_json::Map<String, Value> = names
        .filter(|name| fields.is_none_or(|fields| fields.contains(name)))
        .map(|name| (name.to_owned(), record.value(name, offset)))
        .filter(|(_, value)| !value.is_null())
        .collect();
    row.insert("id".to_owned(), record.id.to_string().into());
    Value::Object(row)
}

type Matcher<'a> = Box<dyn Fn(&Record) -> bool + 'a>;

fn matcher<'a>(context: &Context<'_>, module: &'a Module, contains: bool) -> Result<Matcher<'a>, Answer> {
    let query = &context.call.query;
    if let Some(text) = query.get("criteria") {
        let criteria = checked(text, module)?;
        let several = criteria.conditions() > 1;
        return Ok(Box::new(move |record| holds(&criteria, record, module, several && contains)));
    }
    let word = query.get("word").filter(|word| word.chars().count() >= 2);
    let exact = query.get("email").or_else(|| query.get("phone").filter(|phone| phone.chars().count() >= 3));
    match (word, exact) {
        (Some(word), _) => {
            let word = word.to_lowercase();
            Ok(Box::new(move |record| texts(record).any(|text| text.to_lowercase().contains(&word))))
        }
        (None, Some(exact)) => {
            let exact = exact.to_owned();
            Ok(Box::new(move |record| texts(record).any(|text| text == exact)))
        }
        (None, None) => Err(error(
            400,
            "EXPECTED_PARAM_MISSING",
            json!({"param_names": ["criteria", "email", "phone", "word"]}),
            "expected param is missing",
        )),
    }
}

fn texts(record: &Record) -> impl Iterator<Item = &str> {
    record.fields.values().filter_map(Value::as_str)
}

fn checked(text: &str, module: &Module) -> Result<Criteria, Answer> {
    let invalid = |reason: &str| {
        error(400, "INVALID_QUERY", json!({"reason": reason, "api_name": "criteria"}), "invalid query formed")
    };
    if text.chars().count() > CRITERIA_CHARS {
        return Err(error(400, "CRITERIA_LIMIT_EXCEEDED", json!({"limit": CRITERIA_CHARS}), "criteria is too long"));
    }
    let mut rest = text.trim();
    let criteria =
        parse(&mut rest, 0).filter(|_| rest.is_empty()).ok_or_else(|| invalid("not in the form of a criteria"))?;
    if criteria.conditions() > CONDITIONS {
        return Err(error(400, "CRITERIA_LIMIT_EXCEEDED", json!({"limit": CONDITIONS}), "too many conditions"));
    }
    match unknown_field(&criteria, module) {
        Some(field) => Err(error(
            400,
            "INVALID_QUERY",
            json!({"reason": "the field is not available for search", "api_name": field}),
            "invalid query formed",
        )),
        None => Ok(criteria),
    }
}

fn unknown_field<'a>(criteria: &'a Criteria, module: &Module) -> Option<&'a str> {
    match criteria {
        Criteria::Equals { field, .. } => module.column(field).is_none().then_some(field),
        Criteria::All(parts) | Criteria::Any(parts) => parts.iter().find_map(|part| unknown_field(part, module)),
    }
}

/// Reads `(A:equals:x)` or a bracketed chain of such parts joined by `and` or by `or`.
fn parse(rest: &mut &str, depth: usize) -> Option<Criteria> {
    if depth > CONDITIONS {
        return None;
    }
    *rest = rest.trim_start().strip_prefix('(')?;
    if !rest.trim_start().starts_with('(') {
        return condition(rest);
    }
    let mut parts = vec![parse(rest, depth + 1)?];
    let mut joined_by = None;
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(')') {
            *rest = after.trim_start();
            break;
        }
        let word = if rest.starts_with("and") { "and" } else { "or" };
        *rest = rest.strip_prefix(word)?;
        if *joined_by.get_or_insert(word) != word {
            return None;
        }
        parts.push(parse(rest, depth + 1)?);
    }
    Some(if joined_by == Some("or") { Criteria::Any(parts) } else { Criteria::All(parts) })
}

/// `field:equals:value)` where brackets, commas and backslashes in the value are escaped by a backslash.
fn condition(rest: &mut &str) -> Option<Criteria> {
    let (field, after) = rest.split_once(':')?;
    let (operator, after) = after.split_once(':')?;
    if operator.trim() != "equals" {
        return None;
    }
    let mut value = String::new();
    let mut letters = after.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.push(letters.next()?.1),
            ')' => {
                *rest = &after[at + 1..];
                return Some(Criteria::Equals { field: field.trim().to_owned(), value });
            }
            '(' => return None,
            _ => value.push(letter),
        }
    }
    None
}

fn holds(criteria: &Criteria, record: &Record, module: &Module, contains: bool) -> bool {
    match criteria {
        Criteria::All(parts) => parts.iter().all(|part| holds(part, record, module, contains)),
        Criteria::Any(parts) => parts.iter().any(|part| holds(part, record, module, contains)),
        Criteria::Equals { field, value } => {
            let stored = record.value(field, chrono::Offset::fix(&chrono::Utc));
            match (&stored, module.column(field)) {
                (Value::Null, Some(FieldKind::Boolean)) => value == "false",
                (Value::Null, _) => value == "${EMPTY}",
                (Value::String(text), Some(FieldKind::Text)) if contains => {
                    text.to_lowercase().contains(&value.to_lowercase())
                }
                (Value::String(text), _) => text == value,
                (other, _) => text_of(other) == *value,
            }
        }
    }
}

/// Numbers and truth values as they are written in a criteria.
fn text_of(value: &Value) -> String {
    value.to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Criteria> {
        let mut rest = text;
        parse(&mut rest, 0).filter(|_| rest.is_empty())
    }

    #[test]
    fn escaped_brackets_belong_to_the_value() {
        let criteria = read(r"(Name:equals:Alpha \(17\)\, b)").unwrap();
        assert_eq!(criteria, Criteria::Equals { field: "Name".to_owned(), value: "Alpha (17), b".to_owned() });
    }

    #[test]
    fn conditions_are_joined_in_brackets() {
        let criteria = read("((A:equals:1)and((B:equals:2)or(C:equals:3)))").unwrap();
        assert_eq!(criteria.conditions(), 3);
        assert!(read("((A:equals:1)and(B:equals:2)or(C:equals:3))").is_none());
        assert!(read("(A:equals:1").is_none());
        assert!(read("(A:greater:1)").is_none());
    }
}

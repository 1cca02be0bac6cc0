//! Checks a query against a module's fields and runs it.

use std::cmp::Ordering;

use chrono::FixedOffset;
use serde_json::{Map, Value, json};

use super::Refusal;
use super::query::{Condition, Filter, Literal, Operator, Order, Query};
use crate::clock::parse_iso;
use crate::crm::module::{Module, Record};
use crate::seed::FieldKind;

/// Refuses unknown columns and operators or literals that a column's type does not take.
pub(super) fn check(query: &Query, module: &Module) -> Result<(), Refusal> {
    let ordered = query.order.iter().map(|order| &order.column);
    for column in query.columns.iter().chain(ordered) {
        kind_of(column, module)?;
    }
    for condition in query.filter.iter().flat_map(Filter::conditions) {
        check_condition(condition, kind_of(&condition.column, module)?)?;
    }
    Ok(())
}

fn kind_of(column: &str, module: &Module) -> Result<FieldKind, Refusal> {
    module.column(column).ok_or_else(|| Refusal::query(json!({"column_name": column})))
}

fn check_condition(condition: &Condition, kind: FieldKind) -> Result<(), Refusal> {
    let wrong = |reason: &str| {
        Refusal::query(
            json!({"column_name": condition.column, "reason": reason, "operator": condition.operator.text()}),
        )
    };
    if kind == FieldKind::Boolean && condition.operator != Operator::Equal {
        return Err(wrong("operator is not supported for the column"));
    }
    let text_operator = matches!(condition.operator, Operator::Like | Operator::NotLike);
    if text_operator && !matches!(kind, FieldKind::Text | FieldKind::Lookup) {
        return Err(wrong("operator is not supported for the column"));
    }
    match condition.values.iter().all(|value| fits(value, kind)) {
        true => Ok(()),
        false => Err(wrong("value does not match the type of the column")),
    }
}

fn fits(literal: &Literal, kind: FieldKind) -> bool {
    match kind {
        FieldKind::Boolean => matches!(literal.text(), "true" | "false"),
        FieldKind::Integer | FieldKind::Double => literal.text().parse::<f64>().is_ok(),
        FieldKind::Datetime => parse_iso(literal.text()).is_some(),
        FieldKind::Text | FieldKind::Date | FieldKind::Lookup => true,
    }
}

/// The rows of one page, and whether there are more.
pub(super) fn run(query: &Query, module: &Module, offset: FixedOffset) -> (Vec<Value>, bool) {
    let scope = Scope { module, offset };
    let keep = |record: &&Record| query.filter.as_ref().is_none_or(|filter| scope.holds(filter, record) == Some(true));
    let mut records: Vec<&Record> = module.records.values().filter(keep).collect();
    // The records come in id order, which is the default and the last key; the sort is stable.
    if !query.order.is_empty() {
        records.sort_by(|left, right| scope.order(&query.order, left, right));
    }
    let more = records.len() > query.offset + query.limit;
    let rows =
        records.into_iter().skip(query.offset).take(query.limit).map(|record| scope.row(query, record)).collect();
    (rows, more)
}

struct Scope<'a> {
    module: &'a Module,
    offset: FixedOffset,
}

impl Scope<'_> {
    fn row(&self, query: &Query, record: &Record) -> Value {
        let mut row: Map<String, Value> =
            query.columns.iter().map(|column| (column.clone(), record.value(column, self.offset))).collect();
        row.insert("id".to_owned(), record.id.to_string().into());
        Value::Object(row)
    }

    fn order(&self, keys: &[Order], left: &Record, right: &Record) -> Ordering {
        for key in keys {
            let (a, b) = (record_value(left, &key.column), record_value(right, &key.column));
            let ordering = match (a.is_null(), b.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                _ => self.compare(&key.column, &a, text_of(&b).as_str()).unwrap_or(Ordering::Equal),
            };
            if ordering != Ordering::Equal {
                return if key.ascending { ordering } else { ordering.reverse() };
            }
        }
        Ordering::Equal
    }

    /// Three-valued as in SQL: none when an empty column is compared.
    fn holds(&self, filter: &Filter, record: &Record) -> Option<bool> {
        match filter {
            Filter::And(left, right) => match (self.holds(left, record), self.holds(right, record)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Filter::Or(left, right) => match (self.holds(left, record), self.holds(right, record)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Filter::Condition(condition) => self.condition(condition, record),
        }
    }

    fn condition(&self, condition: &Condition, record: &Record) -> Option<bool> {
        let value = record_value(record, &condition.column);
        match condition.operator {
            Operator::IsNull => return Some(value.is_null()),
            Operator::IsNotNull => return Some(!value.is_null()),
            _ => {}
        }
        let value = match (value, self.module.column(&condition.column)) {
            // A checkbox that was never touched is unchecked.
            (Value::Null, Some(FieldKind::Boolean)) => Value::Bool(false),
            (Value::Null, _) => return None,
            (value, _) => value,
        };
        let against = |literal: &Literal| self.compare(&condition.column, &value, literal.text());
        let first = condition.values.first()?;
        Some(match condition.operator {
            Operator::Equal => against(first) == Some(Ordering::Equal),
            Operator::NotEqual => against(first) != Some(Ordering::Equal),
            Operator::Greater => against(first) == Some(Ordering::Greater),
            Operator::Less => against(first) == Some(Ordering::Less),
            Operator::GreaterOrEqual => matches!(against(first), Some(Ordering::Greater | Ordering::Equal)),
            Operator::LessOrEqual => matches!(against(first), Some(Ordering::Less | Ordering::Equal)),
            Operator::In => condition.values.iter().any(|value| against(value) == Some(Ordering::Equal)),
            Operator::NotIn => condition.values.iter().all(|value| against(value) != Some(Ordering::Equal)),
            Operator::Between => {
                let last = condition.values.last()?;
                against(first) != Some(Ordering::Less) && against(last) != Some(Ordering::Greater)
            }
            Operator::Like => like(&text_of(&value), first.text()),
            Operator::NotLike => !like(&text_of(&value), first.text()),
            Operator::IsNull | Operator::IsNotNull => false,
        })
    }

    fn compare(&self, column: &str, value: &Value, literal: &str) -> Option<Ordering> {
        let text = text_of(value);
        match self.module.column(column)? {
            FieldKind::Integer => Some(text.parse::<i128>().ok()?.cmp(&literal.parse::<i128>().ok()?)),
            FieldKind::Double => text.parse::<f64>().ok()?.partial_cmp(&literal.parse::<f64>().ok()?),
            FieldKind::Datetime => Some(parse_iso(&text)?.cmp(&parse_iso(literal)?)),
            _ => Some(text.as_str().cmp(literal)),
        }
    }
}

/// Values are compared in UTC whatever zone they are shown in.
fn record_value(record: &Record, column: &str) -> Value {
    record.value(column, chrono::Offset::fix(&chrono::Utc))
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(lookup) => lookup.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
        other => other.to_string(),
    }
}

/// `%` stands for any run of characters.
fn like(text: &str, pattern: &str) -> bool {
    let text = text.to_lowercase();
    let pattern = pattern.to_lowercase();
    let mut parts = pattern.split('%');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = &rest[at + middle.len()..],
                None => return false,
            }
        }
    }
    match last {
        None => rest.is_empty(),
        Some(end) => rest.ends_with(end),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::parser::parse;
    use super::*;
    use crate::random::Random;
    use crate::seed::{FieldSeed, ModuleSeed, RecordSeed};

    fn module() -> Module {
        let field = |name: &str, kind| FieldSeed { name: name.to_owned(), kind };
        let record = |id: &str, fields: Value, modified: &str| RecordSeed {
            id: Some(id.to_owned()),
            fields: fields.as_object().cloned().unwrap(),
            modified_at: Some(modified.to_owned()),
        };
        let seed = ModuleSeed {
            name: "Deals".to_owned(),
            fields: vec![
                field("Folder", FieldKind::Text),
                field("Moved", FieldKind::Boolean),
                field("Amount", FieldKind::Integer),
            ],
            records: vec![
                record("9", json!({"Folder": "Alpha", "Moved": false, "Amount": 5}), "2026-01-15T10:00:00+00:00"),
                record("10", json!({"Folder": "", "Moved": true, "Amount": 50}), "2026-01-15T11:00:00+05:30"),
                record("11", json!({"Folder": "O'Brien", "Amount": 7}), "2026-01-15T09:00:00+00:00"),
            ],
        };
        let mut problems = Vec::new();
        let module = Module::build(&seed, &mut Random::new(1), 0, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        module
    }

    fn ids(query: &str) -> Vec<String> {
        let query = parse(query).unwrap();
        let module = module();
        check(&query, &module).unwrap();
        let (rows, _) = run(&query, &module, chrono::Offset::fix(&chrono::Utc));
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn pending_records_are_found_and_an_untouched_checkbox_is_false() {
        assert_eq!(
            ids("select Folder from Deals where ((Moved = 'false') and (Folder is not null)) order by id asc"),
            ["9", "11"]
        );
        assert_eq!(ids("select Folder from Deals where Moved = true"), ["10"]);
    }

    #[test]
    fn ids_are_compared_as_numbers() {
        assert_eq!(ids("select id from Deals where id > '9'"), ["10", "11"]);
    }

    #[test]
    fn times_are_compared_as_instants() {
        assert_eq!(ids("select id from Deals order by Modified_Time asc"), ["10", "11", "9"]);
        assert_eq!(ids("select id from Deals where Modified_Time >= '2026-01-15T15:30:00+05:30'"), ["9"]);
    }

    #[test]
    fn texts_lists_and_ranges() {
        assert_eq!(ids("select id from Deals where Folder = 'O''Brien'"), ["11"]);
        assert_eq!(ids("select id from Deals where Folder like '%ph%'"), ["9"]);
        assert_eq!(ids("select id from Deals where Folder not in ('Alpha')"), ["11"]);
        assert_eq!(ids("select id from Deals where Amount between 6 and 60 order by Amount desc"), ["10", "11"]);
        assert_eq!(ids("select id from Deals where Folder is null or Amount = 5"), ["9", "10"]);
    }

    #[test]
    fn a_page_says_whether_there_is_more() {
        let query = parse("select id from Deals limit 2").unwrap();
        let (rows, more) = run(&query, &module(), chrono::Offset::fix(&chrono::Utc));
        assert_eq!((rows.len(), more), (2, true));
    }

    #[test]
    fn wrong_columns_and_operators_are_named() {
        let refusal = |text: &str| check(&parse(text).unwrap(), &module()).unwrap_err();
        assert_eq!(refusal("select Nope from Deals").details, json!({"column_name": "Nope"}));
        assert_eq!(refusal("select id from Deals where Moved != true").details["operator"], "!=");
        assert_eq!(refusal("select id from Deals where Moved = 'maybe'").details["column_name"], "Moved");
    }

    #[test]
    fn percent_matches_any_run() {
        assert!(like("Alpha 17", "alpha%"));
        assert!(like("Alpha 17", "%p%a%7"));
        assert!(!like("Alpha 17", "%8"));
        assert!(!like("Alpha 17", "alpha"));
    }
}

//! A CRM module: its fields and its records.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::FixedOffset;
use serde_json::{Map, Value, json};

use crate::clock::{Millis, iso_seconds, parse_iso};
use crate::random::Random;
use crate::seed::{FieldKind, ModuleSeed, RecordSeed};

/// Ids are 18 digits and rise with creation, as CRM's do.
const FIRST_ID: u64 = 520_000_000_000_000_000;

/// A module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: Arc<str>,
    pub(crate) id: u64,
    pub(crate) fields: Vec<(String, FieldKind)>,
    pub(crate) records: BTreeMap<u64, Record>,
    pub(crate) deleted: Vec<Deleted>,
    next_id: u64,
}

/// A record as it is now, and as the search index may still see it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) fields: Map<String, Value>,
    pub(crate) created_ms: Millis,
    pub(crate) modified_ms: Millis,
    /// When the present values came to be; the search index lags behind it.
    pub(crate) changed_ms: Millis,
    pub(crate) modified_by: Person,
    /// Changes that came through the API.
    pub(crate) api_updates: u32,
    pub(crate) locked: bool,
    /// The values before the last change; none for a record that was never changed.
    pub(crate) before: Option<Map<String, Value>>,
}

/// Who changed a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    /// Somebody in the web pages.
    Ann,
    /// The user whose grant the API calls carry.
    Api,
}

impl Person {
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Ann => json!({"name": "Ann B", "id": "520000000000000052"}),
            Self::Api => json!({"name": "API", "id": "520000000000000053"}),
        }
    }
}

/// A record that is gone.
#[derive(Debug)]
pub(crate) struct Deleted {
    pub(crate) id: u64,
    pub(crate) display_name: String,
    pub(crate) at: Millis,
}

impl Module {
    pub(crate) fn build(seed: &ModuleSeed, random: &mut Random, now: Millis, problems: &mut Vec<String>) -> Self {
        let base = FIRST_ID + random.between(1, 9_000) * 1_000_000_000;
        let mut module = Self {
            name: seed.name.as_str().into(),
            id: base + 1,
            fields: seed.fields.iter().map(|field| (field.name.clone(), field.kind)).collect(),
            records: BTreeMap::new(),
            deleted: Vec::new(),
            next_id: base + 1_000_001,
        };
        for record in &seed.records {
            if let Err(problem) = module.create(record, now) {
                problems.push(format!("module {:?}: {problem}", seed.name));
            }
        }
        module
    }

    /// Adds a record; the problem in words when its values do not fit.
    pub(crate) fn create(&mut self, seed: &RecordSeed, now: Millis) -> Result<u64, String> {
        for (name, value) in &seed.fields {
            let Some(kind) = self.own_field(name) else { return Err(format!("there is no field {name:?}")) };
            if !accepts(kind, value) {
                return Err(format!("field {name:?} does not take {value}"));
            }
        }
        let id = match &seed.id {
            Some(text) => text.parse().map_err(|_| format!("record id {text:?} is not a number"))?,
            None => self.next_id,
        };
        if self.records.contains_key(&id) {
            return Err(format!("record id {id} is taken"));
        }
        let at = match &seed.modified_at {
            Some(text) => parse_iso(text).ok_or_else(|| format!("modified_at {text:?} is not RFC 3339"))?,
            None => now,
        };
        self.next_id = self.next_id.max(id) + 1;
        let record = Record {
            id,
            fields: seed.fields.clone(),
            created_ms: at,
            modified_ms: at,
            changed_ms: now,
            modified_by: Person::Ann,
            api_updates: 0,
            locked: false,
            before: None,
        };
        self.records.insert(id, record);
        Ok(id)
    }

    /// Type of a field that records carry themselves.
    pub(crate) fn own_field(&self, name: &str) -> Option<FieldKind> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, kind)| *kind)
    }

    /// Type of any column, system columns included.
    pub(crate) fn column(&self, name: &str) -> Option<FieldKind> {
        match name {
            "id" => Some(FieldKind::Integer),
            "Created_Time" | "Modified_Time" => Some(FieldKind::Datetime),
            "Created_By" | "Modified_By" => Some(FieldKind::Lookup),
            _ => self.own_field(name),
        }
    }
}

impl Record {
    /// The value of a column; null when it is empty or unknown.
    pub(crate) fn value(&self, column: &str, offset: FixedOffset) -> Value {
        match column {
            "id" => Value::String(self.id.to_string()),
            "Created_Time" => Value::String(iso_seconds(self.created_ms, offset)),
            "Modified_Time" => Value::String(iso_seconds(self.modified_ms, offset)),
            "Created_By" => Person::Ann.to_json(),
            "Modified_By" => self.modified_by.to_json(),
            _ => match self.fields.get(column) {
                None => Value::Null,
                Some(Value::String(text)) if text.is_empty() => Value::Null,
                Some(value) => value.clone(),
            },
        }
    }

    /// The record as the search index sees it at `indexed_until`; none when it does not know it yet.
    pub(crate) fn indexed(&self, indexed_until: Millis) -> Option<Self> {
        if self.changed_ms <= indexed_until {
            return Some(self.clone());
        }
        let fields = self.before.clone()?;
        Some(Self { fields, ..self.clone() })
    }

    /// Sets values and the time of the change.
    pub(crate) fn change(&mut self, values: &Map<String, Value>, by: Person, now: Millis) {
        self.before = Some(self.fields.clone());
        for (name, value) in values {
            self.fields.insert(name.clone(), value.clone());
        }
        self.modified_ms = now;
        self.changed_ms = now;
        self.modified_by = by;
        self.api_updates += u32::from(by == Person::Api);
    }
}

/// True when a field of this type can hold the value; null empties any field.
pub(crate) fn accepts(kind: FieldKind, value: &Value) -> bool {
    match (kind, value) {
        (_, Value::Null) | (FieldKind::Text, Value::String(_)) | (FieldKind::Boolean, Value::Bool(_)) => true,
        (FieldKind::Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
        (FieldKind::Double, Value::Number(_)) => true,
        (FieldKind::Datetime, Value::String(text)) => parse_iso(text).is_some(),
        (FieldKind::Date, Value::String(text)) => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
        (FieldKind::Lookup, Value::Object(object)) => object.contains_key("id"),
        _ => false,
    }
}

/// The name CRM gives a type in error details.
pub(crate) fn type_name(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "text",
        FieldKind::Boolean => "boolean",
        FieldKind::Integer => "integer",
        FieldKind::Double => "double",
        FieldKind::Datetime => "datetime",
        FieldKind::Date => "date",
        FieldKind::Lookup => "lookup",
    }
}

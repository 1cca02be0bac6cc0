//! The newest known state of each CRM record.

use std::borrow::Cow;

use catalogue::crm::{self, Deleted, Updated};
use chrono::{DateTime, Utc};
use event_log::sql;
use event_log::sqlx;
use event_log::{Error, EventType, ScannedEvent};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::projection::{Changes, Projection};
use crate::row::row;

row! {
    /// One CRM record.
    pub struct Record in "rm_records";
    key RecordKey {
        /// The account it lives in.
        account: String,
        /// Module API name.
        module: String,
        /// Record id.
        record_id: String,
    }
    columns {
        /// The CRM's clock; an older state never replaces a newer one.
        modified_time: Option<DateTime<Utc>>,
        /// The fields we asked for.
        fields: Fields,
        /// Whether the CRM no longer has it.
        deleted: bool,
        /// Facts about the record, older ones included.
        facts: i64,
        /// How the state was learned: `webhook`, `poll`, `fetch`, `effect`.
        last_source: String,
        /// When the state was recorded.
        updated_at: DateTime<Utc>,
        /// Where the state's event stands.
        position: i64,
    }
}

/// An object as JSON text. PostgreSQL gives it back in an order and spelling of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields(String);

impl Fields {
    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What serialises to an object.
    pub(crate) fn of(value: &impl serde::Serialize) -> Self {
        Fields(serde_json::to_string(value).expect("event data serialises to JSON"))
    }

    fn merged_with(&self, set: Map<String, Value>) -> Self {
        // What we stored ourselves parses.
        let mut all: Map<String, Value> = serde_json::from_str(&self.0).unwrap_or_default();
        all.extend(set);
        Fields(Value::Object(all).to_string())
    }
}

impl Default for Fields {
    fn default() -> Self {
        Fields("{}".to_owned())
    }
}

impl serde::Serialize for Fields {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(&self.0) {
            Ok(raw) => serde::Serialize::serialize(raw, serializer),
            Err(_) => serializer.serialize_str(&self.0),
        }
    }
}

impl<'q> sql::Bind<'q> for &'q Fields {
    const KIND: sql::Kind = sql::Kind::Json;

    fn value(self) -> sql::Value<'q> {
        sql::json(self.as_str()).value()
    }
}

impl sql::FromText for Fields {
    fn from_text(text: String) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(Fields(text))
    }
}

/// As [`crm::Changed`], with the fields left as they are written.
#[derive(Deserialize)]
struct Changed<'a> {
    #[serde(borrow)]
    module: Cow<'a, str>,
    #[serde(borrow)]
    record_id: Cow<'a, str>,
    modified_time: Option<DateTime<Utc>>,
    #[serde(borrow)]
    fields: &'a RawValue,
}

pub(crate) struct Records;

pub(crate) struct Change {
    /// The CRM's clock, where it says.
    time: Option<DateTime<Utc>>,
    source: String,
    recorded_at: DateTime<Utc>,
    position: i64,
    what: What,
}

enum What {
    Changed { fields: Fields },
    Updated { fields: Map<String, Value> },
    Deleted,
}

impl Projection for Records {
    type Row = Record;
    type Change = Change;
    const NAME: &'static str = "records";
    const EVENT_TYPES: &'static [&'static EventType] = &[&crm::CHANGED, &crm::DELETED, &crm::UPDATED];

    fn read(event: &ScannedEvent<'_>, changes: &mut Changes<Self>) -> Result<(), Error> {
        let (module, record_id, time, what) = if event.is(&crm::CHANGED) {
            let data: Changed<'_> = event.decode()?;
            let what = What::Changed { fields: Fields(data.fields.get().to_owned()) };
            (data.module.into_owned(), data.record_id.into_owned(), data.modified_time, what)
        } else if event.is(&crm::UPDATED) {
            let data: Updated = event.decode()?;
            (data.module, data.record_id, data.modified_time, What::Updated { fields: data.fields })
        } else if event.is(&crm::DELETED) {
            let data: Deleted = event.decode()?;
            (data.module, data.record_id, None, What::Deleted)
        } else {
            return Ok(());
        };
        let recorded_at = event.recorded_at()?;
        let time = match (time.or(event.occurred_at()?), &what) {
            // A deletion without a time of its own is newer than every state recorded before it.
            (None, What::Deleted) => Some(recorded_at),
            (time, _) => time,
        };
        let account = event.account.as_deref().unwrap_or_default().to_owned();
        let change = Change {
            time,
            source: event.source.as_ref().to_owned(),
            recorded_at,
            position: event.global_position.0,
            what,
        };
        changes.push((RecordKey { account, module, record_id }, change));
        Ok(())
    }

    fn apply(row: &mut Record, change: Change) {
        if !matches!(change.what, What::Updated { .. }) {
            row.facts += 1;
        }
        let first = row.position == 0;
        if !first && is_older(change.time, row) {
            return;
        }
        match change.what {
            What::Changed { fields } => {
                row.fields = fields;
                row.deleted = false;
            }
            What::Updated { fields } => row.fields = row.fields.merged_with(fields),
            What::Deleted => row.deleted = true,
        }
        row.modified_time = change.time.or(row.modified_time);
        row.last_source = change.source;
        row.updated_at = change.recorded_at;
        row.position = change.position;
    }
}

/// Whether the row's state is newer. A deleted record comes back only with a state from after its deletion.
fn is_older(time: Option<DateTime<Utc>>, row: &Record) -> bool {
    match (time, row.modified_time) {
        (Some(time), Some(known)) => time < known || (row.deleted && time == known),
        (None, known) => known.is_some(),
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    fn change(position: i64, time: Option<DateTime<Utc>>, what: What) -> Change {
        let recorded_at = at(1_000 + position).expect("in range");
        Change { time, source: "fetch".to_owned(), recorded_at, position, what }
    }

    fn changed(position: i64, time: Option<DateTime<Utc>>, fields: &str) -> Change {
        change(position, time, What::Changed { fields: Fields(fields.to_owned()) })
    }

    fn folded(changes: Vec<Change>) -> Record {
        use crate::row::Row;
        let key = RecordKey { account: "a".to_owned(), module: "Contacts".to_owned(), record_id: "1".to_owned() };
        let mut row = Record::blank(key);
        for change in changes {
            Records::apply(&mut row, change);
        }
        row
    }

    #[test]
    fn a_late_older_state_does_not_replace_a_newer_one_but_counts_as_a_fact() {
        let row = folded(vec![changed(1, at(20), r#"{"a":2}"#), changed(2, at(10), r#"{"a":1}"#)]);
        assert_eq!((row.fields.as_str(), row.facts, row.position), (r#"{"a":2}"#, 2, 1));
    }

    #[test]
    fn our_update_is_merged_into_the_fields() {
        let set = Map::from_iter([("done".to_owned(), Value::Bool(true))]);
        let row = folded(vec![
            changed(1, at(10), r#"{"a":1,"done":false}"#),
            change(2, at(11), What::Updated { fields: set }),
        ]);
        assert_eq!((row.fields.as_str(), row.modified_time, row.facts), (r#"{"a":1,"done":true}"#, at(11), 1));
    }

    #[test]
    fn a_deleted_record_comes_back_only_with_a_newer_state() {
        let stale = folded(vec![changed(1, at(10), "{}"), change(2, at(20), What::Deleted), changed(3, at(15), "{}")]);
        assert!(stale.deleted);
        let restored =
            folded(vec![changed(1, at(10), "{}"), change(2, at(20), What::Deleted), changed(3, at(25), "{}")]);
        assert!(!restored.deleted);
    }

    #[test]
    fn states_without_a_time_follow_each_other_but_never_replace_a_dated_one() {
        let undated = folded(vec![changed(1, None, r#"{"a":1}"#), changed(2, None, r#"{"a":2}"#)]);
        assert_eq!(undated.fields.as_str(), r#"{"a":2}"#);
        let dated = folded(vec![changed(1, at(10), r#"{"a":1}"#), changed(2, None, r#"{"a":2}"#)]);
        assert_eq!(dated.fields.as_str(), r#"{"a":1}"#);
    }
}

//! From records of a CRM to facts in the log: one change of one record is one fact, whoever shows it.

use std::collections::HashMap;

use catalogue::crm::{self, Changed, Deleted};
use chrono::{DateTime, SecondsFormat, Utc};
use event_log::sql::{self, Connection};
use event_log::{Append, Error, EventId, NewEvent, StreamName};
use providers::zoho::crm::{ApiName, Record, RecordId};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::intake::settings::Target;

/// A fact on its way into the log.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) event: NewEvent,
    stream: StreamName,
    /// Absent for a record that is gone.
    state: Option<State>,
}

#[derive(Debug, Clone)]
struct State {
    fields: Map<String, Value>,
    /// The id to take when another state was seen at the same moment.
    other_id: EventId,
}

impl Fact {
    /// The record has this state since its modification time.
    pub(crate) fn changed(target: &Target, record: &Record, source: &'static str) -> Self {
        let (account, module) = (target.account.as_str(), target.module.as_str());
        let id = record.id.as_str();
        let fields = wanted_fields(&target.fields, &record.fields);
        let digest = digest(&fields);
        // Without a modification time a change is known by its content alone.
        let moment = record.modified_time.map_or_else(|| digest.clone(), written);
        let data = Changed {
            module: module.to_owned(),
            record_id: id.to_owned(),
            modified_time: record.modified_time,
            fields: fields.clone(),
        };
        let event = NewEvent::new(crm::CHANGED, source, &data)
            .with_id(crm::change_id(account, module, id, &moment))
            .of(account, &target.organization)
            .at(record.modified_time);
        let other_id = crm::change_id(account, module, id, &format!("{moment}#{digest}"));
        Fact { event, stream: crm::stream(account, module, id), state: Some(State { fields, other_id }) }
    }

    /// The record is gone.
    pub(crate) fn deleted(target: &Target, id: &RecordId, source: &'static str) -> Self {
        let (account, module) = (target.account.as_str(), target.module.as_str());
        let data = Deleted { module: module.to_owned(), record_id: id.as_str().to_owned() };
        let event = NewEvent::new(crm::DELETED, source, &data)
            .with_id(EventId::derived(&[crm::DELETED.as_str(), account, module, id.as_str()]))
            .of(account, &target.organization);
        Fact { event, stream: crm::stream(account, module, id.as_str()), state: None }
    }

    pub(crate) fn into_append(self) -> Append {
        Append::new(self.stream, vec![self.event])
    }
}

/// Settles the ids of facts that are about to be appended in this transaction, and says of each whether it is new.
///
/// Modification times have steps of a second, so two states of a record can carry the same. The second one must not
/// pass for a further sighting of the first: it gets an id made from its content too.
///
/// # Errors
/// Database failures.
pub(crate) async fn settle_ids(connection: &mut Connection, facts: &mut [Fact]) -> Result<Vec<bool>, Error> {
    let known = known_states(connection, facts).await?;
    let mut differing = false;
    for fact in facts.iter_mut() {
        let Some(state) = &fact.state else { continue };
        let Some(stored) = known.get(&fact.event.id) else { continue };
        if contradicts(stored, &state.fields) {
            fact.event.id = state.other_id;
            differing = true;
        }
    }
    let known = if differing { known_states(connection, facts).await? } else { known };
    let mut seen = std::collections::HashSet::new();
    Ok(facts.iter().map(|fact| !known.contains_key(&fact.event.id) && seen.insert(fact.event.id)).collect())
}

/// The fields of those facts that the log has already.
async fn known_states(
    connection: &mut Connection,
    facts: &[Fact],
) -> Result<HashMap<EventId, Map<String, Value>>, Error> {
    let rows =
        sql::query("SELECT event_id, data FROM events WHERE event_id IN (SELECT unhex(value) FROM json_each($1))")
            .bind(sql::uuids(facts.iter().map(|fact| fact.event.id.0)))
            .fetch_all(connection)
            .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in rows {
        let data: String = row.try_get("data")?;
        // A deletion has no fields, so nothing contradicts it.
        let fields = serde_json::from_str::<Changed>(&data).map(|changed| changed.fields).unwrap_or_default();
        known.insert(EventId(row.try_get("event_id")?), fields);
    }
    Ok(known)
}

/// Whether two states of a record differ in a field that both were asked for.
fn contradicts(stored: &Map<String, Value>, seen: &Map<String, Value>) -> bool {
    stored.iter().any(|(field, value)| seen.get(field).is_some_and(|other| other != value))
}

/// The fields we asked for and no others; one that the provider left out is empty.
fn wanted_fields(wanted: &[ApiName], found: &Map<String, Value>) -> Map<String, Value> {
    let value = |field: &ApiName| found.get(field.as_str()).cloned().unwrap_or(Value::Null);
    wanted.iter().map(|field| (field.as_str().to_owned(), value(field))).collect()
}

fn digest(fields: &Map<String, Value>) -> String {
    let mut pairs: Vec<_> = fields.iter().collect();
    pairs.sort_by_key(|(field, _)| field.as_str());
    let text = serde_json::to_vec(&pairs).expect("JSON serialises to JSON");
    hex::encode(Sha256::digest(&text))
}

/// The modification time as text that is the same whatever zone the provider wrote it in.
fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target() -> Target {
        Target {
            account: "org-a".to_owned(),
            organization: "acme".to_owned(),
            module: "Contacts".parse().unwrap(),
            fields: vec!["Done".parse().unwrap(), "Folder".parse().unwrap()],
            polls: Vec::new(),
            registered: true,
        }
    }

    fn record(fields: Value, modified: &str) -> Record {
        let fields = fields.as_object().unwrap().clone();
        let modified_time = DateTime::parse_from_rfc3339(modified).ok().map(|time| time.to_utc());
        Record { id: "52".parse().unwrap(), fields, modified_time }
    }

    #[test]
    fn one_change_has_one_id_whatever_its_zone_source_or_further_fields() {
        let one = record(json!({"Done": false, "Folder": "A", "Extra": 1}), "2026-01-15T10:00:00+05:30");
        let two = record(json!({"Done": false, "Folder": "A"}), "2026-01-15T04:30:00Z");
        let (one, two) = (Fact::changed(&target(), &one, "webhook"), Fact::changed(&target(), &two, "poll"));
        assert_eq!(one.event.id, two.event.id);
        assert_eq!(one.event.data, two.event.data);
        assert_eq!(one.event.id, crm::change_id("org-a", "Contacts", "52", "2026-01-15T04:30:00Z"));
    }

    #[test]
    fn empty_and_left_out_fields_are_the_same_state() {
        let one = record(json!({"Done": false, "Folder": null}), "2026-01-15T04:30:00Z");
        let two = record(json!({"Done": false}), "2026-01-15T04:30:00Z");
        let digest = |record: &Record| digest(&wanted_fields(&target().fields, &record.fields));
        assert_eq!(digest(&one), digest(&two));
    }

    #[test]
    fn states_differ_only_by_fields_that_both_were_asked_for() {
        let stored = json!({"Done": false, "Folder": "A"});
        for (seen, expected) in [
            (json!({"Done": false, "Folder": "A"}), false),
            (json!({"Done": false, "Folder": "A", "Other": 1}), false),
            (json!({"Done": false}), false),
            (json!({"Done": true, "Folder": "A"}), true),
            (json!({"Folder": null}), true),
        ] {
            assert_eq!(contradicts(stored.as_object().unwrap(), seen.as_object().unwrap()), expected, "{seen}");
        }
    }

    #[test]
    fn record_without_modification_time_is_known_by_its_content() {
        let id = |folder: &str| Fact::changed(&target(), &record(json!({"Folder": folder}), ""), "poll").event.id;
        assert_eq!(id("A"), id("A"));
        assert_ne!(id("A"), id("B"));
    }
}

//! Whether a topic says what the log says: every event, in the log's order, as CloudEvents 1.0 in binary mode.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::log::Log;
use crate::topic::{Published, partition_of};

/// Headers whose values follow from the event alone, as the log has it. Times have six digits.
const EVENTS: &str = r#"
    SELECT jsonb_build_object('position', global_position, 'key', stream_name, 'data', data, 'headers', jsonb_strip_nulls(
        jsonb_build_object(
            'content-type', 'application/json',
            'ce_specversion', '1.0',
            'ce_id', event_id,
            'ce_source', CASE WHEN account IS NULL THEN '/gateledger' ELSE '/accounts/' || replace(account, ':', '%3A') END,
            'ce_type', event_type,
            'ce_subject', stream_name,
            'ce_time', to_char(coalesce(occurred_at, recorded_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'ce_position', global_position::text,
            'ce_streamversion', stream_version::text,
            'ce_schemaversion', schema_version::text,
            'ce_account', account,
            'ce_organization', organization,
            'ce_learnedby', source,
            'ce_correlationid', correlation_id,
            'ce_causationid', causation_id,
            'ce_occurredat', to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'ce_receivedat', to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'ce_recordedat', to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))))
    FROM events ORDER BY global_position
"#;
const TIMES: [&str; 4] = ["ce_time", "ce_occurredat", "ce_receivedat", "ce_recordedat"];
/// Headers that a record may have besides.
const OTHERS: [&str; 5] = ["ce_previous", "ce_partitions", "ce_log", "ce_metadata", "ce_traceparent"];

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Publication {
    /// Events in the log.
    pub events: usize,
    /// Records in the topic.
    pub records: usize,
    /// Everything that is not as it should be.
    pub problems: Vec<String>,
}

impl Publication {
    /// Demands that nothing was found wrong.
    ///
    /// # Panics
    /// When something was.
    pub fn assert_right(&self) {
        let shown = self.problems.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.problems.is_empty(), "{} problem(s) in the topic:\n{shown}", self.problems.len());
    }
}

/// Compares all records of a topic with `partitions` partitions with the log, on PostgreSQL.
///
/// # Panics
/// When the log cannot be read.
#[must_use]
pub fn compare(log: &Log, records: &[Published], partitions: u32) -> Publication {
    let events: BTreeMap<u64, Value> = log
        .texts(EVENTS)
        .iter()
        .map(|text| serde_json::from_str(text).expect("it is JSON"))
        .map(|event: Value| (event["position"].as_u64().unwrap_or_default(), event))
        .collect();
    let mut positions: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
    for (position, event) in &events {
        positions.entry(partition_of(text(&event["key"]), partitions)).or_default().insert(*position);
    }
    let mut problems = Vec::new();
    let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
    let mut seen: BTreeSet<u64> = BTreeSet::new();
    for record in records {
        let position = record.position();
        let Some(event) = events.get(&position) else {
            problems.push(format!("position {position} is in the topic and not in the log"));
            continue;
        };
        let partition = partition_of(text(&event["key"]), partitions);
        if i32::try_from(partition) != Ok(record.partition) {
            problems.push(format!("{} is in partition {} instead of {partition}", record.key, record.partition));
        }
        if seen.insert(position) {
            let before = newest.insert(partition, position).unwrap_or(0);
            if before > position {
                problems.push(format!("partition {partition}: {position} appears first after {before}"));
            }
        }
        problems.extend(differences(record, event).into_iter().map(|what| format!("position {position}: {what}")));
        let previous: u64 = record.header("ce_previous").parse().unwrap_or(u64::MAX);
        let actual =
            positions.get(&partition).and_then(|known| known.range(..position).next_back().copied()).unwrap_or(0);
        if previous >= position || previous < actual {
            problems.push(format!("position {position} says that {previous} came before, and {actual} did"));
        }
    }
    let missing: Vec<u64> = events.keys().filter(|position| !seen.contains(position)).copied().collect();
    if !missing.is_empty() {
        problems.push(format!("{} event(s) were never published, such as {:?}", missing.len(), missing.first()));
    }
    Publication { events: events.len(), records: records.len(), problems }
}

/// What a record says otherwise than its event.
fn differences(record: &Published, event: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if record.key != text(&event["key"]) {
        found.push(format!("key {:?}", record.key));
    }
    if serde_json::from_str::<Value>(&record.value).ok().as_ref() != Some(&event["data"]) {
        found.push(format!("value {:?} instead of {}", record.value, event["data"]));
    }
    let expected = event["headers"].as_object().cloned().unwrap_or_default();
    for (name, value) in &expected {
        let is_same = record.headers.get(name).is_some_and(|found| {
            if TIMES.contains(&name.as_str()) { six_digits(found) == text(value) } else { found == text(value) }
        });
        if !is_same {
            found.push(format!("{name} is {:?} instead of {value}", record.headers.get(name)));
        }
    }
    let unknown =
        record.headers.keys().filter(|name| !expected.contains_key(*name) && !OTHERS.contains(&name.as_str()));
    found.extend(unknown.map(|name| format!("{name} is not expected")));
    found
}

/// An RFC 3339 time in UTC with exactly six digits of a second.
fn six_digits(time: &str) -> String {
    let (seconds, fraction) = time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
    format!("{seconds}.{fraction:0<6}Z")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

//! Whether the log tells every story to its end, read by SQL.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::log::Log;

/// What the log tells.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Runs of transfers.
    pub runs: u64,
    /// Files that were brought to the destination, each once.
    pub files: u64,
    /// Records that were updated.
    pub updated: u64,
    /// Lost answers that turned out to be done.
    pub settled_done: u64,
    /// Lost answers that turned out not to be done.
    pub settled_not_done: u64,
    /// Attempts that failed and were repeated.
    pub retried: u64,
    /// Dead letters that are open.
    pub dead_letters: u64,
    /// Holes and doubles.
    pub problems: Vec<String>,
}

impl Told {
    /// Demands that no story has a hole.
    ///
    /// # Panics
    /// When one has.
    pub fn assert_whole(&self) {
        let shown = self.problems.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.problems.is_empty(), "{} problem(s) in the log:\n{shown}", self.problems.len());
    }
}

/// Reads the whole log.
#[must_use]
pub fn read(log: &Log) -> Told {
    let mut told = Told { retried: log.events_of("effect.retried"), ..Told::default() };
    order(log, &mut told);
    effects(log, &mut told);
    runs(log, &mut told);
    told
}

/// Positions and versions have no gaps.
fn order(log: &Log, told: &mut Told) {
    let gaps = log.count("SELECT coalesce(max(global_position), 0) - count(*) FROM events");
    if gaps != 0 {
        told.problems.push(format!("{gaps} positions are missing"));
    }
    let streams = log.texts(
        "SELECT stream_name FROM events GROUP BY stream_name HAVING max(stream_version) - min(stream_version) + 1 <> count(*)",
    );
    told.problems.extend(streams.into_iter().map(|stream| format!("stream {stream} has holes")));
    let orphans = log.count(
        "SELECT count(*) FROM events WHERE causation_id IS NOT NULL AND causation_id NOT IN (SELECT event_id FROM events)",
    );
    if orphans != 0 {
        told.problems.push(format!("{orphans} events name a cause that is not in the log"));
    }
}

/// Nothing is left open, and what was unknown is known.
fn effects(log: &Log, told: &mut Told) {
    let open =
        log.texts("SELECT effect_key || ' is ' || status FROM effects WHERE status NOT IN ('succeeded', 'failed')");
    told.problems.extend(open);
    for settled in log.events("effect.settled") {
        match settled["done"].as_bool() {
            Some(true) => told.settled_done += 1,
            _ => told.settled_not_done += 1,
        }
    }
    told.dead_letters = log.count("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL");
}

/// Every run has one beginning, one end, and what lies between.
fn runs(log: &Log, told: &mut Told) {
    let key = |event: &Value| (text(event, "stream"), event["run"].as_i64().unwrap_or_default());
    let requested = log.events("transfer.requested");
    let mut ends: HashMap<_, Vec<Value>> = HashMap::new();
    for end in log.events("transfer.completed").into_iter().chain(log.events("transfer.failed")) {
        ends.entry(key(&end)).or_default().push(end);
    }
    let mut files: HashMap<_, Vec<Value>> = HashMap::new();
    let mut brought: BTreeMap<String, u64> = BTreeMap::new();
    for file in log.events("transfer_file.completed") {
        if file["reused"].as_bool() != Some(true) {
            let once = format!("{} into {}", text(&file, "source_file_id"), text(&file, "destination_folder_id"));
            *brought.entry(once).or_default() += 1;
        }
        files.entry(key(&file)).or_default().push(file);
    }
    told.files = brought.len() as u64;
    let twice = brought.into_iter().filter(|(_, times)| *times != 1);
    told.problems.extend(twice.map(|(once, times)| format!("{once} was brought {times} times")));

    let mut updated: HashMap<_, u64> = HashMap::new();
    for update in log.events("crm_record.updated") {
        let record =
            (text(&update, "transfer"), text(&update, "record_id"), update["run"].as_i64().unwrap_or_default());
        *updated.entry(record).or_default() += 1;
        told.updated += 1;
    }
    for request in requested {
        told.runs += 1;
        let (stream, run) = key(&request);
        let name = format!("{stream} run {run}");
        let ends = ends.remove(&(stream.clone(), run)).unwrap_or_default();
        let [end] = ends.as_slice() else {
            told.problems.push(format!("{name} has {} ends", ends.len()));
            continue;
        };
        if text(end, "story") != text(&request, "story") {
            told.problems.push(format!("{name} ends in another story than it began in"));
        }
        let files = files.remove(&(stream.clone(), run)).unwrap_or_default();
        if let Some(copied) = end["files_copied"].as_u64()
            && copied != files.len() as u64
        {
            told.problems.push(format!("{name} copied {copied} files and tells of {}", files.len()));
        }
        let wished = end["check"].as_bool() == Some(true);
        let times = updated.remove(&(text(&request, "transfer"), text(&request, "record_id"), run)).unwrap_or(0);
        if times != u64::from(wished) {
            told.problems.push(format!("{name}: the record was updated {times} times"));
        }
    }
    told.problems.extend(ends.into_keys().map(|(stream, run)| format!("{stream} run {run} ended and never began")));
    told.problems.extend(updated.into_keys().map(|record| format!("{record:?} was updated and nobody asked for it")));
}

fn text(event: &Value, key: &str) -> String {
    event[key].as_str().unwrap_or_default().to_owned()
}

//! Readers while several processes write: nothing smaller ever appears behind what was read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tests::log::Log;
use tests::wait::until_true;
use tests::{Fleet, Site, Store};

use crate::partner::{self, Load, assert_kept};
use crate::trees::small;

/// Deliveries that the writers must have taken before it ends.
const DELIVERIES: usize = 4_000;

#[test]
fn reader_of_a_log_with_four_writers_finds_everything_in_order_at_once() {
    let site = Arc::new(Site::on(Store::Postgres, &small(0, 0)));
    let mut fleet = Fleet::new(site.clone(), &[("gateway", 4)]);
    site.configure(&site.settings().without("transfers").with(partner::SETTINGS));
    fleet.start_all();
    let mut tail = site.start_named("tail", &[], &["events", "tail", "--follow", "--after", "0", "--json"]);
    let load = Load::start(&fleet.gateways(), 6, Duration::ZERO);

    let log = site.log();
    let mut reader = Reader::default();
    let mut is_killed = false;
    while load.acknowledged() < DELIVERIES {
        reader.read(&log);
        if !is_killed && load.acknowledged() > DELIVERIES / 2 {
            // One writer dies with a group of appends in hand.
            fleet.kill("gateway-2");
            fleet.start("gateway-2");
            is_killed = true;
        }
        fleet.assert_alive();
    }
    let acknowledged = load.stop();
    fleet.stop_together(&fleet.names());
    while reader.read(&log) {}

    let events = log.count("SELECT count(*) FROM events");
    assert_eq!(reader.seen.len() as u64, events, "the reader skipped events");
    assert_eq!(reader.last, log.count("SELECT max(global_position) FROM events"));
    let written = || std::fs::read_to_string(site.file("stdout-tail.txt")).unwrap();
    until_true("`events tail` has told everything", 20, || written().lines().count() as u64 >= events);
    tail.terminate();
    tail.wait(10);
    let told: Vec<u64> = written()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["global_position"].as_u64().unwrap())
        .collect();
    assert_eq!(told, reader.seen, "`events tail` told something else, or in another order");
    assert_kept(&log, &acknowledged);
    eprintln!("{events} events of four writers in {} reads", reader.reads);
}

/// Reads what is new, again and again, and remembers everything.
#[derive(Default)]
struct Reader {
    last: u64,
    seen: Vec<u64>,
    versions: HashMap<String, u64>,
    reads: u64,
}

impl Reader {
    /// Returns whether there was anything. What it has read may never be added to from behind: positions rise, and each stream's
    /// versions come one by one.
    fn read(&mut self, log: &Log) -> bool {
        self.reads += 1;
        let rows = log.texts(&format!(
            "SELECT global_position || ' ' || stream_version || ' ' || stream_name FROM events \
             WHERE global_position > {} ORDER BY global_position",
            self.last
        ));
        for row in &rows {
            let mut parts = row.splitn(3, ' ');
            let mut number = || parts.next().unwrap().parse::<u64>().unwrap();
            let (position, version) = (number(), number());
            assert!(position > self.last, "{position} comes after {}", self.last);
            let before = self.versions.insert(parts.next().unwrap().to_owned(), version).unwrap_or(0);
            assert_eq!(version, before + 1, "position {position} is no next event of its stream");
            self.last = position;
            self.seen.push(position);
        }
        !rows.is_empty()
    }
}

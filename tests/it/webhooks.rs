//! Notifications that come twice, in reverse, or never lead to the same state.

use serde_json::{Value, json};
use simulator::journal::WebhookCounts;
use simulator::seed::constants::ORG_A;
use tests::story::{self, Told};
use tests::verify::{self, is_checked, organization, records};
use tests::wait::until_true;
use tests::{Site, Store};

use crate::trees::{arrive, small};

on_both! {
    twice_in_reverse_or_never_the_state_is_the_same,
}

const RECORDS: usize = 6;

/// What became of the records.
struct Outcome {
    files: Vec<(String, Option<String>)>,
    told: Told,
    sent: WebhookCounts,
    deliveries: u64,
    found_missed: u64,
}

/// Records that change one after the other while notifications have the given fate.
fn outcome(store: Store, fate: Value, interval_seconds: u32) -> Outcome {
    let site = Site::on(store, &small(0, 0));
    site.configure(&site.settings().with(&format!("[transfers.contacts]\ninterval_seconds = {interval_seconds}")));
    let before = site.state();
    let mut process = site.serve();
    until_true("CRM has promised to call", 20, || {
        organization(&site.state(), ORG_A).channels.iter().any(|channel| !channel.expired)
    });
    let log = site.log();
    until_true("the poll that closes the gap before the promise is over", 20, || {
        log.count(
            "SELECT count(*) FROM events WHERE event_type = 'poll.completed' AND global_position > \
             (SELECT max(global_position) FROM events WHERE event_type = 'registration.created') \
             AND NOT EXISTS (SELECT 1 FROM schedules WHERE wanted_trigger IS NOT NULL OR last_finished_at < last_started_at)",
        ) > 0
    });
    // CRM's times have whole seconds: only what changes in a later second than the promise is certainly covered by it.
    until_true("the promise holds since a second", 20, || {
        let second = log.either("strftime('%Y-%m-%dT%H:%M:%S', 'now')", "date_trunc('second', now())");
        log.count(&format!("SELECT count(*) FROM registrations WHERE state = 'active' AND active_since < {second}")) > 0
    });
    site.control().set_webhooks(fate).unwrap();
    for number in 1..=RECORDS {
        arrive(&site, &format!("Arrival {number}"), 3);
    }
    until_true("all records are checked", 60, || {
        let state = site.state();
        records(&state).len() == RECORDS && records(&state).iter().all(is_checked)
    });
    // Our own update of each record is announced too.
    let sent = || site.control().counts().webhooks;
    until_true("all notifications have ended", 30, || {
        let sent = sent();
        sent.raised + sent.duplicated == sent.delivered + sent.dropped && sent.raised >= 2 * RECORDS as u64
    });
    until_true("all deliveries are read", 20, || log.open_effects() == 0);
    process.terminate();
    assert!(process.wait(10).success(), "{}", process.stderr());
    verify::compare(&before, &site.state()).assert_right();
    let told = story::read(&log);
    told.assert_whole();
    assert!(site.control().counts().misdeeds.is_empty(), "{:?}", site.control().counts().misdeeds);
    Outcome {
        files: verify::files_at_destination(&site.state()),
        told,
        sent: sent(),
        deliveries: log.events_of("delivery.received"),
        found_missed: log.count(
            "SELECT coalesce(sum(CAST(data ->> 'found_missed' AS bigint)), 0) FROM events WHERE event_type = 'poll.completed'",
        ),
    }
}

fn twice_in_reverse_or_never_the_state_is_the_same(store: Store) {
    const NO_POLL: u32 = 3_600;
    let [once, twice, reversed, never] = std::thread::scope(|scope| {
        [
            (json!({}), NO_POLL),
            (json!({ "duplicate_probability": 1.0 }), NO_POLL),
            (json!({ "reorder_window": RECORDS, "reorder_hold_ms": 300 }), NO_POLL),
            // Rarer than the time a notification is given before it counts as missing.
            (json!({ "enabled": false }), 9),
        ]
        .map(|(fate, interval)| scope.spawn(move || outcome(store, fate, interval)))
        .map(|running| running.join().unwrap())
    });
    for (name, other) in [("twice", &twice), ("reversed", &reversed), ("never", &never)] {
        assert_eq!(once.files, other.files, "{name}");
        assert_eq!(once.told.runs, other.told.runs, "{name}");
        assert_eq!(once.told.updated, other.told.updated, "{name}");
    }
    assert_eq!(once.told.runs, RECORDS as u64);
    assert_eq!(once.found_missed, 0);
    assert_eq!(twice.found_missed, 0);
    assert_eq!(twice.sent.duplicated, twice.sent.raised);
    assert!(twice.deliveries >= RECORDS as u64);
    assert_eq!(never.deliveries, 0);
    assert!(never.found_missed >= RECORDS as u64, "{} were found missing", never.found_missed);
    for (name, outcome) in [("once", &once), ("twice", &twice), ("reversed", &reversed), ("never", &never)] {
        eprintln!(
            "{name}: {} deliveries kept of {} sent, {} found by polls, {} runs, {} records updated",
            outcome.deliveries, outcome.sent.attempts, outcome.found_missed, outcome.told.runs, outcome.told.updated
        );
    }
}

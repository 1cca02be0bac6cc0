//! Two relays at once: the order holds.

use std::time::Duration;

use tests::log::Log;
use tests::wait::{until, until_true};

use super::stage::Stage;
use crate::partner::Load;
use crate::trees::small;

#[test]
fn leader_that_wakes_up_after_its_lease_was_taken_over_breaks_no_order() {
    let broker = testkit::kafka::broker();
    let mut stage = Stage::new(&small(0, 0), &broker, &[("gateway", 1), ("relay", 2)], "");
    stage.fleet.start_all();
    let log = stage.log();
    let load = Load::start(&stage.fleet.gateways(), 4, Duration::from_millis(40));
    until_true("the relay is at work", 30, || published(&log) > 100);
    let first = leader(&log).unwrap();
    let frozen = stage.fleet.holder(&first);
    stage.fleet.freeze(&frozen);
    let second = until("the other relay takes over", 40, || leader(&log).filter(|now| *now != first));
    assert_ne!(stage.fleet.holder(&second), frozen);
    let so_far = published(&log);
    until_true("the other relay publishes", 30, || published(&log) > so_far + 100);
    // What it had in hand when it fell asleep goes out now, in the middle of the other's records.
    stage.fleet.thaw(&frozen);
    let so_far = published(&log);
    until_true("there is one leader again", 30, || published(&log) > so_far + 200);
    stage.fleet.assert_alive();
    let acknowledged = load.stop().len() as u64;
    assert!(log.events_of("delivery.received") >= acknowledged);
    stage.land();
}

fn published(log: &Log) -> u64 {
    log.count("SELECT coalesce(max(global_position), 0) FROM checkpoints WHERE subscription_name = 'relay'")
}

/// Who holds the relay's lease.
fn leader(log: &Log) -> Option<String> {
    log.texts("SELECT leased_by FROM leases WHERE lease_name = 'relay'").pop()
}

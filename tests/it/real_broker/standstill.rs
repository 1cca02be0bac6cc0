//! Consumers that stand still, come and go in the middle of a transfer.

use simulator::journal::Entry;
use simulator::seed::constants::ORG_B;
use simulator::{Fault, FaultRule, Seed};
use tests::log::Log;
use tests::wait::{until, until_true};

use super::stage::Stage;
use crate::trees::{at_source, small};

const MIB: u64 = 1024 * 1024;

#[test]
fn consumer_that_wakes_up_after_its_lease_was_taken_over_doubles_nothing() {
    let broker = testkit::kafka::broker();
    // Files that trickle: what is left of them waits in buffers, and would be sent in a moment after waking up.
    let mut seed = small(1, 0);
    for number in 1..=8 {
        let mut file = at_source(&format!("Customer 0001/file {number}.bin"));
        file.size_bytes = Some(25_000 + number * 1_000);
        seed.organizations[1].workdrive.entries.push(file);
    }
    let drip = Fault::SlowDrip { bytes_per_second: 10_000 };
    seed.faults.push(FaultRule::once("workdrive.download", drip).forever());
    let crew = [("gateway", 1), ("poller", 1), ("relay", 1), ("consumer", 2)];
    let mut stage = Stage::new(&seed, &broker, &crew, "");
    stage.fleet.start_all();
    let log = stage.log();
    let sleeper = until("files are under way", 60, || {
        log.texts("SELECT leased_by FROM effects WHERE kind = 'file.copy' AND status = 'started' GROUP BY leased_by HAVING count(*) >= 3").pop()
    });
    let frozen = stage.fleet.holder(&sleeper);
    let its =
        || log.count(&format!("SELECT count(*) FROM effects WHERE status = 'started' AND leased_by = '{sleeper}'"));
    let had = its();
    stage.fleet.freeze(&frozen);
    until_true("the other consumer settles what it had", 60, || its() == 0 && log.events_of("effect.settled") >= had);
    stage.fleet.thaw(&frozen);
    stage.until_all_is_done();
    stage.fleet.assert_alive();
    stage.land();
    eprintln!("{had} effects were taken over from a consumer that stood still");
    stage.assert_transferred_once();
}

/// One record with two large files that take seconds, and small ones.
fn slow_tree() -> Seed {
    let mut seed = small(1, 3);
    for (name, mib) in [("one", 24), ("two", 16)] {
        let mut large = at_source(&format!("Customer 0001/large {name}.bin"));
        large.size_bytes = Some(mib * MIB);
        seed.organizations[1].workdrive.entries.push(large);
    }
    let drip = Fault::SlowDrip { bytes_per_second: 2 * MIB };
    seed.faults.push(FaultRule::once("workdrive.download", drip).for_organization(ORG_B).forever());
    seed
}

/// Waits until both large files are under way; returns who has the first.
fn until_under_way(log: &Log) -> String {
    until("large files are under way", 60, || {
        log.texts(
            "SELECT min(leased_by) FROM effects WHERE kind = 'file.copy' AND status = 'started' AND bytes > 10000000 \
             HAVING count(*) = 2",
        )
        .pop()
    })
}

#[test]
fn partition_that_moves_in_the_middle_of_a_transfer_neither_stops_nor_doubles_it() {
    let broker = testkit::kafka::broker();
    // As gateways they tell which partitions they have.
    let crew = [("gateway+consumer", 1), ("poller", 1), ("relay", 1)];
    let mut stage = Stage::new(&slow_tree(), &broker, &crew, "");
    stage.fleet.start_all();
    let log = stage.log();
    let holder = until_under_way(&log);
    for members in 2..=3 {
        let name = stage.fleet.add("gateway+consumer");
        stage.fleet.start(&name);
        until_true("partitions move to a consumer that joins", 30, || {
            stage.fleet.metric(&name, "kafka_partitions_assigned{subscription=\"transfer\"}") > 0.0
        });
        let still = log.count(&format!(
            "SELECT count(*) FROM effects WHERE status = 'started' AND leased_by = '{holder}' AND bytes > 10000000"
        ));
        assert!(still > 0, "the transfers were over, or stopped, when consumer {members} had joined");
    }
    stage.until_all_is_done();
    stage.fleet.assert_alive();
    stage.land();
    stage.assert_transferred_once();
    let journal = stage.site.control().journal(0);
    let times = |route: &str| journal.iter().filter(|entry: &&Entry| entry.route == route).count();
    assert_eq!(times("workdrive.upload_stream"), 2, "each large file is sent once, whoever comes meanwhile");
    assert_eq!(times("workdrive.upload"), 3);
    assert_eq!(times("workdrive.download"), 5);
    assert_eq!(log.events_of("effect.retried") + log.events_of("effect.settled"), 0);
}
